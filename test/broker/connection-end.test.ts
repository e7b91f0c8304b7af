/** PINGREQ, and the ways in which a connection ends: DISCONNECT, `$disconnect`, a violation, a failure of ours. */
import fc from 'fast-check';
import { handleDisconnect } from '../../src/broker/handle-disconnect.ts';
import type { Ports } from '../../src/broker/ports.ts';
import { sweep } from '../../src/broker/sweep.ts';
import { decode, splitPackets } from '../../src/mqtt/codec.ts';
import { ProtocolViolation } from '../../src/mqtt/violation.ts';
import type { ClientId, ConnectionId } from '../../src/session/ids.ts';
import {
  connectPacket,
  createWorld,
  disconnect,
  encodeFrame,
  payloads,
  pingreq,
  publishPacket,
  subscribePacket,
  type World,
} from './world.ts';

const sessionOf = (world: World) => world.stores.sessions.read('client' as ClientId);

const closedSoon = async (world: World, client: { isOpen(): boolean }) => {
  world.advance(2_000);
  await world.runJobs();
  return !client.isOpen();
};

describe('PINGREQ', () => {
  it('[MQTT-3.12.4-1] is answered with PINGRESP, each one', async () => {
    const world = createWorld();
    const client = await world.connect('client');
    expect(await client.send(pingreq)).toEqual({ taken: 1, packets: [expect.objectContaining({ cmd: 'pingresp' })] });
    const { taken, packets } = await client.send(pingreq, publishPacket('a', 'x'), pingreq);
    expect(taken).toBe(3);
    expect(packets.map(({ cmd }) => cmd)).toEqual(['pingresp', 'puback', 'pingresp']);
  });
});

describe('DISCONNECT', () => {
  it('is answered with close=disconnected and no packet; nothing behind it or after it is dealt with', async () => {
    const world = createWorld();
    const observer = await world.connect('observer');
    await observer.send(subscribePacket({ '#': 1 }));
    const client = await world.connect('client', { clean: false });
    const last = publishPacket('a', 'last words');
    const reply = await client.send(last, disconnect, publishPacket('a', 'behind', 1, 2), disconnect);
    expect(reply).toMatchObject({ taken: 2, close: 'disconnected', packets: [{ cmd: 'puback', messageId: 1 }] });
    const before = await sessionOf(world);
    for (const packet of [publishPacket('a', 'after', 1, 3), subscribePacket({ a: 1 }), connectPacket('client')]) {
      expect(await client.send(packet)).toMatchObject({ taken: 0, packets: [], close: 'not-connected' });
    }
    expect(payloads(observer.pushes())).toEqual(['last words']);
    expect(await sessionOf(world)).toEqual(before);
  });

  it('[MQTT-3.1.2-6] ends a clean session, and everything of it goes', async () => {
    const world = createWorld();
    const client = await world.connect('client');
    await client.send(subscribePacket({ a: 1 }));
    await (await world.connect('publisher')).send(publishPacket('a', 'unacknowledged'));
    await client.send(disconnect);
    expect((await sessionOf(world))?.status).toBe('ended');
    await world.cleanUp();
    expect(await sessionOf(world)).toBeUndefined();
    expect(world.stores.subscriptions.all()).toEqual([]);
    expect(world.stores.filters.all()).toEqual([]);
    expect(world.stores.inFlight.all()).toEqual([]);
  });

  it('[MQTT-4.1.0-1] takes a persistent session offline, which goes on from what it was', async () => {
    const world = createWorld();
    const client = await world.connect('client', { clean: false });
    await client.send(subscribePacket({ a: 1 }));
    const publisher = await world.connect('publisher');
    await publisher.send(publishPacket('a', 'unacknowledged'));
    await client.send(disconnect);
    expect(await sessionOf(world)).toMatchObject({ status: 'offline', connectionId: '' });
    await publisher.send(publishPacket('a', 'stored'));
    world.advance(3_599_000); // the session expires after an hour
    const back = await world.connect('client', { clean: false });
    expect(back.sessionPresent).toBe(true);
    await world.drain(2_000);
    expect(payloads(back.pushes())).toEqual(['unacknowledged', 'stored']);
  });

  it('is not undone, nor is the expiry moved, by the $disconnect that follows', async () => {
    const world = createWorld();
    const client = await world.connect('client', { clean: false });
    await client.send(disconnect);
    const before = await sessionOf(world);
    world.advance(5_000);
    await client.drop();
    expect(await sessionOf(world)).toEqual(before);
  });

  it('closes the socket, should the client end not do so', async () => {
    const world = createWorld();
    const client = await world.connect('client');
    await client.send(disconnect);
    expect(await closedSoon(world, client)).toBe(true);
  });
});

