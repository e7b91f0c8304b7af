import fc from 'fast-check';
import { decodeBase64, encodeBase64 } from '../../client/base64.ts';

test('wire §2: RFC 4648 §10, its own vectors', () => {
  const vectors = {
    '': '',
    f: 'Zg==',
    fo: 'Zm8=',
    foo: 'Zm9v',
    foob: 'Zm9vYg==',
    fooba: 'Zm9vYmE=',
    foobar: 'Zm9vYmFy',
  };
  for (const [plain, base64] of Object.entries(vectors)) {
    expect(encodeBase64(new TextEncoder().encode(plain))).toBe(base64);
    expect(new TextDecoder().decode(decodeBase64(base64))).toBe(plain);
  }
});

test('wire §2: any bytes become what Node makes of them, and come back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      const base64 = encodeBase64(bytes);
      expect(base64).toBe(Buffer.from(bytes).toString('base64'));
      expect(decodeBase64(base64)).toEqual(bytes);
    }),
  );
});

test('wire §2: text is decoded exactly if it is what encoding writes', () => {
  const characters = fc.constantFrom(...'AZaz09+/=-_\n é\u{1f600}');
  fc.assert(
    fc.property(fc.string({ unit: characters, maxLength: 12 }), (text) => {
      const isBase64 = Buffer.from(text, 'base64').toString('base64') === text;
      expect(decodeBase64(text) !== undefined).toBe(isBase64);
    }),
    { numRuns: 2_000 },
  );
});
