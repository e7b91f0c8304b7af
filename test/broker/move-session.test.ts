/** A session moves to a new socket (wire §8): with everything it has, and without its client's noticing. */
import { createFaultyWorld, failures } from './faults.ts';
import {
  connectPacket,
  createWorld,
  disconnect,
  payloads,
  pingreq,
  puback,
  publishPacket,
  subscribePacket,
  type World,
} from './world.ts';

const scene = async (clean: boolean) => {
  const world = createWorld();
  const publisher = await world.connect('publisher');
  const old = await world.connect('client', { clean, keepalive: 10, watched: true });
  await old.send(subscribePacket({ 'a/+': 1 }));
  return { world, publisher, old };
};

describe.each([true, false])('wire §8: a session that moves, cleanSession %s', (clean) => {
  it('goes on with its subscriptions on the new socket, and is still the same', async () => {
    const { world, publisher, old } = await scene(clean);
    const before = await world.session('client');
    const next = await world.handshake();
    expect(await next.move(old.token)).toMatchObject({ taken: 0, close: undefined, next: 1, packets: [] });
    await world.pass(2);
    await publisher.send(publishPacket('a/b', 'x'));
    expect(payloads(next.pushes())).toEqual(['x']);
    expect(old.pushes()).toEqual([]);
    expect(await world.session('client')).toMatchObject({
      generation: before?.generation,
      status: 'online',
      mode: 'direct',
      connectionId: next.connectionId,
    });
    expect(world.logged('moved')).toMatchObject([{ clientId: 'client', connectionId: next.connectionId }]);
    expect(world.logged('session-ended')).toEqual([]);
  });

  it('[MQTT-3.3.1-1] [MQTT-4.6.0-6] gets what it has not acknowledged again, with DUP, under the packet id and in the order it had', async () => {
    const { world, publisher, old } = await scene(clean);
    await publisher.send(...['1', '2', '3'].map((text, index) => publishPacket('a/b', text, 1, index + 1)));
    const [first] = old.pushes();
    await old.send(puback(first?.messageId));
    const next = await world.handshake();
    const { next: expected } = await next.move(old.token);
    await publisher.send(publishPacket('a/b', '4'));
    await world.pass(3);
    const pushed = next.pushes();
    expect(payloads(pushed)).toEqual(['2', '3', '4']);
    expect(pushed.map(({ dup, messageId }) => [dup, messageId])).toEqual([
      [true, 2],
      [true, 3],
      [false, 4],
    ]);
    expect(expected).toBe(4);
    expect(next.frames()[0]).toMatch(/^>4:/);
  });

  it('leaves the old socket open for a few seconds, and then closes it', async () => {
    const { world, old } = await scene(clean);
    const next = await world.handshake();
    await next.move(old.token);
    await world.pass(4);
    expect(old.isOpen()).toBe(true);
    await world.pass(2);
    expect(old.isOpen()).toBe(false);
    await old.drop();
    await world.pass(5);
    expect((await next.send(pingreq)).packets).toMatchObject([{ cmd: 'pingresp' }]);
  });

  it('is not on the old socket any more', async () => {
    const { world, old } = await scene(clean);
    const next = await world.handshake();
    await next.move(old.token);
    expect(await old.send(publishPacket('a/b', 'late'))).toMatchObject({ taken: 0, close: 'not-connected' });
    expect((await next.send(pingreq)).close).toBeUndefined();
  });

  it('keeps its keep-alive', async () => {
    const { world, old } = await scene(clean);
    const next = await world.handshake();
    await next.move(old.token);
    await world.pass(14);
    expect(next.isOpen()).toBe(true);
    await world.pass(10);
    expect(next.isOpen()).toBe(false);
    expect(world.logged('keep-alive-timeout')).toMatchObject([{ connectionId: next.connectionId, keepAlive: 10 }]);
  });

  it('moves again with the next token', async () => {
    const { world, publisher, old } = await scene(clean);
    let { token } = old;
    let socket = old as Pick<typeof old, 'pushes'>;
    for (let times = 0; times < 3; times++) {
      const next = await world.handshake();
      const moved = await next.move(token);
      expect(moved.token).not.toBe(token);
      token = moved.token ?? '';
      socket = next;
    }
    await world.pass(3);
    await publisher.send(publishPacket('a/b', 'x'));
    expect(payloads(socket.pushes())).toEqual(['x']);
  });
});

