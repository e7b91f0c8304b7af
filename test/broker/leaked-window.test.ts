/**
 * A Lambda dies between taking room in the in-flight window and using it, or between a PUBACK and giving the room back. A tick
 * notices, and gives the connection up: the next one has all of the window.
 */
import type { ClientId } from '../../src/session/ids.ts';
import { createFaultyWorld, createSubscriber } from './faults.ts';
import { createPair } from './pair.ts';
import { createWorld, payloads, puback, publishPacket } from './world.ts';

const STILL_AT_WORK = 30_000;
const SECOND = 1_000;

describe('a window that is full, and not of messages', () => {
  const leaked = async () => {
    const world = createWorld({ maxInFlight: 2 });
    const pair = await createPair(world);
    await pair.publish('one');
    await world.stores.sessions.change('client' as ClientId, { if: [], add: { windowLeft: -1 } });
    await pair.publish('two');
    return { world, ...pair };
  };

  it('is left alone while whoever took its room may still be at work', async () => {
    const { world, client } = await leaked();
    await world.drain(STILL_AT_WORK - SECOND, SECOND);
    expect(world.logged('window-leaked')).toEqual([]);
    expect(await world.session('client')).toMatchObject({ status: 'online', mode: 'queued', backlog: 1 });
    expect(payloads(client.pushes())).toEqual(['one']);
    expect(client.isOpen()).toBe(true);
  });

  it('is noticed then, and its connection closed; the next one gets everything, and has all of the window', async () => {
    const { world, client, windowLeft } = await leaked();
    await world.drain(STILL_AT_WORK + 2 * SECOND, SECOND);
    expect(world.logged('window-leaked')).toEqual([{ event: 'window-leaked', clientId: 'client', inFlight: 1 }]);
    expect(client.isOpen()).toBe(false);
    expect(await world.session('client')).toMatchObject({ status: 'offline', backlog: 1 });
    expect(world.ticks).toEqual([]);
    const back = await world.connect('client', { clean: false });
    await world.drain(2 * SECOND);
    expect(await windowLeft()).toBe(0);
    const packets = back.pushes();
    expect(packets).toMatchObject([
      { payload: Buffer.from('one'), dup: true },
      { payload: Buffer.from('two'), dup: false },
    ]);
    await back.send(...packets.map(({ messageId }) => puback(messageId)));
    expect(await windowLeft()).toBe(2);
  });

  it('is not one whose client acknowledges late, at the moment at which a tick looks', async () => {
    const world = createWorld({ maxInFlight: 2 }, (ports) => ({
      inFlight: {
        ...ports.inFlight,
        // a PUBACK whose room has not come back yet
        list: async (session) => (await ports.inFlight.list(session)).slice(looks === 1 ? 1 : 0),
      },
    }));
    let looks = 0;
    const { client, publish } = await createPair(world);
    await publish('one', 'two', 'three');
    await world.drain(STILL_AT_WORK + 5 * SECOND, SECOND);
    looks = 1;
    await world.drain(SECOND, SECOND);
    looks = 2;
    await world.drain(5 * SECOND, SECOND);
    expect(world.logged('window-leaked')).toEqual([]);
    expect(client.isOpen()).toBe(true);
  });

  it('is not one of messages that its client is slow to acknowledge', async () => {
    const world = createWorld({ maxInFlight: 2 });
    const { client, publish } = await createPair(world);
    await publish('one', 'two', 'three');
    await world.drain(2 * STILL_AT_WORK - SECOND, SECOND);
    expect(world.logged('window-leaked')).toEqual([]);
    expect(client.isOpen()).toBe(true);
  });
});

describe.each(['death', 'death after its effect'] as const)('%s of a Lambda, at any call', (failure) => {
  it.each(['PUBLISH', 'PUBACK'])(
    'that deals with a %s leaves no connection stuck behind a full window',
    async (packet) => {
      let leaks = 0;
      let struck = true;
      for (let call = 1; struck; call++) {
        const world = createFaultyWorld({ maxInFlight: 1 });
        const subscriber = await createSubscriber(world, 'client', 'a');
        const publisher = await world.connect('publisher');
        if (packet === 'PUBACK') await publisher.send(publishPacket('a', 'one'));
        const sent = packet === 'PUBACK' ? puback(1) : publishPacket('a', 'one');
        const by = packet === 'PUBACK' ? subscriber.socket() : publisher;
        ({ struck } = await world.during(call, failure, () => by.send(sent)));
        const other = await world.connect('other');
        expect((await other.send(publishPacket('a', 'two'), publishPacket('a', 'three', 1, 2))).packets).toHaveLength(
          2,
        );
        await subscriber.stay(90);
        expect({ call, seen: [...new Set(subscriber.seen)].slice(-2) }).toEqual({ call, seen: ['two', 'three'] });
        expect(await world.session('client')).toMatchObject({ mode: 'direct', backlog: 0, windowLeft: 1 });
        leaks += world.logged('window-leaked').length;
      }
      expect(leaks).toBeGreaterThan(0);
    },
  );
});
