/** Retained messages: kept, replaced, removed, and sent to whoever subscribes. */
import type { Ports, RetainedJob, WillJob } from '../../src/broker/ports.ts';
import { runJob } from '../../src/broker/run-job.ts';
import type { ClientId, MessageId } from '../../src/session/ids.ts';
import { createStallingWorld } from './stalls.ts';
import {
  connectPacket,
  createWorld,
  disconnect,
  type Packet,
  payloads,
  puback,
  publishPacket,
  type Received,
  subscribePacket,
  type World,
} from './world.ts';

let id = 0;
const retained = (topic: string, payload: string, qos: 0 | 1 = 1): Packet => ({
  ...publishPacket(topic, payload, qos, (++id % 60_000) + 1),
  retain: true,
});

const publisherOf = async (world: World, clientId = 'publisher') => {
  const client = await world.connect(clientId);
  return {
    ...client,
    retain: async (topic: string, payload: string, qos: 0 | 1 = 1) => {
      const { packets } = await client.send(retained(topic, payload, qos));
      expect(packets).toHaveLength(qos);
    },
  };
};

/** What a new client gets when it subscribes: topic, payload, RETAIN and QoS, in order of topic. */
const subscribed = async (world: World, filters: Record<string, 0 | 1>, clientId = `subscriber ${++id}`) => {
  const client = await world.connect(clientId);
  const { packets } = await client.send(subscribePacket(filters));
  expect(packets).toMatchObject([{ cmd: 'suback' }]);
  return told(client.pushes());
};

const told = (packets: readonly Received[]): string[] =>
  packets
    .filter(({ cmd }) => cmd === 'publish')
    .map(({ topic, payload, retain, qos }) => `${topic}=${payload} ${retain ? 'retained' : 'live'} ${qos}`)
    .sort();

const scene = async (settings = {}) => {
  const world = createWorld(settings);
  return { world, publisher: await publisherOf(world) };
};

