/** Packet identifiers, and the order of messages. */
import fc from 'fast-check';
import type { ClientId } from '../../src/session/ids.ts';
import { createWorld, payloads, puback, publishPacket, type Received, subscribePacket, type World } from './world.ts';

const idsOf = (packets: readonly Received[]) => packets.map(({ messageId }) => messageId as number);
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

const subscribed = async (settings: Parameters<typeof createWorld>[0] = {}, clean = false) => {
  const world = createWorld(settings);
  const client = await world.connect('client', { clean });
  await client.send(subscribePacket({ '#': 1 }));
  const publisher = await world.connect('publisher');
  const publish = (from: number, to: number) =>
    publisher.send(...range(from, to).map((each) => publishPacket('a', `m${each}`, 1, each)));
  return { world, client, publisher, publish };
};

const setSequence = (world: World, sequence: number) =>
  world.stores.sessions.change('client' as ClientId, { if: [], set: { sequence } });

describe('packet identifiers of the server', () => {
  it('[MQTT-2.3.1-1] [MQTT-4.3.2-1] are not 0, and new for each message, however the publisher numbers its own', async () => {
    const { client, publisher } = await subscribed();
    for (let each = 0; each < 30; each++) await publisher.send(publishPacket('a', 'x', 1, 5));
    const received = client.pushes();
    expect(received).toHaveLength(30);
    expect(new Set(idsOf(received)).size).toBe(30);
    for (const packet of received) expect(packet).toMatchObject({ qos: 1, dup: false });
    for (const id of idsOf(received)) expect(id).toBeGreaterThan(0);
  });

  it('are independent of those the client uses itself', async () => {
    const { client } = await subscribed();
    const { packets } = await client.send(publishPacket('a', 'x', 1, 1), publishPacket('a', 'y', 1, 2));
    const received = client.pushes();
    expect(idsOf(packets)).toEqual([1, 2]);
    expect(idsOf(received)).toEqual([1, 2]);
    await client.send(puback(1));
    expect((await client.send(publishPacket('a', 'z', 1, 2))).packets).toMatchObject([{ messageId: 2 }]);
    expect(idsOf(client.pushes())).toEqual([3]);
  });

  it('are independent of those of another session', async () => {
    const { world, client, publish } = await subscribed();
    await publish(1, 3);
    const other = await world.connect('other');
    await other.send(subscribePacket({ a: 1 }));
    await publish(4, 4);
    expect([idsOf(client.pushes()), idsOf(other.pushes())]).toEqual([[1, 2, 3, 4], [1]]);
    await other.send(puback(1));
    expect(world.stores.inFlight.all()).toHaveLength(4);
  });

  it('[MQTT-2.3.1-4] begin again at 1 behind 65,535, and pass over those that are still in use', async () => {
    const { world, client, publish } = await subscribed();
    await publish(1, 3);
    await client.send(puback(2));
    await setSequence(world, 65_533);
    await publish(4, 4);
    expect(idsOf(client.pushes())).toEqual([1, 2, 3, 65_534]);
    await publish(5, 7);
    await publish(8, 8);
    const received = client.pushes();
    expect(payloads(received)).toEqual(['m5', 'm6', 'm7', 'm8']);
    const inUse = new Set([1, 3, 65_534]);
    for (const id of idsOf(received)) {
      expect(inUse.has(id)).toBe(false);
      expect(id).toBeGreaterThanOrEqual(1);
      inUse.add(id);
    }
    expect(world.stores.inFlight.all()).toHaveLength(inUse.size);
    // and leave no hole in the numbers of pushes
    const numbers = client.frames().map((frame) => Number(frame.slice(1, frame.indexOf(':'))));
    expect(numbers).toEqual([1, 4, 5, 8]);
  });

  it('[MQTT-2.3.1-4] pass over those in use in the messages from the queue, too', async () => {
    const { world, client, publish } = await subscribed();
    await publish(1, 2);
    await client.drop();
    await publish(3, 8);
    await setSequence(world, 65_530);
    const back = await world.connect('client', { clean: false });
    await world.drain(5_000);
    const received = back.pushes();
    expect(new Set(idsOf(received)).size).toBe(8);
    expect([...new Set(payloads(received))]).toEqual(range(1, 8).map((each) => `m${each}`));
  });

  it('[MQTT-4.3.2-1] stay in use until their PUBACK, and are sent again with the same message', async () => {
    const { world, client, publish } = await subscribed();
    await publish(1, 3);
    const [one, two, three] = client.pushes();
    await client.send(puback(two?.messageId));
    await client.send(puback(two?.messageId), puback(60_000)); // doubled, and one that was never sent
    for (let times = 0; times < 3; times++) {
      const back = await world.connect('client', { clean: false });
      await world.drain(2_000);
      expect(back.pushes()).toMatchObject([
        { ...one, dup: true },
        { ...three, dup: true },
      ]);
    }
  });
});

