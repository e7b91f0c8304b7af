import { randomSecrets } from '../../src/aws/secrets.ts';

describe('a secret', () => {
  it('is 256 random bits, in letters that need no escape', () => {
    const secrets = Array.from({ length: 100 }, randomSecrets.create);
    expect(new Set(secrets).size).toBe(100);
    for (const secret of secrets) expect(secret).toMatch(/^[A-Za-z0-9_-]{43}$/);
  });

  it('is matched by its own hash, which does not tell it', () => {
    const secret = randomSecrets.create();
    const hash = randomSecrets.hash(secret);
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
    expect(randomSecrets.matches(secret, hash)).toBe(true);
    expect(randomSecrets.hash('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  });

  const hash = randomSecrets.hash('secret');
  it.each([
    ['another secret', 'other', hash],
    ['nothing', '', hash],
    ['no hash', 'secret', ''],
    ['half a hash', 'secret', hash.slice(0, 32)],
    ['a hash and more', 'secret', `${hash}00`],
    ['what is no hash', 'secret', 'z'.repeat(64)],
    ['characters of several bytes', 'secret', 'ß'.repeat(64)],
    ['its own hash in the place of the secret', hash, hash],
  ])('is not matched: %s', (_, secret, stored) => {
    expect(randomSecrets.matches(secret, stored)).toBe(false);
  });
});