describe('what is retained', () => {
  it('[MQTT-3.3.1-5] [MQTT-3.3.1-6] [MQTT-3.3.1-8] reaches who subscribes later, the last of each topic, with RETAIN 1', async () => {
    const { world, publisher } = await scene();
    await publisher.retain('a/b', 'first');
    await publisher.retain('a/b', 'second');
    await publisher.retain('a/c', 'third', 0);
    expect(await subscribed(world, { 'a/b': 1 })).toEqual(['a/b=second retained 1']);
    expect(await subscribed(world, { 'a/+': 1 })).toEqual(['a/b=second retained 1', 'a/c=third retained 0']);
  });

  it('of several in one frame is the last one', async () => {
    const { world, publisher } = await scene();
    await publisher.send(retained('t', '1'), retained('u', '2'), retained('t', '3'), publishPacket('t', '4'));
    expect(await subscribed(world, { '#': 1 })).toEqual(['t=3 retained 1', 'u=2 retained 1']);
  });

  it('[MQTT-3.1.2-7] stays when its publisher is gone and its session has ended', async () => {
    const { world, publisher } = await scene();
    await publisher.retain('t', 'kept');
    await publisher.send(disconnect);
    await world.cleanUp();
    world.advance(30 * 24 * 3_600_000);
    world.stores.collect();
    expect(world.stores.sessions.all()).toEqual([]);
    expect(await subscribed(world, { t: 1 })).toEqual(['t=kept retained 1']);
  });

  it('[MQTT-3.3.1-7] is replaced by a message of QoS 0 as well', async () => {
    const { world, publisher } = await scene();
    await publisher.retain('t', 'first');
    await publisher.retain('t', 'second', 0);
    expect(await subscribed(world, { t: 1 })).toEqual(['t=second retained 0']);
  });

  it('[MQTT-3.3.1-9] comes with RETAIN 0 where the subscription is there already', async () => {
    const { world, publisher } = await scene();
    const subscriber = await world.connect('subscriber');
    await subscriber.send(subscribePacket({ 't/#': 1 }));
    await publisher.retain('t/1', 'one');
    await publisher.retain('t/0', 'zero', 0);
    expect(told(subscriber.pushes())).toEqual(['t/0=zero live 0', 't/1=one live 1']);
  });

  it('[MQTT-3.3.1-12] is not touched by a message with RETAIN 0', async () => {
    const { world, publisher } = await scene();
    await publisher.retain('t', 'kept');
    await publisher.send(publishPacket('t', 'live'));
    await publisher.send(publishPacket('t', ''));
    expect(await subscribed(world, { t: 1 })).toEqual(['t=kept retained 1']);
  });

  it('[MQTT-3.3.1-12] a message with RETAIN 0 calls nothing of it', async () => {
    const calls: string[] = [];
    const world = createWorld({}, ({ retained }) => ({
      retained: new Proxy(retained, {
        get: (target, key) => {
          calls.push(String(key));
          return target[key as keyof typeof target];
        },
      }),
    }));
    const publisher = await publisherOf(world);
    await publisher.send(publishPacket('t', 'live', 0), publishPacket('t', 'live', 1));
    expect(calls).toEqual([]);
    await publisher.retain('t', 'kept');
    expect(calls).toEqual(['change']);
  });

  it('[MQTT-3.3.1-10] [MQTT-3.3.1-11] is removed by an empty payload, which reaches current subscribers as any message does', async () => {
    const { world, publisher } = await scene();
    const subscriber = await world.connect('subscriber');
    await subscriber.send(subscribePacket({ t: 1 }));
    await publisher.retain('t', 'kept');
    await publisher.retain('t', '');
    expect(told(subscriber.pushes())).toEqual(['t= live 1', 't=kept live 1']);
    expect(await subscribed(world, { t: 1 })).toEqual([]);
    expect(await subscribed(world, { '#': 1 })).toEqual([]);
    await publisher.retain('t', 'again');
    expect(await subscribed(world, { t: 1 })).toEqual(['t=again retained 1']);
  });

  it('leaves a trace when it is removed, which is collected; what replaces that stays', async () => {
    const { world, publisher } = await scene();
    await publisher.retain('gone', '');
    await publisher.retain('back', '');
    await publisher.retain('back', 'here');
    world.advance(3_600_001);
    world.stores.collect();
    expect(world.stores.retained.all()).toMatchObject([{ topic: 'back' }]);
  });

  it('is not what the broker reserves, nor what is no topic', async () => {
    const { world, publisher } = await scene();
    expect((await publisher.send(retained('$aws/events/x', 'forged'))).close).toBe('topic-invalid');
    expect(world.stores.retained.all()).toEqual([]);
  });
});

