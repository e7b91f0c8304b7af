/** Mutants that no seed catches in reasonable time: played by hand. */
import type { Ports } from '../../src/broker/ports.ts';
import { runJob } from '../../src/broker/run-job.ts';
import type { ClientId, MessageId } from '../../src/session/ids.ts';
import type { Session } from '../../src/session/session.ts';
import { claim, resume } from '../../src/session/transitions.ts';
import { beforeChange, createStallingWorld } from '../broker/stalls.ts';
import {
  connectPacket,
  createWorld,
  disconnect,
  payloads,
  pingreq,
  puback,
  publishPacket,
  subscribePacket,
} from '../broker/world.ts';
import { nextConnect } from '../session/sessions.ts';
import { directed, spoiltByHand } from './mutants.ts';

/** As if 65,534 messages had passed since the first: the packet id of the one after the next is 1 again. */
const LONG_LIFE = 65_534;

describe('a publisher that takes its message back from a packet id that has a new owner', () => {
  /** A publisher hangs, and takes back what has a new owner by then. Returns what the subscriber gets on its next connection. */
  const play = async (isSpoilt: boolean): Promise<readonly string[]> => {
    const { world, meanwhile } = createStallingWorld((ports: Ports, pause) => ({
      gateway: {
        ...ports.gateway,
        post: async (connectionId, frame) => {
          const posted = await ports.gateway.post(connectionId, frame);
          await pause();
          return posted;
        },
      },
      sessions: {
        ...ports.sessions,
        // the second look, which may come later than the post
        read: async (clientId) => {
          await pause();
          return ports.sessions.read(clientId);
        },
      },
      inFlight: (isSpoilt ? spoiltByHand(ports, directed.takeBack) : ports).inFlight,
    }));
    const subscriber = await world.connect('s', { clean: false });
    await subscriber.send(subscribePacket({ '#': 1 }));
    const publisher = await world.connect('p');
    const other = await world.connect('q');
    const next = { connection: subscriber };

    meanwhile(async () => {
      expect(payloads(subscriber.pushes())).toEqual(['a']);
      await subscriber.send(puback(1));
      await world.context.sessions.change('s' as ClientId, { if: [], set: { sequence: LONG_LIFE + 1 } });
      await other.send(publishPacket('t', 'b'));
      await subscriber.drop();
      next.connection = await world.connect('s', { clean: false });
    });
    await publisher.send(publishPacket('t', 'a'));

    await world.drain(5_000);
    return payloads(next.connection.pushes());
  };

  it('leaves the new owner alone', async () => {
    expect(await play(false)).toContain('b');
  });

  it(`is caught: ${directed.takeBack}`, async () => {
    expect(await play(true)).not.toContain('b');
  });
});

describe('a tick that sends again what has just been acknowledged, and its packet id has a new owner', () => {
  /**
   * A tick has found `a` and `b` in flight and hangs. Then a late PUBACK of the older connection removes `a`, and the publisher
   * of `b` goes on with the rest of its frame: `c`. Returns what the subscriber gets on its next connection.
   */
  const play = async (isSpoilt: boolean): Promise<readonly string[]> => {
    const { world, meanwhile } = createStallingWorld((ports: Ports, pause) => {
      const { inFlight } = isSpoilt ? spoiltByHand(ports, directed.stamp) : ports;
      return {
        inFlight: {
          ...inFlight,
          change: async (...change) => {
            await pause();
            return inFlight.change(...change);
          },
        },
      };
    });
    const subscriber = await world.connect('s', { clean: false });
    await subscriber.send(subscribePacket({ '#': 1 }));
    const publisher = await world.connect('p');
    await publisher.send(publishPacket('t', 'a'));
    const session = (await world.session('s')) as Session;
    const address = { clientId: 's' as ClientId, generation: session.generation };
    const put = (payload: string, sequence: number, packetId: number) =>
      world.stores.inFlight.put(address, {
        id: payload as MessageId,
        topic: 't',
        payload: Buffer.from(payload),
        qos: 1,
        retain: false,
        sequence,
        packetId,
        epoch: session.epoch,
        tick: 0,
        sentAt: world.context.clock.now(),
        released: false,
      });
    await put('b', LONG_LIFE + 1, 65_535);
    await world.context.sessions.change(address.clientId, { if: [], set: { sequence: LONG_LIFE + 2 } });
    await subscriber.drop();
    const next = await world.connect('s', { clean: false });
    meanwhile(async () => {
      await world.stores.inFlight.remove(address, 1, []);
      await put('c', LONG_LIFE + 2, 1);
    });

    await world.drain(5_000);
    return payloads(next.pushes());
  };

  it('sends nothing of the new owner before what its publisher has sent earlier', async () => {
    expect(await play(false)).toEqual(['b']);
  });

  it(`is caught: ${directed.stamp}`, async () => {
    expect(await play(true)).toEqual(['c', 'b']);
  });
});

