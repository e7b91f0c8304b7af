/** What becomes of a message that the gateway does not simply take: `gone`, `throttled`, `unclear`. */
import type { Gateway } from '../../src/broker/ports.ts';
import type { ClientId, ConnectionId } from '../../src/session/ids.ts';
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

type Answer = Awaited<ReturnType<Gateway['post']>>;

/** A world whose gateway gives the next posts to a connection these answers, and then takes posts again. */
const createMoodyWorld = (settings: Parameters<typeof createWorld>[0] = {}) => {
  const moods = new Map<ConnectionId, (Answer | 'unclear, but taken')[]>();
  const world = createWorld(settings, ({ gateway }) => ({
    gateway: {
      ...gateway,
      post: async (connectionId, frame) => {
        const answer = moods.get(connectionId)?.shift() ?? 'accepted';
        if (answer === 'accepted') return gateway.post(connectionId, frame);
        if (answer !== 'unclear, but taken') return answer;
        await gateway.post(connectionId, frame);
        return 'unclear';
      },
    },
  }));
  return { world, answers: (to: ConnectionId, ...list: (Answer | 'unclear, but taken')[]) => moods.set(to, list) };
};

const subscribed = async (options: { clean?: boolean; settings?: Parameters<typeof createWorld>[0] } = {}) => {
  const { world, answers } = createMoodyWorld(options.settings);
  const client = await world.connect('client', { clean: options.clean ?? false });
  await client.send(subscribePacket({ a: 1, zero: 0 }));
  const publisher = await world.connect('publisher');
  const publish = async (...texts: readonly string[]) => {
    const { packets } = await publisher.send(...texts.map((text, index) => publishPacket('a', text, 1, index + 1)));
    expect(packets.map(({ cmd }) => cmd)).toEqual(texts.map(() => 'puback'));
  };
  return { world, answers, client, publisher, publish };
};

const sessionOf = (world: ReturnType<typeof createWorld>) => world.stores.sessions.read('client' as ClientId);

