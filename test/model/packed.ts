/**
 * A state as bytes, in its canonical form: simplified (`simplified.ts`), with ranks for names (`ranked.ts`), and Lambdas and
 * ticks sorted, because they are sets. `unpacked.ts` is the way back.
 *
 * Rules of this file: two states get the same bytes only if the same can happen in both.
 */
import type { Generation, MessageId } from '../../src/session/ids.ts';
import type { Model } from './model.ts';
import {
  attempts,
  deadOf,
  epochs,
  generations,
  isCounting,
  isCurrent,
  isTickKnown,
  mark,
  names,
  numbers,
  promisesNumber,
  pushes,
  sequences,
  subscribing,
  tickOf,
  to,
} from './ranked.ts';
import { simplified } from './simplified.ts';
import {
  attemptOf,
  type Client,
  cleanUpSteps,
  connectSteps,
  deliverSteps,
  fates,
  type Lambda,
  looks,
  numberOf,
  type Packet,
  payloadOf,
  type Record,
  redeliverSteps,
  type State,
} from './state.ts';

export const statuses = ['connecting', 'online', 'offline', 'ended', 'absent'] as const;
export const modes = ['direct', 'queued'] as const;
export const sockets = ['up', 'abandoned', 'closed'] as const;
export const books = ['none', 'open', 'closed'] as const;
export const phases = ['off', 'connecting', 'ready'] as const;
export const kinds = ['deliver', 'redeliver', 'connect', 'acknowledge', 'subscribe', 'clean-up'] as const;
export const acknowledgeSteps = ['remove', 'credit'] as const;
export const subscribeSteps = ['read', 'write'] as const;

const bytes = new Uint8Array(4_096);
let at = 0;

const write = (value: number): void => {
  bytes[at++] = value;
};
const flag = (value: boolean): void => write(value ? 1 : 0);

/** The bytes of `state`, good until the next call. */
export const pack = (m: Model, state: State): Uint8Array => {
  const s = simplified(m, state);
  mark(m, s);
  at = 0;
  packSession(m, s);
  write(s.delivered);
  write(s.owed);
  write(s.cleanUps);
  for (const each of Object.values(s.left)) write(each);
  for (const { next, waits } of s.publishers) write(next * 2 + (waits ? 1 : 0));
  write(s.inFlight.length);
  for (const record of s.inFlight) packRecord(s, record);
  write(s.queue.length);
  for (const { id, generation, hidden } of s.queue) {
    packId(id);
    write(to(generations, numberOf(generation)) * 2 + (hidden ? 1 : 0));
  }
  packTicks(s);
  flag(s.subscription !== undefined);
  if (s.subscription) {
    write(to(generations, numberOf(s.subscription.generation)));
    write(to(epochs, subscribing ? s.subscription.epoch : 0));
  }
  packConnections(s);
  packClient(s.client);
  packLambdas(m, s);
  return bytes.subarray(0, at);
};

const packSession = (m: Model, { session }: State): void => {
  write(session ? statuses.indexOf(session.status) : statuses.indexOf('absent'));
  if (!session) return;
  write(modes.indexOf(session.mode));
  write(to(generations, numberOf(session.generation)));
  write(to(epochs, session.epoch));
  write(to(names, numberOf(session.connectionId)));
  write(to(sequences, session.sequence));
  write(to(pushes, session.pushed));
  write(to(numbers, session.tick));
  write(session.backlog + 8);
  write(session.leaseUntil);
  flag(session.persistent);
  packDead(session.predecessors);
  if (m.bound.window > 0) write(session.windowLeft + 8);
};

const packGenerations = (of: readonly Generation[]): void => {
  write(of.length);
  for (const each of of) write(to(generations, numberOf(each)));
};

/** When they ended is not told apart. */
const packDead = (predecessors: string): void => {
  packGenerations(predecessors === '' ? [] : deadOf(predecessors).map(({ generation }) => generation));
};

const packId = (id: MessageId): void => {
  const payload = payloadOf(id);
  const below = (attempts[payload] ?? 0) & ((1 << attemptOf(id)) - 1);
  let earlier = 0;
  for (let rest = below; rest; rest &= rest - 1) earlier++;
  write(payload * 8 + earlier);
};

const packRecord = (s: State, r: Record): void => {
  packId(r.id);
  write(to(generations, numberOf(r.generation)));
  write(to(sequences, r.sequence));
  write(to(epochs, r.epoch));
  write(tickOf(s, r));
};

const packTicks = (s: State): void => {
  const packed = s.ticks.map(({ generation, epoch, number }) => {
    return (to(generations, numberOf(generation)) << 16) | (to(epochs, epoch) << 8) | to(numbers, number);
  });
  packed.sort((a, b) => a - b);
  write(packed.length);
  for (const each of packed) {
    write(each >> 16);
    write((each >> 8) & 255);
    write(each & 255);
  }
};

const packConnections = (s: State): void => {
  const counted = at++;
  let count = 0;
  for (const each of s.connections) {
    if (!names[numberOf(each.id)]) continue;
    count++;
    write(sockets.indexOf(each.socket) * 8 + books.indexOf(each.books) * 2 + (each.notice ? 1 : 0));
    write(to(generations, numberOf(each.generation)) * 2 + (each.persistent ? 1 : 0));
    write(to(epochs, each.epoch));
  }
  bytes[counted] = count;
};

