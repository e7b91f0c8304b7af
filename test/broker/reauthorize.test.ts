/** The end of an authorization, and its renewal: what the check of a connection does when nobody calls. */
import { runJob } from '../../src/broker/run-job.ts';
import type { ClientId } from '../../src/session/ids.ts';
import {
  acceptance,
  allButSecret,
  type CustomWorld,
  createCustomWorld,
  everything,
  inCustomWorld,
} from './custom-world.ts';
import { createFaultyWorld, type FaultyWorld, failures } from './faults.ts';
import { allow, anyConnect } from './guarded-world.ts';
import { createWorld, payloads, pingreq, puback, publishPacket, subscribePacket, type World } from './world.ts';

const MINUTE = 60;
/** Asked again after 5 minutes, gone after 20. */
const times = { refreshAfterInSeconds: 5 * MINUTE, disconnectAfterInSeconds: 20 * MINUTE };
const will = { topic: 'gone', payload: Buffer.from('last words'), qos: 1, retain: false } as const;

const connected = async (world: World, options: { clean?: boolean; keepalive?: number; will?: typeof will } = {}) =>
  world.connect('client', { keepalive: 0, watched: true, ...options });

/** Checks of connections that wait, each once. */
const checks = (world: World) => world.jobs.filter(({ body }) => body.job === 'check');

const closings = (frames: readonly string[]) => frames.filter((frame) => frame.includes(';close='));