describe('a post of QoS 1 messages', () => {
  it('to a connection that is gone: the session is offline, and they are stored', async () => {
    const { world, answers, client, publish } = await subscribed();
    answers(client.connectionId, 'gone');
    await publish('one', 'two');
    expect(await sessionOf(world)).toMatchObject({ status: 'offline', mode: 'queued', backlog: 2 });
    expect(world.stores.inFlight.all()).toEqual([]);
    const back = await world.connect('client', { clean: false });
    await world.drain(1_000);
    expect(back.pushes()).toMatchObject([
      { payload: Buffer.from('one'), dup: false },
      { payload: Buffer.from('two'), dup: false },
    ]);
  });

  it('of a clean session whose connection is gone: the session has ended, and PUBACK comes all the same', async () => {
    const { world, answers, client, publish } = await subscribed({ clean: true });
    answers(client.connectionId, 'gone');
    await publish('one');
    expect((await sessionOf(world))?.status).toBe('ended');
    await publish('two');
    await world.cleanUp();
    expect(world.stores.queues.all().size).toBe(0);
    expect(world.stores.subscriptions.all()).toEqual([]);
    expect(world.stores.inFlight.all()).toEqual([]);
  });

  it('that is throttled: they wait in the queue, in order before what comes next, and leave with a tick', async () => {
    const { world, answers, client, publish } = await subscribed();
    answers(client.connectionId, 'throttled');
    await publish('one', 'two');
    expect(await sessionOf(world)).toMatchObject({ status: 'online', mode: 'queued', backlog: 2 });
    await publish('three');
    expect(client.pushes()).toEqual([]);
    await world.drain(1_000);
    expect(payloads(client.pushes())).toEqual(['one', 'two', 'three']);
    expect(await sessionOf(world)).toMatchObject({ mode: 'direct', backlog: 0 });
  });

  it.each(['unclear', 'unclear, but taken'] as const)(
    'whose fate is %s: the connection is closed, and they are sent again under their ids with DUP',
    async (answer) => {
      const { world, answers, client, publish } = await subscribed();
      answers(client.connectionId, answer);
      await publish('one', 'two');
      expect(client.isOpen()).toBe(false);
      expect(await sessionOf(world)).toMatchObject({ status: 'offline' });
      await publish('three');
      const back = await world.connect('client', { clean: false });
      await world.drain(2_000);
      expect(back.pushes()).toMatchObject([
        { payload: Buffer.from('one'), dup: true, messageId: 1 },
        { payload: Buffer.from('two'), dup: true, messageId: 2 },
        { payload: Buffer.from('three'), dup: false },
      ]);
    },
  );

  it('of a clean session whose fate is unclear: the session ends with its connection', async () => {
    const { world, answers, client, publish } = await subscribed({ clean: true });
    answers(client.connectionId, 'unclear');
    await publish('one');
    expect(client.isOpen()).toBe(false);
    await world.cleanUp();
    expect(await sessionOf(world)).toBeUndefined();
  });

  it.each<Answer>(['gone', 'throttled', 'unclear'])(
    'of which a later part is %s counts as not posted as a whole',
    async (answer) => {
      const { world, answers, client, publisher } = await subscribed();
      answers(client.connectionId, 'accepted', answer);
      const parts = partsOf(publishPacket('a', 'x'.repeat(40_000)));
      for (const part of parts.slice(0, -1)) await publisher.frame(part);
      expect(await publisher.frame(parts.at(-1) ?? '')).toMatchObject({ taken: 1, packets: [{ cmd: 'puback' }] });
      expect(client.pushes()).toEqual([]);
      const current =
        client.isOpen() && answer === 'throttled' ? client : await world.connect('client', { clean: false });
      await world.drain(2_000);
      expect(payloads(current.pushes()).map(({ length }) => length)).toEqual([40_000]);
    },
  );

  it.each([
    ['QoS 1', publishPacket('a', 'x')],
    ['QoS 0', publishPacket('zero', 'x', 0)],
  ])(
    'to a connection that is gone: should its client be there all the same, its next frame ends it: %s',
    async (_what, packet) => {
      const { answers, client, publisher } = await subscribed();
      answers(client.connectionId, 'gone');
      await publisher.send(packet);
      expect(await client.send(pingreq)).toMatchObject({ taken: 0, close: 'not-connected' });
    },
  );
});

describe('a post of QoS 0 messages', () => {
  it.each<Answer>(['gone', 'throttled', 'unclear'])(
    'that is %s: they are dropped, and the log says so',
    async (answer) => {
      const { world, answers, client, publisher } = await subscribed();
      answers(client.connectionId, answer);
      const reply = await publisher.send(publishPacket('zero', 'x', 0));
      expect(reply).toEqual({ taken: 1, packets: [], close: undefined });
      expect(world.logged('qos0-dropped')).toMatchObject([{ clientId: 'client', messages: 1, reason: answer }]);
      await world.drain(60_000, 1_000);
      expect(client.pushes()).toEqual([]);
      expect(await sessionOf(world)).toMatchObject({ status: answer === 'gone' ? 'offline' : 'online' });
    },
  );

  it('to a QoS 0 subscriber does not keep PUBACK from a QoS 1 message', async () => {
    const { answers, client, publisher } = await subscribed();
    answers(client.connectionId, 'unclear');
    expect((await publisher.send(publishPacket('zero', 'x', 1, 4))).packets).toMatchObject([{ messageId: 4 }]);
  });
});

describe('the CONNACK of a resumed session', () => {
  it.each<Answer>(['gone', 'throttled', 'unclear'])(
    'that is %s: nothing is posted behind it, and the session is offline again',
    async (answer) => {
      const { world, answers, client, publish } = await subscribed();
      await client.drop();
      await publish('stored');
      const back = world.open();
      answers(back.connectionId, answer);
      const reply = await back.send({ ...connectPacket('client'), clean: false });
      expect(reply).toMatchObject({ taken: 0, packets: [], close: 'not-connected' });
      expect(await sessionOf(world)).toMatchObject({ status: 'offline' });
      await publish('more');
      await world.drain(5_000);
      expect(back.frames()).toEqual([]);
      expect(world.ticks).toEqual([]);
      const again = await world.connect('client', { clean: false });
      await world.drain(2_000);
      expect(payloads(again.pushes())).toEqual(['stored', 'more']);
    },
  );
});

