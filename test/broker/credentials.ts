/** Ports by which clients prove who they are, without what makes the real ones slow: for the broker's tests. */
import type { Authorizer, Passwords, Tokens } from '../../src/broker/ports.ts';

const text = new TextDecoder();

export const plainPasswords: Passwords = {
  hash: async (password) => `plain:${text.decode(password)}`,
  matches: async (password, hash) => hash === `plain:${text.decode(password)}`,
};

/** A token whose issuer nobody asks. With a claim `problem` it is not valid. */
export const plainToken = (claims: Readonly<Record<string, unknown>>): string =>
  `eyJ.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.signature`;

export const plainTokens: Tokens = {
  verify: async (token) => {
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
    return typeof claims.problem === 'string' ? { valid: false, problem: claims.problem } : { valid: true, claims };
  },
};

export const noTokens: Tokens = { verify: async () => ({ valid: false, problem: 'no issuer' }) };

export const noAuthorizer: Authorizer = { ask: async () => ({ answered: false, problem: 'no function' }) };
