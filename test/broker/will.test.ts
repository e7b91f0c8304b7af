/** Last Will: when it is published, how often, and what removes it. */
import { handleDisconnect } from '../../src/broker/handle-disconnect.ts';
import { runJob } from '../../src/broker/run-job.ts';
import { createFaultyWorld, failures } from './faults.ts';
import {
  connectPacket,
  createWorld,
  disconnect,
  partsOf,
  payloads,
  pingreq,
  publishPacket,
  subscribePacket,
  type Will,
  type World,
} from './world.ts';

const will = (text: string, qos: 0 | 1 = 1, topic = 'gone/client'): Will => ({
  topic,
  payload: Buffer.from(text),
  qos,
  retain: false,
});

/** Who hears wills, whatever their QoS: a session without a will of its own. */
const listen = async (world: World) => {
  const watcher = await world.connect('watcher', { clean: true });
  await watcher.send(subscribePacket({ 'gone/+': 1 }));
  return { ...watcher, wills: () => payloads(watcher.pushes()) };
};

const scene = async (qos: 0 | 1 = 1, settings = {}) => {
  const world = createWorld(settings);
  const watcher = await listen(world);
  const client = await world.connect('client', { clean: false, will: will('first', qos), watched: true });
  return { world, watcher, client };
};

describe.each([0, 1] as const)('a will with QoS %s', (qos) => {
  it('[MQTT-3.1.2-8] [MQTT-3.1.2-10] is published once when the socket is gone, within a few seconds, and then removed', async () => {
    const { world, watcher, client } = await scene(qos);
    await client.drop();
    expect(watcher.wills()).toEqual([]);
    await world.pass(3);
    expect(watcher.wills()).toEqual(['first']);
    expect(world.logged('will-published')).toMatchObject([{ clientId: 'client', qos }]);
    await world.pass(3 * 60);
    expect(watcher.wills()).toEqual([]);
    expect(world.stores.wills.all()).toEqual([]);
  });

  it('[MQTT-3.1.2-9] is published to its Will Topic, with its Will Message and its Will QoS', async () => {
    const { watcher, world, client } = await scene(qos);
    await client.drop();
    await world.pass(3);
    expect(watcher.pushes()).toMatchObject([
      { cmd: 'publish', topic: 'gone/client', payload: Buffer.from('first'), qos, dup: false },
    ]);
  });

  it('[MQTT-3.1.2-8] is published where the gateway never says that the socket is gone: keep-alive', async () => {
    const { world, watcher, client } = await scene(qos);
    client.vanish();
    await world.pass(60 * 2 + 5);
    expect(watcher.wills()).toEqual(['first']);
  });

  it('[MQTT-3.1.2-8] is published after a protocol error', async () => {
    const { world, watcher, client } = await scene(qos);
    expect((await client.send(connectPacket('client'))).close).toBe('protocol-violation');
    await world.pass(3);
    expect(watcher.wills()).toEqual(['first']);
  });

  it.each([true, false])('[MQTT-3.1.2-8] is published after a takeover, cleanSession %s', async (clean) => {
    const { world, watcher } = await scene(qos);
    const young = await world.connect('client', { clean, will: will('second', qos) });
    await world.pass(3);
    expect(watcher.wills()).toEqual(['first']);
    await young.drop();
    await world.pass(3);
    expect(watcher.wills()).toEqual(['second']);
  });

  it('is neither lost nor replaced by a reconnect that comes before it is published', async () => {
    const { world, watcher, client } = await scene(qos);
    await client.drop();
    const back = await world.connect('client', { clean: false, will: will('second', qos) });
    await world.pass(3);
    expect(watcher.wills()).toEqual(['first']);
    await back.drop();
    await world.pass(3);
    expect(watcher.wills()).toEqual(['second']);
  });

  it('[MQTT-3.1.2-10] [MQTT-3.14.4-3] is removed by DISCONNECT, unpublished', async () => {
    const { world, watcher, client } = await scene(qos);
    expect((await client.send(disconnect)).close).toBe('disconnected');
    await client.drop();
    await world.pass(3 * 60);
    expect(watcher.wills()).toEqual([]);
    expect(world.stores.wills.all()).toEqual([]);
  });

  it('[MQTT-3.1.2-10] [MQTT-3.14.4-3] is removed by a DISCONNECT that the notice of the close has overtaken', async () => {
    const { world, watcher, client } = await scene(qos);
    await handleDisconnect(world.context, client.connectionId);
    expect((await client.send(publishPacket('a', 'late'), disconnect)).close).toBe('not-connected');
    await world.pass(3 * 60);
    expect(watcher.wills()).toEqual([]);
  });

  it('[MQTT-3.1.2-12] is not published for a client that brought none', async () => {
    const { world, watcher } = await scene(qos);
    const other = await world.connect('other', { clean: false, watched: true });
    await other.drop();
    await world.pass(3 * 60 - 60);
    expect(watcher.wills()).toEqual([]);
  });

  it('is published once, however often the close is noticed and the job comes', async () => {
    const { world, watcher, client } = await scene(qos);
    await client.drop();
    await client.drop();
    const jobs = world.jobs.filter(({ body }) => body.job === 'will');
    expect(jobs.length).toBeGreaterThan(1);
    world.advance(3_000);
    for (const { body } of jobs) await runJob(world.context, body);
    await world.pass(60);
    expect(watcher.wills()).toEqual(['first']);
  });

  it('is not published where a stalled notice of the close comes to a session that has moved on', async () => {
    const { world, watcher, client } = await scene(qos);
    const next = await world.handshake();
    expect((await next.move(client.token)).close).toBeUndefined();
    await client.drop();
    await world.pass(60);
    expect(watcher.wills()).toEqual([]);
    await next.drop();
    await world.pass(3);
    expect(watcher.wills()).toEqual(['first']);
  });
});

