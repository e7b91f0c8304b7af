/**
 * Names and numbers that are only compared, replaced by their rank: two states that differ by nothing else are the same. Part
 * of the canonical form (`packed.ts`).
 *
 * Rules of this file:
 * - First all that occurs in a state is marked, then each mark gets its rank.
 * - Whether one tick number follows another is kept, and the distance of push numbers that will be given out again.
 */
import type { Generation, MessageId } from '../../src/session/ids.ts';
import { deadSessions } from '../../src/session/session.ts';
import type { Model } from './model.ts';
import { keepsAll } from './simplified.ts';
import {
  attemptOf,
  BLANK,
  type Client,
  type Connect,
  type Connection,
  type Deliver,
  type Lambda,
  numberOf,
  type Packet,
  payloadOf,
  type Record,
  type State,
} from './state.ts';

const MOST = 64;
const marks = () => new Uint8Array(MOST);
export const generations = marks();
export const epochs = marks();
export const names = marks();
export const sequences = marks();
export const pushes = marks();
export const numbers = marks();
export const attempts = marks();

/** Each mark is replaced by how many marks there are up to it, 0 stays 0. */
const rank = (table: Uint8Array): void => {
  let next = 0;
  table[0] = 0;
  for (let each = 1; each < MOST; each++) if (table[each]) table[each] = ++next;
};

/** The same, from 0 on. Beyond `last`, numbers that come back to be given out again, each keeps its distance. */
const rankPushes = (table: Uint8Array, last: number): void => {
  let next = 0;
  for (let each = 0; each < MOST; each++) {
    const isMarked = table[each] === 1;
    if (isMarked) table[each] = next;
    if (isMarked || each >= last) next++;
  }
};

/** The same, from 1 on, but numbers that did not follow each other do not follow each other. */
const rankWithGaps = (table: Uint8Array): void => {
  let next = 0;
  let last = -1;
  for (let each = 0; each < MOST; each++) {
    if (!table[each]) continue;
    next += last >= 0 && each > last + 1 ? 2 : 1;
    table[each] = next;
    last = each;
  }
};

export const to = (table: Uint8Array, value: number): number => table[value] ?? 0;

/** Some Lambda is about to subscribe: only to it the epoch of the subscription means something. */
export let subscribing = false;

/** Only a mutant takes the tick numbers of an older epoch for those of the session's. */
let knowsOldTicks = false;

export const mark = (m: Model, s: State): void => {
  knowsOldTicks = keepsAll(m, 'park', 'claim', 'endTick');
  for (const table of [generations, epochs, names, sequences, pushes, numbers, attempts]) table.fill(0);
  subscribing = s.lambdas.some(({ kind }) => kind === 'subscribe');
  const { session, client } = s;
  if (session) {
    markNames(session.generation);
    markDead(session.predecessors);
    epochs[session.epoch] = 1;
    sequences[session.sequence] = 1;
    pushes[session.pushed] = 1;
    numbers[session.tick] = 1;
    names[numberOf(session.connectionId)] = 1;
  }
  for (const each of s.inFlight) {
    markNames(each.generation);
    epochs[each.epoch] = 1;
    sequences[each.sequence] = 1;
    markId(each.id);
  }
  for (const each of s.queue) {
    markNames(each.generation);
    markId(each.id);
  }
  for (const each of s.ticks) {
    markNames(each.generation);
    epochs[each.epoch] = 1;
    numbers[each.number] = 1;
  }
  if (s.subscription) {
    markNames(s.subscription.generation);
    if (subscribing) epochs[s.subscription.epoch] = 1;
  }
  names[numberOf(client.connection)] = 1;
  names[numberOf(client.former)] = 1;
  if (isCounting(client)) pushes[client.handed] = 1;
  for (const each of client.unacknowledged) markPacket(each);
  for (const each of client.waiting) {
    markNames(each.generation);
    pushes[each.first - 1] = 1;
    for (let offset = 0; offset < each.packets.length; offset++) pushes[each.first + offset] = 1;
    each.packets.forEach(markPacket);
  }
  for (const each of s.lambdas) markLambda(s, each);
  markRecordTicks(s);
  for (const each of s.connections) {
    if (each.notice) names[numberOf(each.id)] = 1;
    if (!names[numberOf(each.id)] || !isKept(s, each)) continue;
    markNames(each.generation);
    epochs[each.epoch] = 1;
  }
  rank(generations);
  rank(epochs);
  rankConnections(s);
  rank(sequences);
  rankPushes(pushes, session?.pushed ?? MOST);
  rankWithGaps(numbers);
};

const rankConnections = (s: State): void => {
  let next = 0;
  const marked = names.slice();
  names.fill(0);
  for (const each of s.connections) {
    const number = numberOf(each.id);
    if (marked[number] && isKept(s, each)) names[number] = ++next;
  }
};

