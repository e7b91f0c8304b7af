/**
 * What the gateway makes of a Lambda's answer, and what it says by itself. Pure.
 *
 * Rules of this file:
 * - A proxy integration must return an object with a numeric `statusCode`. Assumption: anything else is malformed, and to
 *   the client the same as a Lambda that failed, as REST APIs have it.
 * - Assumption: `isBase64Encoded` means nothing, the body goes out as it is.
 */
import type { Outcome } from '../lambda/environment.ts';

export interface IntegrationResult {
  readonly statusCode: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Undefined where the Lambda failed or its answer is malformed. */
export const readResult = (outcome: Outcome): IntegrationResult | undefined => {
  if (outcome.kind !== 'returned') return undefined;
  const { statusCode, headers, body } = (outcome.result ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof statusCode !== 'number' || (body !== undefined && body !== null && typeof body !== 'string')) {
    return undefined;
  }
  return {
    statusCode,
    headers: Object.fromEntries(
      Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), String(value)]),
    ),
    ...(typeof body === 'string' && { body }),
  };
};

/** The frame that the gateway itself sends when something went wrong. */
export const gatewayFrame = (message: string, connectionId: string, requestId: string): string =>
  JSON.stringify({ message, connectionId, requestId });

export const INTERNAL_ERROR = 'Internal server error';
export const TIMED_OUT = 'Endpoint request timed out';
