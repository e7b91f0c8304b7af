/** A tick that is lost for good, as in a dead-letter queue: the next message that has to be stored finds that out. */
import { createWorld, payloads, publishPacket, subscribePacket, type World } from './world.ts';

const subscribed = async (world: World) => {
  const subscriber = await world.connect('s', { clean: false });
  await subscriber.send(subscribePacket({ '#': 1 }));
  const publisher = await world.connect('p');
  let id = 0;
  const publish = async (text: string) => {
    const { packets } = await publisher.send(publishPacket('t', text, 1, ++id));
    expect(packets).toMatchObject([{ cmd: 'puback' }]);
  };
  return { subscriber, publish };
};

describe('a client that has come back, whose first tick is lost', () => {
  const lost = async () => {
    const world = createWorld();
    const { subscriber, publish } = await subscribed(world);
    await subscriber.drop();
    await publish('a');
    const next = await world.connect('s', { clean: false });
    world.ticks.length = 0;
    return { world, next, publish };
  };

  it('is left in peace while the tick may still come', async () => {
    const { world, next, publish } = await lost();
    world.advance(55_000);
    await publish('b');
    expect(next.isOpen()).toBe(true);
    expect(await world.session('s')).toMatchObject({ status: 'connecting', backlog: 2 });
  });

  it('has to connect again when the next message is stored, and gets everything', async () => {
    const { world, next, publish } = await lost();
    world.advance(65_000);
    await publish('b');
    expect(next.isOpen()).toBe(false);
    expect(await world.session('s')).toMatchObject({ status: 'offline', connectionId: '' });
    expect((await next.send({ cmd: 'pingreq' })).close).toBeDefined();
    const again = await world.connect('s', { clean: false });
    await world.drain(5_000);
    expect(payloads(again.pushes())).toEqual(['a', 'b']);
  });
});

it('a session that CONNECT has resumed without knowing, and whose client never comes back, expires', async () => {
  const world = createWorld({ sessionExpirySeconds: 100 }, ({ sessions }) => ({
    sessions: {
      ...sessions,
      change: async (clientId, change) => {
        const outcome = await sessions.change(clientId, change);
        if (change.name === 'resume') throw new Error('no answer from DynamoDB');
        return outcome;
      },
    },
  }));
  const { subscriber, publish } = await subscribed(world);
  await subscriber.drop();
  await expect(world.connect('s', { clean: false })).rejects.toThrow('no CONNACK');
  await publish('a');
  expect(await world.session('s')).toMatchObject({ status: 'connecting' });
  world.advance(65_000);
  await publish('b');
  expect(await world.session('s')).toMatchObject({ status: 'offline' });
  world.advance(100_000);
  await publish('c');
  expect(await world.session('s')).toMatchObject({ status: 'ended' });
});

it('an online session whose tick is lost gets it again with the next message that is stored', async () => {
  const world = createWorld({ maxInFlight: 1 });
  const { subscriber, publish } = await subscribed(world);
  await publish('a');
  await publish('b');
  await world.runTicks();
  expect(await world.session('s')).toMatchObject({ status: 'online', mode: 'queued', backlog: 1 });
  world.ticks.length = 0;
  world.advance(1_000);
  await publish('c');
  expect(world.ticks).toEqual([]);
  world.advance(5_001);
  await publish('d');
  await publish('e');
  expect(world.ticks).toHaveLength(1);
  expect(subscriber.isOpen()).toBe(true);
});
