/** CONNECT, SUBSCRIBE, UNSUBSCRIBE, `$disconnect` and the jobs behind them fail at each of their calls in turn. */
import { handleDisconnect } from '../../src/broker/handle-disconnect.ts';
import type { ClientId } from '../../src/session/ids.ts';
import { createFaultyWorld, createSubscriber, type Failure, type FaultyWorld, failures } from './faults.ts';
import { connectPacket, disconnect, type Packet, payloads, publishPacket, subscribePacket } from './world.ts';

const texts = (...numbers: readonly number[]) => numbers.map((number) => `m${number}`);

const publish = async (world: FaultyWorld, ...list: readonly string[]) => {
  const publisher = await world.connect('publisher');
  const { packets } = await publisher.send(...list.map((text, index) => publishPacket('a/b', text, 1, index + 1)));
  expect(packets).toHaveLength(list.length);
};

/** Until there is no `call`-th call any more. */
const atEachCall = async (least: number, run: (call: number) => Promise<boolean>) => {
  let call = 1;
  while (await run(call)) call++;
  expect(call).toBeGreaterThan(least);
};

/** Jobs that failed come back after 30 s. */
const workOffJobs = async (world: FaultyWorld) => {
  for (let times = 0; times < 4; times++) {
    await world.runJobs();
    world.advance(31_000);
  }
};

/** Sends packets to a Lambda that fails; the client connects again and sends them once more, unless they were answered. */
const inTheEnd = async (world: FaultyWorld, clientId: string, call: number, failure: Failure, packet: Packet) => {
  const client = await world.connect(clientId, { clean: false });
  const { struck, died, result } = await world.during(call, failure, () => client.send(packet));
  if ((result?.taken ?? 0) === 1 && result?.close === undefined) return { struck, client };
  world.advance(died ? 35_000 : 0);
  const back = await world.connect(clientId, { clean: false });
  await client.drop();
  expect(await back.send(packet)).toMatchObject({ taken: 1, close: undefined });
  return { struck, client: back };
};

