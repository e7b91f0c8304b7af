/** What a session owns outlives its time to live as long as the client comes back, and no longer. */
import { runJob } from '../../src/broker/run-job.ts';
import type { ClientId, Generation } from '../../src/session/ids.ts';
import { createWorld, disconnect, payloads, publishPacket, subscribePacket, type World } from './world.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const settings = { sessionExpirySeconds: (14 * DAY) / 1_000 };

const comeAndGo = async (world: World) => (await world.connect('client', { clean: false })).send(disconnect);

it('subscriptions are kept for a client that comes back once in 14 days', async () => {
  const world = createWorld(settings);
  await (await world.connect('client', { clean: false })).send(subscribePacket({ a: 1 }), disconnect);
  for (let times = 0; times < 8; times++) {
    world.advance(14 * DAY - 1_000);
    world.stores.collect();
    await comeAndGo(world);
    await world.runJobs();
  }
  const back = await world.connect('client', { clean: false });
  await world.drain(1_000);
  await (await world.connect('publisher')).send(publishPacket('a', 'x'));
  expect(payloads(back.pushes())).toEqual(['x']);
});

it('they are not written anew for each CONNECT, but when that was long ago', async () => {
  const world = createWorld(settings);
  await (await world.connect('client', { clean: false })).send(subscribePacket({ a: 1 }), disconnect);
  const refreshes = () => world.jobs.filter(({ body }) => body.job === 'refresh');
  world.advance(12 * DAY);
  await comeAndGo(world);
  expect(refreshes()).toEqual([]);
  world.advance(2 * DAY);
  for (let times = 0; times < 3; times++) await comeAndGo(world);
  expect(refreshes()).toHaveLength(1);
});

it('a job that comes after its session has ended writes nothing', async () => {
  let written = 0;
  const world = createWorld(settings, ({ filters }) => ({
    filters: {
      ...filters,
      change: (...change) => {
        written++;
        return filters.change(...change);
      },
    },
  }));
  await (await world.connect('client', { clean: false })).send(subscribePacket({ a: 1 }));
  const generation = (await world.session('client'))?.generation as Generation;
  const refresh = () => runJob(world.context, { job: 'refresh', clientId: 'client' as ClientId, generation });
  await refresh();
  expect(written).toBe(2);
  await world.connect('client', { clean: true });
  await refresh();
  expect(written).toBe(2);
});

it.each([true, false])(
  'a session that never connects again, but moves for months, keeps all it has: clean %s',
  async (clean) => {
    const world = createWorld(settings);
    const will = { topic: 'gone', payload: Buffer.from('gone'), qos: 1 as const, retain: false };
    let socket = await world.connect('client', { clean, will, keepalive: 0 });
    await socket.send(subscribePacket({ a: 1 }));
    for (let hours = 0; hours < 60 * 24; hours += 2) {
      world.advance(2 * HOUR);
      world.stores.collect();
      const next = world.open();
      const { token = '', close } = await next.move(socket.token);
      expect([hours, close]).toEqual([hours, undefined]);
      socket = { ...next, token, sessionPresent: true };
      await world.runJobs();
      await world.runTicks();
    }
    const other = await world.connect('other');
    await other.send(subscribePacket({ gone: 1 }), publishPacket('a', 'x'));
    expect(payloads(socket.pushes())).toEqual(['x']);
    await socket.drop();
    await world.pass(3);
    expect(payloads(other.pushes())).toEqual(['gone']);
  },
);

it('a will that was removed leaves nothing behind when a job comes late', async () => {
  const world = createWorld(settings);
  const will = { topic: 'gone', payload: Buffer.from('gone'), qos: 1 as const, retain: false };
  const client = await world.connect('client', { clean: false, will });
  const generation = (await world.session('client'))?.generation as Generation;
  await client.send(disconnect);
  await runJob(world.context, { job: 'refresh', clientId: 'client' as ClientId, generation });
  expect(world.stores.wills.all()).toEqual([]);
});
