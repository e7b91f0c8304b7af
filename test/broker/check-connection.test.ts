/** The one check of each connection: what happens to it when nobody calls. */
import { handleDisconnect } from '../../src/broker/handle-disconnect.ts';
import { runJob } from '../../src/broker/run-job.ts';
import { createFaultyWorld, failures } from './faults.ts';
import { connectPacket, createWorld, payloads, pingreq, publishPacket, subscribePacket, type World } from './world.ts';

/** Pending checks. */
const checks = (world: World) => world.jobs.filter(({ body }) => body.job === 'check');

describe('a socket without a CONNECT', () => {
  it('is closed after 10 s', async () => {
    const world = createWorld();
    const socket = await world.handshake();
    await world.pass(9);
    expect(socket.isOpen()).toBe(true);
    await world.pass(1);
    expect(socket.isOpen()).toBe(false);
    expect(world.logged('connect-missing')).toMatchObject([{ connectionId: socket.connectionId }]);
    expect(checks(world)).toEqual([]);
  });

  it('gets no session by a CONNECT that comes later', async () => {
    const world = createWorld();
    const socket = await world.handshake();
    await world.pass(10);
    expect((await socket.send(connectPacket('client'))).close).toBe('not-connected');
    expect(await world.session('client')).toBeUndefined();
  });

  it('is told from one whose CONNECT came in time', async () => {
    const world = createWorld();
    const client = await world.connect('client', { watched: true });
    await world.pass(15);
    expect(client.isOpen()).toBe(true);
  });
});

describe('keep-alive', () => {
  it('[MQTT-3.1.2-24] closes a silent connection, after one and a half times its keep-alive and within a few seconds', async () => {
    const world = createWorld();
    const client = await world.connect('client', { clean: false, keepalive: 4, watched: true });
    await world.pass(6);
    expect(client.isOpen()).toBe(true);
    await world.pass(4);
    expect(client.isOpen()).toBe(false);
    expect(client.frames().at(-1)).toBe('>;close=keep-alive-timeout:');
    expect(world.logged('keep-alive-timeout')).toMatchObject([{ clientId: 'client', keepAlive: 4 }]);
    expect(world.logged('connection-ended')).toMatchObject([{ reason: 'MQTT_KEEP_ALIVE_TIMEOUT' }]);
    expect(await world.session('client')).toMatchObject({ status: 'offline' });
  });

  it.each([
    ['a PINGREQ', pingreq],
    ['any other packet', publishPacket('a', 'b', 0)],
  ])('[MQTT-3.1.2-24] is kept by %s in one and a half times its keep-alive', async (_what, packet) => {
    const world = createWorld();
    const client = await world.connect('client', { keepalive: 4, watched: true });
    for (let times = 0; times < 20; times++) {
      await world.pass(5);
      expect((await client.send(packet)).close).toBeUndefined();
    }
    expect(client.isOpen()).toBe(true);
  });

  it('[MQTT-3.1.2-24] never closes a connection that was heard less than one and a half times its keep-alive ago, whenever that was', async () => {
    for (let heardAt = 1; heardAt < 8; heardAt++) {
      const world = createWorld();
      const client = await world.connect('client', { keepalive: 4, watched: true });
      await world.pass(heardAt);
      if (!client.isOpen()) continue;
      await client.send(pingreq);
      await world.pass(5);
      expect([heardAt, client.isOpen()]).toEqual([heardAt, true]);
      await world.pass(4);
      expect([heardAt, client.isOpen()]).toEqual([heardAt, false]);
    }
  });

  it('counts a frame from when it came, however long it takes to deal with', async () => {
    const world = createWorld({}, ({ subscriptions, clock }) => ({
      subscriptions: {
        ...subscriptions,
        shapes: async () => {
          await new Promise(setImmediate); // whatever else goes on at the same time
          await clock.pause(5_000);
          return subscriptions.shapes();
        },
      },
    }));
    const client = await world.connect('client', { keepalive: 4, watched: true });
    await world.pass(5);
    const seen = world.context.clock.now();
    await client.send(publishPacket('a', 'b', 0));
    expect(await world.stores.connections.read(client.connectionId)).toMatchObject({ lastSeen: seen });
  });

  it('is over in the books before the socket is, so that its $disconnect does not tell another reason', async () => {
    const world = createWorld({}, (ports) => ({
      gateway: {
        ...ports.gateway,
        close: async (connectionId) => {
          await ports.gateway.close(connectionId);
          await handleDisconnect(world.context, connectionId);
        },
      },
    }));
    await world.connect('client', { clean: false, keepalive: 4, watched: true });
    await world.pass(12);
    expect(world.logged('connection-ended')).toMatchObject([{ reason: 'MQTT_KEEP_ALIVE_TIMEOUT' }]);
  });

  it('writes that the client was heard once in half a keep-alive at most', async () => {
    const seen: number[] = [];
    const world = createWorld({}, ({ connections, clock }) => ({
      connections: {
        ...connections,
        change: async (connectionId, change) => {
          if (change.name === 'seen') seen.push(clock.now());
          return connections.change(connectionId, change);
        },
      },
    }));
    const client = await world.connect('client', { keepalive: 10, watched: true });
    for (let times = 0; times < 300; times++) {
      await client.send(publishPacket('a', 'b', 0));
      await world.pass(1);
    }
    expect(seen.length).toBeGreaterThan(50);
    const gaps = seen.slice(1).map((at, index) => at - (seen[index] ?? 0));
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(5_000);
  });

  it('of 0 leaves a silent connection to the gateway, and writes nothing when its client is heard', async () => {
    const world = createWorld();
    const client = await world.connect('client', { keepalive: 0, watched: true });
    const before = await world.stores.connections.read(client.connectionId);
    await world.pass(30);
    await client.send(pingreq);
    expect(await world.stores.connections.read(client.connectionId)).toMatchObject({ lastSeen: before?.lastSeen });
    await world.pass(3_600);
    expect(client.isOpen()).toBe(true);
  });
});

