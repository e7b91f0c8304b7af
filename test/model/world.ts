/**
 * The whole world: how it begins, and every step that anyone may take from a state.
 *
 * Rules of this file: a Lambda may die before any of its calls. What then becomes of its work is said here, once for each.
 */
import { cleanUp, jobs } from './clean-up.ts';
import { acknowledge, client, connect, connections, subscribe, withoutReply } from './connection.ts';
import { away } from './gateway.ts';
import { cleanUpLater, type Emit, type Emitted, EXPIRES_AT, leave, type Model, spend, windowOf } from './model.ts';
import { deliver, publish, stall, whoDelivers } from './publisher.ts';
import { BLANK, type Connection, connectionOf, generationOf, type Lambda, type State } from './state.ts';
import { deliverTicks, redeliver } from './tick.ts';

/** A session with one subscription, in its first epoch: its client is away, or there and up to date. */
export const initial = (m: Model): State => {
  const { bound } = m;
  const online = bound.start === 'direct';
  const generation = generationOf(1);
  const connection: Connection = {
    id: connectionOf(1),
    socket: 'up',
    books: 'open',
    notice: false,
    generation,
    epoch: 1,
    persistent: true,
  };
  const gone = away({ subscribed: true });
  const isNew = bound.start === 'new';
  return {
    session: isNew
      ? undefined
      : {
          ...BLANK,
          generation,
          epoch: 1,
          status: online ? 'online' : 'offline',
          mode: online ? 'direct' : 'queued',
          connectionId: connectionOf(online ? 1 : 0),
          expiresAt: online ? 0 : EXPIRES_AT,
          windowLeft: windowOf(m),
          tick: 1,
        },
    inFlight: [],
    queue: [],
    ticks: [],
    cleanUps: 0,
    subscription: isNew ? undefined : { generation, epoch: 1 },
    lambdas: [],
    connections: online ? [connection] : [],
    client: { ...gone, subscribed: !isNew, ...(online && { connection: connection.id, phase: 'ready' as const }) },
    publishers: Array.from({ length: bound.publishers }, () => ({ next: 0, waits: false })),
    delivered: 0,
    owed: 0,
    left: bound.faults,
  };
};

export const successors = (m: Model, s: State, emit: Emit): Emitted => {
  s.lambdas.forEach((lambda, at) => {
    next(m, s, at, lambda, emit);
    if (s.left.deaths > 0) emit('fault', die(spend(s, 'deaths'), at, lambda), () => `${whoIs(lambda)} dies`);
    if (lambda.kind === 'deliver') stall(s, at, lambda, emit);
  });
  publish(m, s, emit);
  deliverTicks(m, s, emit);
  client(m, s, emit);
  connections(m, s, emit);
  hiddenBecomesVisible(m, s, emit);
  jobs(m, s, emit);
};

const next = (m: Model, s: State, at: number, lambda: Lambda, emit: Emit): Emitted => {
  switch (lambda.kind) {
    case 'deliver':
      return deliver(m, s, at, lambda, emit);
    case 'redeliver':
      return redeliver(m, s, at, lambda, emit);
    case 'connect':
      return connect(m, s, at, lambda, emit);
    case 'acknowledge':
      return acknowledge(m, s, at, lambda, emit);
    case 'subscribe':
      return subscribe(m, s, at, lambda, emit);
    case 'clean-up':
      return cleanUp(m, s, at, lambda, emit);
  }
};

const die = (s: State, at: number, lambda: Lambda): State => {
  const gone = leave(s, at);
  switch (lambda.kind) {
    case 'deliver': {
      const publisher = s.publishers[lambda.publisher];
      if (!lambda.answers || !publisher) return gone;
      return { ...gone, publishers: s.publishers.with(lambda.publisher, { ...publisher, waits: false }) };
    }
    case 'redeliver':
      return { ...gone, ticks: [...s.ticks, lambda.tick] };
    case 'connect':
    case 'acknowledge':
    case 'subscribe':
      return withoutReply(gone, lambda.connectionId);
    case 'clean-up':
      return cleanUpLater(gone);
  }
};

const whoIs = (lambda: Lambda): string => {
  switch (lambda.kind) {
    case 'deliver':
      return `${whoDelivers(lambda)}: its Lambda, about to ${lambda.step},`;
    case 'redeliver':
      return `tick ${lambda.tick.number} of epoch ${lambda.tick.epoch}: its Lambda, about to ${lambda.step},`;
    case 'connect':
      return `CONNECT: its Lambda, about to ${lambda.step},`;
    case 'acknowledge':
      return `PUBACK ${lambda.packetId}: its Lambda`;
    case 'subscribe':
      return 'SUBSCRIBE: its Lambda';
    case 'clean-up':
      return `clean-up: its Lambda, about to do ${lambda.step},`;
  }
};

/** What a dead worker has received becomes visible again; where the bound says so, what a living one has received too. */
const hiddenBecomesVisible = (m: Model, s: State, emit: Emit): Emitted => {
  const hidden = new Set(s.queue.filter((each) => each.hidden).map(({ generation }) => generation));
  for (const generation of hidden) {
    const holder = s.lambdas.findIndex((each) => {
      return each.kind === 'redeliver' && each.holds && each.tick.generation === generation;
    });
    if (holder >= 0 && !m.bound.hiddenEndsEarly) continue;
    const queue = s.queue.map((each) => (each.generation === generation ? { ...each, hidden: false } : each));
    const lambdas = s.lambdas.map((each, at) =>
      at === holder && each.kind === 'redeliver' ? { ...each, holds: false } : each,
    );
    emit('time', { ...s, queue, lambdas }, () => 'what was received becomes visible again');
  }
};