it('[MQTT-4.1.0-2] a session lasts at least as long as its connection, whatever its expiry', async () => {
  const world = createWorld({ sessionExpirySeconds: 1 });
  const clients = [await world.connect('clean'), await world.connect('persistent', { clean: false })];
  for (const client of clients) await client.send(subscribePacket({ a: 1 }));
  world.advance(7_200_000);
  await world.runJobs();
  await sweep(world.context);
  await (await world.connect('publisher')).send(publishPacket('a', 'x'));
  for (const client of clients) expect(payloads(client.pushes())).toEqual(['x']);
  expect(await world.connect('persistent', { clean: false })).toMatchObject({ sessionPresent: true });
});

describe('$disconnect', () => {
  it.each([1, 2])(
    'without DISCONNECT ends a clean session and takes a persistent one offline, %i times',
    async (times) => {
      const world = createWorld();
      const persistent = await world.connect('client', { clean: false });
      const clean = await world.connect('clean');
      await persistent.drop();
      await clean.drop();
      const before = await sessionOf(world);
      expect(before).toMatchObject({ status: 'offline', expiresAt: world.context.clock.now() + 3_600_000 });
      for (let time = 1; time < times; time++) {
        world.advance(10_000);
        await persistent.drop();
        await clean.drop();
      }
      expect(await sessionOf(world)).toEqual(before);
      expect(world.logged('session-ended')).toMatchObject([{ clientId: 'clean', cause: 'connection-lost' }]);
      await world.cleanUp();
      expect(world.stores.sessions.all()).toEqual([before]);
    },
  );

  it('that overtakes CONNECT makes it come to nothing: no session is left online', async () => {
    const world = createWorld();
    const clients = [world.open(), world.open()] as const;
    for (const client of clients) await client.drop();
    for (const [index, client] of clients.entries()) {
      const reply = await client.send({ ...connectPacket(`client ${index}`), clean: index === 0 });
      expect(reply).toMatchObject({ taken: 0, packets: [], close: 'not-connected' });
    }
    expect(world.stores.sessions.all()).toEqual([]);
  });

  it('that comes while CONNECT writes makes it come to nothing, too', async () => {
    const world: World = createWorld({}, (ports) => ({
      sessions: {
        ...ports.sessions,
        change: async (clientId, change) => {
          const outcome = await ports.sessions.change(clientId, change);
          if (change.set?.connectionId) await handleDisconnect(world.context, change.set.connectionId);
          return outcome;
        },
      },
    }));
    const client = world.open();
    const reply = await client.send({ ...connectPacket('client'), clean: false });
    expect(reply).toMatchObject({ taken: 0, packets: [], close: 'not-connected' });
    expect(await sessionOf(world)).toMatchObject({ status: 'offline' });
  });

  it('of a connection that never said CONNECT, or that nobody knows, does nothing', async () => {
    const world = createWorld();
    await world.open().drop();
    await handleDisconnect(world.context, 'unknown=' as ConnectionId, 1001, 'Going away');
    expect(world.stores.sessions.all()).toEqual([]);
    expect(world.jobs).toEqual([]);
    expect(world.logged('socket-closed')).toMatchObject([{ statusCode: 1006 }, { reason: 'Going away' }]);
  });
});

