/** What the broker tells about its clients on `$aws/events/…`. */
import { handleFrame } from '../../src/broker/handle-frame.ts';
import {
  connectPacket,
  createWorld,
  disconnect,
  encodeFrame,
  publishPacket,
  subscribePacket,
  type World,
} from './world.ts';

const watch = async (settings = {}, filter = '$aws/events/#') => {
  const world = createWorld({ lifecycleEvents: 'on', ...settings });
  const watcher = await world.connect('watcher');
  await watcher.send(subscribePacket({ [filter]: 1 }));
  await world.runJobs();
  watcher.pushes();
  return {
    world,
    events: async () => {
      await world.runJobs();
      return watcher.pushes().map(({ topic, payload }) => ({ topic, ...JSON.parse(String(payload)) }));
    },
  };
};

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

describe('presence', () => {
  it('is told with the fields of IoT Core', async () => {
    const { world, events } = await watch();
    const client = await world.connect('client', { clean: false });
    const [connected] = await events();
    expect(connected).toEqual({
      topic: '$aws/events/presence/connected/client',
      clientId: 'client',
      timestamp: world.context.clock.now(),
      eventType: 'connected',
      sessionIdentifier: expect.stringMatching(uuid),
      principalIdentifier: 'anonymous',
      versionNumber: expect.any(Number),
    });
    await client.send(disconnect);
    expect(await events()).toEqual([
      {
        ...connected,
        topic: '$aws/events/presence/disconnected/client',
        eventType: 'disconnected',
        clientInitiatedDisconnect: true,
        disconnectReason: 'CLIENT_INITIATED_DISCONNECT',
      },
    ]);
  });

  type Client = Awaited<ReturnType<World['connect']>>;
  it.each([
    ['CONNECTION_LOST', (_world: World, client: Client) => client.drop()],
    ['CLIENT_ERROR', async (_world: World, client: Client) => void (await client.bytes(0xff, 0))],
    ['DUPLICATE_CLIENTID', async (world: World) => void (await world.connect('client', { clean: false }))],
    [
      'MQTT_KEEP_ALIVE_TIMEOUT',
      async (world: World, client: Client) => {
        client.vanish();
        await world.pass(130);
      },
    ],
  ])('says why a client went away: %s', async (reason, end) => {
    const { world, events } = await watch({}, '$aws/events/presence/disconnected/+');
    const client = await world.connect('client', { clean: false, watched: true });
    await events();
    await end(world, client);
    expect(await events()).toMatchObject([
      { clientId: 'client', disconnectReason: reason, clientInitiatedDisconnect: false },
    ]);
  });

  it('numbers a connect and its disconnect alike, however often the session moved in between, and the next higher', async () => {
    const { world, events } = await watch();
    const client = await world.connect('client', { clean: false });
    const next = await world.handshake();
    await next.move(client.token);
    await world.pass(10);
    await next.drop();
    await world.connect('client', { clean: false });
    const [first, second, third] = (await events()).map(({ versionNumber }) => versionNumber);
    expect(first).toBe(second);
    expect(third).toBeGreaterThan(first);
  });

  it('says where a client connects from', async () => {
    const { world, events } = await watch();
    const client = world.open();
    const body = encodeFrame([connectPacket('client')]);
    const deadline = world.context.clock.now() + 25_000;
    await handleFrame(world.context, { connectionId: client.connectionId, body, deadline, sourceIp: '192.0.2.7' });
    expect(await events()).toMatchObject([{ ipAddress: '192.0.2.7' }]);
  });
});

describe('subscriptions', () => {
  it('are told as they begin and end, without those that were refused', async () => {
    const { world, events } = await watch({}, '$aws/events/subscriptions/#');
    const client = await world.connect('client');
    await client.send(subscribePacket({ a: 1, 'b/+': 0, 'x#': 1 }));
    await client.send({ cmd: 'unsubscribe', messageId: 9, unsubscriptions: ['a', 'never'] });
    expect(await events()).toMatchObject([
      { topic: '$aws/events/subscriptions/subscribed/client', eventType: 'subscribed', topics: ['a', 'b/+'] },
      { topic: '$aws/events/subscriptions/unsubscribed/client', eventType: 'unsubscribed', topics: ['a'] },
    ]);
  });
});

describe('a session that expires', () => {
  it.each([
    ['the sweeper', async (world: World) => void world.jobs.push({ at: 0, body: { job: 'sweep' } })],
    [
      'its own client, that comes back late',
      async (world: World) => void (await world.connect('client', { clean: false })),
    ],
  ])('is told, whoever found it: %s', async (_who, find) => {
    const { world, events } = await watch({ sessionExpirySeconds: 10 }, '$aws/events/session/#');
    const client = await world.connect('client', { clean: false });
    await client.drop();
    world.advance(10_000);
    await find(world);
    await world.runJobs();
    expect(await events()).toMatchObject([{ topic: '$aws/events/session/expired/client', eventType: 'expired' }]);
  });
});

describe('the topics of the broker', () => {
  it.each([0, 1] as const)('[MQTT-3.3.5-2] are refused to clients: the connection closes, QoS %s', async (qos) => {
    const { world, events } = await watch();
    const client = await world.connect('client');
    await events();
    const reply = await client.send(publishPacket('$aws/events/presence/connected/x', '{}', qos));
    expect(reply).toMatchObject({ taken: 0, packets: [], close: 'topic-invalid' });
    expect((await events()).map(({ eventType }) => eventType)).toEqual(['disconnected']);
    world.advance(2_000);
    await world.runJobs();
    expect(client.isOpen()).toBe(false);
  });

  it('are not matched by a filter that begins with a wildcard [MQTT-4.7.2-1]', async () => {
    const { world, events } = await watch({}, '#');
    await world.connect('client');
    expect(await events()).toEqual([]);
  });

  it('are silent where the setting says so, and for client ids that are no topic level', async () => {
    const off = await watch({ lifecycleEvents: 'off' });
    await off.world.connect('client');
    expect(await off.events()).toEqual([]);
    const on = await watch();
    await on.world.connect('a+b');
    await on.world.connect('a#');
    expect(await on.events()).toEqual([]);
  });

  it('are a matter of one job; where that cannot be sent, the client is served all the same', async () => {
    const world = createWorld({ lifecycleEvents: 'on' }, ({ timers }) => ({
      timers: {
        send: async (job, delay) => {
          if (job.job === 'announce') throw new Error('throttled');
          await timers.send(job, delay);
        },
      },
    }));
    await world.connect('client');
    expect(world.logged('event-lost')).toMatchObject([{ clientId: 'client', kind: 'presence/connected' }]);
  });
});
