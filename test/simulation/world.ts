/**
 * The simulated cloud of one run: memory ports with the weaknesses of AWS, queues with visibility, sockets that die without
 * anybody noticing, Lambdas that time out. Time is virtual; the seed decides everything.
 */
import type { Context, Settings } from '../../src/broker/context.ts';
import { handleDisconnect } from '../../src/broker/handle-disconnect.ts';
import { handleFrame } from '../../src/broker/handle-frame.ts';
import type { Job, Ports, RedeliveryTick, Sessions } from '../../src/broker/ports.ts';
import { redeliver } from '../../src/broker/redeliver.ts';
import { runJob } from '../../src/broker/run-job.ts';
import { createMemoryStores } from '../../src/memory/stores.ts';
import type { Change } from '../../src/session/change.ts';
import type { ClientId, ConnectionId, Generation, MessageId } from '../../src/session/ids.ts';
import type { Session } from '../../src/session/session.ts';
import { createScheduler, type Lambda, type Random } from './scheduler.ts';

const timing = { lambdaTimeout: 25_000, queueVisibility: 10_000, clockMargin: 5_000, postTimeout: 2_000 };
/** Visibility of the work queues, ms. */
const WORK_VISIBILITY = 30_000;

export interface WorldOptions {
  readonly random: Random;
  readonly settings: Settings;
  readonly deathRate: number;
  /** Spoils the broker on purpose, to show that the simulation notices. */
  readonly mutate?: (change: Change<Session>) => Change<Session>;
  readonly trace: (line: string) => void;
}

export interface Socket {
  readonly id: ConnectionId;
  /** `deserted`: the client is gone, but the gateway has not noticed and still takes posts. */
  state: 'open' | 'deserted' | 'closed';
  onFrame: (frame: string) => void;
  onClose: () => void;
}

interface Entry<T> {
  visibleAt: number;
  readonly body: T;
}

