/** Packets and pushes above one frame (wire §4 and §5). */
import { handleFrame } from '../../src/broker/handle-frame.ts';
import { encodePush, MAX_FRAME_CHARACTERS } from '../../src/mqtt/frame.ts';
import { announce } from '../../src/session/connection.ts';
import type { ClientId } from '../../src/session/ids.ts';
import {
  connectPacket,
  createWorld,
  partsOf,
  payloads,
  pingreq,
  puback,
  publishPacket,
  subscribePacket,
} from './world.ts';

const connected = async (settings = {}) => {
  const world = createWorld(settings);
  const subscriber = await world.connect('subscriber', { clean: false });
  await subscriber.send(subscribePacket({ a: 1 }));
  const client = await world.connect('client');
  const send = async (parts: readonly string[]) => {
    const replies = [];
    for (const part of parts) replies.push(await client.frame(part));
    return replies;
  };
  return { world, subscriber, client, send };
};

const accepted = { taken: 1, close: undefined, packets: [{ cmd: 'puback', messageId: 1 }] };
const stored = { taken: 0, close: undefined, packets: [] };
const large = publishPacket('a', 'x'.repeat(100_000));
const text = (length: number, seed: number) =>
  Array.from({ length }, (_, index) => String.fromCharCode(32 + ((index * 31 + seed) % 90))).join('');

describe('a packet in parts', () => {
  it.each([40_000, 131_072])(
    'of %i bytes is one packet: each part is answered, the last one as the packet is',
    async (bytes) => {
      const { subscriber, send } = await connected();
      const payload = text(bytes, 1);
      const replies = await send(partsOf(publishPacket('a', payload)));
      expect(replies.slice(0, -1)).toEqual(replies.slice(0, -1).map(() => stored));
      expect(replies.at(-1)).toMatchObject(accepted);
      expect(payloads(subscriber.pushes()).join() === payload).toBe(true);
    },
  );

  it('may be cut anywhere, into many as well as into one', async () => {
    const { subscriber, send } = await connected();
    const packet = publishPacket('a', 'cut');
    for (const size of [9, 10, 11, 100]) {
      expect((await send(partsOf(packet, size))).at(-1)).toMatchObject({ taken: 1, packets: [{ cmd: 'puback' }] });
    }
    expect(payloads(subscriber.pushes())).toEqual(['cut', 'cut', 'cut', 'cut']);
  });

  it('may be a CONNECT', async () => {
    const world = createWorld();
    const client = world.open();
    const will = { topic: 'a', payload: Buffer.alloc(60_000, 'x'), qos: 0 as const, retain: false };
    const parts = partsOf({ ...connectPacket('client'), will });
    expect(parts).toHaveLength(3);
    for (const part of parts.slice(0, -1)) expect(await client.frame(part)).toEqual(stored);
    expect(await client.frame(parts.at(-1) ?? '')).toMatchObject({
      taken: 1,
      packets: [{ cmd: 'connack', returnCode: 0 }],
    });
  });

  it('may come again from its first part, wherever it was broken off', async () => {
    const { subscriber, send } = await connected();
    const parts = partsOf(large);
    expect(parts.length).toBe(5);
    await send(parts.slice(0, 3));
    await send(parts.slice(0, 4));
    expect((await send(parts)).at(-1)).toMatchObject(accepted);
    expect(subscriber.pushes()).toHaveLength(1);
  });

  it('may have a part twice, and other frames in between', async () => {
    const { subscriber, client, send } = await connected();
    const [first = '', ...rest] = partsOf(large);
    await send([first, first, ...rest.slice(0, -1)]);
    expect(await client.send(pingreq, publishPacket('a', 'between'))).toMatchObject({ taken: 2 });
    expect((await send(rest.slice(-1)))[0]).toMatchObject(accepted);
    expect(payloads(subscriber.pushes()).map(({ length }) => length)).toEqual([7, 100_000]);
  });

  it('leaves nothing to the one after it', async () => {
    const { subscriber, send } = await connected();
    const parts = partsOf(large);
    await send(parts);
    expect((await send(parts.slice(-1)))[0]).toMatchObject({ taken: 0, close: 'malformed-frame' });
    expect(subscriber.pushes()).toHaveLength(1);
  });

  it('counts as not taken where the broker failed, and can be sent again by the client that comes back', async () => {
    let broken = true;
    const world = createWorld({}, ({ subscriptions }) => ({
      subscriptions: {
        ...subscriptions,
        shapes: async () => {
          if (broken) throw new Error('an outage');
          return subscriptions.shapes();
        },
      },
    }));
    const client = await world.connect('client');
    for (const part of partsOf(large).slice(0, -1)) await client.frame(part);
    expect(await client.frame(partsOf(large).at(-1) ?? '')).toMatchObject({ taken: 0, close: 'internal-error' });
    broken = false;
    const back = await world.connect('client');
    for (const part of partsOf(large).slice(0, -1)) await back.frame(part);
    expect(await back.frame(partsOf(large).at(-1) ?? '')).toMatchObject(accepted);
  });

  it('does not mix with that of another connection', async () => {
    const { world, subscriber, client } = await connected();
    const other = await world.connect('other');
    const [mine, theirs] = ['m', 't'].map((letter) => partsOf(publishPacket('a', letter.repeat(50_000))));
    for (const index of [0, 1, 2]) {
      await client.frame(mine?.[index] ?? '');
      await other.frame(theirs?.[index] ?? '');
    }
    expect(payloads(subscriber.pushes()).map((payload) => [...new Set(payload)])).toEqual([['m'], ['t']]);
  });
});

