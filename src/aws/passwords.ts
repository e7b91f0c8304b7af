/**
 * Passwords as scrypt hashes, in the PHC string format: `$scrypt$ln=15,r=8,p=3$salt$key`.
 *
 * Rules of this file:
 * - Whatever is asked, right or wrong, known or not, it is answered after one scrypt. So time tells nobody which names exist.
 * - The cost stands in each hash. When it is raised here, hashes that were made before go on being good at their own cost.
 */
import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';
import type { Passwords } from '../broker/ports.ts';

interface Cost {
  /** log₂ of N. */
  readonly ln: number;
  readonly p: number;
}

interface KeptHash {
  readonly cost: Cost;
  readonly salt: Uint8Array;
  readonly key: Uint8Array;
}

/** One of the choices that OWASP's Password Storage Cheat Sheet calls equally good: 32 MiB, a third of a second of a whole CPU. */
const COST: Cost = { ln: 15, p: 3 };
const R = 8;
const SALT_BYTES = 16;
const KEY_BYTES = 32;

/** A hash at a higher cost than this is taken for a mistake: 128 MiB, with lambdaMemoryMb 512. */
const MOST: Cost = { ln: 17, p: 16 };

/** Longest password, bytes. A longer one is never right. */
export const MOST_PASSWORD_BYTES = 1_024;

/** Stands in where there is no hash to compare with. No password is right. */
const nobody: KeptHash = { cost: COST, salt: new Uint8Array(SALT_BYTES), key: new Uint8Array(KEY_BYTES) };
const noPassword = new Uint8Array();

export const scryptPasswords: Passwords = {
  hash: async (password) => {
    if (!hasGoodLength(password)) {
      throw new RangeError(`a password has 1 to ${MOST_PASSWORD_BYTES} bytes, and this one has ${password.byteLength}`);
    }
    const salt = randomBytes(SALT_BYTES);
    return write({ cost: COST, salt, key: await derive(password, salt, COST) });
  },
  matches: async (password, hash) => {
    const kept = hash === undefined ? undefined : read(hash);
    const isPossible = kept !== undefined && hasGoodLength(password);
    const { cost, salt, key } = kept ?? nobody;
    const made = await derive(isPossible ? password : noPassword, salt, cost);
    return timingSafeEqual(made, key) && isPossible;
  },
};

const hasGoodLength = ({ byteLength }: Uint8Array): boolean => byteLength >= 1 && byteLength <= MOST_PASSWORD_BYTES;

/** In the thread pool: this Lambda's other work goes on. */
const derive = (password: Uint8Array, salt: Uint8Array, { ln, p }: Cost): Promise<Uint8Array> => {
  const N = 2 ** ln;
  const maxmem = 128 * R * (N + p) + 1_048_576; // what scrypt needs, and some room
  const options: ScryptOptions = { N, r: R, p, maxmem };
  return new Promise((resolve, reject) => {
    scrypt(password, salt, KEY_BYTES, options, (error, key) => (error ? reject(error) : resolve(key)));
  });
};

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64').replace(/=+$/, '');

const write = ({ cost: { ln, p }, salt, key }: KeptHash): string =>
  `$scrypt$ln=${ln},r=${R},p=${p}$${base64(salt)}$${base64(key)}`;

/** A salt has 8 bytes or more, a key its 32. */
const HASH = /^\$scrypt\$ln=([1-9]\d?),r=8,p=([1-9]\d?)\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{43})$/;

const read = (hash: string): KeptHash | undefined => {
  const [, ln, p, salt, key] = HASH.exec(hash) ?? [];
  if (salt === undefined || key === undefined) return undefined;
  const cost = { ln: Number(ln), p: Number(p) };
  if (cost.ln > MOST.ln || cost.p > MOST.p) return undefined;
  return { cost, salt: Buffer.from(salt, 'base64'), key: Buffer.from(key, 'base64') };
};
