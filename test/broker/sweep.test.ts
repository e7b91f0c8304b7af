/** Sessions whose time has run out: judged whenever they are read, ended by the sweeper, and nothing left of them. */
import { runJob } from '../../src/broker/run-job.ts';
import { sweep } from '../../src/broker/sweep.ts';
import { SESSION_TIME_TO_LIVE } from '../../src/broker/time-to-live.ts';
import type { ClientId, Generation } from '../../src/session/ids.ts';
import { createFaultyWorld, failures } from './faults.ts';
import { createWorld, disconnect, publishPacket, subscribePacket, type World } from './world.ts';

const EXPIRY = 100;

/** A session with a filter, a message in flight and one in its queue, whose client has just left. */
const leftBehind = async (world: World, clientId = 'client') => {
  const client = await world.connect(clientId, { clean: false });
  await client.send(subscribePacket({ 'a/+': 1 }));
  const publisher = await world.connect('publisher');
  await publisher.send(publishPacket('a/b', 'in flight'));
  await client.send(disconnect);
  await publisher.send(publishPacket('a/b', 'stored', 1, 2));
};

const leftOvers = async (world: World) => ({
  session: await world.session('client'),
  filters: world.stores.filters.all(),
  inFlight: world.stores.inFlight.all(),
  subscriptions: world.stores.subscriptions.all(),
  queues: [...world.stores.queues.all().keys()],
});

const nothing = { session: undefined, filters: [], inFlight: [], subscriptions: [], queues: [] };

/** As the schedule does: a sweep each minute. */
const passWithSweeps = async (world: World, seconds: number) => {
  for (let passed = 0; passed < seconds; passed++) {
    if (passed % 60 === 0) await runJob(world.context, { job: 'sweep' });
    await world.pass(1);
  }
};

describe('a session whose time has run out', () => {
  it('is ended by the next sweep, with everything that it owned, within 5 minutes', async () => {
    const world = createWorld({ sessionExpirySeconds: EXPIRY });
    await leftBehind(world);
    await passWithSweeps(world, EXPIRY + 300);
    expect(await leftOvers(world)).toEqual(nothing);
    expect(world.logged('session-ended')).toContainEqual(
      expect.objectContaining({ clientId: 'client', cause: 'expired' }),
    );
  });

  it('is not ended a millisecond too early', async () => {
    const world = createWorld({ sessionExpirySeconds: EXPIRY });
    await leftBehind(world);
    const { expiresAt } = (await world.session('client')) ?? { expiresAt: 0 };
    world.advance(expiresAt - world.context.clock.now() - 1);
    await sweep(world.context);
    expect(await world.session('client')).toMatchObject({ status: 'offline' });
    world.advance(1);
    await sweep(world.context);
    expect(await world.session('client')).toMatchObject({ status: 'ended' });
  });

  it('[MQTT-3.2.2-3] is not resumed, swept or not: sessionPresent 0', async () => {
    const world = createWorld({ sessionExpirySeconds: EXPIRY });
    await leftBehind(world);
    world.advance(EXPIRY * 1_000);
    const back = await world.connect('client', { clean: false });
    expect(back.sessionPresent).toBe(false);
  });

  it('is stored nothing for', async () => {
    const world = createWorld({ sessionExpirySeconds: EXPIRY });
    await leftBehind(world);
    world.advance(EXPIRY * 1_000);
    const stored = world.logged('messages-stored').length;
    await (await world.connect('publisher')).send(publishPacket('a/b', 'late'));
    expect(world.logged('messages-stored')).toHaveLength(stored);
    expect(await world.session('client')).toMatchObject({ status: 'ended' });
  });

  it('lives on where its client comes back between the look and the end', async () => {
    const world = createWorld({ sessionExpirySeconds: EXPIRY }, (ports) => ({
      sessions: {
        ...ports.sessions,
        change: async (clientId, change) => {
          if (change.name === 'end') await world.connect('client', { clean: false });
          return ports.sessions.change(clientId, change);
        },
      },
    }));
    await leftBehind(world);
    world.advance(EXPIRY * 1_000);
    await sweep(world.context);
    expect(await world.session('client')).toMatchObject({ status: 'online' });
  });

  it('that has outlived its time to live, because DynamoDB comes to it days late, is as dead as any', async () => {
    const world = createWorld({ sessionExpirySeconds: EXPIRY });
    await leftBehind(world);
    world.advance(SESSION_TIME_TO_LIVE + 1);
    const stored = world.logged('messages-stored').length;
    await (await world.connect('publisher')).send(publishPacket('a/b', 'late'));
    expect(world.logged('messages-stored')).toHaveLength(stored);
    expect((await world.connect('client', { clean: false })).sessionPresent).toBe(false);
    await world.cleanUp();
    expect(await leftOvers(world)).toMatchObject({ filters: [], inFlight: [], subscriptions: [], queues: [] });
  });

  it('that DynamoDB has collected before anybody ended it leaves its queue, which is collected too', async () => {
    const world = createWorld({ sessionExpirySeconds: EXPIRY });
    await leftBehind(world);
    world.advance(SESSION_TIME_TO_LIVE + 1);
    world.stores.collect();
    expect((await leftOvers(world)).queues).toHaveLength(1);
    await runJob(world.context, { job: 'collect-queues' });
    expect(await leftOvers(world)).toEqual(nothing);
  });

  it('whose clean-up job is lost, is swept all the same', async () => {
    const world = createWorld({ sessionExpirySeconds: EXPIRY });
    await leftBehind(world);
    world.advance(EXPIRY * 1_000);
    await sweep(world.context);
    world.jobs.length = 0; // lost
    await passWithSweeps(world, 600);
    expect(await leftOvers(world)).toEqual(nothing);
  });

  it('is the only one: sessions that are online are not looked at', async () => {
    const read: ClientId[] = [];
    const world = createWorld({ sessionExpirySeconds: EXPIRY }, ({ sessions }) => ({
      sessions: {
        ...sessions,
        read: async (clientId) => {
          read.push(clientId);
          return sessions.read(clientId);
        },
      },
    }));
    await leftBehind(world);
    await world.connect('other', { clean: false });
    world.advance(EXPIRY * 1_000);
    read.length = 0;
    await sweep(world.context);
    expect(read).toEqual(['client']);
  });
});