describe('[MQTT-4.8.0-1] a violation', () => {
  const refusalOf = (bytes: Uint8Array): string | undefined => {
    try {
      for (const each of splitPackets(bytes)) decode(each);
      return undefined;
    } catch (error) {
      if (error instanceof ProtocolViolation) return error.reason;
      throw error;
    }
  };
  const good = [publishPacket('a', 'x'), subscribePacket({ 'a/#': 1 }), pingreq, disconnect, connectPacket('client')];
  const damaged = fc
    .record({ packet: fc.constantFrom(...good), at: fc.nat(40), by: fc.integer({ min: 1, max: 255 }) })
    .map(({ packet, at, by }) => {
      const bytes = Buffer.from(encodeFrame([packet]), 'base64');
      bytes.writeUInt8(bytes.readUInt8(at % bytes.length) ^ by, at % bytes.length);
      return bytes;
    });
  const refused = fc.oneof(damaged, fc.uint8Array({ minLength: 1, maxLength: 40 }).map(Buffer.from)).filter(
    // PINGREQ and the like may come before a violation, and CONNECT or DISCONNECT has the last word on its frame.
    (bytes) => refusalOf(bytes) !== undefined && (bytes[0] ?? 0) >> 4 !== 14,
  );

  it.each([true, false])(
    'that the codec finds closes the connection it came in on, clean session %s',
    async (clean) => {
      await fc.assert(
        fc.asyncProperty(refused, async (bytes) => {
          const world = createWorld();
          const other = await world.connect('other');
          const client = await world.connect('client', { clean });
          const reply = await client.frame(bytes.toString('base64'));
          expect(reply.close).toBe(refusalOf(bytes));
          expect(await sessionOf(world)).toMatchObject({ status: clean ? 'ended' : 'offline' });
          expect(await client.send(pingreq)).toMatchObject({ taken: 0, close: 'not-connected' });
          expect(await closedSoon(world, client)).toBe(true);
          expect((await other.send(pingreq)).packets).toMatchObject([{ cmd: 'pingresp' }]);
        }),
        { numRuns: 300 },
      );
    },
  );
});

describe('[MQTT-4.8.0-2] a failure of ours', () => {
  const failing = (override: (ports: Ports) => Partial<Ports>) => {
    let broken = false;
    const world = createWorld({}, (ports) => {
      const replaced = override(ports);
      return Object.fromEntries(
        Object.entries(replaced).map(([name, port]) => {
          const sound = ports[name as keyof Ports];
          return [name, new Proxy(sound, { get: (_, key) => Reflect.get(broken ? port : sound, key) })];
        }),
      );
    });
    return {
      world,
      breakDown: () => {
        broken = true;
      },
    };
  };
  const outage = async () => {
    throw new Error('an outage');
  };

  it.each<[string, (ports: Ports) => Partial<Ports>]>([
    ['the connection cannot be read', ({ connections }) => ({ connections: { ...connections, read: outage } })],
    ['the registry cannot be read', ({ subscriptions }) => ({ subscriptions: { ...subscriptions, shapes: outage } })],
    ['the audience cannot be read', ({ subscriptions }) => ({ subscriptions: { ...subscriptions, to: outage } })],
    ['the message cannot be put in flight', ({ inFlight }) => ({ inFlight: { ...inFlight, put: outage } })],
  ])('closes the connection, without a PUBACK and with a line in the log: %s', async (_what, override) => {
    const { world, breakDown } = failing(override);
    const subscriber = await world.connect('subscriber');
    await subscriber.send(subscribePacket({ a: 1 }));
    const client = await world.connect('client');
    breakDown();
    const reply = await client.send(publishPacket('a', 'secret'));
    expect(reply).toEqual({ taken: 0, packets: [], close: 'internal-error' });
    const [line] = world.logged('error');
    expect(line).toMatchObject({ connectionId: client.connectionId, detail: 'Error: an outage' });
    expect(JSON.stringify(world.lines)).not.toContain('secret');
    expect(await closedSoon(world, client)).toBe(true);
  });

  it('closes the connection where the session cannot be written, too', async () => {
    const { world, breakDown } = failing(({ sessions }) => ({ sessions: { ...sessions, change: outage } }));
    const client = await world.connect('client');
    breakDown();
    expect(await client.send(subscribePacket({ a: 1 }))).toMatchObject({ taken: 0, close: 'internal-error' });
    expect(await closedSoon(world, client)).toBe(true);
  });

  it.each([true, false])('is made good by the $disconnect that follows, clean session %s', async (clean) => {
    let broken = false;
    const world = createWorld({}, ({ sessions }) => ({
      sessions: { ...sessions, change: (...change) => (broken ? outage() : sessions.change(...change)) },
    }));
    const client = await world.connect('client', { clean });
    broken = true;
    expect(await client.send(disconnect)).toMatchObject({ close: 'internal-error' });
    broken = false;
    await client.drop();
    expect(await sessionOf(world)).toMatchObject({ status: clean ? 'ended' : 'offline' });
  });

  it('gets its one reply even where closing fails, too', async () => {
    const { world, breakDown } = failing(({ connections, timers }) => ({
      connections: { ...connections, read: outage, close: outage },
      timers: { ...timers, send: outage },
    }));
    const client = await world.connect('client');
    breakDown();
    expect(await client.send(pingreq)).toEqual({ taken: 0, packets: [], close: 'internal-error' });
  });
});
