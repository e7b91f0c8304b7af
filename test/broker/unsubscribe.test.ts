import { createWorld, type Packet, payloads, puback, publishPacket, subscribePacket } from './world.ts';

const unsubscribePacket = (unsubscriptions: string[], messageId = 9): Packet => ({
  cmd: 'unsubscribe',
  messageId,
  unsubscriptions,
});

const subscribed = async (filters: Parameters<typeof subscribePacket>[0], clean = true) => {
  const world = createWorld();
  const client = await world.connect('client', { clean });
  await client.send(subscribePacket(filters));
  const publisher = await world.connect('publisher');
  const receives = async (...topics: string[]) => {
    for (const topic of topics) await publisher.send(publishPacket(topic, topic));
    return payloads(client.pushes());
  };
  return { world, client, publisher, receives };
};

describe('UNSUBACK', () => {
  it('[MQTT-3.10.4-4] [MQTT-2.3.1-7] answers each UNSUBSCRIBE, under its packet identifier', async () => {
    const { client } = await subscribed({ a: 1, b: 1 });
    for (const messageId of [1, 40_000, 65_535]) {
      const { packets, taken } = await client.send(unsubscribePacket(['a'], messageId));
      expect({ packets, taken }).toMatchObject({ taken: 1, packets: [{ cmd: 'unsuback', messageId }] });
    }
    const { packets } = await client.send(unsubscribePacket(['a'], 1), unsubscribePacket(['b'], 2));
    expect(packets).toMatchObject([
      { cmd: 'unsuback', messageId: 1 },
      { cmd: 'unsuback', messageId: 2 },
    ]);
  });

  it.each([
    ['a filter that was never subscribed', 'other'],
    ['a filter that nobody could subscribe', 'a/#/b'],
    ['a filter above maxTopicBytes', 'x'.repeat(2_000)],
  ])('[MQTT-3.10.4-5] comes where nothing is deleted, too: %s', async (_what, filter) => {
    const { world, client } = await subscribed({ a: 1 });
    const { packets, close } = await client.send(unsubscribePacket([filter]));
    expect({ packets, close }).toMatchObject({ close: undefined, packets: [{ cmd: 'unsuback', messageId: 9 }] });
    expect(world.stores.subscriptions.all()).toMatchObject([{ active: true }]);
  });
});

describe('UNSUBSCRIBE', () => {
  it.each([
    ['another case', 'A/b'],
    ['a wildcard that matches the filter', 'a/+'],
    ['a wildcard that matches everything', '#'],
    ['a level more', 'a/b/'],
    ['a topic that the wildcard of the filter matches', 'c/d'],
  ])('[MQTT-3.10.4-1] deletes no subscription but the one whose filter is equal: %s', async (_what, filter) => {
    const { client, receives } = await subscribed({ 'a/b': 1, 'c/+': 1 });
    await client.send(unsubscribePacket([filter]));
    expect(await receives('a/b', 'c/d')).toEqual(['a/b', 'c/d']);
  });

  it('[MQTT-3.10.4-1] deletes nobody else’s subscription', async () => {
    const { world, client, receives } = await subscribed({ a: 1 });
    const other = await world.connect('other');
    await other.send(subscribePacket({ a: 1 }));
    await client.send(unsubscribePacket(['a']));
    expect(await receives('a')).toEqual([]);
    expect(payloads(other.pushes())).toEqual(['a']);
  });

  it('[MQTT-3.10.4-2] ends the delivery of new messages, in the same frame already', async () => {
    const { client, receives } = await subscribed({ 'a/+': 1, b: 1 });
    await client.send(unsubscribePacket(['a/+']), publishPacket('a/x', 'too late'), publishPacket('b', 'kept', 1, 2));
    expect(payloads(client.pushes())).toEqual(['kept']);
    expect(await receives('a/x', 'b')).toEqual(['b']);
  });

  it('leaves the overlapping subscription of the same client, with its own QoS', async () => {
    const { client, publisher } = await subscribed({ 'a/b': 1, 'a/+': 0 });
    await client.send(unsubscribePacket(['a/b']));
    await publisher.send(publishPacket('a/b', 'x'));
    expect(client.pushes()).toMatchObject([{ cmd: 'publish', qos: 0 }]);
  });

  it('can be taken back by another SUBSCRIBE', async () => {
    const { client, receives } = await subscribed({ a: 1 });
    await client.send(unsubscribePacket(['a']), subscribePacket({ a: 1 }));
    expect(await receives('a')).toEqual(['a']);
  });

  it('[MQTT-3.10.4-6] with several filters is treated as one for each, but answered once', async () => {
    const { client, receives } = await subscribed({ a: 1, 'b/+': 1, c: 1 });
    const { packets } = await client.send(unsubscribePacket(['a', 'nothing', 'b/+', 'a']));
    expect(packets).toMatchObject([{ cmd: 'unsuback', messageId: 9 }]);
    expect(packets).toHaveLength(1);
    expect(await receives('a', 'b/x', 'c')).toEqual(['c']);
  });

  it('[MQTT-3.10.4-3] lets messages whose delivery has begun be delivered to the end', async () => {
    const { world, client, publisher } = await subscribed({ a: 1 }, false);
    await publisher.send(publishPacket('a', 'one'), publishPacket('a', 'two', 1, 2));
    const [one, two] = client.pushes();
    await client.send(puback(one?.messageId), unsubscribePacket(['a']));
    await client.drop();
    await publisher.send(publishPacket('a', 'never'));

    const back = await world.connect('client', { clean: false });
    await world.drain(2_000);
    expect(back.pushes()).toMatchObject([
      { payload: Buffer.from('two'), messageId: two?.messageId, dup: true, qos: 1 },
    ]);
    await back.send(puback(two?.messageId));
    expect(world.stores.inFlight.all()).toEqual([]);
  });

  it('is remembered by a persistent session', async () => {
    const { world, client, publisher } = await subscribed({ a: 1, b: 1 }, false);
    await client.send(unsubscribePacket(['a']));
    await client.drop();
    await publisher.send(publishPacket('a', 'a'), publishPacket('b', 'b', 1, 2));
    const back = await world.connect('client', { clean: false });
    await world.drain(2_000);
    expect(payloads(back.pushes())).toEqual(['b']);
  });
});
