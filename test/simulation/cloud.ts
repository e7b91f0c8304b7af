/**
 * The simulated cloud: the broker, unchanged, on memory ports, in Lambdas that a seed interleaves at every call of a port.
 *
 * Rules of this file: it puts the parts together and knows nothing of clients or promises. `watch` is told what took effect,
 * at the moment it does.
 */
import { openAuthority } from '../../src/broker/authority.ts';
import type { Context, Settings } from '../../src/broker/context.ts';
import { handleDisconnect } from '../../src/broker/handle-disconnect.ts';
import { handleFrame } from '../../src/broker/handle-frame.ts';
import type { Job, Log, Ports, RedeliveryTick } from '../../src/broker/ports.ts';
import { redeliver } from '../../src/broker/redeliver.ts';
import { runJob } from '../../src/broker/run-job.ts';
import { watchSocket } from '../../src/broker/watch-socket.ts';
import { createMemoryStores } from '../../src/memory/stores.ts';
import type { ClientId, ConnectionId, Generation, GrantId, MessageId } from '../../src/session/ids.ts';
import { noAuthorizer, noTokens, plainPasswords } from '../broker/credentials.ts';
import type { Choices } from './choices.ts';
import { createSimulatedClientQueues } from './client-queues.ts';
import { createEnvironments } from './environments.ts';
import type { Faults } from './faults.ts';
import { withLaggingIndex } from './lagging-index.ts';
import { createLambdas, type Lambda } from './lambdas.ts';
import { withRepeats } from './repeats.ts';
import { createSockets, type Socket } from './sockets.ts';
import type { Time } from './time.ts';
import { createWorkQueue } from './work-queue.ts';

/** So few retained messages, or first levels, are found at once that there are several pages of them. */
const RETAINED_PAGE = 2;

export const timing = { lambdaTimeout: 25_000, queueVisibility: 10_000, clockMargin: 5_000, postTimeout: 2_000 };

/**
 * Replaces or wraps what one Lambda works with. Calls of `context` wait for their turn as the broker's do; those of `ports`
 * take effect at once.
 */
export type Spoil = (context: Context, ports: Ports, lambda: Lambda) => Context;

export interface CloudOptions {
  readonly choices: Choices;
  readonly faults: Faults;
  readonly time: Time;
  readonly settings: Settings;
  readonly clockError: number;
  readonly weakSpots: readonly number[];
  readonly trace: ((line: string) => void) | undefined;
  /** The same ports, seen by someone who notes what happens. */
  readonly watch: (ports: Ports) => Ports;
  /** The same, as one job works with them. */
  readonly watchJob: (ports: Ports, job: Job) => Ports;
  /** The same, as the Lambda of one frame works with them. */
  readonly watchFrame: (ports: Ports, frame: string) => Ports;
  /** The broker has answered a frame of a Lambda that began `from` then. */
  readonly answered: (connectionId: ConnectionId, from: number, frame: string, reply: string) => void;
  readonly posted: (connectionId: ConnectionId, frame: string) => void;
  /** A Lambda that began `from` then is about to post. */
  readonly posting: (from: number, connectionId: ConnectionId, frame: string) => void;
  /** What its client may not receive now is not sent again on the same connection. */
  readonly isForbidden: (grant: GrantId, topic: string) => boolean;
  readonly mayLose: (connectionId: ConnectionId) => boolean;
  readonly log: Log;
  /** The sweeper comes every minute. */
  readonly isSwept: boolean;
  /** Breaks the broker on purpose. */
  readonly spoil?: Spoil | undefined;
  readonly step: () => number;
}

const guarded = [
  'sessions',
  'wills',
  'inFlight',
  'copies',
  'incoming',
  'filters',
  'retained',
  'connections',
  'identity',
  'subscriptions',
  'queues',
  'gateway',
  'redelivery',
  'timers',
] as const satisfies readonly (keyof Ports)[];

