import fc from 'fast-check';
import { createWorld, type Packet, payloads, puback, publishPacket, subscribePacket } from './world.ts';

type Qos = 0 | 1 | 2;

const subscribed = async (filters: Parameters<typeof subscribePacket>[0] = { '#': 1 }) => {
  const world = createWorld();
  const client = await world.connect('client');
  await client.send(subscribePacket(filters));
  const publisher = await world.connect('publisher');
  return { world, client, publisher };
};

describe('PUBLISH is answered', () => {
  it('[MQTT-3.3.4-1] not at all where its QoS is 0', async () => {
    const { publisher } = await subscribed();
    expect(await publisher.send(publishPacket('a', 'x', 0))).toEqual({ taken: 1, packets: [], close: undefined });
  });

  it('[MQTT-3.3.4-1] [MQTT-2.3.1-6] [MQTT-4.3.2-2] with PUBACK and its packet identifier where its QoS is 1', async () => {
    const { publisher } = await subscribed();
    for (const messageId of [1, 300, 65_535]) {
      const { packets } = await publisher.send(publishPacket('a', 'x', 1, messageId));
      expect(packets).toMatchObject([{ cmd: 'puback', messageId }]);
      expect(packets).toHaveLength(1);
    }
  });

  it('[MQTT-3.3.4-1] with PUBACK where nobody has subscribed, too', async () => {
    const { publisher } = await subscribed({ other: 1 });
    expect((await publisher.send(publishPacket('a', 'x'))).packets).toMatchObject([{ cmd: 'puback', messageId: 1 }]);
  });

  it('one PUBACK for each of a frame, in the order of the PUBLISH packets', async () => {
    const { publisher } = await subscribed();
    const packets = [
      publishPacket('a', '1', 1, 30),
      publishPacket('b', '2', 0),
      publishPacket('c', '3', 1, 10),
      publishPacket('a', '4', 1, 20),
    ];
    expect((await publisher.send(...packets)).packets.map(({ messageId }) => messageId)).toEqual([30, 10, 20]);
  });

  it('[MQTT-4.3.2-2] and is another message under the same packet identifier, once that was acknowledged', async () => {
    const { client, publisher } = await subscribed();
    await publisher.send(publishPacket('a', 'first', 1, 5));
    await publisher.send({ ...publishPacket('a', 'second', 1, 5), dup: true });
    expect(payloads(client.pushes())).toEqual(['first', 'second']);
  });
});

