/**
 * Whatever comes from the other side, the client end goes on or ends with one error that says why: frames of any text, real
 * frames with pieces changed, and real packets in frames that no broker would send.
 */
import fc from 'fast-check';
import { ServerlessMqttError } from '../../client/errors.ts';
import { createExchange, type SocketRole } from '../../client/exchange.ts';
import { splitPackets } from '../../client/packets.ts';
import { parseBrokerFrame } from '../../client/wire.ts';
import { anyPacket, publish } from './arbitrary-packets.ts';
import { CONNACK, CONNECT, DISCONNECT, PINGREQ, puback } from './scripted-socket.ts';
import { bytes, closings, gateway, malformedBrokerFrames, pushes, replies } from './vectors.ts';
import { createVirtualClock } from './virtual-clock.ts';

const realFrames = [
  ...replies.map(({ frame }) => frame),
  ...pushes.flatMap(({ frames }) => frames),
  ...closings.map(({ frame }) => frame),
  ...gateway.map(({ frame }) => frame),
  ...malformedBrokerFrames.flatMap(({ frames }) => frames),
  `!1;token=abc:${Buffer.from(CONNACK, 'hex').toString('base64')}`,
];

/** Pieces that mean something somewhere in a frame. */
const telling = fc.constantFrom(
  ...['!', '>', '{', '~', '^', ':', ';', '=', ';close=', ';close=refused', ';token=', ';token=a', ';next=', ';next=1'],
  ...[';part=', ';part=u.0.2', ';part=u.1.2', ';part=u.0.9999', ';x=y', '0', '1', '2', '999999999999999', '-1', '1e9'],
  ...['AAAA', 'wAA=', '====', '"message"', '}', '\n', '\0', '\u{1f600}', '__proto__', 'constructor'],
);
const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.array(telling, { maxLength: 8 }).map((all) => all.join('')),
  fc.integer({ min: 0, max: 40_000 }).map((length) => `>:${'A'.repeat(length)}`),
);

/** A real frame in which some slices have given way to something else, or stand twice. */
const mutatedFrame = fc
  .tuple(
    fc.constantFrom(...realFrames),
    fc.array(fc.tuple(fc.nat(), fc.nat(12), fc.oneof(telling, fc.string({ maxLength: 3 }), fc.constant(undefined))), {
      maxLength: 4,
    }),
  )
  .map(([frame, changes]) =>
    changes.reduce((changed, [place, length, by]) => {
      const at = place % (changed.length + 1);
      const slice = changed.slice(at, at + length);
      return changed.slice(0, at) + (by ?? slice + slice) + changed.slice(at + length);
    }, frame),
  );

/** Well-formed, and what no honest broker sends: any packets under any number, in replies and pushes, whole or in parts. */
const craftedFrame = fc
  .tuple(
    fc.constantFrom('!', '>'),
    fc.oneof(fc.constant(''), fc.nat(5).map(String), fc.constant('999999999999999')),
    fc.subarray([';token=t', ';next=2', ';part=u.0.2', ';part=u.1.2', ';close=internal-error', ';later=1']),
    fc.array(fc.oneof(anyPacket, fc.nat(4).map(publish), fc.constant(bytes(CONNACK))), { maxLength: 3 }),
  )
  .map(
    ([kind, number, fields, packets]) =>
      `${kind}${number}${fields.join('')}:${Buffer.concat(packets).toString('base64')}`,
  );

const anyFrame = fc.oneof(anyText, mutatedFrame, craftedFrame, fc.constantFrom(...realFrames));

test('wire §2: 30,000 frames: each is read, or is a bad answer', () => {
  fc.assert(
    fc.property(anyFrame, (frame) => {
      try {
        expect(parseBrokerFrame(frame).kind).toMatch(/^(reply|push|part|closing|gateway)$/);
      } catch (error) {
        expect(error).toBeInstanceOf(ServerlessMqttError);
        expect(error).toMatchObject({ code: 'bad-answer' });
      }
    }),
    { numRuns: 30_000 },
  );
}, 60_000);

