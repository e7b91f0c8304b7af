import fc from 'fast-check';
import { MAX_FRAME_CHARACTERS } from '../../client/limits.ts';
import { createOutbox } from '../../client/outbox.ts';
import { splitPackets } from '../../client/packets.ts';
import { createPartCollector } from '../../client/push-parts.ts';
import { parseBrokerFrame } from '../../client/wire.ts';
import { anyPacket, packetOf } from './arbitrary-packets.ts';
import { hex } from './vectors.ts';

test('wire §2: a packet is found whatever pieces the MQTT library writes it in', () => {
  const anyWrites = fc.tuple(fc.array(anyPacket, { maxLength: 6 }), fc.array(fc.nat(200_000), { maxLength: 12 }));
  fc.assert(
    fc.property(anyWrites, ([packets, cuts]) => {
      const all = Buffer.concat(packets);
      const edges = [0, ...cuts.map((cut) => cut % (all.length + 1)), all.length].sort((a, b) => a - b);
      const found: string[] = [];
      let rest: Uint8Array = new Uint8Array();
      for (const [index, edge] of edges.entries()) {
        const split = splitPackets(Buffer.concat([rest, all.subarray(edge, edges[index + 1])]));
        found.push(...(split?.packets.map(hex) ?? ['none']));
        rest = split?.rest ?? rest;
      }
      expect(found).toEqual(packets.map(hex));
      expect(rest).toHaveLength(0);
    }),
    { numRuns: 200 },
  );
});

/** What a broker does with a frame: it puts parts together and takes some packets, or has no time, or never sees it. */
function createTakingBroker(choices: Iterator<number>) {
  const next = (most: number): number => (choices.next().value ?? 0) % (most + 1);
  const parts: string[] = [];
  const received: string[] = [];
  return {
    received,
    hear(frame: string): { readonly taken: number } | 'throttled' {
      expect(frame.length).toBeLessThanOrEqual(MAX_FRAME_CHARACTERS);
      if (next(7) === 7) return 'throttled';
      const part = /^~(\d+)\.(\d+):(.+)$/.exec(frame);
      if (part) {
        expect(Number(part[1])).toBe(parts.length);
        parts.push(part[3] ?? '');
        if (parts.length < Number(part[2])) return { taken: 0 };
      }
      const isParted = part !== null;
      const whole = isParted ? parts.splice(0).join('') : frame;
      const { packets = [], rest } = splitPackets(Buffer.from(whole, 'base64')) ?? {};
      expect(rest).toHaveLength(0);
      if (isParted) expect(packets).toHaveLength(1);
      const taken = packets.length - next(packets.length);
      received.push(...packets.slice(0, taken).map(hex));
      return { taken };
    },
  };
}

test('wire §3, §4, §6: every packet arrives once and in order, whatever the broker takes', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(anyPacket, { maxLength: 5 }), { maxLength: 6 }),
      fc.infiniteStream(fc.nat(1_000)),
      (writes, choices) => {
        const outbox = createOutbox();
        const broker = createTakingBroker(choices);
        const written: string[] = [];
        const write = (packets: readonly Uint8Array[] = []): void => {
          for (const packet of packets) {
            outbox.add(packet);
            written.push(hex(packet));
          }
        };
        const left = [...writes];
        write(left.shift());
        for (let turns = 0; turns < 2_000; turns++) {
          const frame = outbox.frame();
          write(left.shift());
          if (frame === undefined && left.length === 0 && outbox.frame() === undefined) break;
          if (frame === undefined) continue;
          const answer = broker.hear(frame);
          if (answer === 'throttled') expect(outbox.throttled()).toBeGreaterThanOrEqual(250);
          else outbox.replied(answer.taken);
        }
        expect(broker.received).toEqual(written);
        expect(outbox.bytes).toBe(0);
      },
    ),
    { numRuns: 200 },
  );
});

test('wire §3: a reply that takes more than the frame carried is not believed', () => {
  const outbox = createOutbox();
  outbox.add(Uint8Array.of(0xc0, 0));
  expect(() => outbox.replied(1)).toThrow('a reply to no frame');
  outbox.frame();
  expect(() => outbox.replied(2)).toThrow('a reply that takes 2 packets of 1');
});

