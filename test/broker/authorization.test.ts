/** What a client may do is what its policies say: at CONNECT, PUBLISH, SUBSCRIBE, and at every delivery. */
import type { Ports, Principal } from '../../src/broker/ports.ts';
import type { ClientId } from '../../src/session/ids.ts';
import {
  allow,
  anyConnect,
  createGuardedWorld,
  document,
  everything,
  type GuardedWorld,
  type Statement,
} from './guarded-world.ts';
import { type Packet, payloads, pingreq, puback, publishPacket, subscribePacket } from './world.ts';

const will = (topic: string, more = {}) => ({
  topic,
  payload: Buffer.from('gone'),
  qos: 1 as const,
  retain: false,
  ...more,
});
const retained = (packet: ReturnType<typeof publishPacket>): Packet => ({ ...packet, retain: true });
const may = (...statements: readonly Statement[]): string => allow(anyConnect, ...statements);

/** A publisher that may do everything, and a subscriber with the given policy that has subscribed to everything below `a`. */
const scene = async (
  policy: string,
  { clean = true, qos = 1 as 0 | 1 | 2, settings = {}, override = (_: Ports): Partial<Ports> => ({}) } = {},
) => {
  const world = createGuardedWorld(settings, override);
  await world.enter('publisher', everything);
  await world.enter('subscriber', policy);
  const publisher = await world.connectAs('publisher');
  const subscriber = await world.connectAs('subscriber', { clean });
  await subscriber.send(subscribePacket({ 'a/#': qos }));
  return { world, publisher, subscriber };
};

const onlyNews = may(['iot:Subscribe', 'topicfilter/a/#'], ['iot:Receive', 'topic/a/news']);
const newsAndSecrets = may(['iot:Subscribe', 'topicfilter/a/#'], ['iot:Receive', 'topic/a/*']);

/** Longer than it takes until a changed policy counts. */
const settle = async (world: GuardedWorld) => world.advance(20_000);