type Client = Awaited<ReturnType<World['connect']>>;

/** As old as the gateway lets a connection become. */
const atTheLimit = async () => {
  const { world, watcher, client } = await scene();
  for (let minutes = 0; minutes < 120; minutes++) {
    world.advance(60_000);
    await client.send(pingreq);
    await world.runJobs();
  }
  watcher.wills();
  return { world, watcher, client };
};

describe('a connection that the limit of two hours has cut off', () => {
  it('publishes its will a minute later, if its client has not come back', async () => {
    const { world, watcher, client } = await atTheLimit();
    await client.drop();
    await world.pass(58);
    expect(watcher.wills()).toEqual([]);
    await world.pass(3);
    expect(watcher.wills()).toEqual(['first']);
    expect(world.logged('connection-ended')).toMatchObject([{ reason: 'WEBSOCKET_TTL_EXPIRATION' }]);
  });

  it.each([true, false])('publishes none where its client comes back in time, noticed first: %s', async (noticed) => {
    const { world, watcher, client } = await atTheLimit();
    if (noticed) await client.drop();
    await world.connect('client', { clean: false, will: will('second') });
    await client.drop();
    await world.pass(70);
    expect(watcher.wills()).toEqual([]);
    expect(world.stores.wills.all()).toHaveLength(1);
  });

  it('publishes the will of a session that moved away from it and is lost meanwhile', async () => {
    const { world, watcher, client } = await atTheLimit();
    const next = await world.handshake();
    await next.move(client.token);
    await client.drop();
    await world.pass(30);
    await next.drop();
    await world.pass(3);
    expect(watcher.wills()).toEqual(['first']);
  });
});

describe('the grace of a connection at its limit', () => {
  it.each([
    ['a protocol error', async (_world: World, client: Client) => void (await client.send(connectPacket('client')))],
    [
      'silence',
      async (world: World, client: Client) => {
        client.vanish();
        await world.pass(130);
      },
    ],
  ])('is not for %s: the will is published, though the client is back at once', async (_what, end) => {
    const { world, watcher, client } = await atTheLimit();
    await end(world, client);
    await world.connect('client', { clean: false });
    await world.pass(3);
    expect(watcher.wills()).toEqual(['first']);
  });
});

it('a move leaves no job behind that looks after the will again and again', async () => {
  const { world, client } = await scene();
  const next = await world.handshake();
  await next.move(client.token);
  await client.drop();
  expect(world.jobs.filter(({ body }) => body.job === 'will')).toEqual([]);
});

