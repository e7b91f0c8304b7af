/**
 * The operator's own Lambda, asked who a client is.
 *
 * Rules of this file:
 * - One attempt, and 5 s for all of it, as with IoT Core: a client that is turned away comes again by itself.
 * - A problem is for the log. It holds nothing of what was asked or answered, in which there may be credentials.
 */
import { InvokeCommand, type LambdaClient } from '@aws-sdk/client-lambda';
import type { Authorizer } from '../broker/ports.ts';

/** Milliseconds. */
const PATIENCE = 5_000;
/** Bytes: twice what ten documents of 2,048 characters can have. */
const LARGEST_ANSWER = 131_072;

/** @param client that tries once only */
export const createAuthorizer = (client: LambdaClient, arn: string, patience = PATIENCE): Authorizer => ({
  ask: async (request) => {
    const late = AbortSignal.timeout(patience);
    const command = new InvokeCommand({ FunctionName: arn, InvocationType: 'RequestResponse', Payload: request });
    try {
      const { FunctionError, Payload } = await client.send(command, { abortSignal: late });
      if (FunctionError !== undefined) return problem(`the function failed (${FunctionError}): its own log says why`);
      return read(Payload ?? new Uint8Array());
    } catch (error) {
      if (late.aborted) return problem(`no answer within ${patience} ms`);
      return problem(`Lambda did not take the call: ${error instanceof Error ? error.name : typeof error}`);
    }
  },
});

const read = (payload: Uint8Array): Awaited<ReturnType<Authorizer['ask']>> => {
  if (payload.byteLength > LARGEST_ANSWER)
    return problem(`its answer has ${payload.byteLength} bytes, ${LARGEST_ANSWER} at most`);
  try {
    return { answered: true, answer: JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload)) };
  } catch {
    return problem('its answer is no JSON');
  }
};

const problem = (text: string) => ({ answered: false, problem: text }) as const;
