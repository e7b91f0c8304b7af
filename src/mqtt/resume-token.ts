/**
 * The token that moves a session to a new socket (docs/wire-protocol.md §8): whose session it is, and the secret that says so.
 * To a client end it is opaque.
 */
import { Buffer } from 'node:buffer';

export const encodeResumeToken = (clientId: string, secret: string): string =>
  `${Buffer.from(clientId).toString('base64url')}.${secret}`;

/** Nothing is checked here but the form; `undefined` where that is wrong. */
export function parseResumeToken(token: string): { readonly clientId: string; readonly secret: string } | undefined {
  const parts = /^([\w-]+)\.([\w-]+)$/.exec(token);
  if (!parts) return undefined;
  return { clientId: Buffer.from(parts[1] ?? '', 'base64url').toString(), secret: parts[2] ?? '' };
}
