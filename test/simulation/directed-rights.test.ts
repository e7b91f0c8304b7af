/** Mutants of the steps that ask what a client may receive, and that no seed catches in reasonable time: played by hand. */
import type { Ports } from '../../src/broker/ports.ts';
import type { ClientId, MessageId } from '../../src/session/ids.ts';
import type { Session } from '../../src/session/session.ts';
import { allow, anyConnect, createGuardedWorld, type GuardedWorld } from '../broker/guarded-world.ts';
import { createStallingGuardedWorld } from '../broker/stalls.ts';
import { payloads, puback, publishPacket, subscribePacket } from '../broker/world.ts';
import { directed, spoiltByHand } from './mutants.ts';

const HOME = '10.0.0.1';
const ROAD = '10.0.0.2';
/** Longer than it takes until a changed policy counts, ms. */
const SETTLED = 20_000;
/** As if 65,534 messages had passed since the first: the packet id of the one after the next is 1 again. */
const LONG_LIFE = 65_534;

const policy = (...places: readonly string[]): string =>
  allow(
    anyConnect,
    ['iot:Publish', '*'],
    ['iot:Subscribe', '*'],
    ['iot:Receive', 'topic/news'],
    ...places.map((place) => {
      return ['iot:Receive', 'topic/secret', { Condition: { IpAddress: { 'aws:SourceIp': place } } }] as const;
    }),
  );
const secret = (payload: string, qos: 1 | 2 = 1) => publishPacket('secret', payload, qos);

/** A publisher, and a subscriber at home, where it may hear secrets. */
const scene = async (world: GuardedWorld, qos: 1 | 2 = 1, places: readonly string[] = [HOME]) => {
  await world.enter('publisher', policy(HOME));
  await world.enter('s', policy(...places));
  const publisher = await world.connectAs('publisher');
  const subscriber = await world.connectAs('s', { clean: false, from: HOME });
  await subscriber.send(subscribePacket({ '#': qos }));
  return { publisher, subscriber };
};
const comeBack = (world: GuardedWorld, from: string) => world.connectAs('s', { clean: false, from });

/** A worker hangs where it is about to take a refused message out of flight. */
const hangingBeforeItTakes = (mutant: `without ${string}`, isSpoilt: boolean) =>
  createStallingGuardedWorld((ports, pause) => {
    const { inFlight } = isSpoilt ? spoiltByHand(ports, mutant) : ports;
    return {
      inFlight: {
        ...ports.inFlight,
        remove: async (session, packetId, conditions) => {
          if (!conditions.some(([comparison]) => comparison === '<'))
            return ports.inFlight.remove(session, packetId, conditions);
          await pause();
          return inFlight.remove(session, packetId, conditions);
        },
        change: async (session, packetId, change) => {
          if (change.name !== 'withdraw') return ports.inFlight.change(session, packetId, change);
          await pause();
          return inFlight.change(session, packetId, change);
        },
      },
    };
  });

describe('a worker about to take what is refused out of flight, and a newer connection has sent it again meanwhile', () => {
  /** Returns the room in the window of the newer connection after its PUBACK. */
  const play = async (isSpoilt: boolean): Promise<number | undefined> => {
    const { world, meanwhile } = hangingBeforeItTakes(directed.takeOutNewer, isSpoilt);
    const { publisher, subscriber } = await scene(world);
    const next = { connection: subscriber };
    await publisher.send(secret('1'));
    await comeBack(world, ROAD);
    meanwhile(async () => {
      next.connection = await comeBack(world, HOME);
      await world.runTicks();
    });
    await world.runTicks();
    expect(payloads(next.connection.pushes())).toEqual(['1']);
    await next.connection.send(puback(1));
    return (await world.session('s'))?.windowLeft;
  };

  it('leaves it to that connection, whose PUBACK gives its room back', async () => {
    expect(await play(false)).toBe(100);
  });

  it(`is caught: ${directed.takeOutNewer}`, async () => {
    expect(await play(true)).toBe(99);
  });
});

describe('a worker about to end what is refused with its PUBREL, and a newer connection has sent it again meanwhile', () => {
  /** Returns what comes on the connection after that, should the newer one have lost it. */
  const play = async (isSpoilt: boolean): Promise<readonly string[]> => {
    const { world, meanwhile } = hangingBeforeItTakes(directed.withdrawNewer, isSpoilt);
    const { publisher } = await scene(world, 2);
    await publisher.send(secret('1', 2));
    await comeBack(world, ROAD);
    meanwhile(async () => {
      await comeBack(world, HOME);
      await world.runTicks();
    });
    await world.runTicks();
    const last = await comeBack(world, HOME);
    await world.drain(5_000);
    return payloads(last.pushes());
  };

  it('leaves the message to that connection', async () => {
    expect(await play(false)).toEqual(['1']);
  });

  it(`is caught: ${directed.withdrawNewer}`, async () => {
    expect(await play(true)).toEqual([]);
  });
});

