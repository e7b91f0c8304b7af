/** The way back from bytes to a state (`packed.ts`). What was left out there has its plainest value. */
import type { ConnectionId, Generation, MessageId } from '../../src/session/ids.ts';
import { type Session, writeDead } from '../../src/session/session.ts';
import type { Tick } from '../../src/session/transitions.ts';
import { away } from './gateway.ts';
import { type Model, windowOf } from './model.ts';
import { acknowledgeSteps, books, kinds, modes, phases, sockets, statuses, subscribeSteps } from './packed.ts';
import {
  BLANK,
  type Client,
  type Connection,
  cleanUpSteps,
  connectionOf,
  connectSteps,
  deliverSteps,
  fates,
  generationOf,
  inFlightRecord,
  type Lambda,
  looks,
  messageId,
  type Packet,
  type Push,
  type Record,
  type Resend,
  redeliverSteps,
  type State,
} from './state.ts';

let bytes: Uint8Array = new Uint8Array(0);
let at = 0;
const read = (): number => bytes[at++] ?? 0;

const one = <T>(values: readonly T[], index: number): T => {
  const value = values[index];
  if (value === undefined) throw new Error('these bytes are no state');
  return value;
};

const many = <T>(each: () => T): T[] => {
  const length = read();
  const values: T[] = [];
  for (let index = 0; index < length; index++) values.push(each());
  return values;
};

const readId = (): MessageId => {
  const value = read();
  return messageId(value >> 3, value & 7);
};
const readGeneration = (): Generation => generationOf(read());
const readConnection = (): ConnectionId => connectionOf(read());
const readDead = (): string => writeDead(many(readGeneration).map((generation) => ({ generation, endedAt: 0 })));
const readPacket = (): Packet => ({ packetId: read(), id: readId() });

export const unpack = (m: Model, from: Uint8Array): State => {
  bytes = from;
  at = 0;
  const session = readSession(m);
  const delivered = read();
  const owed = read();
  const cleanUps = read();
  const [deaths, leaves, doubles, stalls, throttles, unclear, cleanStarts, expiries, rebinds] = bytes.subarray(
    at,
    at + 9,
  );
  at += 9;
  const left = { deaths, leaves, doubles, stalls, throttles, unclear, cleanStarts, expiries, rebinds } as State['left'];
  const publishers = Array.from({ length: m.bound.publishers }, () => {
    const value = read();
    return { next: value >> 1, waits: (value & 1) === 1 };
  });
  const inFlight = many(readRecord);
  const queue = many(() => {
    const id = readId();
    const value = read();
    return { id, generation: generationOf(value >> 1), hidden: (value & 1) === 1 };
  });
  const ticks = many((): Tick => ({ generation: readGeneration(), epoch: read(), number: read() }));
  const subscription = read() === 1 ? { generation: readGeneration(), epoch: read() } : undefined;
  let id = 0;
  const connections = many((): Connection => {
    const value = read();
    const who = read();
    return {
      id: connectionOf(++id),
      socket: one(sockets, value >> 3),
      books: one(books, (value >> 1) & 3),
      notice: (value & 1) === 1,
      generation: generationOf(who >> 1),
      persistent: (who & 1) === 1,
      epoch: read(),
    };
  });
  const client = readClient();
  const lambdas = many(() => readLambda(m));
  return {
    session,
    inFlight,
    queue,
    ticks,
    cleanUps,
    subscription,
    lambdas,
    connections,
    client,
    publishers,
    delivered,
    owed,
    left,
  };
};

const readSession = (m: Model): Session | undefined => {
  const status = one(statuses, read());
  if (status === 'absent') return undefined;
  const offline = status === 'offline' ? 1 : 0;
  return {
    ...BLANK,
    status,
    expiresAt: offline,
    mode: one(modes, read()),
    generation: readGeneration(),
    epoch: read(),
    connectionId: readConnection(),
    sequence: read(),
    pushed: read(),
    tick: read(),
    backlog: read() - 8,
    leaseUntil: read(),
    persistent: read() === 1,
    predecessors: readDead(),
    windowLeft: m.bound.window > 0 ? read() - 8 : windowOf(m),
  };
};

