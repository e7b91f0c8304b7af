/** The tick that is sent ahead of `park`: it waits for that write as long as it may come, and no longer. */
import { createPair } from './pair.ts';
import { beforeChange, createStallingWorld } from './stalls.ts';
import { createWorld, payloads, puback, publishPacket } from './world.ts';

const STILL_AT_WORK = 30_000;
const SECOND = 1_000;

it.each([2, 20])('waits for a publisher that stalls for %i s before it parks the session', async (seconds) => {
  const { world, meanwhile } = createStallingWorld(beforeChange('park'), { maxInFlight: 1 });
  const { client, publish } = await createPair(world);
  await publish('one');
  meanwhile(async () => {
    await world.drain(seconds * SECOND, SECOND);
    expect(await world.session('client')).toMatchObject({ mode: 'direct', tick: 0 });
    expect(world.ticks).toHaveLength(1);
  });
  await publish('two');
  await client.send(puback(1));
  await world.drain(2 * SECOND);
  expect(payloads(client.pushes())).toEqual(['one', 'two']);
  expect(await world.session('client')).toMatchObject({ mode: 'direct', backlog: 0, tick: 1 });
  expect(world.ticks).toEqual([]);
});

it.each([true, false])('is forgotten when its publisher has died, whether it comes once or twice: %s', async (once) => {
  const world = createWorld({ maxInFlight: 1 }, ({ sessions, redelivery }) => ({
    sessions: {
      ...sessions,
      change: (clientId, change) => {
        if (change.name === 'park') throw new Error('the Lambda dies');
        return sessions.change(clientId, change);
      },
    },
    redelivery: {
      send: async (tick, delay) => {
        await redelivery.send(tick, delay);
        if (!once && world.ticks.length < 2) await redelivery.send(tick, delay);
      },
    },
  }));
  const { client, publish, publisher } = await createPair(world);
  await publish('one');
  const before = await world.session('client');
  expect(await publisher.send(publishPacket('a', 'two'))).toMatchObject({ packets: [] });
  await world.drain(STILL_AT_WORK - 2 * SECOND, SECOND);
  expect(world.ticks).toHaveLength(once ? 1 : 2);
  await world.drain(3 * SECOND, SECOND);
  expect(world.ticks).toEqual([]);
  expect(await world.session('client')).toEqual(before);
  expect(payloads(client.pushes())).toEqual(['one']);
});

it('dies with a connection that is over', async () => {
  const world = createWorld({ maxInFlight: 1 });
  const { client, publish } = await createPair(world);
  await publish('one', 'two');
  await client.drop();
  await world.drain(2 * SECOND);
  expect(world.ticks).toEqual([]);
});