export function createSimulatedWorld({ random, settings, deathRate, mutate, trace }: WorldOptions) {
  let now = Date.UTC(2026, 0, 1);
  let counter = 0;
  const scheduler = createScheduler(random, deathRate, trace);
  const clock = {
    now: () => now,
    pause: async (milliseconds: number) => {
      now += milliseconds;
    },
  };
  const sockets = new Map<ConnectionId, Socket>();
  const ticks = new Set<Entry<RedeliveryTick>>();
  const jobs = new Set<Entry<Job>>();
  const disconnects: ConnectionId[] = [];
  const running = new Map<Lambda, { readonly diesAt: number; readonly onDeath: () => void }>();
  const stores = createMemoryStores(clock, timing.queueVisibility);
  const sessions: Sessions = mutate
    ? { ...stores.sessions, change: (clientId, change) => stores.sessions.change(clientId, mutate(change)) }
    : stores.sessions;

  const closeSocket = (socket: Socket): void => {
    if (socket.state === 'closed') return;
    socket.state = 'closed';
    socket.onClose();
    if (random.chance(0.8)) disconnects.push(socket.id);
    if (random.chance(0.1)) disconnects.push(socket.id);
  };

  const ports: Ports = {
    ...stores,
    sessions,
    gateway: {
      post: async (connectionId, frame) => {
        const socket = sockets.get(connectionId);
        if (!socket || socket.state === 'closed') return 'gone';
        if (random.chance(0.02)) return 'throttled';
        const unclear = random.chance(0.02);
        if (unclear && random.chance(0.5)) return 'unclear';
        if (socket.state === 'open') socket.onFrame(frame);
        return unclear ? 'unclear' : 'accepted';
      },
      close: async (connectionId) => {
        const socket = sockets.get(connectionId);
        if (socket) closeSocket(socket);
      },
    },
    redelivery: {
      send: async (body, delay) => {
        ticks.add({ visibleAt: now + delay * 1_000, body });
        if (random.chance(0.05)) ticks.add({ visibleAt: now + delay * 1_000, body });
      },
    },
    timers: {
      send: async (body, delay) => {
        jobs.add({ visibleAt: now + delay * 1_000, body });
      },
    },
    clock,
    ids: {
      generation: () => `g${++counter}` as Generation,
      message: () => `id${++counter}` as MessageId,
      client: () => `auto${++counter}` as ClientId,
      unit: () => `u${++counter}`,
    },
    log: (event, fields) => trace(`  log ${event} ${JSON.stringify(fields)}`),
  };

  const contextOf = (lambda: Lambda): Context => {
    const guard = <P extends object>(name: string, port: P) => scheduler.guard(name, port, lambda);
    return {
      ...ports,
      sessions: guard('sessions', ports.sessions),
      inFlight: guard('inFlight', ports.inFlight),
      filters: guard('filters', ports.filters),
      connections: guard('connections', ports.connections),
      subscriptions: guard('subscriptions', ports.subscriptions),
      queues: guard('queues', ports.queues),
      gateway: guard('gateway', ports.gateway),
      redelivery: guard('redelivery', ports.redelivery),
      timers: guard('timers', ports.timers),
      settings,
      timing,
      knownShapes: new Set(),
    };
  };

  /** Runs a Lambda. One that dies, throws or times out ends with `onDeath`. */
  const start = <T>(
    name: string,
    work: (context: Context) => Promise<T>,
    onEnd: (result: T) => void = () => {},
    onDeath: () => void = () => {},
  ): void => {
    const lambda: Lambda = { name: `${name}#${++counter}`, dead: false };
    running.set(lambda, { diesAt: now + timing.lambdaTimeout, onDeath });
    work(contextOf(lambda)).then(
      (result) => {
        if (lambda.dead) return;
        running.delete(lambda);
        onEnd(result);
      },
      (error) => {
        trace(`${lambda.name} throws ${error}`);
        lambda.dead = true;
      },
    );
  };

  const due = <T>(queue: Set<Entry<T>>): readonly Entry<T>[] => [...queue].filter(({ visibleAt }) => visibleAt <= now);

  /** A work queue hands out a message, and again when its Lambda did not finish in time. */
  const handOut = <T>(
    queue: Set<Entry<T>>,
    entry: Entry<T>,
    name: string,
    work: (context: Context) => Promise<void>,
  ) => {
    entry.visibleAt = now + WORK_VISIBILITY;
    start(name, work, () => queue.delete(entry));
  };

  return {
    stores,
    now: () => now,
    deaths: scheduler.deaths,
    closeSocket,
    open: (handlers: Pick<Socket, 'onFrame' | 'onClose'>): Socket => {
      const socket: Socket = { id: `c${++counter}` as ConnectionId, state: 'open', ...handlers };
      sockets.set(socket.id, socket);
      return socket;
    },
    /** Sends a frame. No reply, or one that closes: the socket is closed, as a client end would. */
    frame: (socket: Socket, name: string, body: string, onReply: (reply: string) => void): void => {
      start(
        name,
        (context) => handleFrame(context, { connectionId: socket.id, body, deadline: now + timing.lambdaTimeout }),
        (reply) => {
          if (reply.includes('close=')) closeSocket(socket);
          else if (socket.state === 'open') onReply(reply);
        },
        () => closeSocket(socket),
      );
    },
    /** Whether nothing runs and nothing is due or on its way in the redelivery queue. */
    quiet: () => running.size === 0 && ticks.size === 0 && due(jobs).length === 0,
    /** Buries the dead and those whose time is up. */
    bury: (): void => {
      for (const [lambda, { diesAt, onDeath }] of running) {
        if (!lambda.dead && now < diesAt) continue;
        lambda.dead = true;
        running.delete(lambda);
        onDeath();
      }
    },
    /** What the world itself may do next. */
    choices: (): (() => unknown)[] => [
      ...Array.from({ length: Math.min(scheduler.waiting() * 4, 40) }, () => scheduler.step),
      ...due(ticks).map((entry) => () => {
        handOut(ticks, entry, 'tick', (context) => redeliver(context, entry.body, now + timing.lambdaTimeout));
      }),
      ...due(jobs).map((entry) => () => {
        handOut(jobs, entry, entry.body.job, (context) => runJob(context, entry.body));
      }),
      ...disconnects.slice(0, 1).map((connectionId) => () => {
        disconnects.shift();
        start('$disconnect', (context) => handleDisconnect(context, connectionId));
      }),
      ...[...sockets.values()]
        .filter(({ state }) => state === 'deserted' && random.chance(0.1))
        .map((socket) => () => closeSocket(socket)),
    ],
    passTime: (milliseconds: number): void => {
      now += milliseconds;
    },
    /** To the next message that becomes visible, if there is one later. */
    skipAhead: (): void => {
      const next = Math.min(...[...ticks, ...jobs].map(({ visibleAt }) => visibleAt));
      if (Number.isFinite(next) && next > now) now = next;
    },
  };
}

export type SimulatedWorld = ReturnType<typeof createSimulatedWorld>;
