import type { ClientId } from '../../src/session/ids.ts';
import { createWorld, type Packet, payloads, puback, publishPacket, subscribePacket } from './world.ts';

type Qos = 0 | 1 | 2;

/** A SUBSCRIBE whose filters keep their order, and may stand in it twice. */
const subscribeTo = (filters: readonly (readonly [topicFilter: string, qos: Qos])[], messageId = 7): Packet => ({
  cmd: 'subscribe',
  messageId,
  subscriptions: filters.map(([topic, qos]) => ({ topic, qos })),
});

const connected = async (settings: Parameters<typeof createWorld>[0] = {}) => {
  const world = createWorld(settings);
  const client = await world.connect('client');
  const publisher = await world.connect('publisher');
  /** The payloads and QoS that reach the client of a QoS 1 and a QoS 0 message on the topic. */
  const receives = async (topic: string) => {
    await publisher.send(publishPacket(topic, 'one'));
    await publisher.send(publishPacket(topic, 'zero', 0));
    return client.pushes().map(({ payload, qos }) => `${payload} ${qos}`);
  };
  return { world, client, publisher, receives };
};

describe('SUBACK', () => {
  it('[MQTT-3.8.4-1] [MQTT-3.8.4-2] [MQTT-2.3.1-7] answers each SUBSCRIBE, under its packet identifier', async () => {
    const { client } = await connected();
    for (const messageId of [1, 40_000, 65_535]) {
      const { packets, taken } = await client.send(subscribePacket({ a: 0 }, messageId));
      expect({ packets, taken }).toMatchObject({ taken: 1, packets: [{ cmd: 'suback', messageId, granted: [0] }] });
    }
    const { packets } = await client.send(subscribePacket({ a: 0 }, 1), subscribePacket({ b: 1 }, 2));
    expect(packets).toMatchObject([
      { cmd: 'suback', messageId: 1, granted: [0] },
      { cmd: 'suback', messageId: 2, granted: [1] },
    ]);
  });

  it('[MQTT-3.8.4-5] [MQTT-3.9.3-1] [MQTT-3.9.3-2] [MQTT-4.7.1-2] [MQTT-4.7.1-3] has a return code for each filter, in its place', async () => {
    const { client, receives } = await connected();
    const { packets } = await client.send(
      subscribeTo([
        ['zero', 0],
        ['a/#/b', 1],
        ['one', 1],
        ['a+', 0],
        ['two', 2],
        ['$share/group/a', 1],
        ['', 1],
      ]),
    );
    expect(packets).toMatchObject([{ cmd: 'suback', granted: [0, 0x80, 1, 0x80, 2, 0x80, 0x80] }]);
    expect(await receives('zero')).toEqual(['one 0', 'zero 0']);
    expect(await receives('one')).toEqual(['one 1', 'zero 0']);
    expect(await receives('a/b')).toEqual([]);
  });

  it('grants QoS 2', async () => {
    const { client, receives } = await connected();
    expect((await client.send(subscribePacket({ a: 2 }))).packets).toMatchObject([{ granted: [2] }]);
    expect(await receives('a')).toEqual(['one 1', 'zero 0']);
  });

  it('[MQTT-3.8.4-6] grants QoS 2 as QoS 1 where it is switched off, and says so', async () => {
    const client = await createWorld({ qos2: 'off' }).connect('client');
    expect((await client.send(subscribePacket({ a: 2 }))).packets).toMatchObject([{ granted: [1] }]);
  });

  it('comes when the subscription is in force: a PUBLISH after it is never missed, not even in the same frame', async () => {
    const { client } = await connected();
    const { packets } = await client.send(subscribePacket({ 'a/+': 1 }), publishPacket('a/b', 'x'));
    expect(packets).toMatchObject([{ cmd: 'suback' }, { cmd: 'puback' }]);
    expect(payloads(client.pushes())).toEqual(['x']);
  });
});

