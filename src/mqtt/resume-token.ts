/**
 * The token that moves a session to a new socket (docs/wire-protocol.md §8): whose session it is, and the secret that says so.
 * To a client end it is opaque.
 */
import { Buffer } from 'node:buffer';

export const encodeResumeToken = (clientId: string, secret: string): string =>
  `${Buffer.from(clientId).toString('base64url')}.${secret}`;

/** Nothing is checked here but the form; `undefined` where that is wrong: a client id has one way to be written. */
export function parseResumeToken(token: string): { readonly clientId: string; readonly secret: string } | undefined {
  const [, name, secret] = /^([\w-]+)\.([\w-]+)$/.exec(token) ?? [];
  if (name === undefined || secret === undefined) return undefined;
  const clientId = Buffer.from(name, 'base64url').toString();
  return encodeResumeToken(clientId, secret) === token ? { clientId, secret } : undefined;
}
