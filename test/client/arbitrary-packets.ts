/** Packets for properties: whole by their fixed header; what is inside does not matter to the wire. */
import fc from 'fast-check';

export function packetOf(firstByte: number, body: Uint8Array): Uint8Array {
  const length: number[] = [];
  let left = body.length;
  do {
    length.push((left % 128) | (left >= 128 ? 0x80 : 0));
    left = Math.floor(left / 128);
  } while (left > 0);
  return Uint8Array.of(firstByte, ...length, ...body);
}

const small = fc.uint8Array({ maxLength: 40 });
/** Around the size of a frame, and above it. */
const large = fc
  .tuple(fc.integer({ min: 24_500, max: 70_000 }), fc.nat(255))
  .map(([size, seed]) => new Uint8Array(size).map((_, index) => index * 31 + seed));

export const anyPacket = fc
  .tuple(
    fc.constantFrom(0x30, 0x32, 0x40, 0x82, 0xc0),
    fc.oneof({ weight: 8, arbitrary: small }, { weight: 1, arbitrary: large }),
  )
  .map(([firstByte, body]) => packetOf(firstByte, body));

/** PUBLISH with QoS 1 whose packet id tells it from all others. */
export const publish = (id: number): Uint8Array => Uint8Array.of(0x32, 5, 0, 1, 0x61, id >> 8, id & 255);
export const publishQos0 = (id: number): Uint8Array => Uint8Array.of(0x30, 5, 0, 1, 0x61, id >> 8, id & 255);