describe('a publisher that sends an overdue tick again, and the session has a new connection since the same millisecond', () => {
  /**
   * It turns the session queued and hangs before it stores its message; at that moment CONNECT resumes the session and hangs in
   * turn, before its CONNACK. Returns the epochs whose ticks there are when the publisher is done.
   */
  const play = async (isSpoilt: boolean): Promise<readonly number[]> => {
    const { world, meanwhile } = createStallingWorld(
      (ports: Ports, pause) => ({
        sessions: (isSpoilt ? spoiltByHand(ports, directed.nudge) : ports).sessions,
        queues: {
          ...ports.queues,
          send: async (...send) => {
            await pause();
            return ports.queues.send(...send);
          },
        },
      }),
      { maxInFlight: 1 },
    );
    const subscriber = await world.connect('s', { clean: false });
    await subscriber.send(subscribePacket({ '#': 1 }));
    const { epoch } = (await world.session('s')) as Session;
    const publisher = await world.connect('p');
    meanwhile(async () => {
      const session = (await world.session('s')) as Session;
      const now = world.context.clock.now();
      await world.stores.sessions.change(
        's' as ClientId,
        resume(session, { ...nextConnect, windowLeft: 1, refreshedAt: now }, now),
      );
      world.advance(6_000);
    });
    await publisher.send(publishPacket('t', 'a', 1, 1), publishPacket('t', 'b', 1, 2));
    return world.ticks.map((tick) => tick.body.epoch - epoch);
  };

  it('leaves it to CONNECT to send the first', async () => {
    expect(await play(false)).toEqual([0]);
  });

  it(`is caught: ${directed.nudge}`, async () => {
    expect(await play(true)).toEqual([0, 1]);
  });
});

describe('a worker that turns the session direct, and the worker of the next connection has a lease to the same millisecond', () => {
  /**
   * What was stored while the client was there is in flight on its connection; then the client comes back. Returns what it gets on
   * the next connection.
   */
  const play = async (isSpoilt: boolean): Promise<readonly string[]> => {
    const { world, meanwhile } = createStallingWorld((ports: Ports, pause) => {
      return beforeChange('turnDirect')(isSpoilt ? spoiltByHand(ports, directed.turnDirect) : ports, pause);
    });
    const first = await world.connect('s', { clean: false });
    await first.send(subscribePacket({ '#': 1 }));
    const publisher = await world.connect('p');
    await first.drop();
    const next = { connection: await world.connect('s', { clean: false }) };
    await publisher.send(publishPacket('t', 'a'));
    meanwhile(async () => {
      expect(payloads(next.connection.pushes())).toEqual(['a']);
      const { leaseUntil } = (await world.session('s')) as Session;
      await next.connection.drop();
      next.connection = await world.connect('s', { clean: false });
      const { generation, epoch, tick } = (await world.session('s')) as Session;
      const claimed = claim({ generation, epoch, number: tick }, 0, leaseUntil, world.context.clock.now());
      expect(await world.stores.sessions.change('s' as ClientId, claimed)).toMatchObject({ done: true });
    });
    await world.drain(60_000);
    return payloads(next.connection.pushes());
  };

  it('leaves it queued until everything in flight was sent again', async () => {
    expect(await play(false)).toEqual(['a']);
  });

  it(`is caught: ${directed.turnDirect}`, async () => {
    expect(await play(true)).toEqual([]);
  });
});

