/** One frame, one reply (wire §3), and the numbers of pushes (wire §5). */
import { handleFrame } from '../../src/broker/handle-frame.ts';
import { MAX_FRAME_CHARACTERS } from '../../src/mqtt/frame.ts';
import type { ConnectionId } from '../../src/session/ids.ts';
import {
  connectPacket,
  createWorld,
  encodeFrame,
  parsePackets,
  payloads,
  pingreq,
  puback,
  publishPacket,
  subscribePacket,
  type World,
} from './world.ts';

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);
const messages = (from: number, to: number, bytes = 0) =>
  range(from, to).map((each) => publishPacket('a', `m${each} ${'x'.repeat(bytes)}`, 1, each));

describe('taken', () => {
  it('counts the packets of the frame, whatever they are', async () => {
    const world = createWorld();
    const client = await world.connect('client');
    const reply = await client.send(subscribePacket({ a: 1 }), publishPacket('a', 'x'), pingreq, puback(1), pingreq);
    expect(reply).toMatchObject({ taken: 5, close: undefined });
    expect(reply.packets.map(({ cmd }) => cmd)).toEqual(['suback', 'puback', 'pingresp', 'pingresp']);
    expect(world.stores.inFlight.all()).toEqual([]);
  });

  it('is 1 where the frame begins with CONNECT: the rest has to be sent again', async () => {
    const world = createWorld();
    const client = world.open();
    const reply = await client.send(connectPacket('client'), subscribePacket({ a: 1 }), publishPacket('a', 'x'));
    expect(reply).toMatchObject({ taken: 1, packets: [{ cmd: 'connack', returnCode: 0 }] });
    expect(reply.packets).toHaveLength(1);
    expect(world.stores.subscriptions.all()).toEqual([]);
    expect(await client.send(subscribePacket({ a: 1 }), publishPacket('a', 'x'))).toMatchObject({ taken: 2 });
    expect(payloads(client.pushes())).toEqual(['x']);
  });

  it('is 2,000 at most, so that the reply fits into its frame', async () => {
    const world = createWorld();
    const client = await world.connect('client');
    const body = encodeFrame(Array.from({ length: 2_500 }, () => pingreq));
    const text = await handleFrame(world.context, { connectionId: client.connectionId, body, deadline: Infinity });
    expect(text.length).toBeLessThanOrEqual(MAX_FRAME_CHARACTERS);
    expect(text.slice(0, 6)).toBe('!2000:');
    expect(parsePackets(text.slice(6))).toHaveLength(2_000);
  });

  it('counts nothing behind the first packet that is not allowed, and everything before it', async () => {
    const world = createWorld();
    const client = await world.connect('client');
    await client.send(subscribePacket({ '#': 0 }));
    const reply = await client.send(publishPacket('a', 'x'), pingreq, publishPacket('+', 'bad', 1, 2), pingreq);
    expect(reply).toMatchObject({
      taken: 2,
      close: 'topic-invalid',
      packets: [{ cmd: 'puback' }, { cmd: 'pingresp' }],
    });
    expect(payloads(client.pushes())).toEqual(['x']);
  });
});

describe('a frame that takes too long', () => {
  /** A broker whose every write of a session takes `milliseconds`. */
  const slow = async (milliseconds: number) => {
    let delay = 0;
    const world: World = createWorld({}, ({ sessions }) => ({
      sessions: {
        ...sessions,
        change: async (...change) => {
          world.advance(delay);
          return sessions.change(...change);
        },
      },
    }));
    const client = await world.connect('client');
    await client.send(subscribePacket({ a: 1 }));
    delay = milliseconds;
    return { world, client };
  };
  const packets = [publishPacket('a', 'one', 1, 1), pingreq, publishPacket('a', 'two', 1, 2), pingreq, pingreq];

  it.each([
    ['with half of its time left takes them all', 6_250, 5],
    ['with less than half left takes no more', 6_251, 3],
    ['whose first packet took it all takes that one', 13_000, 1],
    ['takes the first packet even so', 60_000, 1],
  ])('%s', async (_what, milliseconds, taken) => {
    const { client } = await slow(milliseconds);
    const reply = await client.send(...packets);
    expect(reply).toMatchObject({ taken, close: undefined });
    expect(reply.packets).toHaveLength(taken);
    expect(payloads(client.pushes())).toEqual(taken < 3 ? ['one'] : ['one', 'two']);
  });

  it('is dealt with to its end by sending the rest again: everything once, in order', async () => {
    const { client } = await slow(7_000);
    let rest = [...messages(1, 350)];
    const acknowledged: unknown[] = [];
    for (let frames = 0; rest.length > 0 && frames < 10; frames++) {
      const { taken, packets } = await client.send(...rest);
      expect(packets).toHaveLength(taken);
      acknowledged.push(...packets.map(({ messageId }) => messageId));
      rest = rest.slice(taken);
      await client.send(...client.pushes().map(({ messageId }) => puback(messageId)));
    }
    expect(rest).toEqual([]);
    expect(acknowledged).toEqual(range(1, 350));
  });
});

