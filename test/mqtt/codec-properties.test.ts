/** What holds for every packet and for any bytes at all. */
import fc from 'fast-check';
import { decode, encode, splitPackets } from '../../src/mqtt/codec.ts';
import type { ClientPacket } from '../../src/mqtt/packets.ts';
import { ProtocolViolation } from '../../src/mqtt/violation.ts';
import { clientPacket } from './arbitrary-packets.ts';
import { bytes, packet, string } from './bytes.ts';
import { damagedPacket } from './damaged-packets.ts';
import { clientVectors } from './vectors.ts';

/** What decode makes of the bytes; `undefined` for a violation. Anything else that is thrown fails the test. */
function decodedOrRefused(input: Uint8Array): ClientPacket | undefined {
  try {
    return decode(input);
  } catch (error) {
    if (error instanceof ProtocolViolation) return undefined;
    throw error;
  }
}

function splitOrRefused(frame: Uint8Array): readonly Uint8Array[] | undefined {
  try {
    return splitPackets(frame);
  } catch (error) {
    if (error instanceof ProtocolViolation) return undefined;
    throw error;
  }
}

/** The packet without its remaining length, which may be written in several ways. */
function withoutLength(input: Uint8Array): Uint8Array {
  const end = input.findIndex((byte, index) => index > 0 && byte < 0x80);
  return new Uint8Array([input[0] ?? 0, ...input.subarray(end + 1)]);
}

/** Whatever is read is exactly what the bytes say, and is refused otherwise. */
function readsExactlyOrRefuses(input: Uint8Array): void {
  const decoded = decodedOrRefused(input);
  if (decoded === undefined || decoded.type === 'unacceptable-protocol-level') return;
  expect(withoutLength(encode(decoded))).toEqual(withoutLength(input));
}

const vectors = clientVectors.map(([, hex]) => bytes(hex));

it('decode gives what encode was given', () =>
  fc.assert(
    fc.property(clientPacket, (original) => {
      expect(decode(encode(original))).toEqual(original);
    }),
    { numRuns: 1_000 },
  ));

it('splitPackets finds the packets that were put together', () =>
  fc.assert(
    fc.property(fc.array(clientPacket, { minLength: 1, maxLength: 20 }), (packets) => {
      const frame = new Uint8Array(packets.flatMap((one) => [...encode(one)]));
      expect(splitPackets(frame).map(decode)).toEqual(packets);
    }),
    { numRuns: 500 },
  ));

it('any bytes are read exactly, or refused with a ProtocolViolation', () =>
  fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), readsExactlyOrRefuses), { numRuns: 5_000 }));

/** Bytes of which many are lengths that fit. */
const likelyBytes = fc.array(fc.oneof(fc.constantFrom(0, 0, 0, 1, 2, 0x61), fc.nat(255)), { maxLength: 40 });

it('any body behind a proper header is read exactly, or refused with a ProtocolViolation', () => {
  const firstByte = fc.constantFrom(0x10, 0x30, 0x32, 0x3a, 0x34, 0x40, 0x62, 0x82, 0xa2, 0xc0, 0xe0);
  return fc.assert(
    fc.property(firstByte, likelyBytes, (first, body) => {
      readsExactlyOrRefuses(new Uint8Array([first, body.length, ...body]));
    }),
    { numRuns: 10_000 },
  );
});

it('any CONNECT of MQTT 3.1.1 is read exactly, or refused with a ProtocolViolation', () => {
  const start = bytes('0004 4d515454 04');
  return fc.assert(
    fc.property(fc.nat(255), likelyBytes, (flags, fields) => {
      readsExactlyOrRefuses(new Uint8Array([0x10, start.length + 1 + fields.length, ...start, flags, ...fields]));
    }),
    { numRuns: 5_000 },
  );
});

it('every bit flip of a valid packet is read exactly, or refused with a ProtocolViolation', () => {
  for (const vector of vectors) {
    for (let bit = 0; bit < vector.length * 8; bit++) {
      const flipped = new Uint8Array(vector);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      readsExactlyOrRefuses(flipped);
    }
  }
});

it('whatever becomes of what real clients send is read exactly, or refused with a ProtocolViolation', () =>
  fc.assert(fc.property(damagedPacket, readsExactlyOrRefuses), { numRuns: 10_000 }));

it('whatever becomes of a frame full of it is cut into its packets, or refused', () =>
  fc.assert(
    fc.property(fc.array(damagedPacket, { minLength: 1, maxLength: 5 }), (packets) => {
      const frame = new Uint8Array(packets.flatMap((one) => [...one]));
      const pieces = splitOrRefused(frame);
      if (pieces) expect(Buffer.concat(pieces).equals(frame)).toBe(true);
      for (const piece of pieces ?? []) readsExactlyOrRefuses(piece);
    }),
    { numRuns: 2_000 },
  ));

it('every truncation of a valid packet is refused', () => {
  for (const vector of vectors) {
    for (let length = 0; length < vector.length; length++) {
      expect(decodedOrRefused(vector.subarray(0, length))).toBeUndefined();
    }
  }
});

it('every truncation of a valid body, its length corrected, is read exactly, or refused', () => {
  for (const vector of vectors) {
    for (let length = 0; length < vector.length - 2; length++) {
      readsExactlyOrRefuses(new Uint8Array([vector[0] ?? 0, length, ...vector.subarray(2, 2 + length)]));
    }
  }
});

/** Milliseconds that an action takes, the fastest of five. */
function fastest(action: () => unknown): number {
  return Math.min(
    ...Array.from({ length: 5 }, () => {
      const start = performance.now();
      action();
      return performance.now() - start;
    }),
  );
}

it('no packet of 128 KiB takes long: the time grows with the bytes', () => {
  const filters = Array.from({ length: 32_000 }, () => `${string('a')} 00`).join('');
  const topics = Array.from({ length: 43_000 }, () => string('a')).join('');
  const packets = [
    packet('30', `${string('a')} ${'ab'.repeat(131_072)}`),
    packet('82', `0001 ${filters}`),
    packet('a2', `0001 ${topics}`),
  ];
  for (const large of packets) expect(fastest(() => decode(large))).toBeLessThan(500);
  expect(fastest(() => splitPackets(new Uint8Array(131_072).map((_, index) => (index % 2 ? 0 : 0xc0))))).toBeLessThan(
    500,
  );
});