describe('a publisher whose post is throttled, and another that has taken the next number meanwhile', () => {
  /** Returns the numbers of the pushes that are posted. */
  const play = async (isSpoilt: boolean): Promise<readonly number[]> => {
    let throttled = false;
    const { world, meanwhile } = createStallingWorld((ports: Ports, pause) => ({
      sessions: (isSpoilt ? spoiltByHand(ports, directed.unallocate) : ports).sessions,
      gateway: {
        ...ports.gateway,
        post: async (connectionId, frame) => {
          if (throttled) return ports.gateway.post(connectionId, frame);
          throttled = true;
          await pause();
          return 'throttled';
        },
      },
    }));
    const subscriber = await world.connect('s', { clean: false });
    await subscriber.send(subscribePacket({ '#': 1 }));
    const publisher = await world.connect('p');
    const other = await world.connect('q');
    meanwhile(() => other.send(publishPacket('t', 'b')));
    await publisher.send(publishPacket('t', 'a'));
    await world.drain(5_000);
    await other.send(publishPacket('t', 'c'));
    const frames = world.sockets.get(subscriber.connectionId)?.frames ?? [];
    return frames.map((frame) => Number.parseInt(frame.slice(1), 10));
  };

  it('leaves a hole rather than have a number given out twice', async () => {
    expect(await play(false)).toEqual([2, 3, 4]);
  });

  it(`is caught: ${directed.unallocate}`, async () => {
    expect(await play(true)).toEqual([2, 1, 2]);
  });
});

describe('a CONNECT after two weeks that dies behind its write', () => {
  const DAY = 24 * 3_600_000;

  /** Returns how many jobs there are that keep the subscriptions from being collected. */
  const play = async (isSpoilt: boolean): Promise<number> => {
    let dies = false;
    const world = createWorld({ sessionExpirySeconds: (14 * DAY) / 1_000 }, ({ sessions, timers }) => ({
      sessions: {
        ...sessions,
        change: async (clientId, change) => {
          const outcome = await sessions.change(clientId, change);
          if (dies && change.name === 'resume') throw new Error('the Lambda dies');
          return outcome;
        },
      },
      timers: {
        send: async (job, delay) => {
          if (!(isSpoilt && dies && job.job === 'refresh')) await timers.send(job, delay);
        },
      },
    }));
    await (await world.connect('s', { clean: false })).send(subscribePacket({ a: 1 }), disconnect);
    world.advance(14 * DAY - 1_000);
    dies = true;
    await expect(world.connect('s', { clean: false })).rejects.toThrow('no CONNACK');
    dies = false;
    await world.connect('s', { clean: false });
    return world.jobs.filter(({ body }) => body.job === 'refresh').length;
  };

  it('has ordered the refresh before', async () => {
    expect(await play(false)).toBe(1);
  });

  it(`is caught: ${directed.refresh}`, async () => {
    expect(await play(true)).toBe(0);
  });
});

describe('a refresh of the times to live, and a filter that is unsubscribed meanwhile', () => {
  /** Returns the filters that count for the session. */
  const play = async (isSpoilt: boolean): Promise<readonly string[]> => {
    const { world, meanwhile } = createStallingWorld((ports: Ports, pause) => {
      const { filters } = isSpoilt ? spoiltByHand(ports, directed.keepNote) : ports;
      return {
        filters: {
          ...filters,
          change: async (session, topicFilter, change) => {
            if (change.name === 'keepNote') await pause();
            return filters.change(session, topicFilter, change);
          },
        },
      };
    });
    const subscriber = await world.connect('s', { clean: false });
    await subscriber.send(subscribePacket({ a: 1 }));
    const { generation } = (await world.session('s')) as Session;
    meanwhile(() => subscriber.send({ cmd: 'unsubscribe', messageId: 9, unsubscriptions: ['a'] }));
    await runJob(world.context, { job: 'refresh', clientId: 's' as ClientId, generation });
    return world.stores.filters.all();
  };

  it('does not note it again', async () => {
    expect(await play(false)).toEqual([]);
  });

  it(`is caught: ${directed.keepNote}`, async () => {
    expect(await play(true)).toEqual(['a']);
  });
});