describe('a SUBSCRIBE', () => {
  const topics = ['a', 'a/b', 'a/b/c', 'a/bc', 'b', '/', '/a', 'b/b', '$sys/a', '$sys'];
  it.each<readonly [string, readonly string[]]>([
    ['a', ['a']],
    ['a/b', ['a/b']],
    ['a/b/#', ['a/b', 'a/b/c']],
    ['a/#', ['a', 'a/b', 'a/b/c', 'a/bc']],
    ['a/+', ['a/b', 'a/bc']],
    ['a/+/c', ['a/b/c']],
    ['+', ['a', 'b']],
    ['+/b', ['a/b', 'b/b']],
    ['+/+', ['a/b', 'a/bc', 'b/b', '/', '/a']],
    ['/+', ['/', '/a']],
    ['/#', ['/', '/a']],
    ['#', ['a', 'a/b', 'a/b/c', 'a/bc', 'b', '/', '/a', 'b/b']], // [MQTT-4.7.2-1]
    ['+/a', ['/a']],
    ['$sys/#', ['$sys/a', '$sys']],
    ['$sys/+', ['$sys/a']],
    ['nothing/here', []],
  ])('[MQTT-3.3.1-6] [MQTT-4.7.2-1] to %s gets all that it matches, and nothing else', async (filter, expected) => {
    const { world, publisher } = await scene();
    await publisher.send(...topics.map((topic) => retained(topic, topic)));
    expect(await subscribed(world, { [filter]: 1 })).toEqual(
      expected.map((topic) => `${topic}=${topic} retained 1`).sort(),
    );
  });

  it('[MQTT-3.8.4-6] gets the lower of both QoS', async () => {
    const { world, publisher } = await scene();
    await publisher.retain('one', '1', 1);
    await publisher.retain('zero', '0', 0);
    expect(await subscribed(world, { one: 0, zero: 0 })).toEqual(['one=1 retained 0', 'zero=0 retained 0']);
    expect(await subscribed(world, { one: 1, zero: 1 })).toEqual(['one=1 retained 1', 'zero=0 retained 0']);
  });

  it('[MQTT-3.8.4-3] to a filter that is subscribed gets everything again', async () => {
    const { world, publisher } = await scene();
    await publisher.retain('t/1', 'one');
    await publisher.retain('t/2', 'two', 0);
    const subscriber = await world.connect('subscriber');
    const everything = ['t/1=one retained 1', 't/2=two retained 0'];
    for (let time = 0; time < 3; time++) {
      await subscriber.send(subscribePacket({ 't/+': 1 }));
      expect(told(subscriber.pushes())).toEqual(everything);
    }
  });

  it('[MQTT-3.8.4-3] gets the copies under ids of their own each time, so that none is taken for a repetition', async () => {
    const { world, publisher } = await scene();
    await publisher.retain('t', 'one');
    const subscriber = await world.connect('subscriber', { clean: false });
    const ids = new Set<string>();
    for (let time = 0; time < 3; time++) {
      await subscriber.send(subscribePacket({ t: 1 }));
      for (const record of world.stores.inFlight.all()) ids.add(record.id);
    }
    expect(ids.size).toBe(3);
  });

  it('[MQTT-3.8.4-4] [MQTT-3.8.4-5] of several filters that overlap gets what is retained for each of them', async () => {
    const { world, publisher } = await scene();
    await publisher.retain('a/b', 'x');
    expect(await subscribed(world, { 'a/b': 1, 'a/+': 0, '#': 1 })).toEqual([
      'a/b=x retained 0',
      'a/b=x retained 1',
      'a/b=x retained 1',
    ]);
  });

  it('that is refused gets nothing', async () => {
    const { world, publisher } = await scene({ maxSubscriptions: 1 });
    await publisher.send(retained('a', 'x'), retained('b', 'y'));
    expect(await subscribed(world, { a: 1, b: 1 })).toEqual(['a=x retained 1']);
  });

  it('is acknowledged although the window is full; the rest follows when there is room', async () => {
    const { world, publisher } = await scene({ maxInFlight: 2 });
    await publisher.send(...Array.from({ length: 9 }, (_, index) => retained(`t/${index}`, `${index}`)));
    const subscriber = await world.connect('subscriber', { clean: false });
    expect((await subscriber.send(subscribePacket({ 't/+': 1 }))).packets).toMatchObject([{ cmd: 'suback' }]);
    const seen: string[] = [];
    for (let step = 0; step < 30; step++) {
      const packets = subscriber.pushes();
      seen.push(...told(packets));
      if (packets.length > 0) await subscriber.send(...packets.map(({ messageId }) => puback(messageId)));
      await world.pass(1);
    }
    expect(seen.sort()).toEqual(Array.from({ length: 9 }, (_, index) => `t/${index}=${index} retained 1`));
  });

  it('on a session whose CONNACK is still on its way waits for it, QoS 0 included', async () => {
    const { world, publisher } = await scene();
    await publisher.send(retained('t/1', 'one'), retained('t/0', 'zero', 0));
    const former = await world.connect('subscriber', { clean: false });
    await former.drop();
    const subscriber = await world.connect('subscriber', { clean: false });
    expect((await world.session('subscriber'))?.status).toBe('connecting');
    await subscriber.send(subscribePacket({ 't/+': 1 }));
    expect(told(subscriber.pushes())).toEqual([]);
    await world.runTicks();
    await world.pass(5);
    expect(told(subscriber.pushes())).toEqual(['t/0=zero retained 0', 't/1=one retained 1']);
  });
});