describe('a reply', () => {
  it('comes to every frame, once, with everything as wire §3 writes it', async () => {
    const world = createWorld();
    const connectionId = 'wire=' as ConnectionId;
    const reply = (body: string) => handleFrame(world.context, { connectionId, body, deadline: Infinity });
    expect(await reply(encodeFrame([connectPacket('client')]))).toBe('!1;token=Y2xpZW50.secret-1:IAIAAA==');
    expect(await reply('wAA=')).toBe('!1:0AA=');
    expect(await reply('wADAAA==')).toBe('!2:0ADQAA==');
    expect(await reply('QAIAAQ==')).toBe('!1:'); // PUBACK
    expect(await reply('nonsense')).toMatch(/^!0;close=malformed-packet:$/);
    expect(await reply('wAA=')).toBe('!0;close=not-connected:');
  });

  it('holds no PUBLISH, even where the client is its own subscriber', async () => {
    const world = createWorld();
    const client = await world.connect('client');
    const { packets } = await client.send(subscribePacket({ '#': 0 }), ...messages(1, 5));
    expect(packets.map(({ cmd }) => cmd)).toEqual(['suback', ...range(1, 5).map(() => 'puback')]);
  });
});

describe('the number of a push', () => {
  /** Number and PUBLISH count of each push so far. */
  const numbered = (frames: readonly string[]) =>
    frames.map((frame) => {
      const [head = '', body = ''] = frame.split(':');
      return [head, payloads(parsePackets(body)).length] as const;
    });

  const contiguous = (frames: readonly string[], from: number) => {
    let next = from;
    for (const [head, count] of numbered(frames)) {
      expect(head).toBe(`>${next}`);
      expect(count).toBeGreaterThan(0);
      next += count;
    }
    return next;
  };

  const subscribed = async (settings = {}) => {
    const world = createWorld(settings);
    const client = await world.connect('client', { clean: false });
    await client.send(subscribePacket({ a: 1, zero: 0 }));
    return { world, client, publisher: await world.connect('publisher') };
  };

  it('begins with 1 after a CONNACK in a reply, and goes on without a hole', async () => {
    const { client, publisher } = await subscribed();
    for (const [from, to] of [
      [1, 1],
      [2, 3],
      [4, 33],
      [34, 34],
    ] as const)
      await publisher.send(...messages(from, to));
    expect(contiguous(client.frames(), 1)).toBe(35);
  });

  it('is absent from a push of QoS 0, which takes no number', async () => {
    const { client, publisher } = await subscribed();
    await publisher.send(...messages(1, 2));
    await publisher.send(publishPacket('zero', 'x', 0), publishPacket('a', 'y', 0), publishPacket('zero', 'z', 1, 9));
    await publisher.send(...messages(3, 3));
    expect(numbered(client.frames()).map(([head]) => head)).toEqual(['>1', '>', '>', '>', '>3']);
  });

  it('of a resumed CONNACK is the first one to expect: of what is sent again, stored and new, without a hole', async () => {
    const { world, client, publisher } = await subscribed({ redeliveryRate: 5 });
    await publisher.send(...messages(1, 8));
    await client.drop();
    for (const from of [9, 14]) await publisher.send(...messages(from, from + 4));
    const back = await world.connect('client', { clean: false });
    await publisher.send(...messages(19, 20));
    await world.drain(10_000);
    await publisher.send(...messages(21, 22));
    const [connack = '', ...pushes] = back.frames();
    expect(connack).toMatch(/^>9:/);
    expect(contiguous(pushes, 9)).toBe(9 + 8 + 14);

    const again = await world.connect('client', { clean: false });
    await world.drain(10_000);
    const [second = '', ...resent] = again.frames();
    expect(second).toMatch(/^>31:/);
    expect(contiguous(resent, 31)).toBe(31 + 22);
  });
});