/** A Lambda hangs where it is about to make the change of a connection that has this name. */
const stallingAt = (name: 'leaveCheck' | 'seen', isSpoilt: boolean) =>
  createStallingWorld((ports: Ports, pause) => {
    const { connections } = isSpoilt ? spoiltByHand(ports, directed[name]) : ports;
    return {
      connections: {
        ...connections,
        change: async (connectionId, change) => {
          if (change.name === name) await pause();
          return connections.change(connectionId, change);
        },
      },
    };
  });

describe('a check that came twice, and one of the two hangs until the next one is done', () => {
  /** Returns how often the one after that is sent. */
  const play = async (isSpoilt: boolean): Promise<number> => {
    const { world, meanwhile } = stallingAt('leaveCheck', isSpoilt);
    const { connectionId } = await world.connect('s');
    const check = (number: number) => runJob(world.context, { job: 'check', connectionId, number });
    meanwhile(async () => {
      await check(0);
      await check(1);
    });
    await check(0);
    await check(1);
    return world.jobs.filter(({ body }) => body.job === 'check' && body.number === 2).length;
  };

  it('makes none due again that is done', async () => {
    expect(await play(false)).toBe(1);
  });

  it(`is caught: ${directed.leaveCheck}`, async () => {
    expect(await play(true)).toBe(2);
  });
});

describe('a Lambda that hangs before it notes that a client was heard, and the client is heard again meanwhile', () => {
  /** Returns whether the client is connected 15 s later, with a keep-alive of 20 s. */
  const play = async (isSpoilt: boolean): Promise<boolean> => {
    const { world, meanwhile } = stallingAt('seen', isSpoilt);
    const client = world.open();
    await client.send({ ...connectPacket('s'), keepalive: 20 });
    world.advance(10_000);
    meanwhile(async () => {
      world.advance(25_000);
      await client.send(pingreq);
    });
    await client.send(pingreq);
    world.advance(15_000);
    await runJob(world.context, { job: 'check', connectionId: client.connectionId, number: 0 });
    return client.isOpen();
  };

  it('does not make it seem silent', async () => {
    expect(await play(false)).toBe(true);
  });

  it(`is caught: ${directed.seen}`, async () => {
    expect(await play(true)).toBe(false);
  });
});

describe('an UNSUBSCRIBE that hangs before it forgets the filter, which the next connection has noted meanwhile', () => {
  /** Returns what is left of the session's subscriptions when it has ended. */
  const play = async (isSpoilt: boolean): Promise<number> => {
    const { world, meanwhile } = createStallingWorld((ports: Ports, pause) => {
      const { filters } = isSpoilt ? spoiltByHand(ports, directed.forget) : ports;
      return {
        filters: {
          ...ports.filters,
          remove: async (...remove) => {
            await pause();
            return filters.remove(...remove);
          },
        },
      };
    });
    const client = await world.connect('s', { clean: false });
    await client.send(subscribePacket({ a: 1 }));
    meanwhile(async () => {
      const next = await world.connect('s', { clean: false });
      await next.send(subscribePacket({ a: 1 }));
    });
    await client.send({ cmd: 'unsubscribe', messageId: 9, unsubscriptions: ['a'] });
    await (await world.connect('s')).send(disconnect);
    await world.cleanUp();
    return world.stores.subscriptions.all().length;
  };

  it('leaves the note to clean-up', async () => {
    expect(await play(false)).toBe(0);
  });

  it(`is caught: ${directed.forget}`, async () => {
    expect(await play(true)).toBe(1);
  });
});

