/** SUBSCRIBE and UNSUBSCRIBE on a connection that outlived its session: somebody died before it closed that one, too. */
import type { ClientId, Generation } from '../../src/session/ids.ts';
import { begin, end } from '../../src/session/transitions.ts';
import { nextConnect } from '../session/sessions.ts';
import { createWorld, type Packet, subscribePacket, type World } from './world.ts';

const CLIENT = 'client' as ClientId;

const sessionOf = async (world: World) => {
  const session = await world.session('client');
  if (!session) throw new Error('no session');
  return session;
};

const ends: readonly (readonly [string, (world: World) => Promise<unknown>])[] = [
  [
    'has ended',
    async (world) => world.stores.sessions.change(CLIENT, end(await sessionOf(world), world.context.clock.now())),
  ],
  ['was cleaned up', (world) => world.stores.sessions.remove(CLIENT, [])],
  [
    'was replaced',
    async (world) => {
      const created = { ...nextConnect, generation: 'next' as Generation, persistent: true };
      await world.stores.sessions.change(CLIENT, begin(created, await sessionOf(world), world.context.clock.now()));
    },
  ],
];
const packets: readonly (readonly [string, Packet])[] = [
  ['SUBSCRIBE', subscribePacket({ b: 1, 'c/+': 0 })],
  ['UNSUBSCRIBE', { cmd: 'unsubscribe', messageId: 3, unsubscriptions: ['a'] }],
];

describe.each(ends)('a session that %s', (_how, ended) => {
  it.each(packets)('refuses a %s: the connection is closed, and nothing is written', async (_what, packet) => {
    const world = createWorld();
    const client = await world.connect('client', { clean: false });
    await client.send(subscribePacket({ a: 1 }));
    await ended(world);
    const before = [world.stores.subscriptions.all(), world.stores.filters.all(), await world.session('client')];
    expect(await client.send(packet)).toEqual({ taken: 0, packets: [], close: 'not-connected' });
    expect([world.stores.subscriptions.all(), world.stores.filters.all(), await world.session('client')]).toEqual(
      before,
    );
    world.advance(2_000);
    await world.runJobs();
    expect(client.isOpen()).toBe(false);
  });
});
