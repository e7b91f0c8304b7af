/** Lambdas that stall between two calls, while the rest of the world goes on: races of the kind that docs/delivery.md names. */
import type { Ports } from '../../src/broker/ports.ts';
import type { ClientId } from '../../src/session/ids.ts';
import { beforeChange, createStallingWorld } from './stalls.ts';
import { createWorld, payloads, puback, publishPacket, subscribePacket, type World } from './world.ts';

const sessionOf = (world: World) => world.stores.sessions.read('client' as ClientId);

/** A gateway that goes on taking posts for sockets that are closed, as it may for a while. */
const lateGateway = ({ gateway }: Ports): Partial<Ports> => ({
  gateway: {
    ...gateway,
    post: async (...post) => {
      await gateway.post(...post);
      return 'accepted';
    },
  },
});

/** Where a Lambda is about to write a subscription. */
const beforeSubscription = ({ subscriptions }: Ports, pause: () => Promise<void>): Partial<Ports> => ({
  subscriptions: {
    ...subscriptions,
    change: async (...change) => {
      await pause();
      return subscriptions.change(...change);
    },
  },
});

describe('a publisher that stalls', () => {
  const subscribed = async (world: World) => {
    const client = await world.connect('client', { clean: false });
    await client.send(subscribePacket({ a: 1 }));
    return { client, publisher: await world.connect('publisher') };
  };

  it('before it has put its message in flight, until the next connection is drained: it decides again', async () => {
    const { world, meanwhile } = createStallingWorld((ports, pause) => ({
      ...lateGateway(ports),
      inFlight: {
        ...ports.inFlight,
        put: async (...put) => {
          await pause();
          return ports.inFlight.put(...put);
        },
      },
    }));
    const { publisher } = await subscribed(world);
    let young: Awaited<ReturnType<World['connect']>> | undefined;
    meanwhile(async () => {
      young = await world.connect('client', { clean: false });
      await world.drain(2_000);
      expect((await sessionOf(world))?.mode).toBe('direct');
    });
    expect((await publisher.send(publishPacket('a', 'x'))).packets).toHaveLength(1);
    expect(payloads(young?.pushes() ?? [])).toEqual(['x']);
    expect(world.stores.inFlight.all()).toHaveLength(1);
  });

  it('behind that, until the next connection was sent it: it leaves alone what is in flight there, and the message comes twice', async () => {
    const { world, meanwhile } = createStallingWorld((ports, pause) => ({
      ...lateGateway(ports),
      inFlight: {
        ...ports.inFlight,
        put: async (...put) => {
          const done = await ports.inFlight.put(...put);
          await pause();
          return done;
        },
      },
    }));
    const { publisher } = await subscribed(world);
    let young: Awaited<ReturnType<World['connect']>> | undefined;
    meanwhile(async () => {
      young = await world.connect('client', { clean: false });
      await world.drain(2_000);
      expect(young.pushes()).toMatchObject([{ cmd: 'publish', dup: true, messageId: 1 }]);
    });
    expect((await publisher.send(publishPacket('a', 'x'))).packets).toHaveLength(1);
    // Unacknowledged, so both stay in flight [MQTT-4.3.2-1].
    const [again] = young?.pushes() ?? [];
    expect(again).toMatchObject({ cmd: 'publish', payload: Buffer.from('x'), dup: false });
    expect(world.stores.inFlight.all().map(({ packetId }) => packetId)).toEqual([1, again?.messageId]);
  });

  it('until its subscriber has begun another session: nothing of the former reaches that', async () => {
    const { world, meanwhile } = createStallingWorld((ports, pause) => ({
      ...lateGateway(ports),
      inFlight: {
        ...ports.inFlight,
        put: async (...put) => {
          await pause();
          return ports.inFlight.put(...put);
        },
      },
    }));
    const { publisher } = await subscribed(world);
    meanwhile(() => world.connect('client', { clean: true }));
    expect((await publisher.send(publishPacket('a', 'x'))).packets).toHaveLength(1);
    const back = await world.connect('client', { clean: false });
    await world.drain(2_000);
    expect(back.pushes()).toEqual([]);
    expect(world.stores.inFlight.all()).toEqual([]);
  });

  it('before it stores its message, until the session is direct again: it decides again, and no tick is needed', async () => {
    const { world, meanwhile } = createStallingWorld(beforeChange('count'));
    const { client, publisher } = await subscribed(world);
    await client.drop();
    let back: Awaited<ReturnType<World['connect']>> | undefined;
    meanwhile(async () => {
      back = await world.connect('client', { clean: false });
      await world.drain(2_000);
    });
    await publisher.send(publishPacket('a', 'x'));
    expect(payloads(back?.pushes() ?? [])).toEqual(['x']);
    expect(world.ticks).toEqual([]);
  });
});