describe('CONNECT', () => {
  const connecting = async (policy: string, options: Parameters<GuardedWorld['tryConnect']>[1] = {}) => {
    const world = createGuardedWorld();
    await world.enter('client', policy);
    return { world, ...(await world.tryConnect('client', options)) };
  };

  it('[MQTT-3.1.4-3] [MQTT-3.2.2-5] is answered with 5 and closed where no policy allows it; one line says why, and nothing is kept', async () => {
    const { world, reply, returnCode } = await connecting(allow(['iot:Connect', 'client/another']), {
      will: will('a'),
    });
    expect(returnCode).toBe(5);
    expect(reply.close).toBe('refused');
    expect(world.logged('connect-refused')).toMatchObject([
      { detail: 'password:client: iot:Connect on client/client is not allowed' },
    ]);
    expect(await world.session('client')).toBeUndefined();
    expect(world.stores.wills.all()).toEqual([]);
  });

  it('names the statement that denies', async () => {
    const { world, returnCode } = await connecting(document('Deny', [['iot:Connect', 'client/*']]));
    expect(returnCode).toBe(5);
    expect(world.logged('connect-refused')).toMatchObject([
      { detail: 'password:client: iot:Connect on client/client is denied by statement 1 of client' },
    ]);
  });

  it.each<[string, string, Parameters<GuardedWorld['tryConnect']>[1], number]>([
    ['a clean session, allowed without a condition', everything, {}, 0],
    ['a persistent session, allowed without a condition', everything, { clean: false }, 5],
    ['a persistent session, granted', may(), { clean: false }, 0],
    ['a will, allowed without a condition', everything, { will: will('a') }, 5],
    ['a will, granted, on a topic that may be published to', may(['iot:Publish', 'topic/a']), { will: will('a') }, 0],
    ['a will, granted, on a topic that may not', may(['iot:Publish', 'topic/b']), { will: will('a') }, 5],
    [
      'a will to be retained on a topic that may only be published to',
      may(['iot:Publish', 'topic/a']),
      { will: will('a', { retain: true }) },
      5,
    ],
    [
      'a will to be retained, where that is allowed',
      may(['iot:Publish', 'topic/a'], ['iot:RetainPublish', 'topic/a']),
      { will: will('a', { retain: true }) },
      0,
    ],
  ])('with %s', async (_, policy, options, code) => {
    expect((await connecting(policy, options)).returnCode).toBe(code);
  });

  it.each([
    ['the will topic', 'a', 0],
    ['another topic', 'b', 5],
  ])('iot:LastWillTopic allows %s', async (_, topic, code) => {
    const condition = {
      Condition: { ArnEquals: { 'iot:LastWillTopic': 'arn:aws:iot:us-east-1:123456789012:topic/a' } },
    };
    const policy = allow(['iot:Connect', 'client/*', condition], ['iot:Publish', 'topic/*']);
    expect((await connecting(policy, { will: will(topic) })).returnCode).toBe(code);
  });

  it('with connectAttributes iam goes by plain IAM evaluation', async () => {
    const world = createGuardedWorld({ connectAttributes: 'iam' });
    await world.enter('client', everything);
    expect((await world.tryConnect('client', { clean: false, will: will('a') })).returnCode).toBe(0);
  });

  it('by a client whose policy cannot be read is refused', async () => {
    const { world, returnCode } = await connecting('{"Version":"2012-10-17","Statement":[{"Effect":"Alow"}]}');
    expect(returnCode).toBe(5);
    expect(world.logged('policy-malformed')).toHaveLength(1);
  });

  it.each([
    ['a policy that is a number', { policies: [5] }],
    ['policies that are one text', { policies: 'client' }],
    ['no policies', { policies: undefined }],
    ['an attribute that is a number', { attributes: { site: 5 } }],
    ['no attributes', { attributes: undefined }],
  ])('by a client whose record has %s is refused', async (_, stored) => {
    const world = createGuardedWorld();
    await world.enter('client', everything);
    const principal = await world.stores.identity.principal('client');
    await world.stores.identity.putPrincipal('client', { ...principal, ...stored } as unknown as Principal);
    expect((await world.tryConnect('client')).returnCode).toBe(5);
    expect(world.logged('principal-malformed')).toMatchObject([{ principal: 'password:client' }]);
    expect(world.logged('error')).toEqual([]);
  });

  it('that is refused is told as an event, without a principal', async () => {
    const world = createGuardedWorld({ lifecycleEvents: 'on' });
    await world.enter('client', document('Deny', [['iot:Connect', 'client/*']]));
    await world.tryConnect('client');
    expect(world.jobs.flatMap(({ body }) => (body.job === 'announce' ? [body.topic] : []))).toEqual([
      '$aws/events/presence/connect_failed/client',
    ]);
  });
});

describe("another principal's client id", () => {
  const stored = async () => {
    const world = createGuardedWorld();
    for (const name of ['publisher', 'owner', 'thief']) await world.enter(name, may(['iot:*', '*']));
    const publisher = await world.connectAs('publisher');
    const owner = await world.connectAs('client', { as: 'owner', clean: false });
    await owner.send(subscribePacket({ 'a/#': 1 }));
    await owner.drop();
    await publisher.send(publishPacket('a/b', 'for the owner'));
    return { world, publisher };
  };

  it('begins a session of its own: it gets neither what is stored nor what was subscribed', async () => {
    const { world, publisher } = await stored();
    const thief = await world.connectAs('client', { as: 'thief', clean: false });
    expect(thief.sessionPresent).toBe(false);
    await world.drain(5_000);
    await publisher.send(publishPacket('a/b', 'more for the owner'));
    expect(payloads(thief.pushes())).toEqual([]);
  });

  it('is its own principal’s to resume, from wherever that comes', async () => {
    const { world } = await stored();
    const owner = await world.connectAs('client', { as: 'owner', clean: false });
    expect(owner.sessionPresent).toBe(true);
    await world.drain(5_000);
    expect(payloads(owner.pushes())).toEqual(['for the owner']);
  });
});