describe('wire §8: a token', () => {
  const refused = async (world: World, token: string) => {
    const socket = await world.handshake();
    const before = await world.session('client');
    expect(await socket.move(token)).toMatchObject({ taken: 0, close: 'not-connected' });
    expect(await world.session('client')).toEqual(before);
    expect(JSON.stringify(world.lines)).not.toContain('secret');
  };

  it('is good for one move', async () => {
    const { world, old } = await scene(false);
    const next = await world.handshake();
    await next.move(old.token);
    await refused(world, old.token);
  });

  it('is good for one of two that use it at the same time', async () => {
    const { world, old } = await scene(false);
    const [one, two] = [await world.handshake(), await world.handshake()];
    const replies = await Promise.all([one.move(old.token), two.move(old.token)]);
    expect(replies.map(({ close }) => close).sort()).toEqual(['not-connected', undefined]);
  });

  it.each([
    ['a wrong secret', (token: string) => `${token}x`],
    ['no secret', (token: string) => token.replace(/\..*/, '')],
    [
      'the secret of another client',
      (token: string, other: string) => token.replace(/\..*/, other.replace(/.*\./, '.')),
    ],
    ['a client that nobody knows', () => 'bm9ib2R5.secret-1'],
    ['nothing but a dot', () => '.'],
  ])('with %s moves nothing', async (_what, spoil) => {
    const { world, old } = await scene(false);
    const other = await world.connect('other', { clean: false });
    await refused(world, spoil(old.token, other.token));
  });

  it.each(['client', 'client7', 'client70'])('moves nothing with one character changed: %s', async (clientId) => {
    const world = createWorld();
    const { token } = await world.connect(clientId, { clean: false });
    const before = await world.session(clientId);
    for (let at = 0; at < token.length; at++) {
      for (const character of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.') {
        const changed = token.slice(0, at) + character + token.slice(at + 1);
        if (changed === token) continue;
        expect([changed, (await world.open().move(changed)).close]).toEqual([changed, 'not-connected']);
      }
    }
    expect(await world.session(clientId)).toEqual(before);
  });

  it.each([
    [
      'whose client has left',
      async (old: Awaited<ReturnType<typeof scene>>['old']) => void (await old.send(disconnect)),
    ],
    ['whose socket is closed', (old: Awaited<ReturnType<typeof scene>>['old']) => old.drop()],
  ])('of a connection %s moves nothing', async (_what, end) => {
    const { world, old } = await scene(false);
    await end(old);
    await refused(world, old.token);
  });

  it('of a connection that was taken over moves nothing', async () => {
    const { world, old } = await scene(false);
    const young = await world.connect('client', { clean: false });
    await world.pass(2);
    await refused(world, old.token);
    expect((await young.send(pingreq)).close).toBeUndefined();
  });

  it('moves nothing to a socket that had its CONNECT', async () => {
    const { world, old } = await scene(false);
    const other = await world.connect('other');
    expect((await other.move(old.token)).close).toBe('protocol-violation');
    expect((await old.send(pingreq)).close).toBeUndefined();
  });

  it('comes with the reply to every accepted CONNECT, and is never logged', async () => {
    const { world, old } = await scene(false);
    await old.drop();
    const back = world.open();
    const { token } = await back.send({ ...connectPacket('client'), clean: false });
    expect(token).toMatch(/^[\w-]+\.[\w-]+$/);
    expect(JSON.stringify(world.lines)).not.toContain('secret');
    expect(JSON.stringify(world.stores.sessions.all())).not.toContain('secret');
  });

  it('does not come with a refusal', async () => {
    const world = createWorld();
    const reply = await world.open().send(connectPacket('x'.repeat(300)));
    expect(reply).toMatchObject({ close: 'refused', token: undefined });
  });
});

describe.each(failures)('%s at any call of a move', (failure) => {
  it('loses nothing: the client, without its reply, connects again', async () => {
    for (let call = 1; ; call++) {
      const world = createFaultyWorld();
      const old = await world.connect('client', { clean: false, keepalive: 10, watched: true });
      await old.send(subscribePacket({ 'a/+': 1 }));
      const publisher = await world.connect('publisher');
      await publisher.send(publishPacket('a/b', 'before', 1, 1));
      old.pushes();
      const next = await world.handshake();
      const { struck, result } = await world.during(call, failure, () => next.move(old.token));
      await publisher.send(publishPacket('a/b', 'behind', 1, 2));
      let socket = next as Pick<typeof next, 'pushes'>;
      if (!result || result.close) {
        old.vanish();
        next.vanish();
        await world.pass(35);
        socket = await world.connect('client', { clean: false });
      }
      await world.pass(5);
      expect([call, payloads(socket.pushes())]).toEqual([call, ['before', 'behind']]);
      if (!struck) break;
    }
  });

  it('leaves no session that believes in a socket which is gone', async () => {
    for (let call = 1; ; call++) {
      const world = createFaultyWorld();
      const old = await world.connect('client', { clean: false, keepalive: 10, watched: true });
      const next = await world.handshake();
      const { struck } = await world.during(call, failure, () => next.move(old.token));
      old.vanish();
      next.vanish();
      await world.pass(120);
      expect([call, (await world.session('client'))?.status]).toEqual([call, 'offline']);
      if (!struck) break;
    }
  });
});
