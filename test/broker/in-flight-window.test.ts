/** The in-flight window: what takes room in it, what gives it back, and what happens where there is none. */
import { acknowledge } from '../../src/broker/acknowledge.ts';
import type { Ports } from '../../src/broker/ports.ts';
import { createPair, idsOf } from './pair.ts';
import { beforeChange, createStallingWorld } from './stalls.ts';
import { createWorld, payloads, puback, type World } from './world.ts';

const packetIds = ({ stores }: World) => stores.inFlight.all().map(({ packetId }) => packetId);

describe('a PUBACK', () => {
  it('gives the room of its message back, once', async () => {
    const world = createWorld({ maxInFlight: 5 });
    const { client, publish, windowLeft } = await createPair(world);
    await publish('one', 'two', 'three');
    expect(await windowLeft()).toBe(2);
    await client.send(puback(2));
    expect(await windowLeft()).toBe(3);
    await client.send(puback(2), puback(60_000)); // doubled, and one that was never sent
    expect(await windowLeft()).toBe(3);
    await client.send(puback(1), puback(3), puback(3));
    expect(await windowLeft()).toBe(5);
  });

  it('is one write on the session for all of a frame, and none where it gives nothing back', async () => {
    const credits: unknown[] = [];
    const world = createWorld({}, ({ sessions }) => ({
      sessions: {
        ...sessions,
        change: (clientId, change) => {
          if (change.name === 'credit') credits.push(change.add);
          return sessions.change(clientId, change);
        },
      },
    }));
    const { client, publish } = await createPair(world);
    await publish('one', 'two', 'three');
    await client.send(puback(1), puback(2), puback(3));
    await client.send(puback(1));
    expect(credits).toEqual([{ windowLeft: 3 }]);
  });

  it('for what was sent on an older connection changes nothing: the message comes again, and is acknowledged then', async () => {
    const world = createWorld({ maxInFlight: 5 });
    const { client, publish, windowLeft } = await createPair(world);
    await publish('one', 'two');
    await client.drop();
    const back = await world.connect('client', { clean: false });
    await back.send(puback(1));
    expect(packetIds(world)).toEqual([1, 2]);
    expect(await windowLeft()).toBe(5);
    await world.drain(1_000);
    expect(back.pushes()).toMatchObject([
      { messageId: 1, dup: true },
      { messageId: 2, dup: true },
    ]);
    expect(await windowLeft()).toBe(3);
    await back.send(puback(1), puback(2));
    expect(world.stores.inFlight.all()).toEqual([]);
    expect(await windowLeft()).toBe(5);
  });

  it.each([
    ['before the next connection was sent its message', false],
    ['behind that', true],
  ])('of a connection that was replaced meanwhile gives nothing back to the next: %s', async (_what, sentAgain) => {
    const world = createWorld({ maxInFlight: 5 });
    const { client, publish, windowLeft } = await createPair(world);
    await publish('one');
    const stalled = await world.stores.connections.read(client.connectionId);
    if (!stalled) throw new Error('no connection');
    const back = await world.connect('client', { clean: false });
    if (sentAgain) await world.drain(1_000);
    await acknowledge(world.context, stalled, [{ type: 'puback', packetId: 1 }]);
    if (sentAgain) {
      // Unacknowledged on the connection that it was sent on last, so it stays in flight [MQTT-4.3.2-1].
      expect(packetIds(world)).toEqual([1]);
      expect(await windowLeft()).toBe(4);
      await back.send(puback(1));
    }
    await world.drain(1_000);
    expect(await windowLeft()).toBe(5 - world.stores.inFlight.all().length);
  });

  it('whose Lambda stalls before it gives the room back gives none to the next connection', async () => {
    const { world, meanwhile } = createStallingWorld(beforeChange('credit'), { maxInFlight: 5 });
    const { client, publish, windowLeft } = await createPair(world);
    await publish('one');
    meanwhile(() => world.connect('client', { clean: false }));
    await client.send(puback(1));
    expect(await windowLeft()).toBe(5);
  });
});

