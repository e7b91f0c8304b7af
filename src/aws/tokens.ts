/** JSON Web Tokens of one issuer. */
import type { Tokens } from '../broker/ports.ts';

export interface TokenSettings {
  readonly issuer: string;
  /** Separated by commas; empty: any. */
  readonly audience: string;
  /** Empty: under the issuer. */
  readonly keysUrl: string;
}

export const createTokens = (_settings: TokenSettings): Tokens => ({
  verify: async () => ({ valid: false, problem: 'not built yet' }),
});