describe('the record of a will', () => {
  it('is apart from the session, whose record stays as light as without one', async () => {
    const { world } = await scene(1);
    const bytes = JSON.stringify(await world.session('client')).length;
    await world.connect('other1', { clean: false, will: { ...will(''), payload: Buffer.alloc(20_000) } });
    expect(JSON.stringify(await world.session('other1')).length).toBeLessThan(bytes + 20);
  });

  it('carries a payload as large as CONNECT can', async () => {
    const world = createWorld();
    const watcher = await listen(world);
    const payload = Buffer.alloc(65_535, 'x');
    const client = world.open();
    for (const part of partsOf({ ...connectPacket('client'), will: { ...will(''), payload } }))
      await client.frame(part);
    await client.drop();
    await world.pass(3);
    expect(watcher.pushes()[0]?.payload).toEqual(payload);
  });

  it('keeps the retain flag, for the retained messages to come', async () => {
    const world = createWorld();
    await world.connect('client', { will: { ...will('x'), retain: true } });
    expect(world.stores.wills.all()).toMatchObject([{ retain: true, topic: 'gone/client', qos: 1 }]);
  });

  it.each([
    ['a topic with a wildcard', { topic: 'gone/+' }, 'topic-invalid'],
    ['a topic of the broker', { topic: '$aws/events/presence/connected/x' }, 'topic-invalid'],
    ['a payload that is too large', { payload: Buffer.alloc(1_001) }, 'packet-too-large'],
  ])('is not made for a CONNECT with %s, which is refused', async (_what, change, reason) => {
    const world = createWorld({ maxPayloadBytes: 1_000 });
    const socket = world.open();
    const packet = { ...connectPacket('client'), will: { ...will('x'), ...change } };
    expect((await socket.send(packet)).close).toBe(reason);
    expect(world.stores.wills.all()).toEqual([]);
    expect(await world.session('client')).toBeUndefined();
  });
});

it('with QoS 2 is not made where QoS 2 is switched off', async () => {
  const socket = createWorld({ qos2: 'off' }).open();
  const packet = { ...connectPacket('client'), will: { ...will('x'), qos: 2 as const } };
  expect((await socket.send(packet)).close).toBe('unsupported');
});

describe.each(failures)('%s at any call', (failure) => {
  const ends = {
    $disconnect: (world: World, client: Awaited<ReturnType<World['connect']>>) =>
      handleDisconnect(world.context, client.connectionId),
    'a protocol error': async (_world: World, client: Awaited<ReturnType<World['connect']>>) => {
      await client.send(connectPacket('client'));
    },
    'a takeover': async (world: World) => {
      await world.open().send({ ...connectPacket('client'), clean: false });
    },
  };

  it.each(Object.entries(ends))('of %s: a will with QoS 1 is published, and once', async (_what, end) => {
    for (let call = 1; ; call++) {
      const world = createFaultyWorld();
      const watcher = await listen(world);
      const client = await world.connect('client', { clean: false, will: will('first'), watched: true });
      const { struck } = await world.during(call, failure, () => end(world, client));
      client.vanish();
      await world.pass(4 * 60);
      expect([call, watcher.wills()]).toEqual([call, ['first']]);
      if (!struck) break;
    }
  });

  it.each([0, 1] as const)('of the job that publishes it, QoS %s', async (qos) => {
    for (let call = 1; ; call++) {
      const world = createFaultyWorld();
      const watcher = await listen(world);
      const client = await world.connect('client', { clean: false, will: will('first', qos) });
      await client.drop();
      const job = world.jobs.find(({ body }) => body.job === 'will');
      if (!job) throw new Error('no will is on its way');
      world.advance(3_000);
      const { struck } = await world.during(call, failure, () => runJob(world.context, job.body));
      await world.pass(40); // SQS hands it out again
      await world.pass(40);
      const heard = watcher.wills();
      if (qos === 0) expect(heard.length).toBeLessThanOrEqual(1);
      else expect(new Set(heard)).toEqual(new Set(['first']));
      if (!struck) break;
    }
  });
});

it('is not left behind by a CONNECT that is refused', async () => {
  const world = createWorld({}, ({ sessions }) => ({
    sessions: {
      ...sessions,
      // other clients come first, again and again
      change: async (clientId, change) =>
        clientId === 'client' ? { done: false, record: undefined } : sessions.change(clientId, change),
    },
  }));
  const socket = world.open();
  const { packets } = await socket.send({ ...connectPacket('client'), will: will('x') });
  expect(packets).toMatchObject([{ cmd: 'connack', returnCode: 3 }]);
  expect(world.stores.wills.all()).toEqual([]);
});
