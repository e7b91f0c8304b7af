/** QoS 2 both ways, packet by packet [MQTT-4.3.3]. */
import type { Ports } from '../../src/broker/ports.ts';
import { createStallingWorld } from './stalls.ts';
import { createWorld, type Packet, payloads, publishPacket, subscribePacket } from './world.ts';

const answer = (cmd: 'pubrec' | 'pubrel' | 'pubcomp', messageId: unknown) =>
  ({ cmd, messageId: messageId as number }) as Packet;

const subscribed = async (settings = {}) => {
  const world = createWorld(settings);
  const client = await world.connect('client', { clean: false });
  await client.send(subscribePacket({ '#': 2 }));
  const publisher = await world.connect('publisher', { clean: false });
  return { world, client, publisher };
};

describe('a PUBLISH with QoS 2', () => {
  it('[MQTT-4.3.3-2] [MQTT-2.3.1-6] is answered with PUBREC, its PUBREL with PUBCOMP, under its packet identifier', async () => {
    const { publisher } = await subscribed();
    expect((await publisher.send(publishPacket('a', 'x', 2, 300))).packets).toMatchObject([
      { cmd: 'pubrec', messageId: 300 },
    ]);
    expect((await publisher.send(answer('pubrel', 300))).packets).toMatchObject([{ cmd: 'pubcomp', messageId: 300 }]);
  });

  it('[MQTT-4.3.3-2] that comes again before its PUBREL reaches nobody twice, with or without DUP', async () => {
    const { client, publisher } = await subscribed();
    const packet = publishPacket('a', 'x', 2, 5);
    await publisher.send(packet, packet);
    await publisher.send(packet);
    expect((await publisher.send({ ...packet, dup: true })).packets).toMatchObject([{ cmd: 'pubrec', messageId: 5 }]);
    expect(payloads(client.pushes())).toEqual(['x']);
  });

  it('[MQTT-4.3.3-2] is not sent twice with QoS 0 either', async () => {
    const { world, publisher } = await subscribed();
    const other = await world.connect('other');
    await other.send(subscribePacket({ '#': 0 }));
    const packet = publishPacket('a', 'x', 2, 5);
    await publisher.send(packet, packet);
    await publisher.send({ ...packet, dup: true });
    expect(other.pushes()).toMatchObject([{ qos: 0, payload: Buffer.from('x') }]);
  });

  it('[MQTT-4.3.3-2] is one message also where it comes again on another connection, or after a move', async () => {
    const { world, client, publisher } = await subscribed();
    await publisher.send(publishPacket('a', 'x', 2, 5));
    await publisher.drop();
    const again = await world.connect('publisher', { clean: false });
    await again.send({ ...publishPacket('a', 'x', 2, 5), dup: true });
    await world.runTicks();
    const moved = world.open();
    await moved.move(again.token);
    await moved.send({ ...publishPacket('a', 'x', 2, 5), dup: true });
    expect((await moved.send(answer('pubrel', 5))).packets).toMatchObject([{ cmd: 'pubcomp' }]);
    expect(payloads(client.pushes())).toEqual(['x']);
  });

  it('is another message after its PUBREL, in another session, and where the client has lost its state', async () => {
    const { world, client, publisher } = await subscribed();
    await publisher.send(publishPacket('a', 'x', 2, 5), answer('pubrel', 5), publishPacket('a', 'x', 2, 5));
    await publisher.send(publishPacket('a', 'y', 2, 5));
    await publisher.send({ ...publishPacket('a', 'z', 2, 5), dup: true });
    await (await world.connect('publisher')).send(publishPacket('a', 'z', 2, 5));
    expect(payloads(client.pushes())).toEqual(['x', 'x', 'y', 'z', 'z']);
  });

  it('keeps the order with the others of its frame', async () => {
    const { client, publisher } = await subscribed();
    const numbers = Array.from({ length: 30 }, (_, index) => index + 1);
    const { packets } = await publisher.send(...numbers.map((number) => publishPacket('a', String(number), 2, number)));
    expect(packets.map(({ messageId }) => messageId)).toEqual(numbers);
    expect(payloads(client.pushes())).toEqual(numbers.map(String));
  });

  it('a PUBREL for a packet identifier nobody knows is answered, too', async () => {
    const { publisher } = await subscribed();
    expect((await publisher.send(answer('pubrel', 9))).packets).toMatchObject([{ cmd: 'pubcomp', messageId: 9 }]);
  });

  it('of a stalled Lambda is not a new message after the next connection has released it', async () => {
    const { world, client, publisher } = await subscribed();
    const again = await world.connect('publisher', { clean: false });
    await again.send({ ...publishPacket('a', 'x', 2, 5), dup: true }, answer('pubrel', 5));
    // The frame of the old connection was read before that was taken over.
    const connection = await world.context.connections.read(publisher.connectionId);
    world.context.connections.read = async () => connection && { ...connection, state: 'connected' };
    expect((await publisher.send(publishPacket('a', 'x', 2, 5))).close).toBe('not-connected');
    expect(payloads(client.pushes())).toEqual(['x']);
  });
});

