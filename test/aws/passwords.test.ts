import crypto from 'node:crypto';
import { MOST_PASSWORD_BYTES, scryptPasswords } from '../../src/aws/passwords.ts';

const { hash, matches } = scryptPasswords;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** RFC 7914 §12: scrypt of "pleaseletmein" with the salt "SodiumChloride", N 16384, r 8, p 1; its first 32 bytes. */
const RFC_KEY = '7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2';
const plainBase64 = (data: Buffer): string => data.toString('base64').replace(/=+$/, '');
const SALT = plainBase64(Buffer.from('SodiumChloride'));
const KEY = plainBase64(Buffer.from(RFC_KEY, 'hex'));
const RFC_HASH = `$scrypt$ln=14,r=8,p=1$${SALT}$${KEY}`;

describe('a password', () => {
  it('is matched by its own hash, which has a salt of its own', async () => {
    const [one, other] = [await hash(bytes('open sesame')), await hash(bytes('open sesame'))];
    expect(one).toMatch(/^\$scrypt\$ln=15,r=8,p=3\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
    expect(other.split('$')[3]).not.toBe(one.split('$')[3]);
    expect(await matches(bytes('open sesame'), one)).toBe(true);
    expect(await matches(bytes('open sesame'), other)).toBe(true);
    expect(await matches(bytes('open sesamE'), one)).toBe(false);
  });

  it('is what its bytes are, text or not', async () => {
    const password = new Uint8Array([0, 255, 0, 128]);
    expect(await matches(password, await hash(password))).toBe(true);
    expect(await matches(password.slice(0, 3), await hash(password))).toBe(false);
  });

  it('is matched at the cost that its hash names, as RFC 7914 has it', async () => {
    expect(await matches(bytes('pleaseletmein'), RFC_HASH)).toBe(true);
    expect(await matches(bytes('pleaseletmeout'), RFC_HASH)).toBe(false);
  });

  it('may have 1,024 bytes', async () => {
    const longest = new Uint8Array(MOST_PASSWORD_BYTES).fill(7);
    expect(await matches(longest, await hash(longest))).toBe(true);
  });

  it.each([0, MOST_PASSWORD_BYTES + 1])('of %d bytes gets no hash', async (length) => {
    await expect(hash(new Uint8Array(length))).rejects.toThrow(
      `a password has 1 to 1024 bytes, and this one has ${length}`,
    );
  });
});

describe('no password is right', () => {
  it.each([
    ['without a hash', undefined],
    ['with an empty one', ''],
    ['with a plain text', 'pleaseletmein'],
    ['with another kind of hash', '$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW'],
    ['with half a key', RFC_HASH.slice(0, -20)],
    ['with a key and more', `${RFC_HASH}00`],
    ['with a line more', `${RFC_HASH}\n`],
    ['with no salt', `$scrypt$ln=14,r=8,p=1$$${KEY}`],
    ['at no cost', `$scrypt$ln=0,r=8,p=1$${SALT}$${KEY}`],
    ['at a cost no Lambda can bear', `$scrypt$ln=18,r=8,p=1$${SALT}$${KEY}`],
    ['at a cost that takes for ever', `$scrypt$ln=14,r=8,p=17$${SALT}$${KEY}`],
    ['with another block size', `$scrypt$ln=14,r=1,p=1$${SALT}$${KEY}`],
  ])('%s', async (_, kept) => {
    expect(await matches(bytes('pleaseletmein'), kept)).toBe(false);
  });

  it('not even where a hash is that of the empty one, which stands in for one that is too long', async () => {
    const options = { N: 2 ** 14, r: 8, p: 1 };
    const key = plainBase64(crypto.scryptSync('', 'SodiumChloride', 32, options));
    const kept = `$scrypt$ln=14,r=8,p=1$${SALT}$${key}`;
    expect(await matches(new Uint8Array(), kept)).toBe(false);
    expect(await matches(new Uint8Array(MOST_PASSWORD_BYTES + 1), kept)).toBe(false);
  });
});

type Done = (error: null, key: Buffer) => void;

describe('the cost', () => {
  // Only how often, and how, it is called counts here: a cheap hash stands in for it.
  const cheap = (password: Uint8Array, salt: Uint8Array, _length: number, _cost: object, done: Done): void =>
    done(null, crypto.createHash('sha256').update(salt).update(password).digest());
  let scrypt: jest.SpiedFunction<typeof crypto.scrypt>;
  beforeAll(() => {
    scrypt = jest.spyOn(crypto, 'scrypt').mockImplementation(cheap as typeof crypto.scrypt);
  });
  afterAll(() => scrypt.mockRestore());

  const costOf = async (password: Uint8Array, kept: string | undefined) => {
    scrypt.mockClear();
    const isRight = await matches(password, kept);
    expect(isRight).toBe(kept?.startsWith('$scrypt') === true && Buffer.from(password).toString() === 'right');
    return scrypt.mock.calls.map(([, salt, length, options]) => [(salt as Uint8Array).length, length, options]);
  };

  it('is one scrypt, the same whether the password is right, wrong, or nobody has it', async () => {
    const kept = await hash(bytes('right'));
    const right = await costOf(bytes('right'), kept);
    expect(right).toEqual([[16, 32, { N: 32_768, r: 8, p: 3, maxmem: expect.any(Number) }]]);
    expect(await costOf(bytes('wrong'), kept)).toEqual(right);
    expect(await costOf(bytes('right'), undefined)).toEqual(right);
    expect(await costOf(bytes('right'), '')).toEqual(right);
    expect(await costOf(bytes('right'), 'no hash')).toEqual(right);
    expect(await costOf(new Uint8Array(MOST_PASSWORD_BYTES + 1), kept)).toEqual(right);
    expect(await costOf(new Uint8Array(), kept)).toEqual(right);
  });

  it('does not grow with the length of a password that is too long', async () => {
    scrypt.mockClear();
    await matches(new Uint8Array(60_000), RFC_HASH);
    expect(scrypt.mock.calls.map(([password]) => (password as Uint8Array).length)).toEqual([0]);
  });
});