describe('[MQTT-3.8.4-4] a SUBSCRIBE with several filters', () => {
  it('is answered once, and treated as one SUBSCRIBE for each', async () => {
    const { client, receives } = await connected();
    const { packets } = await client.send(subscribePacket({ a: 0, 'b/+': 1, 'c/#': 2 }));
    expect(packets).toHaveLength(1);
    expect(await receives('a')).toEqual(['one 0', 'zero 0']);
    expect(await receives('b/x')).toEqual(['one 1', 'zero 0']);
    expect(await receives('c')).toEqual(['one 1', 'zero 0']);
  });

  it.each<[string, Qos, Qos, string]>([
    ['up', 0, 1, 'one 1'],
    ['down', 1, 0, 'one 0'],
  ])('lets the last one count where a filter comes twice: %s', async (_what, first, last, received) => {
    const { client, receives } = await connected();
    const { packets } = await client.send(
      subscribeTo([
        ['a', first],
        ['b', 1],
        ['a', last],
      ]),
    );
    expect(packets).toMatchObject([{ granted: [first, 1, last] }]);
    expect(await receives('a')).toEqual([received, 'zero 0']);
  });
});

describe('[MQTT-3.8.4-3] a second subscription to the same filter', () => {
  it.each<[string, Qos, Qos, string]>([
    ['up', 0, 1, 'one 1'],
    ['down', 1, 0, 'one 0'],
  ])('replaces the first, its QoS included: %s', async (_what, first, second, received) => {
    const { world, client, receives } = await connected();
    await client.send(subscribePacket({ 'a/+': first }));
    await client.send(subscribePacket({ 'a/+': second }));
    expect(world.stores.subscriptions.all()).toHaveLength(1);
    expect(await receives('a/b')).toEqual([received, 'zero 0']);
  });

  it('interrupts no flow: what is in flight with QoS 1 stays that, comes again with DUP, and ends with its PUBACK', async () => {
    const { world, publisher } = await connected();
    const client = await world.connect('persistent', { clean: false });
    await client.send(subscribePacket({ a: 1 }));
    await publisher.send(publishPacket('a', 'in flight'));
    const [first] = client.pushes();
    await client.send(subscribePacket({ a: 0 }));
    await client.drop();
    const back = await world.connect('persistent', { clean: false });
    await world.drain(2_000);
    const again = back.pushes();
    expect(again).toMatchObject([{ ...first, dup: true, qos: 1 }]);
    await back.send(puback(first?.messageId));
    expect(world.stores.inFlight.all()).toEqual([]);
    await publisher.send(publishPacket('a', 'new'));
    expect(back.pushes()).toMatchObject([{ payload: Buffer.from('new'), qos: 0 }]);
  });

  it('is another subscription where the filter differs in one character, though it matches the same', async () => {
    const { world, client, receives } = await connected();
    await client.send(subscribePacket({ 'a/+': 0 }), subscribePacket({ 'a/#': 1 }), subscribePacket({ 'A/+': 1 }));
    expect(world.stores.subscriptions.all()).toHaveLength(3);
    expect(await receives('a/b')).toEqual(['one 1', 'zero 0']);
  });
});