describe('a connection whose $disconnect never came', () => {
  it.each([0, 1_200])(
    'is found by asking the gateway where keep-alive does not tell in time: %s s',
    async (keepalive) => {
      const world = createWorld();
      const client = await world.connect('client', { clean: false, keepalive, watched: true });
      client.vanish();
      await world.pass(620);
      expect(await world.session('client')).toMatchObject({ status: 'offline' });
      expect(world.logged('connection-ended')).toMatchObject([{ reason: 'CONNECTION_LOST' }]);
    },
  );

  it('is found where its session was taken over by somebody who died before closing it', async () => {
    const world = createWorld({}, ({ connections, gateway }) => ({
      connections: { ...connections, close: async () => undefined },
      gateway: { ...gateway, post: async () => 'accepted' },
    }));
    const old = await world.connect('client', { watched: true, keepalive: 20 });
    world.jobs.splice(0, world.jobs.length, ...checks(world));
    await world.connect('client');
    world.jobs.splice(0, world.jobs.length, ...checks(world));
    world.sockets.set(old.connectionId, { open: true, frames: [] });
    for (let times = 0; times < 10; times++) {
      await old.send(pingreq);
      await world.pass(10);
    }
    expect(old.isOpen()).toBe(false);
  });
});

describe('what was left undone', () => {
  it('is done: a drain that is overdue gets its tick again', async () => {
    const world = createWorld({ redeliveryRate: 1 });
    const client = await world.connect('client', { clean: false });
    await client.send(subscribePacket({ a: 1 }));
    await client.drop();
    const publisher = await world.connect('publisher');
    await publisher.send(publishPacket('a', 'first', 1, 1), publishPacket('a', 'second', 1, 2));
    const back = await world.connect('client', { clean: false, watched: true, keepalive: 10 });
    await world.runTicks();
    expect(payloads(back.pushes())).toEqual(['first']);
    world.ticks.length = 0; // lost
    for (let times = 0; times < 6; times++) {
      await world.pass(5);
      await back.send(pingreq);
    }
    expect(payloads(back.pushes())).toEqual(['second']);
  });

  it('is done: a first tick that never came ends the connection, since only the next one can go on', async () => {
    const world = createWorld();
    const client = await world.connect('client', { clean: false });
    await client.drop();
    const back = await world.connect('client', { clean: false, watched: true, keepalive: 10 });
    world.ticks.length = 0; // lost
    for (let times = 0; times < 20 && back.isOpen(); times++) {
      await back.send(pingreq);
      await world.pass(5);
    }
    expect(back.isOpen()).toBe(false);
    expect(world.logged('first-tick-lost')).toHaveLength(1);
  });

  it('is done: what has been in flight for a minute on a connection that stays is sent again', async () => {
    const world = createWorld();
    const client = await world.connect('client', { watched: true, keepalive: 10 });
    await client.send(subscribePacket({ a: 1 }));
    const publisher = await world.connect('publisher');
    await publisher.send(publishPacket('a', 'x'));
    expect(client.pushes()).toMatchObject([{ dup: false }]);
    for (let times = 0; times < 20; times++) {
      await world.pass(5);
      await client.send(pingreq);
    }
    expect(client.pushes().filter(({ cmd }) => cmd === 'publish')).toMatchObject([{ dup: true, messageId: 1 }]);
  });

  it.each(failures)('is done: %s at any call of a CONNECT', async (failure) => {
    for (let call = 1; ; call++) {
      const world = createFaultyWorld();
      const socket = await world.handshake();
      const packet = { ...connectPacket('client'), clean: false };
      const { struck, died } = await world.during(call, failure, () => socket.send(packet));
      socket.vanish();
      await world.pass(3 * 60);
      const session = await world.session('client');
      if (session) expect([call, died, session.status]).toEqual([call, died, 'offline']);
      if (!struck) break;
    }
  });

  it.each(failures)('is done: %s at any call of $disconnect', async (failure) => {
    for (let call = 1; ; call++) {
      const world = createFaultyWorld();
      const client = await world.connect('client', { clean: false, watched: true });
      client.vanish();
      const { struck } = await world.during(call, failure, () => handleDisconnect(world.context, client.connectionId));
      await world.pass(130); // at the latest, by keep-alive
      expect([call, (await world.session('client'))?.status]).toEqual([call, 'offline']);
      if (!struck) break;
    }
  });

  it.each(failures)('is done: %s at any call of the check itself, which goes on', async (failure) => {
    for (let call = 1; ; call++) {
      const world = createFaultyWorld();
      const client = await world.connect('client', { clean: false, keepalive: 4, watched: true });
      world.advance(10_000);
      await client.send(pingreq);
      const struck = await world.failingJob(call, failure);
      client.vanish();
      await world.pass(50);
      expect([call, client.isOpen(), (await world.session('client'))?.status]).toEqual([call, false, 'offline']);
      if (!struck) break;
    }
  });
});

describe('the check', () => {
  it('is one for each connection, however often it is doubled', async () => {
    const world = createWorld();
    const client = await world.connect('client', { keepalive: 10, watched: true });
    for (let times = 0; times < 20; times++) {
      const [check] = checks(world);
      if (check && times < 5) world.jobs.push({ ...check }, { ...check });
      await world.pass(5);
      await client.send(pingreq);
    }
    expect(checks(world).length).toBe(1);
  });

  it('that comes late, of a connection it was done for, does nothing', async () => {
    const world = createWorld();
    const client = await world.connect('client', { keepalive: 10, watched: true });
    const [first] = checks(world);
    if (!first) throw new Error('no check is pending');
    await world.pass(12);
    const pending = checks(world);
    await client.drop();
    await runJob(world.context, first.body);
    expect(checks(world)).toEqual(pending);
  });

  it('ends with its connection', async () => {
    const world = createWorld();
    const client = await world.connect('client', { watched: true });
    await client.drop();
    await world.pass(3 * 60);
    expect(world.jobs).toEqual([]);
  });
});