describe.each([
  [1, directed.takeOutOwner],
  [2, directed.withdrawOwner],
] as const)(
  'a worker about to take what is refused out of flight, QoS %d, and its packet id has a new owner',
  (qos, mutant) => {
    /**
     * A late PUBACK, or PUBCOMP, of the older connection removes what is refused; then the worker of a connection older still puts
     * the next message in flight, too late. Returns what comes on the connection after that.
     */
    const play = async (isSpoilt: boolean): Promise<readonly string[]> => {
      const { world, meanwhile } = hangingBeforeItTakes(mutant, isSpoilt);
      const { publisher } = await scene(world, qos);
      await publisher.send(secret('1', qos));
      const { generation, epoch } = (await world.session('s')) as Session;
      const address = { clientId: 's' as ClientId, generation };
      await comeBack(world, ROAD);
      meanwhile(async () => {
        await world.stores.inFlight.remove(address, 1, []);
        await world.stores.inFlight.put(address, {
          id: 'b' as MessageId,
          topic: 'news',
          payload: Buffer.from('b'),
          qos,
          retain: false,
          sequence: LONG_LIFE + 2,
          packetId: 1,
          epoch,
          tick: 1,
          sentAt: world.context.clock.now(),
          released: false,
        });
      });
      await world.runTicks();
      const last = await comeBack(world, ROAD);
      await world.runTicks();
      return payloads(last.pushes());
    };

    it('leaves the new owner alone', async () => {
      expect(await play(false)).toEqual(['b']);
    });

    it(`is caught: ${mutant}`, async () => {
      expect(await play(true)).toEqual([]);
    });
  },
);

describe('a worker that hangs before it receives, and its client has come back with more rights meanwhile', () => {
  /** Returns what the client gets of what was published since. */
  const play = async (isSpoilt: boolean): Promise<readonly string[]> => {
    let former: Session | undefined;
    const { world, meanwhile } = createStallingGuardedWorld(({ queues, sessions }: Ports, pause) => ({
      queues: {
        ...queues,
        receive: async (...args) => {
          await pause();
          return queues.receive(...args);
        },
      },
      sessions: {
        ...sessions,
        read: async (clientId) => {
          const now = await sessions.read(clientId);
          return isSpoilt && clientId === 's' ? (former ?? now) : now;
        },
      },
    }));
    const { publisher, subscriber } = await scene(world);
    const next = { connection: subscriber };
    await subscriber.drop();
    await publisher.send(secret('1'));
    await comeBack(world, ROAD);
    meanwhile(async () => {
      const before = await world.session('s');
      next.connection = await comeBack(world, HOME);
      await publisher.send(secret('2'));
      former = before;
    });
    await world.runTicks();
    former = undefined;
    await world.drain(60_000);
    return payloads(next.connection.pushes());
  };

  it('takes nothing from the newer connection', async () => {
    expect(await play(false)).toEqual(['1', '2']);
  });

  it(`is caught: ${directed.newerConnection}`, async () => {
    expect(await play(true)).toEqual([]);
  });
});

describe('a publisher that hangs while it asks, and its subscriber has come back from where it may still receive', () => {
  /** Returns what the subscriber gets. */
  const play = async (isSpoilt: boolean): Promise<readonly string[]> => {
    let seen: Session | undefined;
    let hangs = false;
    const { world, meanwhile } = createStallingGuardedWorld(({ identity, sessions }: Ports, pause) => ({
      identity: {
        ...identity,
        principal: async (name) => {
          if (name === 's' && hangs) {
            hangs = false;
            await pause();
          }
          return identity.principal(name);
        },
      },
      sessions: {
        ...sessions,
        read: async (clientId) => {
          const early = seen;
          seen = undefined;
          return isSpoilt && clientId === 's' && early ? early : sessions.read(clientId);
        },
      },
    }));
    const readAnew = async (): Promise<void> => {
      await world.enter('somebody', policy());
      world.advance(SETTLED);
    };
    const { publisher, subscriber } = await scene(world, 1, [HOME, ROAD]);
    const next = { connection: subscriber };
    await subscriber.drop();
    await readAnew();
    hangs = true;
    meanwhile(async () => {
      const before = await world.session('s');
      await readAnew();
      next.connection = await comeBack(world, ROAD);
      await world.enter('s', policy(ROAD));
      seen = before;
    });
    await publisher.send(secret('1'));
    await world.drain(5_000);
    return payloads(next.connection.pushes());
  };

  it('withholds nothing', async () => {
    expect(await play(false)).toEqual(['1']);
  });

  it(`is caught: ${directed.lookBefore}`, async () => {
    expect(await play(true)).toEqual([]);
  });
});

describe('a worker whose post is refused, and that has received what its client may not receive any more', () => {
  /** Returns what the client gets within a few seconds. */
  const play = async (isSpoilt: boolean): Promise<readonly string[]> => {
    let refuses = false;
    const world = createGuardedWorld({ redeliveryRate: 2 }, ({ gateway, queues }) => ({
      gateway: {
        ...gateway,
        post: async (connectionId, frame) => (refuses ? 'throttled' : gateway.post(connectionId, frame)),
      },
      queues: {
        ...queues,
        release: (session, messages) =>
          queues.release(session, isSpoilt ? messages.filter(({ topic }) => topic !== 'secret') : messages),
      },
    }));
    const { publisher, subscriber } = await scene(world);
    await subscriber.drop();
    await publisher.send(secret('1'), publishPacket('news', '2'), publishPacket('news', '3'));
    await publisher.send(publishPacket('news', '4'));
    const back = await comeBack(world, ROAD);
    refuses = true;
    await world.runTicks();
    refuses = false;
    await world.drain(5_000);
    return payloads(back.pushes());
  };

  it('gives back everything: the next one need not wait until it is visible again', async () => {
    expect(await play(false)).toEqual(['2', '3', '4']);
  });

  it(`is caught: ${directed.release}`, async () => {
    expect(await play(true)).not.toContain('4');
  });
});
