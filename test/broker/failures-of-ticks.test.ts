/**
 * The worker of a tick fails at each of its calls in turn; ticks come twice, and late. Everything stored is delivered, in
 * order, without the client having to connect again, and then the session is direct.
 */
import { redeliver } from '../../src/broker/redeliver.ts';
import type { ClientId } from '../../src/session/ids.ts';
import { createFaultyWorld, createSubscriber, type Failure, failures } from './faults.ts';
import { createPair } from './pair.ts';
import { createStallingWorld } from './stalls.ts';
import { partsOf, payloads, puback, publishPacket } from './world.ts';

const stored = Array.from({ length: 11 }, (_, index) => `stored ${index}`);

/** Two messages in flight, eleven stored, and the client that has just come back. `twice`: each tick is sent two times. */
const createScene = async (twice?: { readonly secondAfter: number }) => {
  const sent = new Set<string>();
  const world = createFaultyWorld({ redeliveryRate: 4, maxInFlight: 8 }, ({ redelivery }) => ({
    redelivery: {
      send: async (tick, delay) => {
        await redelivery.send(tick, delay);
        const name = `${tick.epoch}.${tick.number}`;
        if (twice && !sent.has(name)) await redelivery.send(tick, delay + twice.secondAfter);
        sent.add(name);
      },
    },
  }));
  const subscriber = await createSubscriber(world, 'subscriber', 'a/+');
  const publisher = await world.connect('other');
  let id = 0;
  const publish = async (...texts: readonly string[]) => {
    const { packets } = await publisher.send(...texts.map((text) => publishPacket('a/b', text, 1, ++id)));
    expect(packets).toHaveLength(texts.length);
  };
  await publish('in flight 0', 'in flight 1');
  await subscriber.socket().drop();
  await publish(...stored);
  await world.runJobs();
  await subscriber.reconnect();
  return { world, subscriber, publish };
};

type Scene = Awaited<ReturnType<typeof createScene>>;

const finish = async ({ world, subscriber, publish }: Scene, live: readonly string[], what: object) => {
  const connection = subscriber.socket().connectionId;
  await subscriber.stay(180);
  await publish('last');
  await subscriber.stay(2);
  const expected = ['in flight 0', 'in flight 1', ...stored, ...live, 'last'];
  expect({ ...what, seen: [...new Set(subscriber.seen)] }).toEqual({ ...what, seen: expected });
  expect(subscriber.socket().connectionId).toBe(connection);
  expect(await world.stores.sessions.read('subscriber' as ClientId)).toMatchObject({
    status: 'online',
    mode: 'direct',
    backlog: 0,
    backlogBytes: 0,
  });
  expect(world.stores.inFlight.all()).toEqual([]);
  expect([...world.stores.queues.all().values()].flat()).toEqual([]);
  expect(world.ticks).toEqual([]);
};

/** Fails the `number`-th tick; `live` is published just behind it. */
const run = async (number: number, call: number, failure: Failure, live: readonly string[]): Promise<boolean> => {
  const scene = await createScene();
  await scene.subscriber.stay(number - 1); // a tick each second
  const struck = await scene.world.failingTick(call, failure);
  await scene.subscriber.read();
  if (live.length > 0) await scene.publish(...live);
  await finish(scene, live, { number, call });
  return struck;
};

describe.each([1, 2, 3, 4])('tick %i', (number) => {
  it.each(failures)('comes back after its worker failed, and nothing is lost: %s at any call', async (failure) => {
    for (const live of [[], ['live 0', 'live 1']]) {
      let call = 1;
      while (await run(number, call, failure, live)) call++;
      expect(call).toBeGreaterThan(6);
    }
  });
});