describe('a worker that hangs before it heals a leaked backlog, and a publisher counts meanwhile', () => {
  /** Returns what the subscriber gets. */
  const play = async (isSpoilt: boolean): Promise<readonly string[]> => {
    const { world, meanwhile } = createStallingWorld((ports: Ports, pause) =>
      beforeChange('heal')(isSpoilt ? spoiltByHand(ports, directed.heal) : ports, pause),
    );
    const first = await world.connect('s', { clean: false });
    await first.send(subscribePacket({ '#': 1 }));
    await first.drop();
    await world.stores.sessions.change('s' as ClientId, { if: [], add: { backlog: 1, backlogBytes: 1 } }); // died then
    const client = await world.connect('s', { clean: false });
    const publisher = await world.connect('p');
    meanwhile(() => publisher.send(publishPacket('t', 'a')));
    await world.drain(120_000);
    return payloads(client.pushes());
  };

  it('does not forget what was counted', async () => {
    expect(await play(false)).toEqual(['a']);
  });

  it(`is caught: ${directed.heal}`, async () => {
    expect(await play(true)).toEqual([]);
  });
});

describe('a tick that comes twice, and the session is direct since the first', () => {
  /** Returns what the subscriber gets by the second. */
  const play = async (isSpoilt: boolean): Promise<readonly string[]> => {
    const world = createWorld({}, (ports) => (isSpoilt ? spoiltByHand(ports, directed.claim) : ports));
    const first = await world.connect('s', { clean: false });
    await first.send(subscribePacket({ '#': 1 }));
    await first.drop();
    await (await world.connect('p')).send(publishPacket('t', 'a'));
    const client = await world.connect('s', { clean: false });
    const doubled = { ...world.ticks[0] } as (typeof world.ticks)[number];
    await world.drain(2_000);
    expect(payloads(client.pushes())).toEqual(['a']);
    world.ticks.push(doubled);
    await world.runTicks();
    return payloads(client.pushes());
  };

  it('does nothing', async () => {
    expect(await play(false)).toEqual([]);
  });

  it(`is caught: ${directed.claim}`, async () => {
    expect(await play(true)).toEqual(['a']);
  });
});

describe('a refresh of the times to live that comes after the will was removed', () => {
  /** Returns how many wills there are. */
  const play = async (isSpoilt: boolean): Promise<number> => {
    const world = createWorld({}, (ports) => (isSpoilt ? spoiltByHand(ports, directed.keepWill) : ports));
    const will = { topic: 'gone', payload: Buffer.from('gone'), qos: 1 as const, retain: false };
    const client = await world.connect('s', { clean: false, will });
    await client.send(disconnect);
    const { generation } = (await world.session('s')) as Session;
    await runJob(world.context, { job: 'refresh', clientId: 's' as ClientId, generation });
    return world.stores.wills.all().length;
  };

  it('leaves nothing behind', async () => {
    expect(await play(false)).toBe(0);
  });

  it(`is caught: ${directed.keepWill}`, async () => {
    expect(await play(true)).toBe(1);
  });
});

describe('a publisher leaves to the next tick what could not be posted, and a newer connection has had it meanwhile', () => {
  /** Returns what the subscriber gets on its next connection. */
  const play = async (isSpoilt: boolean): Promise<readonly string[]> => {
    let refused = false;
    const { world, meanwhile } = createStallingWorld((ports: Ports, pause) => ({
      inFlight: (isSpoilt ? spoiltByHand(ports, directed.leave) : ports).inFlight,
      gateway: {
        ...ports.gateway,
        post: async (connectionId, frame) => {
          if (refused || frame.length > 100 || !frame.startsWith('>1')) return ports.gateway.post(connectionId, frame);
          refused = true;
          await pause();
          return 'throttled';
        },
      },
    }));
    const subscriber = await world.connect('s', { clean: false });
    await subscriber.send(subscribePacket({ t: 2 }));
    const publisher = await world.connect('p');
    let next = subscriber;
    meanwhile(async () => {
      await subscriber.drop();
      next = await world.connect('s', { clean: false });
      await world.runTicks();
    });
    await publisher.send(publishPacket('t', 'a', 2));
    await world.drain(5_000);
    return payloads(next.pushes());
  };

  it('is not sent twice on it', async () => {
    expect(await play(false)).toEqual(['a']);
  });

  it(`is caught: ${directed.leave}`, async () => {
    expect(await play(true)).toEqual(['a', 'a']);
  });
});
