/** What a session owns outlives its time to live as long as the client comes back, and no longer. */
import { runJob } from '../../src/broker/run-job.ts';
import type { ClientId, Generation } from '../../src/session/ids.ts';
import { createWorld, disconnect, payloads, publishPacket, subscribePacket, type World } from './world.ts';

const DAY = 24 * 3_600_000;
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