describe('a message reaches a subscriber', () => {
  it.each<[published: Qos, granted: Qos, delivered: Qos]>([
    [0, 0, 0],
    [0, 1, 0],
    [0, 2, 0],
    [1, 0, 0],
    [1, 1, 1],
    [1, 2, 1],
    [2, 0, 0],
    [2, 1, 1],
    [2, 2, 2],
  ])('[MQTT-3.8.4-6] published with QoS %i, subscribed with %i: with QoS %i', async (published, granted, delivered) => {
    const { client, publisher } = await subscribed({ a: granted });
    await publisher.send(publishPacket('a', 'x', published));
    const received = client.pushes();
    expect(received).toMatchObject([{ cmd: 'publish', qos: delivered, payload: Buffer.from('x') }]);
    expect(received).toHaveLength(1);
  });

  it('[MQTT-4.3.1-1] with QoS 0 as QoS 0 with DUP 0, and once, whatever becomes of it', async () => {
    const { world, client, publisher } = await subscribed();
    await publisher.send(publishPacket('a', 'x', 0));
    expect(client.pushes()).toMatchObject([{ cmd: 'publish', qos: 0, dup: false }]);
    await world.drain(60_000, 1_000);
    expect(client.pushes()).toEqual([]);
    expect(world.stores.inFlight.all()).toEqual([]);
  });

  it.each<[string, Record<string, Qos>, Qos, Qos]>([
    ['the highest last', { 'a/b': 0, 'a/+': 0, '#': 1 }, 1, 1],
    ['the highest first', { 'a/b': 1, 'a/+': 0, '#': 0 }, 1, 1],
    ['all alike', { 'a/b': 1, 'a/#': 1 }, 1, 1],
    ['none above 0', { 'a/b': 0, '+/b': 0 }, 1, 0],
    ['published with QoS 0', { 'a/b': 1, '+/b': 1 }, 0, 0],
  ])(
    '[MQTT-3.3.5-1] once, with the highest QoS of all its filters: %s',
    async (_what, filters, published, delivered) => {
      const { client, publisher } = await subscribed(filters);
      await publisher.send(publishPacket('a/b', 'x', published));
      const received = client.pushes();
      expect(received).toMatchObject([{ cmd: 'publish', qos: delivered }]);
      expect(received).toHaveLength(1);
    },
  );

  it('[MQTT-4.5.0-1] and every other one, the publisher itself and clients that are away included', async () => {
    const { world, client, publisher } = await subscribed();
    const away = await world.connect('away', { clean: false });
    await away.send(subscribePacket({ 'a/+': 1 }));
    await away.drop();
    const others = [];
    for (const clientId of ['one', 'two', 'three']) {
      const other = await world.connect(clientId);
      await other.send(subscribePacket({ [clientId === 'three' ? 'b' : 'a/b']: 1 }));
      others.push(other);
    }
    await publisher.send(subscribePacket({ 'a/#': 1 }));
    await publisher.send(publishPacket('a/b', 'x'));
    for (const each of [client, publisher, ...others.slice(0, 2)]) expect(payloads(each.pushes())).toEqual(['x']);
    expect(others[2]?.pushes()).toEqual([]);
    const back = await world.connect('away', { clean: false });
    await world.runTicks();
    expect(payloads(back.pushes())).toEqual(['x']);
  });

  it.each<Qos>([0, 1])('[MQTT-3.3.1-9] with RETAIN 0, though it came with RETAIN 1, QoS %i', async (qos) => {
    const { client, publisher } = await subscribed();
    await publisher.send({ ...publishPacket('a', 'x', qos), retain: true });
    expect(client.pushes()).toMatchObject([{ cmd: 'publish', retain: false }]);
  });

  it('[MQTT-3.3.1-9] with RETAIN 0 from the queue as well, and when it is sent again', async () => {
    const { world, publisher } = await subscribed();
    await (await world.connect('away', { clean: false })).send(subscribePacket({ a: 1 }));
    const first = await world.connect('away', { clean: false });
    await publisher.send({ ...publishPacket('a', 'x'), retain: true });
    await world.runTicks();
    expect(first.pushes()).toMatchObject([{ retain: false, dup: false }]);
    const second = await world.connect('away', { clean: false });
    await world.drain(2_000);
    expect(second.pushes()).toMatchObject([{ retain: false, dup: true }]);
  });

  it('[MQTT-3.3.1-3] with DUP 0, though it came with DUP 1', async () => {
    const { client, publisher } = await subscribed();
    await publisher.send({ ...publishPacket('a', 'x'), dup: true });
    expect(client.pushes()).toMatchObject([{ cmd: 'publish', dup: false, qos: 1 }]);
  });

  it('with its topic and its payload unchanged, byte by byte', async () => {
    const { client, publisher } = await subscribed();
    const topics = fc
      .array(fc.constantFrom('', 'a', 'Ä', 'A\u030a', '€', '😀', '\ufeff', ' ', 'x'.repeat(20)), {
        minLength: 1,
        maxLength: 8,
      })
      .map((levels) => levels.join('/'))
      .filter((topic) => topic !== '');
    const message = fc.record({
      topic: topics,
      payload: fc.uint8Array({ maxLength: 2_000 }),
      qos: fc.constantFrom<Qos>(0, 1),
    });
    await fc.assert(
      fc.asyncProperty(message, async ({ topic, payload, qos }) => {
        await publisher.send({ ...publishPacket(topic, '', qos), payload: Buffer.from(payload) } as Packet);
        const received = client.pushes();
        expect(received).toMatchObject([{ topic, qos, payload: Buffer.from(payload) }]);
        await client.send(puback(received[0]?.messageId ?? 1));
      }),
      { numRuns: 200 },
    );
  });

  it.each<[string, boolean]>([
    ['at once', false],
    ['from the queue', true],
  ])('with an empty payload, %s', async (_when, away) => {
    const world = createWorld();
    const client = await world.connect('client', { clean: false });
    await client.send(subscribePacket({ a: 1 }));
    if (away) await client.drop();
    const publisher = await world.connect('publisher');
    await publisher.send(publishPacket('a', ''));
    const receiver = away ? await world.connect('client', { clean: false }) : client;
    await world.runTicks();
    expect(receiver.pushes()).toMatchObject([{ cmd: 'publish', qos: 1, payload: Buffer.alloc(0) }]);
  });
});

describe('QoS 0', () => {
  it('is dropped where the subscriber is away, not yet online again, or gone unnoticed; the last is logged', async () => {
    const world = createWorld();
    const publisher = await world.connect('publisher');
    const client = await world.connect('away', { clean: false });
    await client.send(subscribePacket({ a: 0 }));
    await client.drop();
    await publisher.send(publishPacket('a', 'away', 0));
    const back = await world.connect('away', { clean: false });
    await publisher.send(publishPacket('a', 'too early', 0));
    expect(world.logged('qos0-dropped')).toEqual([]);
    await world.runTicks();
    await publisher.send(publishPacket('a', 'online', 0));
    expect(payloads(back.pushes())).toEqual(['online']);
    back.vanish();
    await publisher.send(publishPacket('a', 'gone', 0));
    expect(world.logged('qos0-dropped')).toMatchObject([{ clientId: 'away', messages: 1, reason: 'gone' }]);
    const again = await world.connect('away', { clean: false });
    await world.drain(2_000);
    expect(again.pushes()).toEqual([]);
  });
});
