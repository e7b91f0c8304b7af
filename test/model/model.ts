/**
 * What every step of the model is made of: a bound, a mutant, and writes whose conditions are those of the code.
 *
 * Rules of this file:
 * - One step is one external call. Whoever takes it hands every state it may lead to to `emit`.
 * - A write goes through `changeSession` or one of its like, by name: a mutant can leave out one of its conditions.
 */
import type { Change, Condition } from '../../src/session/change.ts';
import { apply, holds } from '../../src/session/change.ts';
import type { ConnectionId, Generation } from '../../src/session/ids.ts';
import type { Session } from '../../src/session/session.ts';
import { endWithConnection, goOffline } from '../../src/session/transitions.ts';
import type { Bound } from './bounds.ts';
import type { Mutant, Rule } from './mutants.ts';
import {
  type Connection,
  connectionOf,
  type Faults,
  type Lambda,
  NO_GENERATION,
  type Record,
  type State,
} from './state.ts';

/**
 * `fault`: one of those that are counted. `return`: the subscriber comes back, or the gateway's notice that it left.
 * `time`: a timeout. Everything else is a `step`.
 */
export type Kind = 'step' | 'fault' | 'return' | 'time';

/** A step ends by handing out what comes of it. */
export type Emitted = undefined;
export type Emit = (kind: Kind, next: State, text: () => string) => Emitted;

export interface Model {
  readonly bound: Bound;
  readonly mutant: Mutant | undefined;
}

/** A window so wide that it is never full. */
const WIDE = 1_000;

export const windowOf = ({ bound }: Model): number => bound.window || WIDE;

/** Whether the mutant leaves this rule out. */
export const isBroken = ({ mutant }: Model, rule: Rule): boolean => mutant?.rule === rule;

// ── Time ───────────────────────────────────────────────────────────────────────────────────────────────────────────
// Time stands still, but for what an argument says: that a lease is over because its owner must be dead, or that a session
// has expired.

export const NOW = 1;
export const LEASE_UNTIL = 2;
export const EXPIRES_AT = NOW;
export const NO_RATE = 0;

// ── Conditional writes ─────────────────────────────────────────────────────────────────────────────────────────────

/** As test/simulation names them. */
const nameOf = <R>(condition: Condition<R>): string => {
  if (condition[0] === 'absent') return 'absent';
  if (condition[0] === 'any') return `any(${condition[1].map(nameOf).join(' ')})`;
  return `${condition[0]} ${condition[1]}`;
};

/** `conditions` of the write called `name`, without the one that the mutant leaves out. */
export const kept = <R>(m: Model, name: string, conditions: readonly Condition<R>[]): readonly Condition<R>[] => {
  const leftOut = m.mutant?.without;
  if (leftOut === undefined || !leftOut.startsWith(`${name}: `)) return conditions;
  return conditions.filter((each) => `${name}: ${nameOf(each)}` !== leftOut);
};

export type Changed =
  | { readonly done: true; readonly record: Session; readonly state: State }
  | { readonly done: false; readonly record: Session | undefined };

export const changeSession = (m: Model, s: State, change: Change<Session>): Changed => {
  if (!holds(kept(m, change.name ?? '', change.if), s.session)) return { done: false, record: s.session };
  // a condition was left out, and there is nothing to change
  if (!s.session && change.set?.generation === undefined) return { done: false, record: undefined };
  const record = apply(change, s.session);
  return { done: true, record, state: withSession(s, record) };
};

/** What was delivered to a session, and what is owed to it, ends with it. */
const withSession = (s: State, session: Session): State => {
  const goesOn = session.generation === s.session?.generation && session.status !== 'ended';
  const state = goesOn ? { ...s, session } : { ...s, session, delivered: 0, owed: 0 };
  if (givesUp(s, session)) return { ...state, broken: 'P12: a connection that is in use is given up' };
  return comesBack(s.session, session)
    ? { ...state, broken: `P15: a session is ${session.status} that was not` }
    : state;
};

/** Whether `next` makes an ended session alive, or one online whose connection is over. */
const comesBack = (session: Session | undefined, next: Session): boolean =>
  session?.generation === next.generation &&
  ((session.status === 'ended' && next.status !== 'ended') ||
    (session.status === 'offline' && next.status === 'online' && session.epoch === next.epoch));