test('wire §4: a reply to a part takes nothing', () => {
  const outbox = createOutbox();
  outbox.add(Uint8Array.of(0x30, 0x80, 0x80, 0x02, ...new Uint8Array(32_768)));
  expect(outbox.frame()).toMatch(/^~0\.\d+:/);
  expect(() => outbox.replied(1)).toThrow('a reply that takes 1 packets of 0');
});

describe('parts of pushes', () => {
  const anyUnit = fc.record({
    packets: fc.array(anyPacket, { minLength: 1, maxLength: 3 }),
    cuts: fc.array(fc.nat(100_000), { maxLength: 5 }),
    first: fc.option(fc.nat(1_000), { nil: undefined }),
  });

  const framesOf = (
    unit: string,
    { packets, cuts, first = '' }: { packets: Uint8Array[]; cuts: number[]; first?: number | '' | undefined },
  ) => {
    const body = Buffer.concat(packets).toString('base64');
    const longest = 32_000;
    const edges = [
      0,
      ...cuts.map((cut) => cut % body.length),
      ...Array.from({ length: Math.ceil(body.length / longest) }, (_, i) => i * longest),
      body.length,
    ].sort((a, b) => a - b);
    const count = edges.length - 1;
    return Array.from(
      { length: count },
      (_, i) => `>${first};part=${unit}.${i}.${count}:${body.slice(edges[i], edges[i + 1])}`,
    );
  };

  test('wire §5: parts of any units, in any order, with any of them twice, make each push once', () => {
    fc.assert(
      fc.property(fc.array(anyUnit, { maxLength: 5 }), fc.infiniteStream(fc.nat(10_000)), (units, choices) => {
        const draw = (most: number): number => (choices.next().value ?? 0) % most;
        const waiting = units.flatMap((unit, index) => framesOf(`u${index}`, unit));
        const collector = createPartCollector();
        const whole: string[] = [];
        while (waiting.length > 0) {
          const at = draw(waiting.length);
          const frame = parseBrokerFrame(waiting[at] ?? '');
          // Twice, unless it completes its unit.
          const push = frame.kind === 'part' ? collector.add(frame, 0) : undefined;
          if (push) whole.push(`${push.first} ${push.packets.map(hex)}`);
          if (push || draw(4) > 0) waiting.splice(at, 1);
        }
        expect(whole.sort()).toEqual(units.map(({ first, packets }) => `${first} ${packets.map(hex)}`).sort());
      }),
      { numRuns: 200 },
    );
  });

  const part = (unit: string, index: number, count: number, piece: string) =>
    ({ first: undefined, unit, index, count, piece }) as const;

  test('a unit whose parts stop coming is forgotten after 60 s, and its name is free', () => {
    const collector = createPartCollector();
    collector.add(part('u', 0, 2, 'wA'), 0);
    expect(collector.add(part('u', 1, 2, 'A='), 59_999)?.packets.map(hex)).toEqual(['c000']);
    collector.add(part('u', 0, 2, 'wA'), 60_000);
    expect(collector.add(part('u', 1, 2, 'A='), 120_000)).toBeUndefined();
    expect(collector.add(part('u', 0, 2, 'wA'), 120_001)?.packets.map(hex)).toEqual(['c000']);
  });

  test('a peer cannot make it hold more than 512 pieces, which are 16 MiB', () => {
    const collector = createPartCollector();
    for (let i = 0; i < 256; i++) collector.add(part(`u${i}`, 0, 2, 'AAAA'), 0);
    for (let i = 0; i < 256; i++) collector.add(part('large', i, 9_999, 'A'.repeat(32_768)), 0);
    expect(() => collector.add(part('v', 0, 2, 'AAAA'), 0)).toThrow('more than can wait');
    expect(collector.add(part('w', 0, 2, 'AAAA'), 60_000)).toBeUndefined();
  });

  test('what is whole is no longer counted, and what comes twice is counted once', () => {
    const collector = createPartCollector();
    const base64 = Buffer.from(packetOf(0x30, new Uint8Array(47_996))).toString('base64');
    for (let round = 0; round < 300; round++) {
      for (let times = 0; times < 3; times++) collector.add(part('u', 0, 2, base64.slice(0, 32_000)), 0);
      expect(collector.add(part('u', 1, 2, base64.slice(32_000)), 0)?.packets).toHaveLength(1);
    }
  });
});