describe('a tick of messages so large that each takes a push of its own', () => {
  const large = (name: string) => `${name} ${'x'.repeat(60_000)}`;
  const createLargeScene = async () => {
    const world = createFaultyWorld({ redeliveryRate: 2 });
    const subscriber = await createSubscriber(world, 'subscriber', 'a/+');
    const publisher = await world.connect('other');
    const publish = async (...names: readonly string[]) => {
      for (const name of names) {
        for (const part of partsOf(publishPacket('a/b', large(name)))) await publisher.frame(part);
      }
    };
    await subscriber.socket().drop();
    await publish('stored 0', 'stored 1');
    await subscriber.reconnect();
    await publish('live 0', 'live 1', 'live 2', 'live 3');
    return { world, subscriber };
  };
  const names = ['stored 0', 'stored 1', 'live 0', 'live 1', 'live 2', 'live 3'];

  it.each(failures)('comes back after its worker failed, and nothing is lost: %s at any call', async (failure) => {
    for (const number of [1, 2]) {
      let struck = true;
      for (let call = 1; struck; call++) {
        const { world, subscriber } = await createLargeScene();
        await subscriber.stay(number - 1);
        struck = await world.failingTick(call, failure);
        // A client that is slow to acknowledge: what its tick has put in flight is all still there when that comes back.
        await world.drain(60_000, 1_000);
        await subscriber.stay(60);
        const seen = [...new Set(subscriber.seen.map((text) => text.slice(0, text.lastIndexOf(' '))))];
        expect({ number, call, seen }).toEqual({ number, call, seen: names });
        expect(world.stores.inFlight.all()).toEqual([]);
        expect([...world.stores.queues.all().values()].flat()).toEqual([]);
        expect(await world.stores.sessions.read('subscriber' as ClientId)).toMatchObject({
          mode: 'direct',
          backlog: 0,
        });
      }
    }
  });
});

describe('a tick that comes twice', () => {
  it.each([0, 1, 2, 5, 40])('does nothing the second time, %i s later, and breeds nothing', async (secondAfter) => {
    const scene = await createScene({ secondAfter });
    await finish(scene, [], { secondAfter });
    const counts = new Map(scene.subscriber.seen.map((text) => [text, 0]));
    for (const text of scene.subscriber.seen) counts.set(text, (counts.get(text) ?? 0) + 1);
    expect([...counts.values()].every((count) => count === 1)).toBe(true);
    expect(scene.world.lines.filter(({ event }) => event === 'backlog-healed')).toEqual([]);
  });

  it('of an epoch that is over does nothing', async () => {
    const scene = await createScene();
    const [old] = scene.world.ticks.splice(0);
    if (!old) throw new Error('no tick');
    await scene.subscriber.reconnect();
    const before = await scene.world.stores.sessions.read('subscriber' as ClientId);
    scene.world.ticks.unshift(old);
    await redeliver(scene.world.context, old.body, Number.POSITIVE_INFINITY);
    expect(await scene.world.stores.sessions.read('subscriber' as ClientId)).toEqual(before);
    await finish(scene, [], {});
  });

  it.each(failures)('of which the first fails: %s at any call', async (failure) => {
    for (const secondAfter of [0, 2, 31]) {
      let struck = true;
      for (let call = 1; struck; call++) {
        const scene = await createScene({ secondAfter });
        struck = await scene.world.failingTick(call, failure);
        await finish(scene, [], { secondAfter, call });
      }
    }
  });
});

it('a backlog that was counted and never sent is forgotten in time, and what was sent is not', async () => {
  const { world, subscriber, publish } = await createScene();
  await world.stores.sessions.change('subscriber' as ClientId, { if: [], add: { backlog: 3, backlogBytes: 300 } });
  await subscriber.stay(30);
  expect(subscriber.seen).toEqual(['in flight 0', 'in flight 1', ...stored]);
  expect(await world.stores.sessions.read('subscriber' as ClientId)).toMatchObject({ mode: 'queued', backlog: 3 });
  await subscriber.stay(15); // 25 s until a Lambda has died, 10 s until a message is visible again, 5 s between two clocks
  expect(world.logged('backlog-healed')).toMatchObject([{ clientId: 'subscriber', forgotten: 3 }]);
  expect(await world.stores.sessions.read('subscriber' as ClientId)).toMatchObject({ mode: 'direct', backlog: 0 });
  await publish('live');
  await subscriber.read();
  expect(subscriber.seen.at(-1)).toBe('live');
});

it('a worker whose last write is sent twice forgets nothing that was stored in between', async () => {
  const { world, meanwhile } = createStallingWorld(
    ({ sessions }, pause) => ({
      sessions: {
        ...sessions,
        change: async (clientId, change) => {
          const outcome = await sessions.change(clientId, change);
          if (change.name !== 'turnDirect' || !outcome.done) return outcome;
          await pause();
          return sessions.change(clientId, change);
        },
      },
    }),
    { maxInFlight: 1 },
  );
  const { client, publish } = await createPair(world);
  await publish('one', 'two');
  await client.send(puback(1));
  meanwhile(() => publish('three'));
  await world.drain(2_000);
  expect(payloads(client.pushes())).toEqual(['one', 'two']);
  await client.send(puback(2));
  await world.drain(5_000);
  expect(payloads(client.pushes())).toEqual(['three']);
});
