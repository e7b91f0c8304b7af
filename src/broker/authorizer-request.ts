/**
 * What the operator's authorizer is asked, in the words of AWS IoT Core, so that a function written for it works here.
 *
 * Rules of this file:
 * - Pure. What a client has not sent is left out, and so is the protocol it would have come with.
 * - The user name goes to the function whole, with the `?name=value` behind it.
 */
import type { Claim } from './authentication.ts';
import type { Handshake } from './ports.ts';

/** What is known besides the CONNECT. */
export interface Surroundings {
  /** Undefined where `$connect` has kept none. */
  readonly handshake: Handshake | undefined;
  /** Under which name a client may send a token; empty: under none. */
  readonly tokenKey: string;
  /** Tells this connection from others, in the function's log: a UUID. */
  readonly id: string;
}

/** JSON. Holds the client's credentials. */
export function requestOf(claim: Claim, { handshake, tokenKey, id }: Surroundings): string {
  const token = tokenKey === '' ? undefined : tokenIn(claim, handshake, tokenKey);
  const serverName = handshake && header(handshake, 'host')?.replace(/:\d+$/, '');
  const protocolData = {
    ...(serverName !== undefined && { tls: { serverName } }),
    ...(handshake && { http: { headers: handshake.headers, queryString: handshake.queryString } }),
    mqtt: {
      ...(claim.userName !== undefined && { username: claim.userName }),
      ...(claim.password !== undefined && { password: base64(claim.password) }),
      clientId: claim.clientId,
    },
  };
  return JSON.stringify({
    ...(token !== undefined && { token }),
    signatureVerified: false, // nothing here verifies signatures of tokens
    protocols: Object.keys(protocolData),
    protocolData,
    connectionMetadata: { id },
  });
}

/** As IoT Core looks for it: a header, the query, the query behind the user name. */
const tokenIn = ({ userName }: Claim, handshake: Handshake | undefined, key: string): string | undefined =>
  (handshake && (header(handshake, key) ?? parameter(handshake.queryString, key))) ?? parameter(userName, key);

const header = ({ headers }: Handshake, name: string): string | undefined =>
  Object.entries(headers).find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1];

/** @param text in which a query follows the first `?` */
const parameter = (text: string | undefined, name: string): string | undefined => {
  const query = text?.slice(text.indexOf('?') + 1);
  return text?.includes('?') ? (new URLSearchParams(query).get(name) ?? undefined) : undefined;
};

const base64 = (bytes: Uint8Array): string => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
