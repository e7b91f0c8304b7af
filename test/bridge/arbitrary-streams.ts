/** What may come from a client, for properties: anything, what is nearly MQTT, and MQTT, in chunks of any size. */
import fc from 'fast-check';
import { packetOf } from '../client/arbitrary-packets.ts';
import { captures } from './captures.ts';

const connect = Uint8Array.from(Buffer.from('100d00044d5154540402003c000161', 'hex'));

/** A whole packet of any kind but CONNECT and DISCONNECT. */
const packet = fc
  .tuple(fc.constantFrom(0x30, 0x32, 0x3d, 0x40, 0x82, 0xa2, 0xc0, 0xf7, 0x00), fc.uint8Array({ maxLength: 24 }))
  .map(([firstByte, body]) => packetOf(firstByte, body));

const packets = fc
  .array(fc.oneof({ weight: 12, arbitrary: packet }, { weight: 1, arbitrary: fc.constant(Uint8Array.of(0xe0, 0)) }), {
    maxLength: 12,
  })
  .map((them) => Buffer.concat([connect, ...them]));

const captured = fc.constantFrom(...captures).map(({ chunks }) => Buffer.concat(chunks));

type Mutation = readonly [kind: 'flip' | 'cut' | 'double' | 'insert', where: number, value: number];
const mutation: fc.Arbitrary<Mutation> = fc.tuple(
  fc.constantFrom('flip', 'cut', 'double', 'insert'),
  fc.double({ min: 0, max: 0.999, noNaN: true }),
  fc.nat(255),
);

const mutate = (bytes: Uint8Array, [kind, where, value]: Mutation): Uint8Array => {
  const at = Math.floor(where * bytes.length);
  const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
  switch (kind) {
    case 'flip':
      return Buffer.concat([before, after.subarray(0, 1).map((byte) => byte ^ value), after.subarray(1)]);
    case 'cut':
      return Buffer.concat([before, after.subarray(value % 16)]);
    case 'double':
      return Buffer.concat([before, after.subarray(0, value), after]);
    case 'insert':
      return Buffer.concat([before, Buffer.of(value), after]);
    default:
      return kind satisfies never;
  }
};

const mutated = fc
  .tuple(fc.oneof(captured, packets), fc.array(mutation, { minLength: 1, maxLength: 3 }))
  .map(([bytes, mutations]) => mutations.reduce<Uint8Array>(mutate, bytes));

const anything = fc.oneof(
  fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes)),
  // With a beginning that gets further.
  fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.concat([connect, bytes])),
);

const cutUp = (bytes: Uint8Array, shares: readonly number[]): Uint8Array[] => {
  const at = [0, ...shares.map((share) => Math.round(share * bytes.length)).sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end));
};

const chunked = (streams: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array[]> =>
  fc
    .tuple(streams, fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 8 }))
    .map(([bytes, shares]) => cutUp(bytes, shares));

/** The chunks of one stream. */
export const anyBytes = chunked(anything);
export const validStream = chunked(fc.oneof(packets, captured));
export const mutatedStream = chunked(mutated);
export const anyStream = fc.oneof(anyBytes, validStream, mutatedStream);
