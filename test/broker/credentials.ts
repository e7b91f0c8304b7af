/** Ports by which clients prove who they are, without what makes the real ones slow: for the broker's tests. */
import type { Authorizer, Passwords, Tokens } from '../../src/broker/ports.ts';

const text = new TextDecoder();

export const plainPasswords: Passwords = {
  hash: async (password) => `plain:${text.decode(password)}`,
  matches: async (password, hash) => hash === `plain:${text.decode(password)}`,
};

export const noTokens: Tokens = { verify: async () => ({ valid: false, problem: 'no issuer' }) };

export const noAuthorizer: Authorizer = { ask: async () => ({ answered: false, problem: 'no function' }) };