export function createCloud(options: CloudOptions) {
  const { choices, faults, time, settings, trace } = options;
  const clock = { now: time.now, pause: () => Promise.reject(new Error('only Lambdas pause')) };
  const memory = createMemoryStores(clock, timing.queueVisibility, RETAINED_PAGE);
  const lambdas = createLambdas({
    choices,
    faults,
    time,
    trace,
    timeout: timing.lambdaTimeout,
    clockError: options.clockError,
    weakSpots: options.weakSpots,
    postTimeout: timing.postTimeout,
  });
  let named = 0;

  /** Works on every body of a batch in one Lambda; tells which of them are done. */
  const consumer =
    <T>(
      name: (body: T) => string,
      task: (context: Context, body: T, lambda: Lambda) => Promise<void>,
      watch: (ports: Ports, body: T) => Ports = (ports) => ports,
    ) =>
    (bodies: readonly T[], ended: (done: readonly boolean[]) => void): void => {
      const done = bodies.map(() => false);
      lambdas.start(
        bodies.map(name).join('+'),
        async (lambda) => {
          await Promise.all(
            bodies.map(async (body, index) => {
              await task(contextOf(lambda, watch(ports, body)), body, lambda).then(
                () => {
                  done[index] = true;
                },
                (error: unknown) => trace?.(`${lambda.name} throws ${error}`),
              );
            }),
          );
        },
        // a Lambda that died has said of nothing that it is done
        ({ state }) => ended(state === 'done' ? done : bodies.map(() => false)),
      );
    };

  const redelivery = createWorkQueue<RedeliveryTick>({
    choices,
    faults,
    time,
    mayLose: () => true,
    consume: consumer(
      ({ clientId, epoch, number }) => `tick ${clientId} ${epoch % 100_000}/${number}`,
      (context, tick, { deadline, clockError }) => redeliver(context, tick, deadline + clockError),
    ),
  });
  const timers = createWorkQueue<Job>({
    choices,
    faults,
    time,
    // the sweeper finds what was not cleaned up
    mayLose: ({ job }) => job === 'clean-up' && options.isSwept,
    consume: consumer(
      ({ job }) => job,
      (context, job) => runJob(context, job),
      options.watchJob,
    ),
    isRoutine: (job) => job.job === 'check' && isAtRest(job.connectionId),
  });
  /** A check of this connection finds nothing to do, whenever it comes, as long as the client goes on. */
  const isAtRest = (connectionId: ConnectionId): boolean => {
    const session = memory.sessions.all().find((each) => each.connectionId === connectionId);
    if (session?.status !== 'online' || session.mode !== 'direct' || session.backlog > 0) return false;
    const { generation, epoch, grant } = session;
    const connection = memory.connections
      .all()
      .find((each) => each.state === 'connected' && each.generation === generation && each.epoch === epoch);
    if (connection === undefined || !sockets.isOpen(connectionId)) return false;
    // what a worker of an older connection has left in flight too late waits for the next connection
    return memory.inFlight
      .all(connection)
      .every((each) => each.epoch < epoch || options.isForbidden(grant, each.topic));
  };
  const sockets = createSockets({
    choices,
    faults,
    time,
    trace,
    posted: options.posted,
    mayLose: options.mayLose,
    disconnected: (connectionId) => {
      lambdas.start(
        `$disconnect ${connectionId}`,
        (lambda) => handleDisconnect(contextOf(lambda), connectionId),
        () => {},
      );
    },
  });

  const ports = options.watch({
    ...memory,
    sessions: withLaggingIndex(memory.sessions, time, faults),
    queues: createSimulatedClientQueues(memory.queues, clock, choices, faults),
    gateway: sockets.gateway,
    redelivery,
    timers,
    clock,
    ids: {
      generation: () => `g${++named}` as Generation,
      message: () => `id${++named}` as MessageId,
      client: () => `auto${++named}` as ClientId,
      unit: () => `u${++named}`,
    },
    secrets: {
      create: () => `secret${++named}`,
      hash: (secret) => `hash of ${secret}`,
      matches: (secret, hash) => hash === `hash of ${secret}`,
    },
    passwords: plainPasswords,
    tokens: noTokens,
    authorizer: noAuthorizer,
    log: options.log,
  });

  const environments = createEnvironments({
    choices,
    settings,
    log: options.log,
    clockOf: lambdas.clockOf,
    identityOf: (lambda) => lambdas.guard('identity', ports.identity, lambda),
  });

  const contextOf = (lambda: Lambda, own: Ports = ports): Context => {
    const context: Context = {
      ...own,
      clock: lambdas.clockOf(lambda),
      settings,
      timing,
      authority: settings.authentication === 'none' ? openAuthority : environments.authorityOf(lambda),
      knownShapes: new Set(),
    };
    const startedAt = lambda.deadline - timing.lambdaTimeout;
    const gateway = {
      ...own.gateway,
      post: (connectionId: ConnectionId, frame: string) => {
        options.posting(startedAt, connectionId, frame);
        return own.gateway.post(connectionId, frame);
      },
    };
    const sent: Ports = { ...own, ...withRepeats(own, memory, lambda, faults, time, options.weakSpots), gateway };
    const guards = guarded.map((name) => [name, lambdas.guard<object>(name, sent[name], lambda)]);
    const waiting: Context = { ...context, ...Object.fromEntries(guards) };
    return options.spoil ? options.spoil(waiting, ports, lambda) : waiting;
  };

  return {
    memory,
    lambdas,
    sockets,
    redelivery,
    timers,
    /** `$connect`: only where its Lambda is done the socket can be used, else there is none. */
    handshake: (socket: Socket, name: string, opened: () => void): void => {
      lambdas.start(
        `$connect ${name}`,
        (lambda) => watchSocket(contextOf(lambda).timers, socket.id),
        ({ state }) => {
          if (state !== 'done') sockets.close(socket);
          else if (sockets.accept(socket)) opened();
        },
      );
    },
    /** A text frame of a client. Each starts a Lambda of its own. */
    frame: (socket: Socket, name: string, body: string): void => {
      if (socket.state === 'closed') return;
      socket.working++;
      let reply: string | undefined;
      let startedAt = 0;
      lambdas.start(
        name,
        async (lambda) => {
          const deadline = lambda.deadline + lambda.clockError;
          startedAt = time.now();
          reply = await handleFrame(contextOf(lambda, options.watchFrame(ports, body)), {
            connectionId: socket.id,
            body,
            deadline,
            sourceIp: socket.place,
          });
        },
        () => {
          socket.working--;
          socket.workedLast = options.step();
          if (reply !== undefined) options.answered(socket.id, startedAt, body, reply);
          if (reply !== undefined) sockets.toClient(socket, reply);
          else if (!faults.strikes('noReply')) sockets.toClient(socket, '{"message":"Internal server error"}');
        },
      );
    },
    /** What the work queues hold that is not routine. */
    pending: (): readonly string[] =>
      [...redelivery.pending(), ...timers.pending()].map((each) => JSON.stringify(each)),
    /** Nothing runs, and nothing is to be done but routine. */
    isIdle: () => lambdas.runningCount() === 0 && redelivery.isIdle() && timers.isIdle(),
  };
}

export type Cloud = ReturnType<typeof createCloud>;