const readRecord = (): Record => {
  const id = readId();
  const generation = readGeneration();
  const sequence = read();
  return inFlightRecord(generation, id, sequence, sequence, read(), read());
};

const readClient = (): Client => {
  const value = read();
  const phase = one(phases, value >> 1);
  const subscribed = (value & 1) === 1;
  if (phase === 'off') return away({ subscribed });
  return {
    phase,
    subscribed,
    connection: readConnection(),
    former: readConnection(),
    handed: read(),
    unacknowledged: many(readPacket),
    waiting: many((): Push => ({ generation: readGeneration(), first: read(), packets: many(readPacket) })),
  };
};

const readLambda = (m: Model): Lambda => {
  const kind = one(kinds, read());
  switch (kind) {
    case 'deliver': {
      const step = one(deliverSteps, read());
      const value = read();
      const lambda = {
        to: readGeneration(),
        waiting: many(readId),
        numbers: read(),
        fate: one(fates, read()),
        epoch: read(),
        connectionId: readConnection(),
        sequence: read(),
        pushed: read(),
        tick: read(),
      };
      const { numbers: allowed, ...rest } = lambda;
      const more = read();
      return {
        kind,
        step,
        ...rest,
        most: allowed >> 4,
        batch: allowed & 15,
        publisher: value >> 3,
        answers: (value & 4) > 0,
        persistent: (value & 2) > 0,
        written: more >> 4,
        look: one(looks, (more >> 2) & 3),
        fitting: more & 3,
      };
    }
    case 'redeliver': {
      const step = one(redeliverSteps, read());
      const tick = { generation: readGeneration(), epoch: read(), number: read() };
      const connectionId = readConnection();
      const value = read();
      const quietSince = read();
      const lambda = {
        backlog: read() - 8,
        windowLeft: m.bound.window > 0 ? read() - 8 : windowOf(m),
        deleted: read(),
        batch: many(readId),
        fresh: many(readId),
        resend: many(readPacket).map((each) => each as Resend),
      };
      lambda.resend = lambda.resend.map((each) => ({ ...each, takesRoom: read() === 1 }));
      const stamps = read();
      const counts = read();
      return {
        kind,
        step,
        tick,
        connectionId,
        ...lambda,
        quietSince,
        persistent: (value & 16) > 0,
        healing: (value & 8) > 0,
        hidden: (value & 4) > 0,
        leftOver: (value & 2) > 0,
        holds: (value & 1) > 0,
        gotNothing: (value & 32) > 0,
        unused: stamps >> 4,
        stamped: stamps & 15,
        count: counts >> 4,
        written: counts & 15,
        pushed: read(),
        sequence: read(),
        listed: many(readRecord),
      };
    }
    case 'connect': {
      const step = one(connectSteps, read());
      const connectionId = readConnection();
      const value = read();
      return {
        kind,
        step,
        connectionId,
        clean: (value & 4) > 0,
        persistent: (value & 2) > 0,
        resumes: (value & 1) > 0,
        generation: readGeneration(),
        epoch: read(),
        status: one(statuses, read()),
        pushed: read(),
        predecessors: readDead(),
      };
    }
    case 'acknowledge':
      return {
        kind,
        step: one(acknowledgeSteps, read()),
        connectionId: readConnection(),
        generation: readGeneration(),
        epoch: read(),
        packetId: read(),
      };
    case 'subscribe':
      return {
        kind,
        step: one(subscribeSteps, read()),
        connectionId: readConnection(),
        generation: readGeneration(),
        epoch: read(),
      };
    case 'clean-up':
      return {
        kind,
        step: one(cleanUpSteps, read()),
        generation: readGeneration(),
        epoch: read(),
        ended: read() === 1,
        predecessors: readDead(),
        due: many(readGeneration),
        remain: many(readGeneration),
      };
  }
};
