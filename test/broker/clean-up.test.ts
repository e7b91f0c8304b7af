/** The clean-up of ended sessions: not before everyone who knew them alive has stopped, and then of everything. */
import { handleDisconnect } from '../../src/broker/handle-disconnect.ts';
import { runJob } from '../../src/broker/run-job.ts';
import type { ClientId } from '../../src/session/ids.ts';
import { createFaultyWorld, failures } from './faults.ts';
import { createPair } from './pair.ts';
import { createStallingWorld } from './stalls.ts';
import { connectPacket, createWorld, disconnect, publishPacket, subscribePacket, type World } from './world.ts';

const STILL_AT_WORK = 30_000;

const leftOf = ({ stores }: World) => ({
  subscriptions: stores.subscriptions.all().length,
  filters: stores.filters.all().length,
  inFlight: stores.inFlight.all().length,
  queues: stores.queues.all().size,
});
const nothing = { subscriptions: 0, filters: 0, inFlight: 0, queues: 0 };
const cleanUpNow = (world: World) => runJob(world.context, { job: 'clean-up', clientId: 'client' as ClientId });

describe('a session that ended a moment ago', () => {
  it('keeps what it has, whenever the job comes; one that comes later removes it', async () => {
    const world = createWorld();
    const { client, publish } = await createPair(world);
    await publish('in flight');
    await client.drop();
    await publish('stored');
    await world.runJobs();
    const everything = { subscriptions: 1, filters: 1, inFlight: 1, queues: 1 };
    expect(leftOf(world)).toEqual(everything);
    await world.connect('client', { clean: true });
    for (const time of [0, STILL_AT_WORK - 1]) {
      world.advance(time);
      await cleanUpNow(world);
      expect(leftOf(world)).toEqual(everything);
    }
    world.advance(1);
    await world.runJobs();
    expect(leftOf(world)).toEqual(nothing);
    expect((await world.session('client'))?.predecessors).toBe('');
  });

  it('is cleaned up by the job that came too early and sent another', async () => {
    const world = createWorld();
    const client = await world.connect('client');
    await client.send(subscribePacket({ a: 1 }), disconnect);
    world.jobs.splice(0);
    await cleanUpNow(world);
    expect(leftOf(world)).toMatchObject({ subscriptions: 1, filters: 1 });
    expect(world.jobs).toHaveLength(1);
    await world.cleanUp();
    expect(leftOf(world)).toEqual(nothing);
    expect(await world.session('client')).toBeUndefined();
    expect(world.jobs).toEqual([]);
  });

  it('stays where an earlier one of its client is cleaned up, and its record with it', async () => {
    const world = createWorld();
    await (await world.connect('client')).send(subscribePacket({ a: 1 }));
    await world.connect('client');
    world.advance(STILL_AT_WORK - 1_000);
    const second = await world.session('client');
    await (await world.connect('client')).send(subscribePacket({ b: 1 }), disconnect);
    world.advance(1_000);
    await cleanUpNow(world);
    expect(world.stores.filters.all()).toEqual(['b']);
    const predecessors = expect.stringContaining(`${second?.generation}@${world.context.clock.now() - 1_000}`);
    expect(await world.session('client')).toMatchObject({ status: 'ended', predecessors });
    await world.cleanUp();
    expect(leftOf(world)).toEqual(nothing);
    expect(await world.session('client')).toBeUndefined();
  });

  it.each([
    ['a SUBSCRIBE', 'filter'],
    ['a publisher', 'message'],
  ])('is cleaned up of what %s that knew it alive still writes', async (_whose, written) => {
    const { world, meanwhile } = createStallingWorld(({ filters, inFlight }, pause) => ({
      filters: {
        ...filters,
        change: async (...change) => {
          if (written === 'filter') await pause();
          return filters.change(...change);
        },
      },
      inFlight: {
        ...inFlight,
        put: async (...put) => {
          if (written === 'message') await pause();
          return inFlight.put(...put);
        },
      },
    }));
    const client = await world.connect('client');
    if (written === 'message') await client.send(subscribePacket({ a: 1 }));
    const publisher = await world.connect('publisher');
    meanwhile(async () => {
      await client.drop();
      await cleanUpNow(world);
      world.advance(STILL_AT_WORK - 10_000);
      await cleanUpNow(world);
    });
    if (written === 'message') await publisher.send(publishPacket('a', 'x'));
    else await client.send(subscribePacket({ a: 1 }));
    await world.cleanUp();
    expect(leftOf(world)).toEqual(nothing);
    expect(await world.session('client')).toBeUndefined();
  });
});

describe.each(failures)('%s at any call', (failure) => {
  it.each([
    ['$disconnect', true],
    ['CONNECT', false],
  ])('of the Lambda that ends a session, by %s: it is cleaned up all the same', async (_how, byDisconnect) => {
    let struck = true;
    for (let call = 1; struck; call++) {
      const world = createFaultyWorld();
      const client = await world.connect('client', { clean: byDisconnect });
      await client.send(subscribePacket({ a: 1 }));
      const before = await world.session('client');
      const next = world.open();
      const end = (): Promise<unknown> =>
        byDisconnect
          ? handleDisconnect(world.context, client.connectionId)
          : next.send({ ...connectPacket('client'), clean: true });
      ({ struck } = await world.during(call, failure, end));
      const after = await world.session('client');
      const ended = after?.status === 'ended' || after?.generation !== before?.generation;
      for (let times = 0; times < 3; times++) await world.cleanUp();
      expect({ call, ...leftOf(world) }).toEqual({
        call,
        ...nothing,
        ...(ended ? {} : { subscriptions: 1, filters: 1 }),
      });
    }
  });
});

describe.each([0, 1] as const)('a subscription of a dead session that a publisher meets, QoS %i', (qos) => {
  const met = async () => {
    const world = createWorld();
    const client = await world.connect('client');
    await client.send(subscribePacket({ a: qos }));
    await client.drop();
    const publisher = await world.connect('publisher');
    const publish = () => publisher.send(publishPacket('a', 'x', qos));
    return { world, publish };
  };

  it('is left to clean-up while that is still to come', async () => {
    const { world, publish } = await met();
    await publish();
    expect(world.stores.subscriptions.all()).toHaveLength(1);
  });

  it.each(['is gone', 'has been replaced'])(
    'is removed where its session %s, and clean-up has missed it',
    async (how) => {
      const { world, publish } = await met();
      if (how === 'has been replaced') {
        await world.connect('client');
        await world.stores.sessions.change('client' as ClientId, { if: [], set: { predecessors: '' } });
      } else await world.stores.sessions.remove('client' as ClientId, []);
      await publish();
      expect(world.stores.subscriptions.all()).toEqual([]);
    },
  );
});
