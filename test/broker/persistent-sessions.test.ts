import { createWorld, payloads, publishPacket, subscribePacket } from './world.ts';

const text = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => `m${from + index}`);

const offlineSubscriber = async (changes = {}) => {
  const world = createWorld(changes);
  const away = await world.connect('subscriber', { clean: false });
  await away.send(subscribePacket({ 'a/+': 1 }));
  await away.drop();
  await world.runJobs();
  const publisher = await world.connect('publisher');
  const publish = async (payload: string, qos: 0 | 1 = 1) =>
    (await publisher.send(publishPacket('a/b', payload, qos))).packets;
  return { world, publish, publisher };
};

describe('a persistent session', () => {
  it('[MQTT-3.2.2-2] is present when its client comes back, with its subscriptions', async () => {
    const { world, publish } = await offlineSubscriber();
    const back = await world.connect('subscriber', { clean: false });
    expect(back.sessionPresent).toBe(true);
    await world.runTicks();
    await publish('live');
    expect(payloads(back.pushes())).toEqual(['live']);
  });

  it('[MQTT-3.1.2-5] stores QoS 1 messages while its client is away, and no QoS 0', async () => {
    const { world, publish } = await offlineSubscriber();
    expect(await publish('stored')).toMatchObject([{ cmd: 'puback', messageId: 1 }]);
    await publish('lost', 0);
    const back = await world.connect('subscriber', { clean: false });
    await world.runTicks();
    expect(payloads(back.pushes())).toEqual(['stored']);
  });

  it('gets stored messages in order, at most ten in any second', async () => {
    const { world, publish } = await offlineSubscriber();
    const sent = text(1, 35);
    for (const payload of sent) await publish(payload);
    const back = await world.connect('subscriber', { clean: false });
    const arrivals: { at: number; payload: string }[] = [];
    for (let step = 0; step < 80; step++) {
      await world.runTicks();
      const packets = back.pushes();
      for (const payload of payloads(packets)) arrivals.push({ at: world.context.clock.now(), payload });
      for (const { messageId } of packets.filter(({ cmd }) => cmd === 'publish')) {
        await back.send({ cmd: 'puback', messageId: messageId as number });
      }
      world.advance(50);
    }
    expect(arrivals.map(({ payload }) => payload)).toEqual(sent);
    for (const { at } of arrivals) {
      expect(arrivals.filter((other) => other.at >= at && other.at < at + 1_000).length).toBeLessThanOrEqual(10);
    }
    expect((await world.stores.sessions.read('subscriber' as never))?.mode).toBe('direct');
  });

  it('[MQTT-4.4.0-1] [MQTT-3.3.1-1] is sent what was not acknowledged again, with DUP and the old packet id', async () => {
    const world = createWorld();
    const first = await world.connect('subscriber', { clean: false });
    await first.send(subscribePacket({ a: 1 }));
    const publisher = await world.connect('publisher');
    await publisher.send(publishPacket('a', 'one'), publishPacket('a', 'two', 1, 2));
    const [one, two] = first.pushes();
    expect(one).toMatchObject({ dup: false });
    await first.send({ cmd: 'puback', messageId: one?.messageId as number });
    await first.drop();
    const second = await world.connect('subscriber', { clean: false });
    await world.runTicks();
    expect(second.pushes()).toMatchObject([
      { cmd: 'publish', dup: true, messageId: two?.messageId, payload: Buffer.from('two') },
    ]);
  });

  it('delivers what arrives during the drain behind the stored messages, at wire speed', async () => {
    const { world, publish } = await offlineSubscriber();
    for (const payload of text(1, 15)) await publish(payload);
    const back = await world.connect('subscriber', { clean: false });
    await world.runTicks();
    expect(payloads(back.pushes())).toEqual(text(1, 10));
    for (const payload of text(16, 50)) await publish(payload);
    world.advance(1_000);
    await world.runTicks();
    expect(payloads(back.pushes())).toEqual(text(11, 50));
  });

  it('gets live messages straight through during the drain where the setting says interleaved', async () => {
    const { world, publish } = await offlineSubscriber({ liveTraffic: 'interleaved' });
    for (const payload of text(1, 15)) await publish(payload);
    const back = await world.connect('subscriber', { clean: false });
    await world.runTicks();
    await publish('live');
    world.advance(1_000);
    await world.runTicks();
    expect(payloads(back.pushes())).toEqual([...text(1, 10), 'live', ...text(11, 15)]);
  });

  it('keeps to the rate across quick reconnects', async () => {
    const { world, publish } = await offlineSubscriber();
    for (const payload of text(1, 30)) await publish(payload);
    const first = await world.connect('subscriber', { clean: false });
    await world.runTicks();
    expect(payloads(first.pushes())).toHaveLength(10);
    await first.drop();
    const second = await world.connect('subscriber', { clean: false });
    await world.runTicks();
    expect(payloads(second.pushes())).toHaveLength(0);
    world.advance(1_000);
    await world.runTicks();
    expect(payloads(second.pushes())).toEqual(text(1, 10));
  });

  it('sends more than one batch of the queue a second where the rate allows it', async () => {
    const { world, publish } = await offlineSubscriber({ redeliveryRate: 25 });
    for (const payload of text(1, 60)) await publish(payload);
    const back = await world.connect('subscriber', { clean: false });
    await world.runTicks();
    expect(payloads(back.pushes())).toEqual(text(1, 25));
    world.advance(1_000);
    await world.runTicks();
    expect(payloads(back.pushes())).toEqual(text(26, 50));
  });

  it('parks the drain while the in-flight window is full', async () => {
    const { world, publish } = await offlineSubscriber({ maxInFlight: 5 });
    for (const payload of text(1, 8)) await publish(payload);
    const back = await world.connect('subscriber', { clean: false });
    await world.drain(3_000);
    const packets = back.pushes();
    expect(payloads(packets)).toEqual(text(1, 5));
    for (const { messageId } of packets.slice(0, 5)) await back.send({ cmd: 'puback', messageId: messageId as number });
    await world.drain(2_000);
    expect(payloads(back.pushes())).toEqual(text(6, 8));
  });

  it('[MQTT-3.1.2-6] ends with CONNECT and cleanSession 1, and nothing of it survives', async () => {
    const { world, publish } = await offlineSubscriber();
    await publish('stored');
    await (await world.connect('subscriber', { clean: true })).drop();
    await world.cleanUp();
    expect(world.stores.subscriptions.all()).toEqual([]);
    expect(world.stores.filters.all()).toEqual([]);
    expect(world.stores.inFlight.all()).toEqual([]);
    expect(world.stores.queues.all().size).toBe(0);
    const back = await world.connect('subscriber', { clean: false });
    expect(back.sessionPresent).toBe(false);
  });

  it('expires by the clock: not a second early, and then it is gone', async () => {
    const { world, publish } = await offlineSubscriber({ sessionExpirySeconds: 60 });
    await publish('stored');
    world.advance(59_900);
    const early = await world.connect('subscriber', { clean: false });
    expect(early.sessionPresent).toBe(true);
    await early.drop();
    world.advance(60_000);
    const late = await world.connect('subscriber', { clean: false });
    expect(late.sessionPresent).toBe(false);
    await world.drain(2_000);
    expect(payloads(late.pushes())).toEqual([]);
  });

  it('is ended by a publisher that finds it expired, and nothing is stored for it', async () => {
    const { world, publish } = await offlineSubscriber({ sessionExpirySeconds: 60 });
    world.advance(60_000);
    await publish('too late');
    await world.cleanUp();
    expect(world.stores.queues.all().size).toBe(0);
    expect(world.stores.subscriptions.all()).toEqual([]);
    expect(world.logged('session-ended')).toMatchObject([{ cause: 'expired' }]);
  });

  it('forgets what was counted and never stored, though publishers go on: a refused message is no sign of life', async () => {
    let fails = false;
    const world = createWorld({ maxStoredMessages: 1 }, ({ queues }) => ({
      queues: {
        ...queues,
        send: (session, messages) => {
          if (fails) throw new Error('SQS is down');
          return queues.send(session, messages);
        },
      },
    }));
    const away = await world.connect('subscriber', { clean: false });
    await away.send(subscribePacket({ a: 1 }));
    await away.drop();
    await world.runJobs();
    fails = true;
    expect(await (await world.connect('publisher')).send(publishPacket('a', 'lost count'))).toMatchObject({
      close: 'internal-error',
      packets: [],
    });
    fails = false;
    const back = await world.connect('subscriber', { clean: false });
    const publisher = await world.connect('publisher');
    for (let round = 0; round < 6; round++) {
      await publisher.send(publishPacket('a', 'refused'));
      await world.drain(10_000, 1_000);
    }
    expect(world.logged('backlog-healed')).toHaveLength(1);
    await publisher.send(publishPacket('a', 'through'));
    expect(payloads(back.pushes()).at(-1)).toBe('through');
  });

  it.each([
    { bound: 'maxStoredMessages', settings: { maxStoredMessages: 3 } },
    { bound: 'maxStoredBytes', settings: { maxStoredBytes: 15 } },
  ])('refuses the newest beyond $bound, acknowledges it, and says so in the log', async ({ settings }) => {
    const { world, publish } = await offlineSubscriber(settings);
    for (const payload of text(1, 5)) expect(await publish(payload)).toHaveLength(1);
    expect(world.logged('storage-bound')).toHaveLength(2);
    const back = await world.connect('subscriber', { clean: false });
    await world.runTicks();
    expect(payloads(back.pushes())).toEqual(text(1, 3));
  });
});
