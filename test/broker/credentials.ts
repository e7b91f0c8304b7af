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

/** A function of the operator that answers what it is told to, and remembers what it was asked. */
export function scriptedAuthorizer(first: unknown) {
  let answer = async (): Promise<unknown> => first;
  const asked: unknown[] = [];
  const authorizer: Authorizer = {
    ask: async (request) => {
      asked.push(JSON.parse(request));
      try {
        return { answered: true, answer: await answer() };
      } catch (error) {
        return { answered: false, problem: (error as Error).message };
      }
    },
  };
  return {
    ...authorizer,
    asked,
    /** From now on. */
    answers: (next: unknown) => {
      answer = async () => next;
    },
    /** From now on: it does this first, and does not answer where that throws. */
    does: (next: () => Promise<unknown>) => {
      answer = next;
    },
  };
}