/** Whether `next` takes the connection from a client that is there and has not asked for another one. */
const givesUp = ({ session, client, connections }: State, next: Session): boolean =>
  session !== undefined &&
  session.connectionId !== '' &&
  session.epoch === next.epoch &&
  next.connectionId === '' &&
  client.phase === 'ready' &&
  client.connection === session.connectionId &&
  connections.some(({ id, socket }) => id === session.connectionId && socket === 'up');

export type Put = { readonly done: boolean; readonly state: State };

/** False: the packet id is taken. */
export const putInFlight = (m: Model, s: State, record: Record): Put => {
  const held = s.inFlight.find((each) => each.generation === record.generation && each.packetId === record.packetId);
  if (!holds(kept<Record>(m, 'put', [['absent']]), held)) return { done: false, state: s };
  const inFlight = [...s.inFlight.filter((each) => each !== held), record];
  inFlight.sort((a, b) => a.sequence - b.sequence);
  return { done: true, state: { ...s, inFlight } };
};

export const inFlightOf = (s: State, generation: Generation): readonly Record[] =>
  s.inFlight.filter((each) => each.generation === generation);

const recordAt = (s: State, generation: Generation, packetId: number): Record | undefined =>
  s.inFlight.find((each) => each.generation === generation && each.packetId === packetId);

export const changeInFlight = (
  m: Model,
  s: State,
  generation: Generation,
  packetId: number,
  change: Change<Record>,
): { readonly done: boolean; readonly record: Record | undefined; readonly state: State } => {
  const record = recordAt(s, generation, packetId);
  if (!record || !holds(kept(m, change.name ?? '', change.if), record)) return { done: false, record, state: s };
  const next = apply(change, record);
  return {
    done: true,
    record: next,
    state: { ...s, inFlight: s.inFlight.map((each) => (each === record ? next : each)) },
  };
};

export const removeInFlight = (
  m: Model,
  s: State,
  name: string,
  generation: Generation,
  packetId: number,
  conditions: readonly Condition<Record>[],
): { readonly done: boolean; readonly record: Record | undefined; readonly state: State } => {
  const record = recordAt(s, generation, packetId);
  if (!record || !holds(kept(m, name, conditions), record)) return { done: false, record, state: s };
  return { done: true, record, state: { ...s, inFlight: s.inFlight.filter((each) => each !== record) } };
};

/** src/broker/lose-connection.ts: the session of this epoch goes offline, or ends if it is not persistent. */
export const loseConnection = (
  m: Model,
  s: State,
  { epoch, persistent }: { readonly epoch: number; readonly persistent: boolean },
): Changed =>
  persistent ? changeSession(m, s, goOffline(epoch, EXPIRES_AT)) : changeSession(m, s, endWithConnection(epoch, NOW));

/** A clean-up job is sent. One that waits already will do as well, but for those that wait for the end of a session. */
export const cleanUpLater = (s: State): State => (s.cleanUps < MOST_JOBS ? { ...s, cleanUps: s.cleanUps + 1 } : s);

/** Whether one of these has happened. */
export const hasHappened = ({ bound }: Model, { left }: State, ...faults: readonly (keyof Faults)[]): boolean =>
  faults.some((each) => left[each] < bound.faults[each]);

const MOST_JOBS = 3;

// ── Parts of the state ─────────────────────────────────────────────────────────────────────────────────────────────

/** The Lambda at `at` goes on as `next`. */
export const goOn = (s: State, at: number, next: Lambda): State => ({ ...s, lambdas: s.lambdas.with(at, next) });

/** The Lambda at `at` is done. */
export const leave = (s: State, at: number): State => ({ ...s, lambdas: s.lambdas.toSpliced(at, 1) });

export const start = (s: State, lambda: Lambda): State => ({ ...s, lambdas: [...s.lambdas, lambda] });

/** A connection that is closed and of no more consequence has lost its name. */
const CLOSED: Connection = {
  id: connectionOf(0),
  socket: 'closed',
  books: 'closed',
  notice: false,
  generation: NO_GENERATION,
  epoch: 0,
  persistent: true,
};

export const connectionAt = (s: State, id: ConnectionId): Connection =>
  s.connections.find((each) => each.id === id) ?? CLOSED;

export const withConnection = (s: State, changed: Connection): State => ({
  ...s,
  connections: s.connections.map((each) => (each.id === changed.id ? changed : each)),
});

/** One fault less may happen. */
export const spend = (s: State, fault: keyof Faults): State => ({
  ...s,
  left: { ...s.left, [fault]: s.left[fault] - 1 },
});