describe('to a subscriber with QoS 2', () => {
  it('[MQTT-4.3.3-1] [MQTT-4.6.0-4] PUBLISH, then PUBREL for each PUBREC, in order, then nothing is in flight', async () => {
    const { world, client, publisher } = await subscribed();
    await publisher.send(publishPacket('a', 'x', 2, 1), publishPacket('a', 'y', 2, 2));
    const sent = client.pushes();
    expect(sent).toMatchObject([
      { cmd: 'publish', qos: 2, dup: false },
      { cmd: 'publish', qos: 2, dup: false },
    ]);
    const ids = sent.map(({ messageId }) => messageId);
    const released = await client.send(...ids.map((id) => answer('pubrec', id)));
    expect(released.packets).toMatchObject(ids.map((messageId) => ({ cmd: 'pubrel', messageId })));
    expect(world.stores.inFlight.all()).toMatchObject([{ released: true }, { released: true }]);
    await client.send(...ids.map((id) => answer('pubcomp', id)));
    expect(world.stores.inFlight.all()).toEqual([]);
    expect(await world.session('client')).toMatchObject({ windowLeft: world.context.settings.maxInFlight });
  });

  it('[MQTT-4.4.0-1] a resumed session is sent PUBREL where PUBREC has come, else PUBLISH with DUP', async () => {
    const { world, client, publisher } = await subscribed();
    await publisher.send(publishPacket('a', 'x', 2, 1), publishPacket('a', 'y', 2, 2));
    const [x, y] = client.pushes().map(({ messageId }) => messageId);
    await client.send(answer('pubrec', x));
    await client.drop();
    const back = await world.connect('client', { clean: false });
    await world.runTicks();
    expect(back.pushes()).toMatchObject([
      { cmd: 'pubrel', messageId: x },
      { cmd: 'publish', messageId: y, dup: true, qos: 2, payload: Buffer.from('y') },
    ]);
    expect((await back.send(answer('pubcomp', x), answer('pubrec', y))).packets).toMatchObject([{ cmd: 'pubrel' }]);
  });

  it('PUBREC on a connection on which it was not sent yet is not answered: it is sent again first', async () => {
    const { world, client, publisher } = await subscribed();
    await publisher.send(publishPacket('a', 'x', 2, 1));
    const [x] = client.pushes().map(({ messageId }) => messageId);
    await client.drop();
    const back = await world.connect('client', { clean: false });
    expect((await back.send(answer('pubrec', x))).packets).toEqual([]);
    await world.runTicks();
    expect(back.pushes()).toMatchObject([{ cmd: 'publish', dup: true, messageId: x }]);
    expect((await back.send(answer('pubrec', x))).packets).toMatchObject([{ cmd: 'pubrel', messageId: x }]);
  });

  it('PUBREC for what is not in flight any more is answered with PUBREL: the client is to forget it', async () => {
    const { client } = await subscribed();
    expect((await client.send(answer('pubrec', 77))).packets).toMatchObject([{ cmd: 'pubrel', messageId: 77 }]);
  });

  it('what has waited offline comes with QoS 2, once, in order', async () => {
    const { world, client, publisher } = await subscribed();
    await client.drop();
    await world.runJobs();
    const numbers = Array.from({ length: 15 }, (_, index) => index + 1);
    await publisher.send(
      ...numbers.map((number) => publishPacket('a', String(number), ((number % 2) + 1) as 1 | 2, number)),
    );
    const back = await world.connect('client', { clean: false });
    await world.drain(3_000);
    const pushed = back.pushes().filter(({ cmd }) => cmd === 'publish');
    expect(payloads(pushed)).toEqual(numbers.map(String));
    expect(pushed.map(({ qos }) => qos)).toEqual(numbers.map((number) => (number % 2) + 1));
  });

  it('a PUBLISH of 60 s without PUBREC closes the connection, on which it must not come twice', async () => {
    const { world, client, publisher } = await subscribed();
    await publisher.send(publishPacket('a', 'x', 2, 1));
    client.pushes();
    world.advance(61_000);
    const session = await world.session('client');
    if (!session) throw new Error('no session');
    const { resendLate } = await import('../../src/broker/deliver.ts');
    await resendLate(world.context, { clientId: 'client' as never, generation: session.generation }, session);
    await world.drain(2_000);
    expect(client.pushes()).toEqual([]);
    expect(world.logged('resend-unsafe')).toHaveLength(1);
    expect(client.isOpen()).toBe(false);
    const back = await world.connect('client', { clean: false });
    await world.runTicks();
    expect(back.pushes()).toMatchObject([{ cmd: 'publish', dup: true, payload: Buffer.from('x') }]);
  });
});

it('an attempt that was overtaken sends the rest under later numbers than what was sent meanwhile', async () => {
  const { world, meanwhile } = createStallingWorld(({ sessions }: Ports, pause) => ({
    sessions: {
      ...sessions,
      read: async (clientId) => {
        const session = await sessions.read(clientId);
        if (clientId === 'client') await pause();
        return session;
      },
    },
  }));
  const client = await world.connect('client', { clean: false });
  await client.send(subscribePacket({ t: 2 }));
  const publisher = await world.connect('publisher', { clean: false });
  meanwhile(async () => {
    const again = await world.connect('publisher', { clean: false });
    await again.send({ ...publishPacket('t', 'a', 2, 1), dup: true });
  });
  await publisher.send(publishPacket('t', 'a', 2, 1), publishPacket('t', 'b', 2, 2));
  expect(payloads(client.pushes())).toEqual(['a', 'b']);
  const numbers = client.frames().map((frame) => Number(/^>(\d+)/.exec(frame)?.[1]));
  expect(numbers[1]).toBeGreaterThan(numbers[0] ?? Number.NaN);
});