describe('parts that are refused', () => {
  const [zero = '', one = '', two = '', three = '', last = ''] = partsOf(large);
  const [otherZero = '', otherOne = '', otherLast = ''] = partsOf(publishPacket('a', 'y'.repeat(60_000)));

  it.each<[string, readonly string[], string]>([
    ['one is missing', [zero, one, three, last], 'malformed-frame'],
    ['the first is missing', [one, two, three, last], 'malformed-frame'],
    ['only the last one came', [last], 'malformed-frame'],
    ['they belong to packets of another count', [zero, one, otherZero, otherOne, three, last], 'malformed-frame'],
    ['the last is that of another packet', [zero, one, two, three, otherLast], 'malformed-frame'],
    ['the whole is not base64', ['~0.2:????', '~1.2:wAA='], 'malformed-frame'],
    ['one is beyond its count', ['~1.1:wAA='], 'malformed-frame'],
    ['the whole is nothing', ['~0.2:', '~1.2:'], 'malformed-frame'],
    ['the whole is two packets', ['~0.2:wADA', '~1.2:AA=='], 'malformed-frame'],
    ['the whole is a truncated packet', ['~0.2:MAUA', '~1.2:AWE='], 'malformed-packet'],
    ['the packet is not allowed', partsOf(publishPacket('+', 'x'.repeat(40_000))), 'topic-invalid'],
    ['the payload is too large', partsOf(publishPacket('a', 'x'.repeat(131_073))), 'packet-too-large'],
    ['there are more than the largest packet has', ['~0.7:wAA='], 'packet-too-large'],
  ])('%s', async (_what, parts, reason) => {
    const { world, subscriber, client, send } = await connected();
    const replies = await send(parts);
    expect(replies.slice(0, -1)).toEqual(parts.slice(1).map(() => stored));
    expect(replies.at(-1)).toMatchObject({ taken: 0, packets: [], close: reason });
    expect(world.logged('violation')).toMatchObject([{ reason, connectionId: client.connectionId }]);
    expect(subscriber.pushes()).toEqual([]);
  });

  it.each([
    [60_000, accepted],
    [60_001, { taken: 0, close: 'malformed-frame', packets: [] }],
  ])('one came %i ms ago', async (milliseconds, expected) => {
    const { world, send } = await connected();
    await send([zero]);
    world.advance(milliseconds);
    expect((await send([one, two, three, last])).at(-1)).toMatchObject(expected);
  });

  it('the connection is over', async () => {
    const { world, client, send } = await connected();
    await client.send({ cmd: 'disconnect' });
    const replies = await send([zero, one, two, three, last]);
    expect(replies).toMatchObject(replies.map(() => ({ taken: 0, packets: [], close: 'not-connected' })));
    expect(world.logged('error')).toEqual([]);
    expect((await world.stores.connections.readWithPieces(client.connectionId)).pieces).toEqual([]);
  });

  it('one comes twice before CONNECT: nobody who has not said who he is can have more kept than one packet', async () => {
    const client = createWorld().open();
    expect(await client.frame(zero)).toMatchObject(stored);
    expect(await client.frame(zero)).toMatchObject({ taken: 0, close: 'malformed-frame' });
  });

  it('one comes twice while the CONNECT is under way: nor can he meanwhile', async () => {
    const world = createWorld();
    const client = world.open();
    const clientId = 'client' as ClientId;
    await world.context.connections.change(client.connectionId, announce(clientId, world.context.clock.now()));
    expect(await client.frame(zero)).toMatchObject(stored);
    expect(await client.frame(zero)).toMatchObject({ taken: 0, close: 'malformed-frame' });
  });

  it('not where one comes twice after it: a Lambda that died may have left one behind', async () => {
    const { send } = await connected();
    expect((await send([zero, zero, one, two, three, last])).at(-1)).toMatchObject(accepted);
  });

  it('the bound on their number follows the settings', async () => {
    const { send } = await connected({ maxPayloadBytes: 1_000 });
    expect((await send(['~0.1:wAA=']))[0]).toMatchObject({ taken: 1, packets: [{ cmd: 'pingresp' }] });
    expect((await send(['~0.2:wAA=']))[0]).toMatchObject({ close: 'packet-too-large' });
  });
});