type Event =
  | { readonly kind: 'frame'; readonly frame: unknown; readonly from: SocketRole }
  | { readonly kind: 'write'; readonly packet: string }
  | { readonly kind: 'pass'; readonly milliseconds: number };

const anyEvent: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('frame' as const),
      frame: fc.oneof(
        { weight: 20, arbitrary: anyFrame },
        { weight: 1, arbitrary: fc.constantFrom(undefined, null, 7, new ArrayBuffer(4)) },
      ),
      from: fc.constantFrom<SocketRole>('current', 'current', 'current', 'next', 'former'),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      packet: fc.constantFrom(CONNECT, PINGREQ, puback(1), DISCONNECT),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('pass' as const),
      milliseconds: fc.constantFrom(250, 2_000, 35_000, 7_000_000),
    }),
  },
);

/** Codes that are the client end's own; the others are reasons that the broker has given. */
const own = ['bad-answer', 'gateway-error', 'no-reply', 'push-lost'];

/** A connection whose other end is hostile. */
const connectTo = async () => {
  const clock = createVirtualClock();
  const ends: (ServerlessMqttError | undefined)[] = [];
  const handedOn: Uint8Array[] = [];
  let opened = (): void => {};
  const exchange = createExchange({
    clock,
    nextSocket: {
      open: (ready) => {
        opened = ready;
      },
      send: () => {},
      use: () => {},
      drop: () => {},
    },
    sendFrame: () => expect(ends).toEqual([]),
    handOn: (packets) => {
      expect(ends).toEqual([]);
      handedOn.push(packets);
    },
    accepted: () => {},
    over: (error) => ends.push(error),
  });
  exchange.start();
  exchange.write(bytes(CONNECT));
  await Promise.resolve();
  exchange.receive(`!1;token=t:${Buffer.from(CONNACK, 'hex').toString('base64')}`);
  await Promise.resolve();
  return { clock, exchange, ends, handedOn, opened: () => opened() };
};

test('wire §3–§8: whatever a broker says and when, the connection goes on or ends once, and says why', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyEvent, { maxLength: 10 }), async (events) => {
      const { clock, exchange, ends, handedOn, opened } = await connectTo();
      for (const event of events) {
        if (event.kind === 'frame') exchange.receive(event.frame, event.from);
        else if (event.kind === 'write') exchange.write(bytes(event.packet));
        else {
          await clock.pass(event.milliseconds);
          opened();
        }
        await Promise.resolve();
      }
      expect(ends.length).toBeLessThanOrEqual(1);
      for (const error of ends) {
        if (error === undefined) continue;
        expect(error).toBeInstanceOf(ServerlessMqttError);
        if (!own.includes(error.code)) expect(error.message).toContain(error.code);
      }
      for (const packets of handedOn) expect(splitPackets(packets)?.rest).toHaveLength(0);
      exchange.stop();
      expect(clock.pending).toBe(0);
    }),
    { numRuns: 3_000 },
  );
}, 60_000);

test.each([
  ['parts of pushes that are never whole', (index: number) => `>;part=u${index}.0.2:${'A'.repeat(30_000)}`, 512],
  ['pushes ahead of a hole', (index: number) => `>${index + 2}:MgUAAWEAAQ==`, 1_024],
])('a flood of %s ends the connection before it fills the memory', async (_, frameOf, most) => {
  const { exchange, ends, clock } = await connectTo();
  for (let index = 0; index < most; index++) exchange.receive(frameOf(index));
  expect(ends).toEqual([]);
  exchange.receive(frameOf(most));
  expect(ends).toEqual([expect.objectContaining({ code: 'bad-answer', message: expect.stringContaining('can wait') })]);
  expect(clock.pending).toBe(0);
});