describe('order', () => {
  it('[MQTT-4.6.0-5] [MQTT-4.6.0-6] is kept within a frame, across frames, and from one topic to the next', async () => {
    const { client, publisher } = await subscribed();
    const frames = [range(1, 40), range(41, 41), range(42, 60)];
    for (const frame of frames) {
      await publisher.send(...frame.map((each) => publishPacket(`t/${each % 3}`, `m${each}`, 1, each)));
    }
    expect(payloads(client.pushes())).toEqual(range(1, 60).map((each) => `m${each}`));
  });

  it('[MQTT-4.6.0-6] is kept of QoS 0 as well', async () => {
    const { client, publisher } = await subscribed();
    await publisher.send(...range(1, 150).map((each) => publishPacket('a', `m${each}`, 0)));
    await publisher.send(publishPacket('a', 'm151', 0));
    expect(payloads(client.pushes())).toEqual(range(1, 151).map((each) => `m${each}`));
  });

  it('[MQTT-4.6.0-1] is kept by what is sent again, though it was sent at different times and in part acknowledged', async () => {
    const { world, client, publish } = await subscribed();
    await publish(1, 2);
    await setSequence(world, 300); // so that it is not the order of the keys of a store that does it
    await publish(3, 14);
    const sent = client.pushes();
    for (const { messageId } of [sent[1], sent[4], sent[13]] as Received[]) await client.send(puback(messageId));
    const left = payloads(sent).filter((payload) => !['m2', 'm5', 'm14'].includes(payload));
    for (let times = 0; times < 2; times++) {
      const back = await world.connect('client', { clean: false });
      await world.drain(3_000);
      expect(payloads(back.pushes())).toEqual(left);
    }
  });

  it('[MQTT-4.6.0-1] what is sent again comes before what was stored, and that before what is new', async () => {
    const { world, client, publish } = await subscribed();
    await publish(1, 2);
    await client.drop();
    await publish(3, 4);
    const back = await world.connect('client', { clean: false });
    await publish(5, 5);
    await world.drain(3_000);
    await publish(6, 6);
    expect(payloads(back.pushes())).toEqual(range(1, 6).map((each) => `m${each}`));
  });

  it('[MQTT-4.6.0-6] [MQTT-4.1.0-1] holds, and nothing is lost, however the subscriber comes and goes', async () => {
    const step = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({ does: fc.constant('publish' as const), count: fc.integer({ min: 1, max: 8 }) }),
      },
      {
        weight: 2,
        arbitrary: fc.record({ does: fc.constant('acknowledge' as const), count: fc.integer({ min: 0, max: 9 }) }),
      },
      {
        weight: 2,
        arbitrary: fc.record({ does: fc.constant('wait' as const), count: fc.integer({ min: 1, max: 15 }) }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          does: fc.constantFrom('drop' as const, 'vanish' as const, 'connect' as const),
          count: fc.constant(0),
        }),
      },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const { world, client, publisher } = await subscribed({ maxInFlight: 6, redeliveryRate: 4 });
        let current = client;
        let sent = 0;
        const seen: string[] = [];
        const owed: number[] = [];
        const read = () => {
          const packets = current.pushes();
          seen.push(...payloads(packets));
          owed.push(...idsOf(packets));
        };
        const perform: Record<(typeof steps)[number]['does'], (count: number) => Promise<unknown>> = {
          publish: (count) => {
            const from = sent + 1;
            sent += count;
            return publisher.send(...range(from, sent).map((each) => publishPacket('a', `m${each}`, 1, each)));
          },
          acknowledge: async (count) => {
            read();
            const ids = owed.splice(0, count);
            if (current.isOpen() && ids.length > 0) await current.send(...ids.map(puback));
          },
          wait: (count) => world.drain(count * 100),
          drop: () => current.drop(),
          vanish: async () => current.vanish(),
          connect: async () => {
            read();
            owed.length = 0;
            current = await world.connect('client', { clean: false });
          },
        };
        for (const { does, count } of steps) await perform[does](count);
        await perform.connect(0);
        for (let turns = 0; turns < 100; turns++) {
          await perform.wait(5);
          await perform.acknowledge(100);
          await world.runJobs();
        }
        expect([...new Set(seen)]).toEqual(range(1, sent).map((each) => `m${each}`));
        expect(await world.stores.sessions.read('client' as ClientId)).toMatchObject({ mode: 'direct', backlog: 0 });
        expect(world.stores.inFlight.all()).toEqual([]);
        expect(world.ticks).toEqual([]);
      }),
      { numRuns: 150 },
    );
  });
});