describe('PUBLISH', () => {
  const mayPublish = may(['iot:Publish', 'topic/a/open'], ['iot:Subscribe', '*'], ['iot:Receive', '*']);
  const publishing = async (settings = {}) => {
    const world = createGuardedWorld(settings);
    await world.enter('client', mayPublish);
    await world.enter('listener', everything);
    const listener = await world.connectAs('listener');
    await listener.send(subscribePacket({ 'a/#': 2 }));
    const client = await world.connectAs('client');
    return { world, client, listener };
  };
  const frame = [
    publishPacket('a/open', '1', 1, 1),
    publishPacket('a/closed', '2', 1, 2),
    publishPacket('a/open', '3', 1, 3),
  ];

  it('[MQTT-3.3.5-2] that no policy allows closes the connection; what came before it is delivered, nothing after it', async () => {
    const { world, client, listener } = await publishing();
    const reply = await client.send(...frame);
    expect(reply).toMatchObject({ close: 'not-authorized', packets: [{ cmd: 'puback', messageId: 1 }] });
    expect(payloads(listener.pushes())).toEqual(['1']);
    expect(world.logged('violation')).toMatchObject([
      { clientId: 'client', reason: 'not-authorized', detail: 'iot:Publish on topic/a/closed is not allowed' },
    ]);
    expect((await world.session('client'))?.status).toBe('ended');
  });

  it('[MQTT-3.3.5-2] is acknowledged and dropped, with unauthorizedPublish drop; one line says so', async () => {
    const { world, client, listener } = await publishing({ unauthorizedPublish: 'drop' });
    const reply = await client.send(...frame);
    expect(reply.close).toBeUndefined();
    expect(reply.packets.map(({ messageId }) => messageId)).toEqual([1, 2, 3]);
    expect(payloads(listener.pushes())).toEqual(['1', '3']);
    expect(world.logged('publish-dropped')).toMatchObject([{ clientId: 'client', messages: 1 }]);
  });

  it.each([0, 1, 2] as const)('with QoS %d is judged alike', async (qos) => {
    const { client, listener } = await publishing({ unauthorizedPublish: 'drop' });
    const { packets } = await client.send(publishPacket('a/closed', 'x', qos), publishPacket('a/open', 'y', qos, 2));
    expect(packets).toHaveLength(qos === 0 ? 0 : 2);
    expect(payloads(listener.pushes())).toEqual(['y']);
  });

  it('with RETAIN needs iot:RetainPublish, too', async () => {
    const { world, client } = await publishing();
    expect((await client.send(retained(publishPacket('a/open', 'x')))).close).toBe('not-authorized');
    expect(await world.stores.retained.read('a/open')).toBeUndefined();
    expect(world.logged('violation')).toMatchObject([{ detail: 'iot:RetainPublish on topic/a/open is not allowed' }]);
  });

  it('is judged by the policy that counts now, on the connection that is there', async () => {
    const { world, client } = await publishing();
    await client.send(publishPacket('a/open', 'x'));
    await world.enter('client', may());
    await settle(world);
    expect((await client.send(pingreq)).packets).toMatchObject([{ cmd: 'pingresp' }]);
    expect((await client.send(publishPacket('a/open', 'x'))).close).toBe('not-authorized');
  });

  it('of a principal that was removed is refused', async () => {
    const { world, client } = await publishing();
    await world.stores.identity.removePrincipal('client');
    await settle(world);
    expect((await client.send(publishPacket('a/open', 'x'))).close).toBe('not-authorized');
  });

  it('costs less than one call in a thousand messages to know that', async () => {
    const world = createGuardedWorld({}, (ports) => ({ identity: counting(ports.identity) }));
    let calls = 0;
    function counting(identity: Ports['identity']): Ports['identity'] {
      return new Proxy(identity, {
        get: (target, key) => {
          const method = Reflect.get(target, key) as (...args: unknown[]) => unknown;
          return (...args: unknown[]) => {
            calls++;
            return method.apply(target, args);
          };
        },
      });
    }
    for (const name of ['publisher', 'subscriber']) await world.enter(name, everything);
    const publisher = await world.connectAs('publisher');
    const subscriber = await world.connectAs('subscriber');
    await subscriber.send(subscribePacket({ a: 0 }));
    await publisher.send(publishPacket('a', 'warm', 0));
    calls = 0;
    for (let second = 0; second < 100; second++) {
      await publisher.send(...Array.from({ length: 100 }, () => publishPacket('a', 'x', 0)));
      world.advance(1_000);
    }
    expect(payloads(subscriber.pushes())).toHaveLength(10_001);
    expect(calls).toBeGreaterThan(0);
    expect(calls).toBeLessThan(10);
  });
});

