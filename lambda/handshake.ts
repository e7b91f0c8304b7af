/**
 * What is kept of a handshake until the CONNECT comes: who has signed it, and, for an authorizer of the operator's own, what the
 * client put into its headers and query string.
 *
 * Rules of this file: a signature is never kept. API Gateway has judged it, and for some minutes it opens sockets.
 */
import type { Handshake } from '../src/broker/ports.ts';
import type { ConnectEvent } from './events.ts';

/** Bytes of the names and values of headers, and of the query string, as they are kept. */
export const MOST_HANDSHAKE_BYTES = 8_192;

/** @param withRequest with headers and query string, which may hold tokens */
export function handshakeOf(event: ConnectEvent, withRequest: boolean): Handshake {
  const { userArn, caller, cognitoIdentityId } = event.requestContext.identity ?? {};
  return {
    callerArn: userArn ?? '',
    ...(caller && { callerId: caller }),
    ...(cognitoIdentityId && { cognitoIdentityId }),
    headers: withRequest ? headersOf(event) : {},
    queryString: withRequest ? queryStringOf(event) : '',
  };
}

export const sizeOf = ({ headers, queryString }: Handshake): number =>
  [...Object.entries(headers).flat(), queryString].reduce((bytes, text) => bytes + Buffer.byteLength(text), 0);

/** Names in lower case; without the WebSocket's own. */
const headersOf = ({ headers }: ConnectEvent): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(headers ?? {})
      .map(([name, value]) => [name.toLowerCase(), value ?? ''] as const)
      .filter(([name, value]) => !name.startsWith('sec-websocket-') && !isOfSignature(name, value)),
  );

const queryStringOf = ({ multiValueQueryStringParameters }: ConnectEvent): string => {
  const pairs = Object.entries(multiValueQueryStringParameters ?? {})
    .filter(([name]) => !signatureParts.has(name.toLowerCase()))
    .flatMap(([name, values]) => (values ?? []).map((value) => [name, value] as const))
    .map((pair) => pair.map(encodeURIComponent).join('='));
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
};

/** Names by which Signature Version 4 travels, in headers and in query strings. */
const signatureParts: ReadonlySet<string> = new Set([
  'x-amz-algorithm',
  'x-amz-content-sha256',
  'x-amz-credential',
  'x-amz-date',
  'x-amz-expires',
  'x-amz-security-token',
  'x-amz-signature',
  'x-amz-signedheaders',
]);

const isOfSignature = (header: string, value: string): boolean =>
  signatureParts.has(header) || (header === 'authorization' && /^AWS4-/i.test(value));