describe('a full window', () => {
  it('parks the session; its tick goes on as room comes back, in order, and the session is direct again', async () => {
    const world = createWorld({ maxInFlight: 2 });
    const { client, publish } = await createPair(world);
    await publish('one', 'two');
    await publish('three');
    await publish('four', 'five');
    expect(await world.session('client')).toMatchObject({ status: 'online', mode: 'queued', backlog: 3 });
    await world.drain(10_000);
    expect(payloads(client.pushes())).toEqual(['one', 'two']);
    await client.send(puback(1));
    await world.drain(2_000);
    const third = client.pushes();
    expect(payloads(third)).toEqual(['three']);
    await client.send(puback(2), puback(third[0]?.messageId));
    await world.drain(2_000);
    const rest = client.pushes();
    expect(payloads(rest)).toEqual(['four', 'five']);
    await client.send(...idsOf(rest).map(puback));
    await world.drain(2_000);
    expect(await world.session('client')).toMatchObject({ mode: 'direct', backlog: 0, windowLeft: 2 });
    expect(world.ticks).toEqual([]);
  });

  it('is filled to the brim before the rest is stored', async () => {
    const world = createWorld({ maxInFlight: 5 });
    const { client, publish } = await createPair(world);
    await publish('one', 'two', 'three');
    await publish('four', 'five', 'six', 'seven');
    expect(payloads(client.pushes())).toEqual(['one', 'two', 'three', 'four', 'five']);
    expect(await world.session('client')).toMatchObject({ mode: 'queued', backlog: 2, windowLeft: 0 });
  });

  it('is all free again on the next connection, and what is in flight from the last one takes room in it', async () => {
    const world = createWorld({ maxInFlight: 3 });
    const { client, publish, windowLeft } = await createPair(world);
    await publish('one', 'two', 'three');
    await client.drop();
    await publish('four');
    const back = await world.connect('client', { clean: false });
    expect(await windowLeft()).toBe(3);
    await world.drain(5_000);
    const packets = back.pushes();
    expect(payloads(packets)).toEqual(['one', 'two', 'three']);
    expect(await windowLeft()).toBe(0);
    await back.send(puback(packets.at(-1)?.messageId));
    await world.drain(2_000);
    expect(payloads(back.pushes())).toEqual(['four']);
  });

  /** A world in which something may happen while a tick looks at what is in flight. */
  const whileTickLooks = ({ inFlight }: Ports, pause: () => Promise<void>): Partial<Ports> => ({
    inFlight: {
      ...inFlight,
      list: async (session) => {
        const found = await inFlight.list(session);
        await pause();
        return found;
      },
    },
  });

  it('that live traffic fills while a tick looks: the tick gives back what it received, and comes again', async () => {
    const { world, meanwhile } = createStallingWorld(whileTickLooks, { maxInFlight: 2, liveTraffic: 'interleaved' });
    const { client, publish } = await createPair(world);
    await client.drop();
    await publish('stored one', 'stored two');
    const back = await world.connect('client', { clean: false });
    meanwhile(() => publish('live'));
    await world.runTicks();
    const [live] = back.pushes().filter(({ cmd }) => cmd === 'publish');
    expect(live).toMatchObject({ payload: Buffer.from('live') });
    expect(await world.session('client')).toMatchObject({ tick: 1, leaseUntil: 0, windowLeft: 1, backlog: 2 });
    await world.drain(10_000);
    expect(payloads(back.pushes())).toEqual(['stored one']);
    await back.send(puback(live?.messageId));
    await world.drain(2_000);
    expect(payloads(back.pushes())).toEqual(['stored two']);
  });

  it('gets room back once for what is acknowledged while a tick is about to send it again', async () => {
    const { world, meanwhile } = createStallingWorld(whileTickLooks, { maxInFlight: 2 });
    const { client, publish, windowLeft } = await createPair(world);
    await publish('one', 'two', 'three');
    await world.drain(60_000, 1_000);
    meanwhile(() => client.send(puback(1), puback(2)));
    await world.drain(5_000, 1_000);
    expect(payloads(client.pushes())).toEqual(['one', 'two', 'three']);
    expect(packetIds(world)).toHaveLength(1);
    expect(await windowLeft()).toBe(1);
  });

  it('is no sign that its backlog was never sent: the queue was not asked', async () => {
    const world = createWorld({ maxInFlight: 1 });
    const { client, publish } = await createPair(world);
    await publish('one', 'two');
    await world.drain(55_000, 1_000); // a client that is slow
    expect(world.logged('backlog-healed')).toEqual([]);
    await client.send(puback(1));
    await world.drain(2_000);
    expect(payloads(client.pushes())).toEqual(['one', 'two']);
  });
});