describe('an authorization that is over', () => {
  /** A client that may stay for 20 minutes, and one that hears its will. */
  const scene = async (options: { clean?: boolean } = {}) => {
    const world = createCustomWorld({ lifecycleEvents: 'on' });
    const watcher = await world.connect('watcher', { keepalive: 0, watched: true });
    await watcher.send(subscribePacket({ gone: 1, '$aws/events/presence/disconnected/client': 1 }));
    world.authorizer.answers(acceptance({ disconnectAfterInSeconds: 20 * MINUTE }));
    const client = await connected(world, { clean: false, will, ...options });
    return { world, watcher, client };
  };

  it('ends the connection, and not a second before', async () => {
    const { world, client } = await scene();
    await world.pass(20 * MINUTE - 1);
    expect(client.isOpen()).toBe(true);
    expect((await client.send(pingreq)).close).toBeUndefined();
    await world.pass(2);
    expect(client.isOpen()).toBe(false);
    expect(closings(client.frames())).toEqual(['>;close=not-authorized:']);
    expect(world.logged('authorization-over')).toMatchObject([{ clientId: 'client' }]);
    expect(world.logged('connection-ended')).toMatchObject([{ reason: 'CUSTOMAUTH_TTL_EXPIRATION' }]);
    expect(world.authorizer.asked).toHaveLength(2); // at each CONNECT
  });

  it('is noticed by a frame, should the check be late', async () => {
    const { world, client } = await scene();
    world.advance(20 * MINUTE * 1_000);
    expect(await client.send(pingreq)).toMatchObject({ taken: 0, packets: [], close: 'not-authorized' });
    expect(world.logged('connection-ended')).toMatchObject([{ reason: 'CUSTOMAUTH_TTL_EXPIRATION' }]);
  });

  it('takes with it what the authorizer would have been asked again', async () => {
    const world = createCustomWorld();
    world.authorizer.answers(acceptance(times));
    const client = await connected(world);
    const { connections } = world.stores;
    expect(await connections.readRequest(client.connectionId)).toBeDefined();
    await client.drop();
    await world.pass(2 * 15 * MINUTE);
    expect(await connections.readRequest(client.connectionId)).toBeUndefined();
  });

  it.each([
    [false, 'offline'],
    [true, 'ended'],
  ])('with cleanSession %s leaves the session %s, and publishes the will once', async (clean, status) => {
    const { world, watcher, client } = await scene({ clean });
    await world.pass(20 * MINUTE + 5);
    expect(await world.session('client')).toMatchObject({ status });
    await client.drop();
    await world.pass(2 * MINUTE);
    const heard = payloads(watcher.pushes());
    expect(heard.filter((payload) => payload === 'last words')).toHaveLength(1);
    expect(heard.filter((payload) => payload.includes('"disconnectReason":"CUSTOMAUTH_TTL_EXPIRATION"'))).toHaveLength(
      1,
    );
    expect(heard).toHaveLength(2);
  });

  it('ends the connection once, though the check comes twice', async () => {
    const { world, client } = await scene();
    await world.pass(20 * MINUTE - 1);
    const [check] = checks(world).slice(-1);
    if (!check) throw new Error('no check waits');
    world.advance(2_000);
    await Promise.all([runJob(world.context, check.body), runJob(world.context, check.body)]);
    await runJob(world.context, check.body);
    await world.pass(2 * MINUTE);
    expect(world.logged('connection-ended')).toHaveLength(1);
    expect(world.logged('will-published')).toHaveLength(1);
    expect(client.isOpen()).toBe(false);
  });

  it('is over for a client that connects again, and has to prove anew who it is', async () => {
    const { world } = await scene();
    await world.pass(20 * MINUTE + 1);
    world.authorizer.answers({ isAuthenticated: false });
    await expect(connected(world, { clean: false })).rejects.toThrow(/"returnCode":5/);
    world.authorizer.answers(acceptance());
    expect(await connected(world, { clean: false })).toMatchObject({ sessionPresent: true });
  });

  it('is over for a session that moves, too', async () => {
    const { world, client } = await scene();
    await world.pass(20 * MINUTE - 1);
    world.advance(1_000);
    expect(await (await world.handshake()).move(client.token)).toMatchObject({ taken: 0, close: 'not-connected' });
    await world.pass(5);
    expect(world.logged('connection-ended')).toMatchObject([{ reason: 'CUSTOMAUTH_TTL_EXPIRATION' }]);
  });

  it('goes with a session that moves, and is not any longer for that', async () => {
    const { world, client } = await scene();
    await world.pass(10 * MINUTE);
    const next = await world.handshake();
    expect((await next.move(client.token)).close).toBeUndefined();
    await world.pass(10 * MINUTE - 1);
    expect(next.isOpen()).toBe(true);
    await world.pass(2);
    expect(closings(next.frames())).toEqual(['>;close=not-authorized:']);
    expect(world.logged('connection-ended')).toMatchObject([{ reason: 'CUSTOMAUTH_TTL_EXPIRATION' }]);
  });

  it('ends the connection whatever it was proved by', async () => {
    const world = createWorld();
    const client = await connected(world, { clean: false });
    const authorizedUntil = world.context.clock.now() + 5 * MINUTE * 1_000;
    await world.stores.connections.change(client.connectionId, { if: [], set: { authorizedUntil } });
    await world.pass(5 * MINUTE + 1);
    expect(closings(client.frames())).toEqual(['>;close=not-authorized:']);
    expect(world.logged('connection-ended')).toMatchObject([{ reason: 'CUSTOMAUTH_TTL_EXPIRATION' }]);
  });

  it.each(failures)('ends the connection all the same: %s at any call of the check', async (failure) => {
    for (let call = 1; ; call++) {
      const world = inCustomWorld<FaultyWorld>(createFaultyWorld);
      const watcher = await world.connect('watcher', { keepalive: 0, watched: true });
      await watcher.send(subscribePacket({ gone: 1 }));
      world.authorizer.answers(acceptance({ disconnectAfterInSeconds: 20 * MINUTE }));
      const client = await connected(world, { clean: false, will });
      await world.pass(20 * MINUTE - 1);
      world.advance(1_000);
      const struck = await world.failingJob(call, failure);
      await world.pass(3 * MINUTE);
      expect([call, client.isOpen(), (await world.session('client'))?.status]).toEqual([call, false, 'offline']);
      expect([call, payloads(watcher.pushes())]).toEqual([call, ['last words']]);
      if (!struck) break;
    }
  });
});