it('a packet of the largest payload and topic fits into as many parts as are allowed', async () => {
  const { send } = await connected();
  const packet = publishPacket('€'.repeat(170), text(131_072, 2));
  expect((await send(partsOf(packet))).at(-1)).toMatchObject(accepted);
});

it('a reply fits into one frame, even to the longest SUBSCRIBE', async () => {
  const { world, client } = await connected();
  const subscriptions = Array.from({ length: 30_000 }, () => ({ topic: 'a', qos: 0 as const }));
  let reply = '';
  for (const body of partsOf({ cmd: 'subscribe', messageId: 1, subscriptions })) {
    reply = await handleFrame(world.context, { connectionId: client.connectionId, body, deadline: Infinity });
  }
  expect(reply.length).toBeLessThanOrEqual(MAX_FRAME_CHARACTERS);
});

describe('a push in parts', () => {
  const partsIn = (frames: readonly string[]) =>
    frames.map((frame) => /^>(\d*);part=([\w-]{1,32})\.(\d+)\.(\d+):/.exec(frame)?.slice(1) ?? []);

  it('has the same head in each part but for the index, and no frame is too long', async () => {
    const { subscriber, send } = await connected();
    const payload = text(131_072, 3);
    await send(partsOf(publishPacket('a', payload)));
    const frames = subscriber.frames();
    for (const { length } of frames) expect(length).toBeLessThanOrEqual(MAX_FRAME_CHARACTERS);
    const parts = partsIn(frames);
    expect(parts).toEqual(frames.map((_, index) => ['1', parts[0]?.[1], String(index), String(frames.length)]));
    expect(payloads(subscriber.pushes()).join() === payload).toBe(true);
  });

  it.each([24_000, 24_400, 24_552, 24_553, 24_560, 24_570, 24_576, 24_600, 49_000])(
    'is made where it has to be: a payload of %i bytes',
    async (bytes) => {
      const { subscriber, send } = await connected();
      await send(partsOf(publishPacket('a', text(bytes, 4))));
      const frames = subscriber.frames();
      for (const { length } of frames) expect(length).toBeLessThanOrEqual(MAX_FRAME_CHARACTERS);
      const needed = frames.map((frame) => frame.split(':')[1]?.length ?? 0).reduce((sum, each) => sum + each) + 3;
      expect(frames.length > 1).toBe(needed > MAX_FRAME_CHARACTERS);
      expect(payloads(subscriber.pushes())).toEqual([text(bytes, 4)]);
    },
  );

  it('is made just where one frame would be too long, whatever the length of its number', () => {
    for (const first of [undefined, 1, 12, 123, 1_234, 12_345]) {
      for (let bytes = 24_560; bytes < 24_580; bytes++) {
        const frames = encodePush([new Uint8Array(bytes)], first, 'unit');
        const body = frames.map((frame) => frame.slice(frame.indexOf(':') + 1)).join('');
        expect(Buffer.from(body, 'base64')).toHaveLength(bytes);
        for (const { length } of frames) expect(length).toBeLessThanOrEqual(MAX_FRAME_CHARACTERS);
        const whole = `>${first ?? ''}:`.length + body.length;
        expect(frames.length > 1).toBe(whole > MAX_FRAME_CHARACTERS);
      }
    }
  });

  it('has a unit of its own each time, so that parts may interleave; numbers go on behind it', async () => {
    const { subscriber, client, send } = await connected();
    for (const seed of [1, 2]) await send(partsOf(publishPacket('a', text(60_000, seed))));
    await client.send(publishPacket('a', 'small', 1, 2));
    const frames = subscriber.frames();
    const units = partsIn(frames.slice(0, -1)).map(([first, unit]) => `${first} ${unit}`);
    expect(new Set(units).size).toBe(2);
    expect(units.map((unit) => unit.split(' ')[0])).toEqual([...Array(3).fill('1'), ...Array(3).fill('2')]);
    expect(frames.at(-1)).toMatch(/^>3:/);
  });

  it('comes from the queue and again in flight just so', async () => {
    const { world, subscriber, send } = await connected();
    await subscriber.drop();
    for (const seed of [5, 6]) await send(partsOf(publishPacket('a', text(131_072, seed))));
    for (let times = 0; times < 2; times++) {
      const back = await world.connect('subscriber', { clean: false });
      await world.drain(10_000);
      const received = payloads(back.pushes());
      expect(received.length).toBe(2);
      expect([text(131_072, 5), text(131_072, 6)].every((payload, index) => received[index] === payload)).toBe(true);
      for (const { length } of back.frames()) expect(length).toBeLessThanOrEqual(MAX_FRAME_CHARACTERS);
      if (times === 1) await back.send(puback(1), puback(2));
    }
    expect(world.stores.inFlight.all()).toEqual([]);
  });
});
