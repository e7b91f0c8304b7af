/** The watcher of frame sizes, over every way to cut a stream into chunks. */
import fc from 'fast-check';
import { frameWatch } from '../../local/gateway/frame-watch.ts';

const TEXT = 0x81;
const CONTINUATION = 0x80;
const PING = 0x89;

const frame = (opcode: number, length: number): Buffer => {
  const header =
    length < 126
      ? Buffer.from([opcode, 0x80 | length])
      : length < 65_536
        ? Buffer.from([opcode, 0xfe, length >> 8, length & 0xff])
        : Buffer.concat([
            Buffer.from([opcode, 0xff]),
            Buffer.from(BigInt(length).toString(16).padStart(16, '0'), 'hex'),
          ]);
  return Buffer.concat([header, Buffer.alloc(4 + length, 0x81)]);
};

const watched = (most: number, bytes: Buffer, cuts: readonly number[]): boolean => {
  const isTooLarge = frameWatch(most);
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  return places.slice(1).some((end, index) => isTooLarge(bytes.subarray(places[index], end)));
};

const sizes = fc.constantFrom(0, 1, 125, 126, 127, 999, 1_000, 1_001, 65_535, 65_536, 70_000);

test('a data frame above the limit is seen, wherever the stream is cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom(TEXT, CONTINUATION), sizes), { maxLength: 5 }),
      fc.array(fc.nat(200_000), { maxLength: 8 }),
      (frames, cuts) => {
        const bytes = Buffer.concat(frames.map(([opcode, length]) => frame(opcode, length)));
        expect(watched(1_000, bytes, cuts)).toBe(frames.some(([, length]) => length > 1_000));
      },
    ),
  );
});

test('a control frame does not count', () => {
  expect(watched(10, frame(PING, 125), [])).toBe(false);
});

test('a frame is refused by its header, before its data has come', () => {
  expect(frameWatch(32_768)(frame(TEXT, 32_769).subarray(0, 4))).toBe(true);
});