describe('many sessions that expire together', () => {
  it('are all ended, a page and a job at a time, none of them twice', async () => {
    const many = 3_000;
    const world = createWorld({ sessionExpirySeconds: 1 });
    for (let index = 0; index < many; index++) {
      const client = await world.connect(`client ${index}`, { clean: false });
      await client.drop();
    }
    world.advance(2_000);
    await sweep(world.context);
    await world.pass(200);
    const ended = world.logged('session-ended').map(({ clientId }) => clientId);
    expect(new Set(ended).size).toBe(many);
    expect(ended).toHaveLength(many);
    expect(world.stores.sessions.all()).toEqual([]);
  });
});

it.each(failures)('%s at any call of the sweep: the next one makes up for it', async (failure) => {
  for (let call = 1; ; call++) {
    const world = createFaultyWorld({ sessionExpirySeconds: EXPIRY });
    await leftBehind(world);
    world.advance(EXPIRY * 1_000);
    const { struck } = await world.during(call, failure, () => sweep(world.context));
    await passWithSweeps(world, 500);
    expect([call, await leftOvers(world)]).toEqual([call, nothing]);
    if (!struck) break;
  }
});

describe('a queue that no session owns', () => {
  const orphan = { clientId: 'client' as ClientId, generation: 'gone' as Generation };

  it('is collected', async () => {
    const world = createWorld();
    await leftBehind(world);
    await world.stores.queues.create(orphan);
    await runJob(world.context, { job: 'collect-queues' });
    expect([...world.stores.queues.all().keys()]).toEqual([expect.stringContaining(' client')]);
    expect(world.logged('queue-collected')).toMatchObject([{ clientId: 'client' }]);
  });

  it.each([
    ['alive', async () => {}],
    ['dead, and still to be cleaned up', async (world: World) => void (await world.connect('client'))],
  ])('is told from one whose session is %s', async (_what, then) => {
    const world = createWorld();
    await leftBehind(world);
    await then(world);
    await runJob(world.context, { job: 'collect-queues' });
    expect(world.stores.queues.all().size).toBe(1);
  });

  it('is collected where nobody knows any more whose it was, a page at a time', async () => {
    const names = Array.from({ length: 5 }, (_, index) => `queue ${index}`);
    const discarded: string[] = [];
    const world = createWorld({}, ({ queues }) => ({
      queues: {
        ...queues,
        list: async (after) => ({
          found: [{ name: names[Number(after ?? 0)] ?? '', owner: undefined }],
          next: Number(after ?? 0) < 4 ? String(Number(after ?? 0) + 1) : undefined,
        }),
        discard: async (name) => void discarded.push(name),
      },
    }));
    await runJob(world.context, { job: 'collect-queues' });
    await world.runJobs();
    expect(discarded).toEqual(names);
  });
});