describe('a worker of ticks', () => {
  const drained = async (world: World, client: Awaited<ReturnType<World['connect']>>, seconds: number) => {
    const seen: string[] = [];
    for (let second = 0; second < seconds; second++) {
      await world.drain(0);
      const packets = client.pushes();
      seen.push(...payloads(packets));
      if (packets.length > 0) await client.send(...packets.map(({ messageId }) => puback(messageId)));
      world.advance(900);
    }
    return seen;
  };
  const range = (count: number) => Array.from({ length: count }, (_, index) => `m${index}`);
  const stored = async (world: World, count: number) => {
    const away = await world.connect('client', { clean: false });
    await away.send(subscribePacket({ a: 1 }));
    await away.drop();
    await world.runJobs();
    const publisher = await world.connect('publisher');
    await publisher.send(...range(count).map((text, index) => publishPacket('a', text, 1, index + 1)));
  };

  it('whose receipts have expired does not take the hidden messages for a backlog that never was', async () => {
    let expired = false;
    const world = createWorld({ redeliveryRate: 1 }, ({ queues }) => ({
      queues: {
        ...queues,
        remove: async (session, messages) => {
          if (!expired) return queues.remove(session, messages);
          expired = false;
          return [];
        },
      },
    }));
    await stored(world, 60);
    const back = await world.connect('client', { clean: false });
    const seen = await drained(world, back, 45);
    expired = true;
    seen.push(...(await drained(world, back, 90)));
    expect([...new Set(seen)]).toEqual(range(60));
    expect(world.logged('backlog-healed')).toEqual([]);
    expect([...world.stores.queues.all().values()]).toEqual([[]]);
    expect(await sessionOf(world)).toMatchObject({ mode: 'direct', backlog: 0 });
  });

  it('that finds the due tick lost sends it again', async () => {
    const world = createWorld();
    await stored(world, 3);
    const back = await world.connect('client', { clean: false });
    const [due] = world.ticks.splice(0);
    if (!due) throw new Error('no tick is due');
    await world.context.redelivery.send({ ...due.body, number: 2 }, 0);
    expect(await drained(world, back, 4)).toEqual([]);
    expect(await drained(world, back, 60)).toEqual(range(3));
    expect(world.ticks).toEqual([]);
  });
});

describe('a SUBSCRIBE that stalls', () => {
  it('until what it subscribed to was unsubscribed, and subscribed in a session that has ended since: it leaves no trace', async () => {
    const { world, meanwhile } = createStallingWorld(beforeSubscription);
    const publisher = await world.connect('publisher');
    const client = await world.connect('client', { clean: false });
    meanwhile(async () => {
      const next = await world.connect('client', { clean: false });
      await next.send(subscribePacket({ a: 1 }));
      await next.send({ cmd: 'unsubscribe', messageId: 9, unsubscriptions: ['a'] });
      const clean = await world.connect('client', { clean: true });
      await clean.send(subscribePacket({ a: 1 }));
      await clean.drop();
      await publisher.send(publishPacket('a', 'x'));
    });
    await client.send(subscribePacket({ a: 1 }));
    await world.cleanUp();
    expect(world.stores.subscriptions.all()).toEqual([]);
  });
});

it.each([
  ['SUBSCRIBE', subscribePacket({ a: 1 })],
  ['UNSUBSCRIBE', { cmd: 'unsubscribe' as const, messageId: 7, unsubscriptions: ['a'] }],
])(
  'a %s that stalls until a newer connection has had its word on the filter is not acknowledged',
  async (_what, packet) => {
    const { world, meanwhile } = createStallingWorld(beforeSubscription);
    const client = await world.connect('client', { clean: false });
    await client.send(subscribePacket({ a: 1 }));
    meanwhile(async () => {
      const next = await world.connect('client', { clean: false });
      await next.send(subscribePacket({ a: 0 }));
    });
    expect(await client.send(packet)).toEqual({ taken: 0, packets: [], close: 'not-connected' });
    expect(world.stores.subscriptions.all()).toMatchObject([{ active: true, qos: 0 }]);
  },
);

describe('an UNSUBSCRIBE that stalls', () => {
  it('does not forget what the next connection has subscribed to, so its session ends without a trace', async () => {
    const { world, meanwhile } = createStallingWorld(({ filters }, pause) => ({
      filters: {
        ...filters,
        remove: async (...remove) => {
          await pause();
          return filters.remove(...remove);
        },
      },
    }));
    const client = await world.connect('client', { clean: false });
    await client.send(subscribePacket({ a: 1 }));
    meanwhile(async () => {
      const next = await world.connect('client', { clean: false });
      await next.send(subscribePacket({ a: 1 }));
    });
    await client.send({ cmd: 'unsubscribe', messageId: 9, unsubscriptions: ['a'] });
    expect(world.stores.filters.all()).toEqual(['a']);
    await (await world.connect('client', { clean: true })).send({ cmd: 'disconnect' });
    await world.cleanUp();
    expect(world.stores.subscriptions.all()).toEqual([]);
  });
});

describe('a clean-up that comes late', () => {
  it('leaves the new session alone, though it has subscribed to the same filters', async () => {
    const world = createWorld();
    const first = await world.connect('client', { clean: true });
    await first.send(subscribePacket({ a: 1, b: 1 }));
    await first.drop();
    const second = await world.connect('client', { clean: false });
    await second.send(subscribePacket({ a: 1, c: 0 }));
    await world.cleanUp();
    expect(await sessionOf(world)).toMatchObject({ status: 'online', predecessors: '' });
    expect(world.stores.filters.all()).toEqual(['a', 'c']);
    await (await world.connect('publisher')).send(publishPacket('a', 'x'));
    expect(payloads(second.pushes())).toEqual(['x']);
  });

  it('does not forget a predecessor that was added meanwhile', async () => {
    const { world, meanwhile } = createStallingWorld((ports, pause) => ({
      queues: {
        ...ports.queues,
        destroy: async (session) => {
          await ports.queues.destroy(session);
          await pause();
        },
      },
    }));
    for (const filter of ['a', 'b']) {
      const client = await world.connect('client', { clean: filter === 'b' });
      await client.send(subscribePacket({ [filter]: 1 }));
    }
    meanwhile(async () => {
      await world.connect('client', { clean: true });
      world.jobs.splice(0); // only the clean-up that stalls is left: it must not say that all is done
    });
    await world.cleanUp();
    expect((await sessionOf(world))?.predecessors).not.toBe('');
    await world.connect('client', { clean: true });
    await world.cleanUp();
    expect(world.stores.subscriptions.all()).toEqual([]);
    expect((await sessionOf(world))?.predecessors).toBe('');
  });
});
