/** What real clients sent (`test/vectors/captures.json`), and what becomes of it when it is damaged. For properties. */
import fc from 'fast-check';
import recorded from '../vectors/captures.json' with { type: 'json' };
import { bytes, packetOf } from './bytes.ts';

export const captures: readonly (readonly [client: string, packets: readonly Uint8Array[]])[] = recorded.captures.map(
  ({ client, packets }) => [client, packets.map(bytes)],
);

const packets = captures.flatMap(([, all]) => all);

/** One step of damage. Places are taken modulo the length, so that every step hits something. */
export interface Damage {
  readonly how: 'flip' | 'set' | 'insert' | 'delete' | 'repeat' | 'cut';
  readonly at: number;
  readonly value: number;
}

export const damage: fc.Arbitrary<Damage> = fc.record({
  how: fc.constantFrom('flip', 'set', 'set', 'insert', 'delete', 'repeat', 'cut'),
  at: fc.nat(400),
  // Small values are lengths and flags that may well fit; the others are / + # and $.
  value: fc.oneof(fc.nat(4), fc.constantFrom(0x2f, 0x2b, 0x23, 0x24), fc.nat(255)),
});

export function damaged(whole: Uint8Array, { how, at, value }: Damage): Uint8Array {
  const place = whole.length === 0 ? 0 : at % whole.length;
  const [before, behind] = [whole.subarray(0, place), whole.subarray(place)];
  switch (how) {
    case 'flip':
      return Uint8Array.of(...before, (behind[0] ?? 0) ^ (1 << (value & 7)), ...behind.subarray(1));
    case 'set':
      return Uint8Array.of(...before, value, ...behind.subarray(1));
    case 'insert':
      return Uint8Array.of(...before, value, ...behind);
    case 'delete':
      return Uint8Array.of(...before, ...behind.subarray(1 + (value & 7)));
    case 'repeat':
      return Uint8Array.of(...before, ...behind.subarray(0, 1 + (value & 7)), ...behind);
    case 'cut':
      return before;
  }
}

export const recordedPacket: fc.Arbitrary<Uint8Array> = fc.constantFrom(...packets);

const steps = fc.array(damage, { minLength: 1, maxLength: 3 });

/** Damaged behind its fixed header, which fits: what is wrong is wrong inside. */
const damagedInside = fc.tuple(recordedPacket, steps).map(([packet, all]) => {
  const body = packet.subarray(2); // Captures are shorter than 128 bytes.
  return packetOf(packet[0] ?? 0, all.reduce(damaged, body));
});

const damagedAnywhere = fc.tuple(recordedPacket, steps).map(([packet, all]) => all.reduce(damaged, packet));

/** The fixed header of one packet before the body of another. */
const mixed = fc
  .tuple(recordedPacket, fc.nat(255), recordedPacket)
  .map(([one, bits, other]) => packetOf((one[0] ?? 0) ^ (bits < 16 ? bits : 0), other.subarray(2)));

export const damagedPacket: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 4, arbitrary: damagedInside },
  { weight: 2, arbitrary: damagedAnywhere },
  { weight: 1, arbitrary: mixed },
);