describe.each(failures)('%s at any call', (failure) => {
  it.each(['offline', 'connected'])(
    'of a CONNECT that resumes a session that is %s: nothing is lost',
    async (state) => {
      await atEachCall(6, async (call) => {
        const world = createFaultyWorld({ redeliveryRate: 2 });
        const subscriber = await createSubscriber(world, 'subscriber', 'a/+');
        await publish(world, ...texts(1, 2));
        if (state === 'offline') {
          await subscriber.socket().drop();
          await publish(world, ...texts(3, 4, 5));
        }
        const socket = world.open();
        const packet = { ...connectPacket('subscriber'), clean: false };
        const { struck, died, result } = await world.during(call, failure, () => socket.send(packet));
        // What was pushed to a client end that got its CONNACK counts, though it closes the socket for want of a reply.
        subscriber.use({ ...socket, sessionPresent: true, token: '' });
        if (died || result?.close) {
          await world.runTicks();
          await subscriber.read();
          world.advance(died ? 35_000 : 0);
          await subscriber.reconnect();
        }
        await publish(world, 'live');
        await subscriber.stay(60);
        await publish(world, 'last');
        await subscriber.stay(1);
        const expected = [...texts(...(state === 'offline' ? [1, 2, 3, 4, 5] : [1, 2])), 'live', 'last'];
        expect({ call, seen: [...new Set(subscriber.seen)] }).toEqual({ call, seen: expected });
        expect(await world.stores.sessions.read('subscriber' as ClientId)).toMatchObject({
          status: 'online',
          mode: 'direct',
          backlog: 0,
        });
        expect(world.stores.inFlight.all()).toEqual([]);
        expect(world.ticks).toEqual([]);
        return struck;
      });
    },
  );

  it('of a CONNECT that takes a session over: [MQTT-3.1.4-2] holds in the end', async () => {
    await atEachCall(6, async (call) => {
      const world = createFaultyWorld();
      const old = await world.connect('client', { clean: false });
      const young = world.open();
      const packet = { ...connectPacket('client'), clean: false };
      const { struck, died, result } = await world.during(call, failure, () => young.send(packet));
      if (died || result?.close) {
        world.advance(died ? 35_000 : 0);
        await world.connect('client', { clean: false });
        await young.drop();
      }
      await workOffJobs(world);
      expect({ call, old: old.isOpen() }).toEqual({ call, old: false });
      return struck;
    });
  });

  it('of a CONNECT after a session that expired: that is cleaned up while the new one lives', async () => {
    await atEachCall(4, async (call) => {
      const world = createFaultyWorld({ sessionExpirySeconds: 60 });
      const subscriber = await createSubscriber(world, 'subscriber', 'a/+');
      await subscriber.socket().drop();
      await workOffJobs(world);
      world.advance(60_000);
      const first = world.open();
      const packet = { ...connectPacket('subscriber'), clean: false };
      const { struck, died, result } = await world.during(call, failure, () => first.send(packet));
      if (died || result?.close) {
        world.advance(died ? 35_000 : 0);
        await world.connect('subscriber', { clean: false });
        await first.drop();
      }
      await workOffJobs(world);
      expect({ call, left: leftOvers(world) }).toEqual({ call, left: [0, 0, 0, 0] });
      return struck;
    });
  });

  it.each([true, false])(
    'of a CONNECT after a session that is over, cleanSession %s: nothing of that is left',
    async (clean) => {
      await atEachCall(4, async (call) => {
        const world = createFaultyWorld({ sessionExpirySeconds: 60 });
        const subscriber = await createSubscriber(world, 'subscriber', 'a/+');
        await publish(world, ...texts(1));
        await subscriber.socket().drop();
        await publish(world, ...texts(2));
        if (!clean) world.advance(60_000);

        const first = world.open();
        const packet = { ...connectPacket('subscriber'), clean };
        const { struck, died, result } = await world.during(call, failure, () => first.send(packet));
        let current = first;
        if (died || result?.close) {
          world.advance(died ? 35_000 : 0);
          current = await world.connect('subscriber', { clean });
          await first.drop();
        }
        await publish(world, 'new');
        await world.drain(5_000);
        expect({ call, packets: current.pushes().filter(({ cmd }) => cmd === 'publish') }).toEqual({
          call,
          packets: [],
        });
        await current.send(disconnect);
        world.advance(60_000);
        await (await world.connect('subscriber')).send(disconnect);
        await workOffJobs(world);
        expect(world.stores.sessions.all().filter(({ status }) => status !== 'ended')).toHaveLength(1); // a publisher
        expect(leftOvers(world)).toEqual([0, 0, 0, 0]);
        return struck;
      });
    },
  );

  it('of a SUBSCRIBE that is sent again: it is in force, with its QoS, and goes with its session', async () => {
    await atEachCall(6, async (call) => {
      const world = createFaultyWorld();
      const subscribe = subscribePacket({ 'a/+': 1 });
      const { struck, client } = await inTheEnd(world, 'client', call, failure, subscribe);
      await world.drain(2_000);
      await publish(world, 'm');
      expect({ call, packets: client.pushes() }).toMatchObject({
        call,
        packets: [{ payload: Buffer.from('m'), qos: 1 }],
      });
      await (await world.connect('client')).send(disconnect);
      await workOffJobs(world);
      expect(leftOvers(world)).toEqual([0, 0, 0, 0]);
      return struck;
    });
  });

  it('of an UNSUBSCRIBE that is sent again: it is in force', async () => {
    await atEachCall(4, async (call) => {
      const world = createFaultyWorld();
      await (await world.connect('client', { clean: false })).send(subscribePacket({ 'a/+': 1 }));
      const unsubscribe = { cmd: 'unsubscribe' as const, messageId: 2, unsubscriptions: ['a/+'] };
      const { struck, client } = await inTheEnd(world, 'client', call, failure, unsubscribe);
      await world.drain(2_000);
      await publish(world, 'm');
      await world.drain(2_000);
      expect({ call, packets: payloads(client.pushes()) }).toEqual({ call, packets: [] });
      expect(world.stores.filters.all()).toEqual([]);
      return struck;
    });
  });

  it('of a PUBACK: the message is in flight until it is acknowledged again', async () => {
    await atEachCall(2, async (call) => {
      const world = createFaultyWorld();
      const client = await world.connect('client', { clean: false });
      await client.send(subscribePacket({ 'a/+': 1 }));
      await publish(world, 'm');
      const messageId = client.pushes()[0]?.messageId as number;
      const { struck, client: current } = await inTheEnd(world, 'client', call, failure, { cmd: 'puback', messageId });
      await world.drain(2_000);
      await current.send({ cmd: 'puback', messageId });
      expect(world.stores.inFlight.all()).toEqual([]);
      return struck;
    });
  });

  it('of a $disconnect: a persistent session loses nothing', async () => {
    await atEachCall(2, async (call) => {
      const world = createFaultyWorld();
      const subscriber = await createSubscriber(world, 'subscriber', 'a/+');
      const { connectionId, vanish } = subscriber.socket();
      vanish();
      const { struck } = await world.during(call, failure, () => handleDisconnect(world.context, connectionId));
      await publish(world, ...texts(1, 2));
      await subscriber.stay(5);
      expect({ call, seen: subscriber.seen }).toEqual({ call, seen: texts(1, 2) });
      return struck;
    });
  });

  it('of the job that creates a queue: it comes back, and nothing is lost meanwhile', async () => {
    await atEachCall(3, async (call) => {
      const world = createFaultyWorld();
      const subscriber = await createSubscriber(world, 'subscriber', 'a/+');
      await subscriber.socket().drop();
      const struck = await world.failingJob(call, failure);
      await publish(world, ...texts(1));
      await workOffJobs(world);
      await publish(world, ...texts(2));
      expect((await world.stores.sessions.read('subscriber' as ClientId))?.queueReady).toBe(true);
      await subscriber.stay(5);
      expect({ call, seen: subscriber.seen }).toEqual({ call, seen: texts(1, 2) });
      return struck;
    });
  });

  it('of the job that cleans up: it comes back, and leaves nothing', async () => {
    await atEachCall(8, async (call) => {
      const world = createFaultyWorld();
      const subscriber = await createSubscriber(world, 'subscriber', 'a/+');
      await subscriber.socket().send(subscribePacket({ other: 0 }));
      await publish(world, ...texts(1, 2));
      await subscriber.socket().drop();
      await publish(world, ...texts(3));
      await world.runJobs();
      await (await world.connect('subscriber')).send(disconnect);
      const ofSubscriber = world.jobs.filter(({ body }) => 'clientId' in body && body.clientId === 'subscriber');
      world.jobs.splice(0, Infinity, ...ofSubscriber.slice(0, 1)); // no other makes good what this one leaves undone
      world.advance(30_000);
      const struck = await world.failingJob(call, failure);
      await workOffJobs(world);
      expect({ call, left: leftOvers(world) }).toEqual({ call, left: [0, 0, 0, 0] });
      expect(await world.stores.sessions.read('subscriber' as ClientId)).toBeUndefined();
      return struck;
    });
  });
});

/** Subscriptions, filters, messages in flight and queues that somebody still has. */
const leftOvers = ({ stores }: FaultyWorld): readonly number[] => [
  stores.subscriptions.all().length,
  stores.filters.all().length,
  stores.inFlight.all().length,
  stores.queues.all().size,
];