/** A closed socket has a name only while its notice is on its way, or its CONNECT. */
const isKept = (s: State, c: Connection): boolean =>
  c.socket !== 'closed' || c.notice || s.lambdas.some((each) => each.kind === 'connect' && each.connectionId === c.id);

const markNames = (generation: Generation): void => {
  generations[numberOf(generation)] = 1;
};

const markDead = (predecessors: string): void => {
  if (predecessors === '') return;
  for (const { generation } of deadOf(predecessors)) generations[numberOf(generation)] = 1;
};

export const deadOf = (predecessors: string) => deadSessions({ ...BLANK, predecessors });

const markId = (id: MessageId): void => {
  const payload = payloadOf(id);
  attempts[payload] = (attempts[payload] ?? 0) | (1 << attemptOf(id));
};

/** `last` and the `before` ones before it: numbers that follow each other go on doing so. */
const markRange = (table: Uint8Array, last: number, before: number): void => {
  for (let each = last - before; each <= last; each++) table[each] = 1;
};

const markPacket = ({ packetId, id }: Packet): void => {
  sequences[packetId] = 1;
  markId(id);
};

const markLambda = (s: State, l: Lambda): void => {
  if (l.kind !== 'clean-up') names[numberOf(l.connectionId)] = 1;
  if (l.kind !== 'redeliver') epochs[l.epoch] = 1;
  switch (l.kind) {
    case 'deliver':
      markNames(l.to);
      l.waiting.forEach(markId);
      if (l.batch > 0) markRange(sequences, l.sequence, l.batch - 1);
      if (l.batch > 0) markRange(pushes, l.pushed, l.batch);
      if (isTickKnown(s, l)) numbers[l.tick] = numbers[l.tick + 1] = 1;
      return;
    case 'redeliver':
      markNames(l.tick.generation);
      epochs[l.tick.epoch] = 1;
      if (isCurrent(s, l.tick)) numbers[l.tick.number] = numbers[l.tick.number + 1] = 1;
      l.batch.forEach(markId);
      l.fresh.forEach(markId);
      l.resend.forEach(markPacket);
      if (l.count > 0) markRange(sequences, l.sequence, l.fresh.length - 1);
      if (l.count > 0) markRange(pushes, l.pushed, l.count);
      for (const each of l.listed) {
        markPacket(each);
        epochs[each.epoch] = 1;
      }
      return;
    case 'connect':
      markNames(l.generation);
      markDead(l.predecessors);
      if (promisesNumber(l)) pushes[l.pushed] = 1;
      return;
    case 'acknowledge':
      markNames(l.generation);
      sequences[l.packetId] = 1;
      return;
    case 'subscribe':
    case 'clean-up':
      markNames(l.generation);
      if (l.kind === 'clean-up') markDead(l.predecessors);
      return;
  }
};

/** It waits for a number: from the CONNACK on, and while it moves. */
export const isCounting = ({ phase, former }: Client): boolean => phase === 'ready' || former !== '';

/** Its CONNACK will say which number comes first. */
export const promisesNumber = ({ step, resumes }: Connect): boolean =>
  resumes && (step === 'open' || step === 'send tick' || step === 'post CONNACK');

export const isCurrent = (
  { session }: State,
  { generation, epoch }: { generation: Generation; epoch: number },
): boolean => knowsOldTicks || (session?.generation === generation && session.epoch === epoch);

/** It may park: it knows a tick number of the epoch that is. */
export const isTickKnown = (s: State, d: Deliver): boolean =>
  (d.tick > 0 || d.step === 'send tick' || d.step === 'park') && isCurrent(s, { generation: d.to, epoch: d.epoch });

/** Under which tick a record was put in flight is asked by that tick's next worker only. */
const markRecordTicks = (s: State): void => {
  const { session } = s;
  if (!session) return;
  const parking = s.lambdas.some((each) => each.kind === 'deliver' && isTickKnown(s, each));
  for (const each of s.inFlight) {
    if (each.tick > 0 && isCurrent(s, each) && (parking || (session.mode === 'queued' && each.tick >= session.tick))) {
      numbers[each.tick] = 1;
    }
  }
};

export const tickOf = (s: State, { generation, epoch, tick }: Record): number => {
  if (tick === 0) return 0;
  if (isCurrent(s, { generation, epoch })) return numbers[tick] ?? 0;
  const worker = s.lambdas.find(
    (each) => each.kind === 'redeliver' && each.tick.generation === generation && each.tick.epoch === epoch,
  );
  return worker?.kind === 'redeliver' && worker.tick.number === tick ? 1 : 0;
};
