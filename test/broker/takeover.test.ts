/** Two connections with one client id: the younger has the session, whatever the older still does. */
import { acknowledge } from '../../src/broker/acknowledge.ts';
import { NotConnected } from '../../src/broker/not-connected.ts';
import { subscribe, unsubscribe } from '../../src/broker/subscribe.ts';
import type { ClientId } from '../../src/session/ids.ts';
import {
  connectPacket,
  createWorld,
  disconnect,
  payloads,
  pingreq,
  puback,
  publishPacket,
  subscribePacket,
} from './world.ts';

const takenOver = async (clean: boolean) => {
  const world = createWorld();
  const publisher = await world.connect('publisher');
  const old = await world.connect('client', { clean });
  await old.send(subscribePacket({ a: 1 }));
  const young = await world.connect('client', { clean });
  await world.drain(1_000);
  await world.runJobs();
  young.pushes();
  return { world, publisher, old, young };
};

const session = (world: ReturnType<typeof createWorld>) => world.stores.sessions.read('client' as ClientId);

describe.each([true, false])('a takeover, cleanSession %s', (clean) => {
  it('[MQTT-3.1.4-2] tells the older connection why, and closes it at once', async () => {
    const { world, old, young } = await takenOver(clean);
    expect(old.frames().at(-1)).toBe('>;close=session-taken-over:');
    expect([old.isOpen(), young.isOpen()]).toEqual([false, true]);
    expect(world.logged('taken-over')).toMatchObject([{ clientId: 'client', connectionId: old.connectionId }]);
    expect((await young.send(pingreq)).packets).toMatchObject([{ cmd: 'pingresp' }]);
  });

  it('[MQTT-3.1.4-2] leaves the older connection without any effect, were it still to send', async () => {
    const { world, publisher, old, young } = await takenOver(clean);
    await young.send(subscribePacket({ a: 1 }));
    const observer = await world.connect('observer');
    await observer.send(subscribePacket({ '#': 0 }));
    const before = await session(world);
    const attempts = [
      publishPacket('a', 'from the old one'),
      subscribePacket({ b: 1 }),
      { cmd: 'unsubscribe' as const, messageId: 3, unsubscriptions: ['a'] },
      connectPacket('client'),
      disconnect,
    ];
    for (const packet of attempts) {
      expect(await old.send(packet)).toMatchObject({ taken: 0, packets: [], close: 'not-connected' });
    }
    expect(await session(world)).toEqual(before);
    expect(observer.pushes()).toEqual([]);
    await publisher.send(publishPacket('a', 'for the young one'), publishPacket('b', 'for nobody', 1, 2));
    expect(payloads(young.pushes())).toEqual(['for the young one']);
  });

  it('is not undone by the $disconnect of the older connection, late and twice', async () => {
    const { world, publisher, old, young } = await takenOver(clean);
    await young.send(subscribePacket({ a: 1 }));
    const before = await session(world);
    await old.drop();
    await old.drop();
    await world.runJobs();
    expect(await session(world)).toEqual(before);
    await publisher.send(publishPacket('a', 'x'));
    expect(payloads(young.pushes())).toEqual(['x']);
  });
});

describe('a takeover of a persistent session', () => {
  it('sends what the older connection had not acknowledged, and ignores its PUBACK', async () => {
    const world = createWorld();
    const publisher = await world.connect('publisher');
    const old = await world.connect('client', { clean: false });
    await old.send(subscribePacket({ a: 1 }));
    await publisher.send(publishPacket('a', 'x'));
    const [sent] = old.pushes();
    const young = await world.connect('client', { clean: false });
    expect(young.sessionPresent).toBe(true);
    expect(await old.send(puback(sent?.messageId))).toMatchObject({ close: 'not-connected' });
    await world.runTicks();
    expect(young.pushes()).toMatchObject([{ cmd: 'publish', dup: true, messageId: sent?.messageId }]);
  });

  it('decides by the epoch what a stalled packet of the older connection may still change', async () => {
    const { world, publisher, young } = await takenOver(false);
    const here = await world.stores.connections.read(young.connectionId);
    if (!here) throw new Error('no connection');
    await publisher.send(publishPacket('a', 'x'));
    const [sent] = young.pushes();
    await young.send(subscribePacket({ b: 1 }), { cmd: 'unsubscribe', messageId: 8, unsubscriptions: ['a'] });

    // What passed the check of its connection before the takeover, and goes on only now.
    const stalled = { ...here, epoch: here.epoch - 1 };
    const packetId = sent?.messageId as number;
    await acknowledge(world.context, stalled, [{ type: 'puback', packetId }]);
    const subscriptions = [{ topicFilter: 'a', qos: 1 as const }];
    const late = { type: 'unsubscribe' as const, packetId: 2, topicFilters: ['b'] };
    await expect(subscribe(world.context, stalled, { type: 'subscribe', packetId: 1, subscriptions })).rejects.toThrow(
      NotConnected,
    );
    await expect(unsubscribe(world.context, stalled, late)).rejects.toThrow(NotConnected);

    expect(world.stores.inFlight.all()).toMatchObject([{ packetId }]);
    await publisher.send(publishPacket('a', 'unsubscribed'), publishPacket('b', 'subscribed', 1, 2));
    expect(payloads(young.pushes())).toEqual(['subscribed']);
  });

  it('lets the younger connection unsubscribe after a stalled UNSUBSCRIBE of the older', async () => {
    const { world, publisher, young } = await takenOver(false);
    const here = await world.stores.connections.read(young.connectionId);
    if (!here) throw new Error('no connection');
    await young.send(subscribePacket({ a: 1 }));
    const packet = { type: 'unsubscribe' as const, packetId: 2, topicFilters: ['a'] };
    const stalled = { ...here, epoch: here.epoch - 1 };
    await expect(unsubscribe(world.context, stalled, packet)).rejects.toThrow(NotConnected);
    await young.send({ cmd: 'unsubscribe', messageId: 8, unsubscriptions: ['a'] });
    await publisher.send(publishPacket('a', 'x'));
    expect(young.pushes()).toEqual([]);
  });
});