const packPackets = (packets: readonly Packet[]): void => {
  write(packets.length);
  for (const { packetId, id } of packets) {
    write(to(sequences, packetId));
    packId(id);
  }
};

const packClient = (c: Client): void => {
  write(phases.indexOf(c.phase) * 2 + (c.subscribed ? 1 : 0));
  if (c.phase === 'off') return;
  write(to(names, numberOf(c.connection)));
  write(to(names, numberOf(c.former)));
  write(isCounting(c) ? to(pushes, c.handed) : 0);
  packPackets(c.unacknowledged);
  write(c.waiting.length);
  for (const { generation, first, packets } of c.waiting) {
    write(to(generations, numberOf(generation)));
    write(to(pushes, first));
    packPackets(packets);
  }
};

/** Each Lambda's bytes, sorted. */
const packLambdas = (m: Model, s: State): void => {
  write(s.lambdas.length);
  const from = at;
  const packed: Uint8Array[] = [];
  for (const each of s.lambdas) {
    const start = at;
    packLambda(m, s, each);
    packed.push(bytes.slice(start, at));
  }
  packed.sort(compare);
  at = from;
  for (const each of packed) {
    bytes.set(each, at);
    at += each.length;
  }
};

const compare = (a: Uint8Array, b: Uint8Array): number => {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
};

const packIds = (ids: readonly MessageId[]): void => {
  write(ids.length);
  ids.forEach(packId);
};

const packLambda = (m: Model, s: State, l: Lambda): void => {
  write(kinds.indexOf(l.kind));
  switch (l.kind) {
    case 'deliver':
      write(deliverSteps.indexOf(l.step));
      write(l.publisher * 8 + (l.answers ? 4 : 0) + (l.persistent ? 2 : 0));
      write(to(generations, numberOf(l.to)));
      packIds(l.waiting);
      write(l.most * 16 + l.batch);
      write(fates.indexOf(l.fate));
      write(to(epochs, l.epoch));
      write(to(names, numberOf(l.connectionId)));
      write(l.batch > 0 ? to(sequences, l.sequence) : 0);
      write(l.batch > 0 ? to(pushes, l.pushed) : 0);
      write(isTickKnown(s, l) ? to(numbers, l.tick) : 0);
      write(l.written * 16 + looks.indexOf(l.look) * 4 + l.fitting);
      return;
    case 'redeliver':
      write(redeliverSteps.indexOf(l.step));
      write(to(generations, numberOf(l.tick.generation)));
      write(to(epochs, l.tick.epoch));
      write(isCurrent(s, l.tick) ? to(numbers, l.tick.number) : 1);
      write(to(names, numberOf(l.connectionId)));
      write(
        (l.gotNothing ? 32 : 0) +
          (l.persistent ? 16 : 0) +
          (l.healing ? 8 : 0) +
          (l.hidden ? 4 : 0) +
          (l.leftOver ? 2 : 0) +
          (l.holds ? 1 : 0),
      );
      write(l.quietSince);
      write(l.backlog + 8);
      if (m.bound.window > 0) write(l.windowLeft + 8);
      write(l.deleted);
      packIds(l.batch);
      packIds(l.fresh);
      packPackets(l.resend);
      for (const each of l.resend) flag(each.takesRoom);
      write(l.unused * 16 + l.stamped);
      write(l.count * 16 + l.written);
      write(l.count > 0 ? to(pushes, l.pushed) : 0);
      write(l.count > 0 ? to(sequences, l.sequence) : 0);
      write(l.listed.length);
      for (const each of l.listed) packRecord(s, each);
      return;
    case 'connect':
      write(connectSteps.indexOf(l.step));
      write(to(names, numberOf(l.connectionId)));
      write((l.clean ? 4 : 0) + (l.persistent ? 2 : 0) + (l.resumes ? 1 : 0));
      write(to(generations, numberOf(l.generation)));
      write(to(epochs, l.epoch));
      write(statuses.indexOf(l.status));
      write(promisesNumber(l) ? to(pushes, l.pushed) : 0);
      packDead(l.predecessors);
      return;
    case 'acknowledge':
      write(acknowledgeSteps.indexOf(l.step));
      write(to(names, numberOf(l.connectionId)));
      write(to(generations, numberOf(l.generation)));
      write(to(epochs, l.epoch));
      write(to(sequences, l.packetId));
      return;
    case 'subscribe':
      write(subscribeSteps.indexOf(l.step));
      write(to(names, numberOf(l.connectionId)));
      write(to(generations, numberOf(l.generation)));
      write(to(epochs, l.epoch));
      return;
    case 'clean-up':
      write(cleanUpSteps.indexOf(l.step));
      write(to(generations, numberOf(l.generation)));
      write(to(epochs, l.epoch));
      flag(l.ended);
      packDead(l.predecessors);
      packGenerations(l.due);
      packGenerations(l.remain);
      return;
  }
};
