/** Secrets of 256 random bits. As nobody can guess one, a plain hash keeps it: no salt, no slow hash. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Secrets } from '../broker/ports.ts';

const hashOf = (secret: string): string => createHash('sha256').update(secret).digest('hex');

export const randomSecrets: Secrets = {
  create: () => randomBytes(32).toString('base64url'),
  hash: hashOf,
  matches: (secret, hash) => {
    const [given, known] = [Buffer.from(hashOf(secret)), Buffer.from(hash)];
    return given.length === known.length && timingSafeEqual(given, known);
  },
};