describe('more than a SUBSCRIBE has time for', () => {
  const count = 700;
  const all = Array.from({ length: count }, (_, index) => `plant/${index}`);

  /** Every look at what is retained takes half a second. */
  const slowScene = async (topics: readonly string[], settings = {}) => {
    const slow = { is: false };
    const world = createWorld(
      { maxInFlight: 1_000, maxStoredMessages: 100_000, ...settings },
      ({ retained, clock }) => ({
        retained: {
          ...retained,
          under: async (...args) => {
            if (slow.is) await clock.pause(500);
            return retained.under(...args);
          },
        },
      }),
    );
    const publisher = await publisherOf(world);
    for (let index = 0; index < topics.length; index += 50) {
      await publisher.send(...topics.slice(index, index + 50).map((topic) => retained(topic, 'x')));
    }
    slow.is = true;
    return { world, publisher };
  };
  const retainedJobs = (world: World) =>
    world.jobs.map(({ body }) => body).filter((job): job is RetainedJob => job.job === 'retained');

  it('is sent by jobs, all of it and nothing twice', async () => {
    const topics = [...all, ...Array.from({ length: 200 }, (_, index) => `first ${index}/x`)];
    const { world } = await slowScene(topics);
    const subscriber = await world.connect('subscriber', { clean: false });
    await subscriber.send(subscribePacket({ '#': 1 }));
    expect(retainedJobs(world).length).toBeGreaterThan(0);
    expect(retainedJobs(world).length).toBeLessThan(10);
    const before = told(subscriber.pushes());
    expect(before.length).toBeLessThan(topics.length);
    await world.runJobs();
    const seen = [...before, ...told(subscriber.pushes())];
    expect(seen.sort()).toEqual(topics.map((topic) => `${topic}=x retained 1`).sort());
    expect(retainedJobs(world)).toEqual([]);
  });

  it('reaches a session that has gone offline meanwhile', async () => {
    const { world } = await slowScene(all);
    const subscriber = await world.connect('subscriber', { clean: false });
    await subscriber.send(subscribePacket({ 'plant/+': 1 }));
    const before = told(subscriber.pushes()).length;
    await subscriber.drop();
    await world.runJobs();
    const stored = [...world.stores.queues.all().values()].flat();
    expect(before + stored.length).toBeGreaterThanOrEqual(count);
    expect(stored.every(({ retain }) => retain)).toBe(true);
    expect(stored.length).toBeGreaterThan(0);
  });

  it('[MQTT-3.10.4-2] is not sent any more after an UNSUBSCRIBE, nor to a session that has ended', async () => {
    for (const leave of [
      async (client: Awaited<ReturnType<World['connect']>>) => {
        await client.send({ cmd: 'unsubscribe', messageId: 9, unsubscriptions: ['plant/+'] });
      },
      async (client: Awaited<ReturnType<World['connect']>>) => {
        await client.drop();
      },
    ]) {
      const { world } = await slowScene(all);
      const subscriber = await world.connect('subscriber', { clean: true });
      await subscriber.send(subscribePacket({ 'plant/+': 1 }));
      expect(retainedJobs(world)).not.toEqual([]);
      const before = subscriber.frames().length;
      await leave(subscriber);
      await world.runJobs();
      expect(subscriber.frames()).toHaveLength(before);
      expect(retainedJobs(world)).toEqual([]);
    }
  });

  it('waits while a client is slow, and is not refused at its storage bound', async () => {
    const { world } = await slowScene(all, { maxInFlight: 5, maxStoredMessages: 600 });
    const subscriber = await world.connect('subscriber', { clean: false });
    await subscriber.send(subscribePacket({ 'plant/+': 1 }));
    const seen: string[] = [];
    for (let step = 0; step < 400 && seen.length < count; step++) {
      const packets = subscriber.pushes().filter(({ cmd }) => cmd === 'publish');
      seen.push(...told(packets));
      if (packets.length > 0) await subscriber.send(...packets.map(({ messageId }) => puback(messageId)));
      await world.pass(1);
    }
    expect(new Set(seen).size).toBe(count);
    expect(world.logged('storage-bound')).toEqual([]);
  });

  it('is sent under the same ids where a job comes twice, so that QoS 2 can tell', async () => {
    const { world } = await slowScene(all);
    const subscriber = await world.connect('subscriber', { clean: false });
    await subscriber.send(subscribePacket({ 'plant/+': 1 }));
    const [job] = retainedJobs(world);
    world.jobs.splice(0);
    if (!job) throw new Error('a job is due');
    const idsOf = async (): Promise<readonly string[]> => {
      const before = new Set(world.stores.inFlight.all());
      await runJob(world.context, job);
      return world.stores.inFlight
        .all()
        .filter((each) => !before.has(each))
        .map((each) => each.id);
    };
    const first = await idsOf();
    expect(first.length).toBeGreaterThan(0);
    expect(await idsOf()).toEqual(first);
  });

  it('leaves time between two SUBSCRIBEs of one frame: those that do not fit are sent again', async () => {
    const { world } = await slowScene(all);
    const subscriber = await world.connect('subscriber', { clean: false });
    const packets = Array.from({ length: 20 }, (_, index) => subscribePacket({ 'plant/+': 1 }, index + 1));
    const { taken } = await subscriber.send(...packets);
    expect(taken).toBeGreaterThan(0);
    expect(taken).toBeLessThan(packets.length);
  });
});

