/** Passwords as scrypt hashes. */
import type { Passwords } from '../broker/ports.ts';

export const scryptPasswords: Passwords = {
  hash: () => Promise.reject(new Error('not built yet')),
  matches: async () => false,
};