describe('a renewal', () => {
  /** A client that is asked about again after 5 minutes. */
  const scene = async (options: { clean?: boolean; will?: typeof will } = {}, world = createCustomWorld()) => {
    world.authorizer.answers(acceptance(times));
    return { world, client: await connected(world, options) };
  };

  it('asks what was asked at CONNECT, each time that it is due', async () => {
    const { world } = await scene();
    for (let times = 1; times <= 3; times++) {
      await world.pass(5 * MINUTE - 2);
      expect(world.authorizer.asked).toHaveLength(times);
      await world.pass(2);
      expect(world.authorizer.asked).toHaveLength(times + 1);
    }
    const [first, ...others] = world.authorizer.asked;
    for (const other of others) expect(other).toEqual(first);
    expect(world.logged('reauthorized')).toHaveLength(3);
  });

  it('does not put the end off', async () => {
    const { world, client } = await scene();
    world.authorizer.answers(acceptance({ ...times, disconnectAfterInSeconds: 86_400 }));
    await world.pass(20 * MINUTE - 1);
    expect(client.isOpen()).toBe(true);
    await world.pass(2);
    expect(client.isOpen()).toBe(false);
    expect(world.authorizer.asked).toHaveLength(4); // not at the end itself
  });

  it('comes when the last answer has said', async () => {
    const { world } = await scene();
    world.authorizer.answers(acceptance({ ...times, refreshAfterInSeconds: 10 * MINUTE }));
    await world.pass(5 * MINUTE + 1);
    expect(world.authorizer.asked).toHaveLength(2);
    await world.pass(10 * MINUTE - 2);
    expect(world.authorizer.asked).toHaveLength(2);
    await world.pass(3);
    expect(world.authorizer.asked).toHaveLength(3);
  });

  it('that the last answer has put off beyond the end does not come', async () => {
    const { world, client } = await scene();
    world.authorizer.answers(acceptance({ refreshAfterInSeconds: 15 * MINUTE }));
    await world.pass(5 * MINUTE + 1);
    expect(await world.stores.connections.read(client.connectionId)).toMatchObject({ reauthorizeAt: 0 });
  });

  it('takes away what a client may publish, and receive', async () => {
    const { world, client } = await scene();
    const publisher = await world.connect('publisher', { keepalive: 0, watched: true });
    await client.send(subscribePacket({ secret: 1, open: 1 }));
    await publisher.send(publishPacket('secret', 'before'));
    expect((await client.send(publishPacket('secret', 'mine'))).close).toBeUndefined();
    const pushed = client.pushes();
    expect(payloads(pushed)).toEqual(['before', 'mine']);
    await client.send(...pushed.map(({ messageId }) => puback(messageId)));
    world.authorizer.does(async () => acceptance(times, (await isOf(world, 'client')) ? allButSecret : everything));
    await world.pass(5 * MINUTE + 1);
    await publisher.send(publishPacket('secret', 'behind'));
    await publisher.send(publishPacket('open', 'open'));
    await world.pass(5);
    expect(payloads(client.pushes())).toEqual(['open']);
    expect((await client.send(publishPacket('secret', 'mine'))).close).toBe('not-authorized');
  });

  it('gives what a client may do from now on', async () => {
    const world = createCustomWorld();
    world.authorizer.answers(acceptance(times, allow(anyConnect)));
    await connected(world);
    world.authorizer.answers(acceptance(times));
    await world.pass(5 * MINUTE + 1);
    expect(await world.grantOf('client')).toMatchObject({ principal: 'custom:pump7', documents: [everything] });
    const { grant } = (await world.session('client')) ?? {};
    expect(world.stores.connections.all()).toMatchObject([{ state: 'connected', grant }]);
  });

  it.each<readonly [string, (world: CustomWorld) => void, string]>([
    [
      'turns the client away',
      ({ authorizer }) => authorizer.answers({ isAuthenticated: false }),
      'turned the client away',
    ],
    [
      'does not answer',
      ({ authorizer }) =>
        authorizer.does(async () => {
          throw new Error('no answer within 5000 ms');
        }),
      'the authorizer: no answer within 5000 ms',
    ],
    ['answers nonsense', ({ authorizer }) => authorizer.answers('yes'), 'is no object'],
    [
      'calls the client by another name',
      ({ authorizer }) => authorizer.answers(acceptance({ ...times, principalId: 'pump8' })),
      'principalId is not the one of custom:pump7 any more',
    ],
  ])('ends the connection where the authorizer %s', async (_what, change, detail) => {
    const { world, client } = await scene({ clean: false, will });
    change(world);
    await world.pass(5 * MINUTE + 5);
    expect(client.isOpen()).toBe(false);
    expect(closings(client.frames())).toEqual(['>;close=not-authorized:']);
    expect(world.logged('reauthorize-refused')).toMatchObject([
      { clientId: 'client', detail: expect.stringContaining(detail) },
    ]);
    expect(world.logged('connection-ended')).toMatchObject([{ reason: 'FORBIDDEN_ACCESS' }]);
    expect(world.logged('will-published')).toHaveLength(1);
    expect(await world.session('client')).toMatchObject({ status: 'offline' });
    await world.pass(3 * MINUTE);
    expect(world.authorizer.asked).toHaveLength(2);
  });

  it('ends the connection where it is not known any more what was asked', async () => {
    const world = createCustomWorld({}, ({ connections }) => ({
      connections: { ...connections, readRequest: async () => undefined },
    }));
    const { client } = await scene({}, world);
    await world.pass(5 * MINUTE + 1);
    expect(client.isOpen()).toBe(false);
    expect(world.logged('reauthorize-refused')).toMatchObject([
      { detail: 'what the authorizer was asked is not kept' },
    ]);
  });

  it('asks once, though the check comes twice', async () => {
    const { world, client } = await scene();
    await world.pass(5 * MINUTE - 1);
    const [check] = checks(world).slice(-1);
    if (!check) throw new Error('no check waits');
    world.advance(2_000);
    await Promise.all([runJob(world.context, check.body), runJob(world.context, check.body)]);
    await runJob(world.context, check.body);
    expect(world.authorizer.asked).toHaveLength(2);
    await world.pass(5 * MINUTE);
    expect(world.authorizer.asked).toHaveLength(3);
    expect(client.isOpen()).toBe(true);
  });

  it('is left to whoever is at it', async () => {
    const { world } = await scene();
    await world.pass(5 * MINUTE - 1);
    const [check] = checks(world).slice(-1);
    if (!check) throw new Error('no check waits');
    const asked = hold(world, acceptance(times, allButSecret));
    const first = world.pass(1);
    await asked.reached;
    world.advance(1_000);
    await runJob(world.context, check.body);
    expect(world.authorizer.asked).toHaveLength(2);
    asked.letGo();
    await first;
    expect(await whatCounts(world)).toEqual([allButSecret, allButSecret]);
  });

  it('that stalls touches nothing of a client that has connected anew', async () => {
    const { world, client } = await scene({ clean: false });
    await world.pass(5 * MINUTE - 1);
    const asked = hold(world, acceptance(times, allow(anyConnect)));
    const stalled = world.pass(1);
    await asked.reached;
    world.authorizer.answers(acceptance(times));
    const young = await connected(world, { clean: false });
    const before = await world.session('client');
    asked.letGo();
    await stalled;
    expect(await world.session('client')).toMatchObject({ epoch: before?.epoch, grant: before?.grant });
    expect(await world.stores.connections.read(young.connectionId)).toMatchObject({ grant: before?.grant });
    await world.pass(MINUTE);
    expect((await young.send(publishPacket('t', 'x'))).close).toBeUndefined();
    expect(client.isOpen()).toBe(false);
  });

  it('of a connection that somebody closes meanwhile, and dies, gives its session up all the same', async () => {
    const { world, client } = await scene({ clean: false });
    world.authorizer.does(async () => {
      await world.stores.connections.close(client.connectionId, world.context.clock.now());
      return acceptance(times);
    });
    await world.pass(5 * MINUTE + 2 * 31);
    expect(await world.session('client')).toMatchObject({ status: 'offline' });
  });

  it.each(failures)('comes to its end: %s at any call of the check', async (failure) => {
    for (let call = 1; ; call++) {
      const world = inCustomWorld<FaultyWorld>(createFaultyWorld);
      const { client } = await scene({ clean: false }, world);
      await world.pass(5 * MINUTE - 1);
      world.authorizer.answers(acceptance(times, allButSecret));
      world.advance(1_000);
      const struck = await world.failingJob(call, failure);
      await world.pass(2 * MINUTE);
      expect([call, client.isOpen(), await whatCounts(world)]).toEqual([call, true, [allButSecret, allButSecret]]);
      const asked = world.authorizer.asked.length;
      await world.pass(5 * MINUTE);
      expect([call, world.authorizer.asked.length - asked]).toEqual([call, 1]); // and goes on
      if (!struck) break;
    }
  });

  it.each(failures)('that refuses comes to its end: %s at any call of the check', async (failure) => {
    for (let call = 1; ; call++) {
      const world = inCustomWorld<FaultyWorld>(createFaultyWorld);
      const { client } = await scene({ clean: false, will }, world);
      await world.pass(5 * MINUTE - 1);
      world.authorizer.answers({ isAuthenticated: false });
      world.advance(1_000);
      const struck = await world.failingJob(call, failure);
      await world.pass(3 * MINUTE);
      expect([call, client.isOpen(), (await world.session('client'))?.status]).toEqual([call, false, 'offline']);
      expect([call, world.logged('will-published').length]).toEqual([call, 1]);
      if (!struck) break;
    }
  });

  describe('of a session that moves', () => {
    it('comes on its new connection, when it would have come, and asks the same', async () => {
      const { world, client } = await scene();
      await world.pass(3 * MINUTE);
      const next = await world.handshake();
      expect((await next.move(client.token)).close).toBeUndefined();
      await world.pass(2 * MINUTE - 1);
      expect(world.authorizer.asked).toHaveLength(1);
      await world.pass(2);
      const [first, second] = world.authorizer.asked;
      expect(second).toEqual(first);
      expect(next.isOpen()).toBe(true);
    });

    it('comes again and again, wherever the session is by then', async () => {
      const { world, client } = await scene();
      let { token } = client;
      for (let times = 1; times <= 3; times++) {
        const next = await world.handshake();
        token = (await next.move(token)).token ?? '';
        await world.pass(5 * MINUTE + 1);
        expect(world.authorizer.asked).toHaveLength(times + 1);
        expect(next.isOpen()).toBe(true);
      }
    });

    it('is not undone by a move that began before it', async () => {
      let atMove = async (): Promise<void> => {};
      const world = createCustomWorld({}, ({ connections }) => ({
        connections: {
          ...connections,
          read: async (connectionId) => {
            await atMove();
            return connections.read(connectionId);
          },
        },
      }));
      const { client } = await scene({}, world);
      await world.pass(5 * MINUTE - 1);
      world.authorizer.answers(acceptance(times, allButSecret));
      const next = await world.handshake();
      let reads = 0;
      atMove = async () => {
        if (++reads !== 2) return; // its own connection, and then the one that it comes from
        atMove = async () => {};
        await world.pass(1);
      };
      expect((await next.move(client.token)).close).toBeUndefined();
      await world.pass(MINUTE);
      expect(world.authorizer.asked.length).toBeGreaterThan(1);
      expect(await whatCounts(world)).toEqual([allButSecret, allButSecret]);
    });

    it('that stalls is made up for on the new connection', async () => {
      const { world, client } = await scene();
      await world.pass(5 * MINUTE - 1);
      const asked = hold(world, acceptance(times, allButSecret));
      const stalled = world.pass(1);
      await asked.reached;
      const next = await world.handshake();
      expect((await next.move(client.token)).close).toBeUndefined();
      world.authorizer.answers(acceptance(times, allButSecret));
      asked.letGo();
      await stalled;
      await world.pass(MINUTE);
      expect(await whatCounts(world)).toEqual([allButSecret, allButSecret]);
      expect(next.isOpen()).toBe(true);
    });

    it.each(failures)('is made up for on the new connection: %s at any call of the check', async (failure) => {
      for (let call = 1; ; call++) {
        const world = inCustomWorld<FaultyWorld>(createFaultyWorld);
        const { client } = await scene({}, world);
        await world.pass(5 * MINUTE - 1);
        world.authorizer.answers(acceptance(times, allButSecret));
        world.advance(1_000);
        const struck = await world.failingJob(call, failure);
        const next = await world.handshake();
        expect([call, (await next.move(client.token)).close]).toEqual([call, undefined]);
        await world.pass(2 * MINUTE);
        expect([call, next.isOpen(), await whatCounts(world)]).toEqual([call, true, [allButSecret, allButSecret]]);
        if (!struck) break;
      }
    });

    it.each(failures)('comes all the same: %s at any call of the move', async (failure) => {
      for (let call = 1; ; call++) {
        const world = inCustomWorld<FaultyWorld>(createFaultyWorld);
        const { client } = await scene({ clean: false }, world);
        await world.pass(4 * MINUTE);
        const next = await world.handshake();
        const { struck, result } = await world.during(call, failure, () => next.move(client.token));
        world.authorizer.answers({ isAuthenticated: false });
        await world.pass(2 * MINUTE);
        // On whichever it is: where the move has come to nothing, the old one; where it has got half-way, none.
        expect([call, await isOnline(world)]).toEqual([call, false]);
        if (result && result.close === undefined) expect(world.logged('reauthorize-refused')).toHaveLength(1);
        if (!struck) break;
      }
    });
  });
});

const isOnline = async (world: World): Promise<boolean> => {
  const session = await world.session('client');
  return session?.status === 'online' || session?.status === 'connecting';
};

/** Whether the client that the authorizer was asked about last is this one. */
const isOf = async ({ authorizer }: CustomWorld, clientId: string): Promise<boolean> =>
  (authorizer.asked.at(-1) as { protocolData: { mqtt: { clientId: string } } }).protocolData.mqtt.clientId === clientId;

/** The policies by which the client receives, and publishes. */
const whatCounts = async ({ stores }: World): Promise<readonly (string | undefined)[]> => {
  const session = await stores.sessions.read('client' as ClientId);
  const connection = session && (await stores.connections.read(session.connectionId));
  const grants = [session?.grant, connection?.grant].map((id) => (id ? stores.identity.grant(id) : undefined));
  return (await Promise.all(grants)).map((grant) => grant?.documents[0]);
};

/** The authorizer answers when it is let go. */
const hold = ({ authorizer }: CustomWorld, answer: object) => {
  let letGo = (): void => {};
  const free = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const reached = new Promise<void>((resolve) => {
    authorizer.does(async () => {
      resolve();
      await free;
      return answer;
    });
  });
  return { reached, letGo: () => letGo() };
};