describe('two things at the same time', () => {
  /** A Lambda that stalls before a call of the port that keeps what is retained. */
  const stalling = (method: 'change' | 'read' | 'under', when: 'before' | 'after') =>
    createStallingWorld(({ retained }: Ports, pause) => ({
      retained: {
        ...retained,
        [method]: async (...args: never[]) => {
          if (when === 'before') await pause();
          const result = await (retained[method] as (...args: never[]) => Promise<unknown>)(...args);
          if (when === 'after') await pause();
          return result;
        },
      },
    }));

  it.each(['before', 'after'] as const)(
    '[MQTT-3.3.1-6] a SUBSCRIBE %s the message is kept gets it, live or retained',
    async (when) => {
      const { world, meanwhile } = stalling('change', when);
      const publisher = await publisherOf(world);
      const subscriber = await world.connect('subscriber');
      meanwhile(() => subscriber.send(subscribePacket({ t: 1 })));
      await publisher.retain('t', 'x');
      expect(payloads(subscriber.pushes())).toContain('x');
    },
  );

  it.each(['before', 'after'] as const)(
    '[MQTT-3.3.1-6] a message that is published %s a SUBSCRIBE reads what is retained arrives',
    async (when) => {
      const { world, meanwhile } = stalling('read', when);
      const publisher = await publisherOf(world);
      const subscriber = await world.connect('subscriber');
      meanwhile(() => publisher.retain('t', 'x'));
      await subscriber.send(subscribePacket({ t: 1 }));
      expect(payloads(subscriber.pushes())).toContain('x');
    },
  );

  it.each(['t', 't/+', '#'])(
    '[MQTT-4.6.0-6] what is replaced on its way to %s is followed by what replaced it',
    async (filter) => {
      const topic = filter === 't' ? 't' : 't/1';
      const { world, meanwhile } = stalling(filter === 't' ? 'read' : 'under', 'after');
      const publisher = await publisherOf(world);
      await publisher.retain(topic, 'old');
      const subscriber = await world.connect('subscriber');
      meanwhile(() => publisher.retain(topic, 'new'));
      await subscriber.send(subscribePacket({ [filter]: 1 }));
      expect(payloads(subscriber.pushes()).at(-1)).toBe('new');
    },
  );

  it('[MQTT-4.6.0-6] what is replaced is followed by what replaced it, also where new topics have moved it to another page', async () => {
    const { world, meanwhile } = stalling('under', 'after');
    const publisher = await publisherOf(world);
    await publisher.retain('t/last', 'old');
    const subscriber = await world.connect('subscriber');
    meanwhile(async () => {
      for (let number = 0; number < 250; number++) await publisher.retain(`t/a${number}`, 'x');
      await publisher.retain('t/last', 'new');
    });
    await subscriber.send(subscribePacket({ 't/+': 0 }));
    const last = subscriber.pushes().filter(({ topic }) => topic === 't/last');
    expect(payloads(last).at(-1)).toBe('new');
  });

  it('[MQTT-4.6.0-6] what is removed on its way is followed by its removal', async () => {
    const { world, meanwhile } = stalling('read', 'after');
    const publisher = await publisherOf(world);
    await publisher.retain('t', 'old');
    const subscriber = await world.connect('subscriber');
    meanwhile(() => publisher.retain('t', ''));
    await subscriber.send(subscribePacket({ t: 1 }));
    const copies = subscriber.pushes().filter(({ cmd }) => cmd === 'publish');
    expect(copies.at(-1)).toMatchObject({ retain: false, qos: 1 });
    expect(payloads(copies)).toEqual(['', 'old', '']); // live, retained, and once more as it was
  });

  it.each([
    ['kept', 'newer'],
    ['removed', ''],
  ])('a Lambda that stalled since its client has reconnected brings nothing back: %s', async (_, newer) => {
    const { world, meanwhile } = stalling('change', 'before');
    const publisher = await publisherOf(world);
    meanwhile(async () => {
      const again = await publisherOf(world);
      await again.retain('t', 'old');
      await again.retain('t', newer);
    });
    await publisher.send(retained('t', 'old'));
    expect(await subscribed(world, { t: 1 })).toEqual(newer === '' ? [] : ['t=newer retained 1']);
  });

  it('a Lambda that stalled does not undo what somebody else has published since', async () => {
    const { world, meanwhile } = stalling('change', 'before');
    const publisher = await publisherOf(world);
    const other = await publisherOf(world, 'other');
    meanwhile(async () => {
      const again = await publisherOf(world);
      await again.retain('t', 'old');
      world.advance(1_000);
      await other.retain('t', 'newer');
    });
    await publisher.send(retained('t', 'old'));
    expect(await subscribed(world, { t: 1 })).toEqual(['t=newer retained 1']);
  });

  it('nor does one that stalled at an earlier packet of the same frame', async () => {
    const { world, meanwhile } = createStallingWorld(({ subscriptions }: Ports, pause) => ({
      subscriptions: {
        ...subscriptions,
        shapes: async () => {
          await pause();
          return subscriptions.shapes();
        },
      },
    }));
    const publisher = await publisherOf(world);
    const other = await publisherOf(world, 'other');
    meanwhile(async () => {
      const again = await publisherOf(world);
      await again.retain('t', 'old');
      world.advance(1_000);
      await other.retain('t', 'newer');
      world.advance(1_000);
    });
    await publisher.send(publishPacket('x', 'first', 0), retained('t', 'old'));
    expect(await subscribed(world, { t: 1 })).toEqual(['t=newer retained 1']);
  });

  it('a Lambda whose clock is slow is not taken for one that stalled, while its client is connected', async () => {
    const { world, publisher } = await scene();
    const at = world.context.clock.now() + 4_000;
    await world.context.retained.change('t', {
      if: [],
      set: {
        id: 'id' as MessageId,
        topic: 't',
        payload: new Uint8Array([1]),
        qos: 1,
        retain: true,
        publisher: 'fast' as ClientId,
        epoch: 1,
        at,
      },
    });
    await publisher.retain('t', 'newer');
    expect(await subscribed(world, { t: 1 })).toEqual(['t=newer retained 1']);
  });
});

