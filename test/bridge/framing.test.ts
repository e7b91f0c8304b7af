/** Where packets end in a stream of bytes, whatever the network makes of it. */
import fc from 'fast-check';
import { createFramer, type Framer } from '../../client/bridge/framing.ts';
import { anyPacket } from '../client/arbitrary-packets.ts';
import { CONNECT } from '../client/scripted-socket.ts';
import { bytes, hex } from '../client/vectors.ts';

const LARGEST = 1_000;

/** All that can be had now. */
const take = (framer: Framer): string[] => {
  const taken: string[] = [];
  for (;;) {
    const packet = framer.next();
    if (packet === undefined) return taken;
    taken.push(typeof packet === 'string' ? packet : hex(packet));
    if (typeof packet === 'string') return taken;
  }
};

const push = (framer: Framer, ...chunks: string[]): string[] =>
  chunks.flatMap((chunk) => {
    framer.push(bytes(chunk));
    return take(framer);
  });

test('packets come out one by one, and nothing before it is whole', () => {
  const framer = createFramer(LARGEST);
  expect(push(framer, '10', '0d00044d515454040200', '3c000161c0')).toEqual([CONNECT]);
  expect(framer.bytes).toBe(1);
  expect(push(framer, '00e0', '00')).toEqual(['c000', 'e000']);
  expect(framer.bytes).toBe(0);
});

test('what is pushed is copied, and so is what is handed out', () => {
  const framer = createFramer(LARGEST);
  const chunk = bytes(`${CONNECT}c000`);
  framer.push(chunk);
  chunk.fill(0);
  const first = framer.next();
  if (typeof first === 'object') first.fill(0);
  expect(take(framer)).toEqual(['c000']);
});

test.each(['00', '20020000', '3000', 'c000', 'e000', 'f0', hex(Buffer.from('GET / HTTP/1.1')), '160301'])(
  '[MQTT-3.1.0-1] what does not begin with a CONNECT is not MQTT: %s',
  (first) => {
    const framer = createFramer(LARGEST);
    expect(push(framer, first.slice(0, 2), first.slice(2))).toEqual(['not-mqtt', 'not-mqtt']);
    expect(framer.bytes).toBe(0);
  },
);

test('a remaining length of more than four bytes is not MQTT, wherever it comes', () => {
  expect(push(createFramer(LARGEST), '10ffffff', 'ff')).toEqual(['not-mqtt']);
  expect(push(createFramer(LARGEST), `${CONNECT}30ffffffff`)).toEqual([CONNECT, 'not-mqtt']);
});

test('a packet that is too large is refused by its header, and one that is just not is taken', () => {
  const just = `30e507${'00'.repeat(LARGEST - 3)}`;
  expect(push(createFramer(LARGEST), CONNECT, just)).toEqual([CONNECT, just]);
  expect(push(createFramer(LARGEST), CONNECT, '30e607')).toEqual([CONNECT, 'packet-too-large']);
  expect(push(createFramer(LARGEST), '10e607')).toEqual(['packet-too-large']);
});

test('after a fault nothing is held and nothing comes any more', () => {
  const framer = createFramer(LARGEST);
  push(framer, 'ff');
  framer.push(bytes(CONNECT));
  expect([framer.bytes, framer.next()]).toEqual([0, 'not-mqtt']);
});

describe('whatever comes', () => {
  const stream = fc.array(anyPacket, { maxLength: 12 }).map((packets) => [bytes(CONNECT), ...packets]);
  /** Where the stream is cut, as shares of its length; and whether the consumer looks after each chunk. */
  const cuts = fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.boolean()), { maxLength: 30 });

  test('a stream of packets comes out as it went in, however it is cut', () => {
    fc.assert(
      fc.property(stream, cuts, (packets, where) => {
        const all = Buffer.concat(packets);
        const framer = createFramer(100_000);
        const taken: string[] = [];
        let at = 0;
        for (const [share, looks] of [...where, [1, true] as const].sort(([a], [b]) => a - b)) {
          const next = Math.round(share * all.length);
          framer.push(all.subarray(at, next));
          at = next;
          if (looks) taken.push(...take(framer));
        }
        expect(taken).toEqual(packets.map(hex));
        expect(framer.bytes).toBe(0);
      }),
      { numRuns: 200 },
    );
  });

  test('byte by byte a large packet is copied a few times only', () => {
    const framer = createFramer(300_000);
    const large = Buffer.concat([bytes('10c09a0c'), Buffer.alloc(200_000)]);
    let early = 0;
    for (const byte of large.subarray(0, -1)) {
      framer.push(Uint8Array.of(byte));
      if (framer.next() !== undefined) early += 1;
    }
    expect(early).toBe(0);
    framer.push(large.subarray(-1));
    expect(framer.next()).toHaveLength(large.length);
  });
});