describe('the push of a tick', () => {
  const draining = async () => {
    const all = await subscribed({ settings: { redeliveryRate: 2 } });
    await all.publish('in flight');
    await all.client.drop();
    await all.publish('one', 'two', 'three');
    return { ...all, back: await all.world.connect('client', { clean: false }) };
  };
  const everything = ['in flight', 'one', 'two', 'three'];

  it('that is throttled comes again a while later, each time, and loses nothing', async () => {
    const { world, answers, back } = await draining();
    answers(back.connectionId, 'throttled', 'throttled', 'accepted', 'throttled');
    await world.drain(900);
    expect(back.pushes()).toEqual([]);
    await world.drain(30_000);
    expect(payloads(back.pushes())).toEqual(everything);
    expect(await sessionOf(world)).toMatchObject({ mode: 'direct', backlog: 0 });
  });

  it.each([
    ['gone', 2],
    ['unclear', 2],
    ['unclear, but taken', 2],
  ] as const)('that is %s ends the drain; the next connection has it all', async (answer, pushes) => {
    const { world, answers, back } = await draining();
    answers(back.connectionId, 'accepted', answer);
    await world.drain(5_000);
    expect(await sessionOf(world)).toMatchObject({ status: 'offline' });
    expect(world.ticks).toEqual([]);
    expect(back.isOpen()).toBe(answer === 'gone');
    const first = payloads(back.pushes());
    expect(first).toEqual(everything.slice(0, answer === 'unclear, but taken' ? 2 * pushes : pushes));
    const again = await world.connect('client', { clean: false });
    for (let turns = 0; turns < 8; turns++) {
      await world.drain(1_000);
      for (const { cmd, messageId, payload } of again.pushes()) {
        if (cmd !== 'publish') continue;
        first.push(String(payload));
        await again.send(puback(messageId));
      }
    }
    expect([...new Set(first)]).toEqual(everything);
    expect(first.slice(-everything.length)).toEqual(everything);
    expect(await sessionOf(world)).toMatchObject({ mode: 'direct', backlog: 0 });
  });

  it('that was throttled comes again after a second', async () => {
    const { world, answers, back } = await draining();
    answers(back.connectionId, 'throttled');
    await world.drain(1_500);
    expect(payloads(back.pushes())).toEqual(everything.slice(0, 2));
  });
});

describe('what a throttled push has put in flight', () => {
  it('comes before what is put in flight later, whatever was acknowledged meanwhile', async () => {
    const { world, answers, client, publish } = await subscribed({ settings: { redeliveryRate: 3 } });
    await publish('in flight 1', 'in flight 2');
    await client.drop();
    await publish('one', 'two');
    const back = await world.connect('client', { clean: false });
    answers(back.connectionId, 'throttled', 'unclear');
    await world.drain(500);
    expect(world.stores.inFlight.all()).toHaveLength(3);
    await back.send(puback(1), puback(2));
    await world.drain(2_000);
    expect(back.isOpen()).toBe(false);
    const again = await world.connect('client', { clean: false });
    await world.drain(8_000);
    expect([...payloads(back.pushes()), ...payloads(again.pushes())]).toEqual(['one', 'two']);
  });
});

it.each(['a publisher', 'a tick'])('a throttled post of %s leaves no hole in the numbers of pushes', async (whose) => {
  const { world, answers, client, publish } = await subscribed();
  let current = client;
  if (whose === 'a tick') {
    await client.drop();
    await publish('one');
    current = await world.connect('client', { clean: false });
    answers(current.connectionId, 'throttled');
  } else {
    answers(current.connectionId, 'throttled');
    await publish('one');
  }
  await world.drain(10_000);
  expect(payloads(current.pushes())).toEqual(['one']);
  const numbers = current.frames().map((frame) => frame.slice(0, frame.indexOf(':')));
  expect(numbers).toEqual(whose === 'a tick' ? ['>1', '>1'] : ['>1']);
});