describe('a will with retain', () => {
  const will = (payload: string, retain = true, qos: 0 | 1 = 1) => ({
    topic: 'status/client',
    payload: Buffer.from(payload),
    qos,
    retain,
  });
  const status = (world: World) => subscribed(world, { 'status/client': 1 });

  it.each([0, 1] as const)('[MQTT-3.1.2-17] of QoS %s is retained when it is published', async (qos) => {
    const world = createWorld();
    const client = await world.connect('client', { will: will('offline', true, qos) });
    expect(await status(world)).toEqual([]);
    await client.drop();
    await world.pass(3);
    expect(await status(world)).toEqual([`status/client=offline retained ${qos}`]);
  });

  it('[MQTT-3.1.2-16] without it is not', async () => {
    const world = createWorld();
    const client = await world.connect('client', { will: will('offline', false) });
    await client.drop();
    await world.pass(3);
    expect(await status(world)).toEqual([]);
  });

  it('with an empty payload removes what is retained', async () => {
    const world = createWorld();
    const client = await world.connect('client', { will: will('') });
    await client.send(retained('status/client', 'online'));
    await client.drop();
    await world.pass(3);
    expect(await status(world)).toEqual([]);
  });

  it('is published after what its client published on that connection', async () => {
    const world = createWorld();
    const client = await world.connect('client', { will: will('offline') });
    await client.send(retained('status/client', 'online'));
    await client.drop();
    await world.pass(3);
    expect(await status(world)).toEqual(['status/client=offline retained 1']);
  });

  it('does not undo what its client has published on the next connection, before the will was', async () => {
    const world = createWorld();
    const client = await world.connect('client', { will: will('offline') });
    await client.send(retained('status/client', 'online'));
    await client.drop();
    const back = await world.connect('client', { will: will('offline') });
    await back.send(retained('status/client', 'online again'));
    await world.pass(3);
    expect(await status(world)).toEqual(['status/client=online again retained 1']);
  });

  it('does not undo what somebody else has published after the end of the connection', async () => {
    const world = createWorld();
    const client = await world.connect('client', { will: will('offline') });
    const other = await publisherOf(world, 'other');
    await client.drop();
    world.advance(500);
    await other.retain('status/client', 'known to be gone');
    await world.pass(3);
    expect(await status(world)).toEqual(['status/client=known to be gone retained 1']);
  });

  it('that is published twice, since its job died, does not undo what came in between', async () => {
    let dies = true;
    const world = createWorld({}, ({ wills }) => ({
      wills: {
        ...wills,
        remove: async (...args) => {
          if (!dies) return wills.remove(...args);
          dies = false;
          throw new Error('the Lambda dies');
        },
      },
    }));
    const client = await world.connect('client', { clean: false, will: will('offline') });
    await client.drop();
    world.advance(2_000);
    const job = world.jobs.find(({ body }) => body.job === 'will');
    if (!job) throw new Error('a will is to be published');
    await expect(runJob(world.context, job.body)).rejects.toThrow('dies');
    expect(await status(world)).toEqual(['status/client=offline retained 1']);
    const back = await world.connect('client', { clean: false });
    await back.send(retained('status/client', 'online'));
    await world.pass(120);
    expect(world.stores.wills.all()).toEqual([]);
    expect(await status(world)).toEqual(['status/client=online retained 1']);
  });

  /** Somebody was about to end the connection and has lost against what the client did: its job is there all the same. */
  const announcedTooEarly = async () => {
    const world = createWorld();
    const client = await world.connect('client', { will: will('offline') });
    const session = await world.session('client');
    if (!session) throw new Error('it has just connected');
    const now = world.context.clock.now();
    const { will: id, epoch } = session;
    const body: WillJob = {
      job: 'will',
      clientId: 'client' as ClientId,
      will: id,
      epoch,
      endedAt: now,
      until: now + 30_000,
    };
    world.jobs.push({ at: now + 2_000, body });
    return { world, client };
  };

  it('is younger than what its session published after a move that came in between', async () => {
    const { world, client } = await announcedTooEarly();
    await client.send(retained('status/client', 'online'));
    const next = world.open();
    expect((await next.move(client.token)).close).toBeUndefined();
    await next.send(retained('status/client', 'moved'));
    await next.drop();
    await world.pass(3);
    expect(await status(world)).toEqual(['status/client=offline retained 1']);
  });

  it('is younger than what somebody else published before the connection ended in truth', async () => {
    const { world, client } = await announcedTooEarly();
    const other = await publisherOf(world, 'other');
    await world.pass(5);
    await other.retain('status/client', 'seen');
    await world.pass(5);
    await client.drop();
    await world.pass(3);
    expect(await status(world)).toEqual(['status/client=offline retained 1']);
  });
});

it('a publisher whose write fails is told so, and nothing was delivered', async () => {
  let fails = true;
  const world = createWorld({}, ({ retained }) => ({
    retained: {
      ...retained,
      change: async (...args) => {
        if (fails) throw new Error('outage');
        return retained.change(...args);
      },
    },
  }));
  const subscriber = await world.connect('subscriber');
  await subscriber.send(subscribePacket({ t: 1 }));
  const publisher = await world.connect('publisher');
  expect(await publisher.send(retained('t', 'x'))).toMatchObject({ close: 'internal-error', packets: [] });
  expect(payloads(subscriber.pushes())).toEqual([]);
  fails = false;
  const again = world.open();
  await again.send(connectPacket('publisher'));
  await again.send(retained('t', 'x'));
  expect(payloads(subscriber.pushes())).toEqual(['x']);
});