describe('bounds on subscriptions', () => {
  const refusedFor = async (settings: Parameters<typeof createWorld>[0], filters: readonly string[]) => {
    const { world, client } = await connected(settings);
    const { packets, close } = await client.send(subscribeTo(filters.map((filter) => [filter, 1])));
    expect(close).toBeUndefined();
    return { world, client, granted: packets[0]?.granted };
  };

  it('maxSubscriptions: a new filter is refused, one that is held is replaced, one that is given up makes room', async () => {
    const { world, client, granted } = await refusedFor({ maxSubscriptions: 2 }, ['a', 'b', 'c', 'a']);
    expect(granted).toEqual([1, 1, 0x80, 1]);
    expect(world.logged('subscribe-refused')).toMatchObject([
      { clientId: 'client', reason: expect.stringContaining('maxSubscriptions') },
    ]);
    expect((await client.send(subscribePacket({ c: 0, b: 0 }))).packets).toMatchObject([{ granted: [0x80, 0] }]);
    await client.send({ cmd: 'unsubscribe', messageId: 1, unsubscriptions: ['a'] });
    expect((await client.send(subscribePacket({ c: 0, d: 0 }))).packets).toMatchObject([{ granted: [0, 0x80] }]);
    expect(world.stores.filters.all()).toEqual(['b', 'c']);
  });

  it('makes one log line, however many filters are refused', async () => {
    const { world } = await refusedFor({ maxSubscriptions: 1 }, ['a', 'a/#/b', 'b', '', 'c+']);
    expect(world.logged('subscribe-refused')).toMatchObject([{ clientId: 'client', refused: 4 }]);
  });

  it('maxSubscriptions: counts for each session by itself, and anew for a new one', async () => {
    const { world, client } = await refusedFor({ maxSubscriptions: 1 }, ['a']);
    const other = await world.connect('other');
    expect((await other.send(subscribePacket({ b: 0 }))).packets).toMatchObject([{ granted: [0] }]);
    await client.drop();
    const again = await world.connect('client');
    expect((await again.send(subscribePacket({ b: 0 }))).packets).toMatchObject([{ granted: [0] }]);
  });

  it('maxFilterShapes: a filter of a new shape is refused, one of a known shape is not, whoever asks', async () => {
    const { world, granted } = await refusedFor({ maxFilterShapes: 2 }, ['a', '+/b', '+/c', 'x/y']);
    expect(granted).toEqual([1, 1, 1, 0x80]);
    expect(world.logged('subscribe-refused')).toMatchObject([{ refused: 1, reason: expect.stringContaining('L/L') }]);
    const other = await world.connect('other');
    expect((await other.send(subscribePacket({ '#': 0, '+/d': 0 }))).packets).toMatchObject([{ granted: [0x80, 0] }]);
    expect(world.stores.filters.all()).toHaveLength(4);
  });

  it.each([
    ['maxTopicBytes: as long as allowed', { maxTopicBytes: 8 }, '€€xx', 1],
    ['maxTopicBytes: one byte more', { maxTopicBytes: 8 }, '€€xxx', 0x80],
    ['maxTopicLevels: as many as allowed', { maxTopicLevels: 3 }, 'a/+/#', 1],
    ['maxTopicLevels: one more', { maxTopicLevels: 3 }, 'a/+/b/#', 0x80],
  ])('%s', async (_what, settings, filter, code) => {
    const { world, granted } = await refusedFor(settings, ['good', filter, 'too']);
    expect(granted).toEqual([1, code, 1]);
    expect(world.stores.filters.all()).toHaveLength(code === 1 ? 3 : 2);
  });
});

describe('what a topic filter gets', () => {
  it.each([
    ['sport/tennis/player1/#', ['sport/tennis/player1', 'sport/tennis/player1/a/b'], ['sport/tennis/player2']],
    ['sport/#', ['sport', 'sport/'], ['sports']],
    ['#', ['a', '/', 'a/b/c'], ['$SYS', '$SYS/a']],
    ['sport/+', ['sport/', 'sport/a'], ['sport', 'sport/a/b']],
    ['+/+', ['/finance', 'a/b'], ['finance', '$SYS/a']],
    ['/+', ['/finance'], ['finance', 'a/b']],
    ['+/monitor/#', ['a/monitor/b'], ['$SYS/monitor/b']],
    ['$SYS/#', ['$SYS', '$SYS/a'], ['a']],
    ['$SYS/monitor/+', ['$SYS/monitor/a'], ['SYS/monitor/a']],
    ['a/b', ['a/b'], ['A/b', 'a/b/', '/a/b', 'a']],
    ['ÅÄÖ/+', ['ÅÄÖ/a'], ['A\u030aÄÖ/a']],
  ])('[MQTT-3.3.2-3] [MQTT-4.7.2-1] [MQTT-4.7.3-4] %s', async (filter, matching, others) => {
    const { client, publisher } = await connected();
    await client.send(subscribePacket({ [filter]: 1 }));
    for (const topic of [...matching, ...others]) await publisher.send(publishPacket(topic, topic));
    const received = client.pushes();
    expect(received.map(({ topic }) => topic)).toEqual(matching);
    expect(payloads(received)).toEqual(matching);
  });
});

it('a session notes with its first QoS 1 filter that it may have to store messages, and not before', async () => {
  const world = createWorld();
  const client = await world.connect('client', { clean: false });
  const stores = async () => (await world.stores.sessions.read('client' as ClientId))?.storesMessages;
  await client.send(subscribePacket({ a: 0 }));
  expect(await stores()).toBe(false);
  await client.send(subscribePacket({ 'b+': 1 }));
  expect(await stores()).toBe(false);
  await client.send(subscribePacket({ b: 1 }));
  expect(await stores()).toBe(true);
});