describe('SUBSCRIBE', () => {
  it('[MQTT-3.9.3-1] gets 0x80 for each filter that no policy allows, in its place; one line says so', async () => {
    const world = createGuardedWorld();
    await world.enter('client', may(['iot:Subscribe', 'topicfilter/a/+/c'], ['iot:Subscribe', 'topicfilter/d']));
    const client = await world.connectAs('client');
    const { packets } = await client.send(subscribePacket({ 'a/b/c': 1, 'a/+/c': 1, 'a/#': 0, d: 2 }));
    expect(packets).toMatchObject([{ cmd: 'suback', granted: [0x80, 1, 0x80, 2] }]);
    expect(world.logged('subscribe-refused')).toMatchObject([
      { clientId: 'client', refused: 2, reason: 'iot:Subscribe on topicfilter/a/b/c is not allowed' },
    ]);
    expect(world.stores.filters.all()).toEqual(['a/+/c', 'd']);
  });
});

describe('a delivery', () => {
  it.each([0, 1, 2] as const)('with QoS %d needs iot:Receive of its receiver', async (qos) => {
    const { world, publisher, subscriber } = await scene(onlyNews, { qos });
    const { packets } = await publisher.send(
      publishPacket('a/secret', 'hidden', qos, 1),
      publishPacket('a/news', 'told', qos, 2),
    );
    expect(packets).toHaveLength(qos === 0 ? 0 : 2);
    expect(payloads(subscriber.pushes())).toEqual(['told']);
    expect(world.logged('receive-refused')).toMatchObject([{ clientId: 'subscriber', messages: 1 }]);
  });

  it('of what is retained needs it, too', async () => {
    const { world, publisher } = await scene(onlyNews);
    await publisher.send(
      retained(publishPacket('a/secret', 'hidden')),
      retained(publishPacket('a/news', 'told', 1, 2)),
    );
    const again = await world.connectAs('subscriber');
    await again.send(subscribePacket({ 'a/#': 1 }));
    expect(payloads(again.pushes())).toEqual(['told']);
  });

  it('of a will needs it, too', async () => {
    const { world, subscriber } = await scene(onlyNews);
    await world.enter('dying', may(['iot:Publish', 'topic/*']));
    for (const topic of ['a/secret', 'a/news']) {
      const dying = await world.connectAs('dying', { will: will(topic) });
      await dying.drop();
      world.advance(5_000);
      await world.runJobs();
    }
    expect(world.logged('will-published')).toHaveLength(2);
    expect(subscriber.pushes().map(({ topic }) => topic)).toEqual(['a/news']);
  });

  it('of a will whose own client may not publish any more is not made', async () => {
    const { world, subscriber } = await scene(newsAndSecrets);
    await world.enter('dying', may(['iot:Publish', 'topic/*']));
    const dying = await world.connectAs('dying', { will: will('a/news') });
    await world.enter('dying', may());
    await settle(world);
    await dying.drop();
    world.advance(5_000);
    await world.runJobs();
    expect(subscriber.pushes()).toEqual([]);
    expect(world.logged('will-refused')).toMatchObject([
      { clientId: 'dying', detail: 'iot:Publish on topic/a/news is not allowed' },
    ]);
    expect(world.stores.wills.all()).toEqual([]);
  });

  it('is withheld once the right is taken away, and the connection stays', async () => {
    const { world, publisher, subscriber } = await scene(newsAndSecrets);
    await publisher.send(publishPacket('a/secret', 'before'));
    await world.enter('subscriber', onlyNews);
    await settle(world);
    await publisher.send(publishPacket('a/secret', 'after', 1, 2), publishPacket('a/news', 'told', 1, 3));
    expect(payloads(subscriber.pushes())).toEqual(['before', 'told']);
    expect(subscriber.isOpen()).toBe(true);
  });

  it('goes out once the right is given, without a new connection', async () => {
    const { world, publisher, subscriber } = await scene(onlyNews);
    await publisher.send(publishPacket('a/secret', 'before'));
    await world.enter('subscriber', newsAndSecrets);
    await settle(world);
    await publisher.send(publishPacket('a/secret', 'after', 1, 2));
    expect(payloads(subscriber.pushes())).toEqual(['after']);
  });

  it('of what waits in the queue is judged when it leaves: the rest comes, in order, and the session is direct again', async () => {
    const { world, publisher, subscriber } = await scene(newsAndSecrets, { clean: false });
    await subscriber.drop();
    for (let number = 1; number <= 40; number++) {
      await publisher.send(publishPacket(number % 4 === 0 ? 'a/news' : 'a/secret', String(number), 1, number));
    }
    expect((await world.session('subscriber'))?.backlog).toBe(40);
    await world.enter('subscriber', onlyNews);
    await settle(world);
    const back = await world.connectAs('subscriber', { clean: false });
    await world.drain(20_000);
    expect(payloads(back.pushes())).toEqual(['4', '8', '12', '16', '20', '24', '28', '32', '36', '40']);
    expect(await world.session('subscriber')).toMatchObject({ backlog: 0, backlogBytes: 0, mode: 'direct' });
    await publisher.send(publishPacket('a/news', 'live', 1, 41));
    expect(payloads(back.pushes())).toEqual(['live']);
  });

  it.each([1, 2] as const)('of what is in flight is not made again on the next connection, QoS %d', async (qos) => {
    const { world, publisher, subscriber } = await scene(newsAndSecrets, { clean: false, qos });
    await publisher.send(publishPacket('a/secret', 'hidden', qos, 1), publishPacket('a/news', 'told', qos, 2));
    expect(payloads(subscriber.pushes())).toEqual(['hidden', 'told']);
    await subscriber.drop();
    await world.enter('subscriber', onlyNews);
    await settle(world);
    const back = await world.connectAs('subscriber', { clean: false });
    await world.drain(5_000);
    const pushes = back.pushes();
    expect(payloads(pushes)).toEqual(['told']);
    if (qos === 1) {
      await back.send(puback(pushes.find(({ cmd }) => cmd === 'publish')?.messageId));
      expect(world.stores.inFlight.all()).toEqual([]);
      expect((await world.session('subscriber'))?.windowLeft).toBe(100);
    }
  });

  it('is withheld from whom nobody can say what it may receive, and its publisher does not suffer', async () => {
    const { world, publisher, subscriber } = await scene(newsAndSecrets);
    const principal = await world.stores.identity.principal('subscriber');
    const broken = { ...principal, attributes: { site: 5 }, policies: ['conditional'] } as unknown as Principal;
    const Condition = { StringEquals: { 'principal:site': 'x' } };
    await world.stores.identity.putPolicy('conditional', may(['iot:Receive', '*', { Condition }]));
    await world.stores.identity.putPrincipal('subscriber', broken);
    await settle(world);
    const { close, packets } = await publisher.send(publishPacket('a/news', 'x'));
    expect({ close, packets }).toMatchObject({ close: undefined, packets: [{ cmd: 'puback' }] });
    expect(payloads(subscriber.pushes())).toEqual([]);
  });

  it('is not withheld for what its receiver was before it came back', async () => {
    const { world, publisher, subscriber } = await scene(onlyNews, { clean: false });
    await publisher.send(publishPacket('a/news', 'told')); // the publisher's process knows the receiver now
    await subscriber.drop();
    await replaceGrant(world, newsAndSecrets);
    await publisher.send(publishPacket('a/secret', 'for who it is now', 1, 2));
    expect((await world.session('subscriber'))?.backlog).toBe(1);
  });

  it('is withheld for what its receiver is now, and leaves no hole', async () => {
    const { world, publisher, subscriber } = await scene(newsAndSecrets);
    await publisher.send(publishPacket('a/secret', 'before'));
    await replaceGrant(world, onlyNews);
    await publisher.send(publishPacket('a/secret', 'after', 1, 2), publishPacket('a/news', 'told', 1, 3));
    expect(payloads(subscriber.pushes())).toEqual(['before', 'told']);
    expect(await world.session('subscriber')).toMatchObject({ pushed: 2 });
  });
});

/** The session's client has proved to be the same with other rights: as after a renewal, or on another connection. */
const replaceGrant = async (world: GuardedWorld, policy: string): Promise<void> => {
  const { identity, sessions } = world.stores;
  const session = await world.session('subscriber');
  const former = session && (await identity.grant(session.grant));
  if (!former) throw new Error('the session has no grant');
  const grant = `${session.grant} renewed` as typeof session.grant;
  await identity.keepGrant(grant, { ...former, records: [], documents: [policy] });
  await sessions.change('subscriber' as ClientId, { if: [], set: { grant } });
};
