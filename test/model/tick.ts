/**
 * A redelivery tick: src/broker/redeliver.ts, call by call.
 *
 * Rules of this file:
 * - A tick works one round; the next round of the code is the next tick here.
 * - What is received is given back (made visible) by the step that stops: a Lambda that dies before it does not.
 * - A tick that is not due yet, or whose number has a living worker, stays a message: to be sent anew changes nothing.
 */

import type { MessageId } from '../../src/session/ids.ts';
import { planRedelivery } from '../../src/session/plan-redelivery.ts';
import { isAlive, packetIdOf, type Session } from '../../src/session/session.ts';
import {
  allocateForTick,
  claim,
  endTick,
  heal,
  type Tick,
  turnDirect,
  unallocate,
} from '../../src/session/transitions.ts';
import { closeSocket, nameOf, post } from './gateway.ts';
import {
  changeInFlight,
  changeSession,
  cleanUpLater,
  type Emit,
  type Emitted,
  goOn,
  inFlightOf,
  isBroken,
  LEASE_UNTIL,
  leave,
  loseConnection,
  type Model,
  NO_RATE,
  NOW,
  putInFlight,
  spend,
  start,
} from './model.ts';
import {
  BLANK,
  inFlightRecord,
  type Lambda,
  message,
  type Packet,
  payloadOf,
  type Record,
  type Redeliver,
  type RedeliverStep,
  SENT_AT,
  type State,
} from './state.ts';

const isSame = (a: Tick, b: Tick) => a.generation === b.generation && a.epoch === b.epoch && a.number === b.number;
const saidTick = ({ epoch, number }: Tick) => `tick ${number} of epoch ${epoch}`;

/** Every tick message is delivered, perhaps twice. */
export const deliverTicks = (m: Model, s: State, emit: Emit): Emitted => {
  s.ticks.forEach((tick, index) => {
    if (s.ticks.findIndex((each) => isSame(each, tick)) < index) return;
    take(m, { ...s, ticks: s.ticks.toSpliced(index, 1) }, tick, emit);
    if (s.left.doubles === 0) return;
    emit('fault', { ...spend(s, 'doubles'), ticks: [...s.ticks, tick] }, () => `${saidTick(tick)} is doubled`);
  });
};

const take = (m: Model, s: State, tick: Tick, emit: Emit): Emitted => {
  const working = s.lambdas.some((each) => each.kind === 'redeliver' && isSame(each.tick, tick));
  const claimed = changeSession(m, s, claim(tick, 0, LEASE_UNTIL, NOW));
  if (claimed.done) {
    const state = working ? { ...claimed.state, broken: `P6: two workers of ${saidTick(tick)}` } : claimed.state;
    return emit('step', begin(m, state, claimed.record, tick), () => `${saidTick(tick)} is claimed`);
  }
  const session = claimed.record;
  const mayStillPark = s.lambdas.some((each) => {
    return (
      each.kind === 'deliver' && each.step === 'park' && each.epoch === tick.epoch && each.tick + 1 === tick.number
    );
  });
  const over =
    !isAlive(session, tick.generation) ||
    session.epoch !== tick.epoch ||
    session.status === 'offline' ||
    (session.mode === 'direct' && (!mayStillPark || isBroken(m, 'a tick waits for who parks'))) ||
    session.tick > tick.number;
  if (over) return emit('step', s, () => `${saidTick(tick)} is over`);
  // A lease outlives any Lambda.
  if (working && !isBroken(m, 'a lease outlives its worker')) return;
  const taken = changeSession(m, s, claim(tick, LEASE_UNTIL, LEASE_UNTIL, NOW));
  if (!taken.done) return;
  const state = working ? { ...taken.state, broken: `P6: two workers of ${saidTick(tick)}` } : taken.state;
  emit('time', begin(m, state, taken.record, tick), () => `${saidTick(tick)} is taken over from a dead worker`);
};

/** Somebody has the tick now. */
const begin = (m: Model, s: State, session: Session, tick: Tick): State => {
  const worker: Redeliver = {
    kind: 'redeliver',
    step: 'receive',
    tick,
    connectionId: session.connectionId,
    persistent: session.persistent,
    healing: mayHealNow(m, s, tick),
    quietSince: session.quietSince,
    backlog: session.backlog,
    windowLeft: session.windowLeft,
    gotNothing: false,
    deleted: 0,
    hidden: false,
    leftOver: false,
    ...NOTHING,
    listed: [],
  };
  return start(s, { ...worker, step: after(m, worker, undefined) });
};

/**
 * What `mayHeal` concludes from the time that has passed: nobody lives who has counted and not sent, or who works on a
 * tick, and nothing that was received is still hidden.
 */
const mayHealNow = (m: Model, s: State, { generation }: Tick): boolean => {
  const sends = s.lambdas.some((each) => each.kind === 'deliver' && each.step === 'send' && each.to === generation);
  const works = s.lambdas.some((each) => each.kind === 'redeliver' && each.tick.generation === generation);
  const hidden = s.queue.some((each) => each.generation === generation && each.hidden);
  return (
    (!sends || isBroken(m, 'healing waits for senders')) &&
    (!works || isBroken(m, 'healing waits for older ticks')) &&
    (!hidden || isBroken(m, 'healing waits for what is hidden'))
  );
};

// ── The order of the steps ─────────────────────────────────────────────────────────────────────────────────────────

const ORDER: readonly RedeliverStep[] = [
  'receive',
  'list',
  'allocate',
  'stamp',
  'give numbers back',
  'put',
  'post',
  'delete',
  'turn direct',
  'heal',
];

const orderOf = (m: Model): readonly RedeliverStep[] => m.mutant?.order ?? ORDER;

/** The step that comes after `step` and has something to do. */
const after = (m: Model, w: Redeliver, step: RedeliverStep | undefined): RedeliverStep => {
  const order = orderOf(m);
  for (let index = step === undefined ? 0 : order.indexOf(step) + 1; index < order.length; index++) {
    const next = order[index];
    if (next && hasToDo(w, next)) return next;
  }
  return isBroken(m, 'the next tick is sent before it is due') ? 'next tick' : 'send next';
};

const hasToDo = (w: Redeliver, step: RedeliverStep): boolean => {
  switch (step) {
    case 'receive':
      return w.backlog > w.deleted && w.windowLeft > 0; // else nothing is left in the queue, which may not even exist
    case 'list':
      return true;
    case 'allocate':
    case 'post':
      return w.resend.length + w.fresh.length > 0;
    case 'stamp':
      return w.stamped < w.resend.length;
    case 'give numbers back':
      return w.count > w.resend.length + w.fresh.length;
    case 'put':
      return w.written < w.fresh.length;
    case 'delete':
      return w.batch.length > 0;
    case 'turn direct':
      return !w.leftOver && !w.hidden && w.backlog === w.deleted;
    case 'heal':
      return w.healing && w.gotNothing && !w.leftOver;
    default:
      return false;
  }
};

// ── The steps ──────────────────────────────────────────────────────────────────────────────────────────────────────

const saidOf = (ids: readonly MessageId[]): string => ids.map((id) => nameOf(payloadOf(id))).join(', ') || 'nothing';

/** The next call of the Lambda at `at`. */
export const redeliver = (m: Model, s: State, at: number, w: Redeliver, emit: Emit): Emitted => {
  const { tick } = w;
  const step = (state: State, next: Redeliver, text: () => string) =>
    emit('step', goOn(state, at, next), () => `${saidTick(tick)}: ${text()}`);
  const onwards = (state: State, next: Redeliver, text: () => string) =>
    step(state, { ...next, step: after(m, next, w.step) }, text);
  const stop = (text: () => string, state = s) =>
    emit('step', leave(release(state, w, w.batch), at), () => `${saidTick(tick)}: ${text()}`);

  switch (w.step) {
    case 'receive': {
      const received = receivable(m, s, w);
      const ids = received.map(({ id }) => id);
      const queue = s.queue.map((each) => (received.includes(each) ? { ...each, hidden: true } : each));
      const got = ids.length > 0;
      const next = { ...w, batch: ids, holds: got, gotNothing: !got };
      const said = () => `receives ${saidOf(ids)}`;
      if (orderOf(m)[0] !== 'list') return onwards({ ...s, queue }, next, said);
      const seen = planned(m, next, w.listed);
      return seen === 'newer epoch' ? stop(said) : onwards({ ...s, queue }, seen, said);
    }
    case 'list': {
      const records = inFlightOf(s, tick.generation);
      const said = () => `lists what is in flight: ${saidOf(records.map(({ id }) => id))}`;
      if (orderOf(m)[0] === 'list') return onwards(s, { ...w, listed: records }, said);
      for (const known of [records, withLate(m, s, tick, records)]) {
        if (!known) break;
        const next = planned(m, w, known);
        if (next === 'newer epoch') return stop(() => 'meets a newer epoch, stops');
        const state = release(
          s,
          w,
          w.batch.filter((id) => !next.batch.includes(id)),
        );
        const nothingToPost = next.resend.length + next.fresh.length === 0;
        if (nothingToPost && hasLeaked(m, s, w, records)) {
          emit(
            'time',
            goOn(state, at, { ...next, step: 'close socket' }),
            () => `${saidTick(tick)}: the window is full of nothing`,
          );
        }
        if (known === records) onwards(state, next, said);
        else
          emit(
            'time',
            goOn(state, at, { ...next, step: after(m, next, 'list') }),
            () => `${saidTick(tick)}: ${said()}, for too long`,
          );
      }
      return;
    }
    case 'allocate': {
      const count = w.resend.length + w.fresh.length;
      const used = w.resend.filter(({ takesRoom }) => takesRoom).length + w.fresh.length;
      const allocated = changeSession(m, s, allocateForTick(tick, { count, fresh: w.fresh.length, used }, NO_RATE));
      if (!allocated.done) {
        const isOurs = allocated.record?.epoch === tick.epoch && allocated.record.tick === tick.number;
        if (!isOurs) return stop(() => 'cannot allocate, stops');
        return step(
          release(s, w, w.batch),
          { ...w, step: 'send again', ...NOTHING },
          () => 'there is no room any more',
        );
      }
      const { sequence, pushed, backlog, windowLeft } = allocated.record;
      return onwards(
        allocated.state,
        { ...w, count, sequence, pushed, backlog, windowLeft },
        () => `allocates ${count}, up to ${pushed}`,
      );
    }
    case 'stamp': {
      const packet = w.resend[w.stamped];
      if (!packet) return;
      const outcome = changeInFlight(m, s, tick.generation, packet.packetId, {
        name: 'stamp',
        if: [
          ['=', 'id', packet.id],
          ['<=', 'epoch', tick.epoch],
        ],
        set: { epoch: tick.epoch, tick: tick.number },
      });
      const name = nameOf(payloadOf(packet.id));
      if (!outcome.done && outcome.record && outcome.record.epoch > tick.epoch) {
        if (!isBroken(m, 'a tick stops at a newer epoch')) return stop(() => `${name} belongs to a newer epoch, stops`);
      }
      const next: Redeliver = outcome.done
        ? { ...w, stamped: w.stamped + 1 }
        : { ...w, unused: w.unused + (packet.takesRoom ? 1 : 0), resend: w.resend.filter((each) => each !== packet) };
      const said = () => (outcome.done ? `marks ${name} as its own` : `${name} is not there any more`);
      return hasToDo(next, 'stamp') ? step(outcome.state, next, said) : onwards(outcome.state, next, said);
    }
    case 'give numbers back': {
      const missing = w.count - w.resend.length - w.fresh.length;
      const given = changeSession(m, s, unallocate(asRead(w), missing, w.unused));
      const next = { ...w, unused: 0, count: w.count - missing, pushed: w.pushed - missing };
      return onwards(given.done ? given.state : s, next, () => `gives ${missing} of its numbers back`);
    }
    case 'put': {
      const record = recordsOf(w)[w.written];
      if (!record) return;
      const put = putInFlight(m, s, record);
      if (!put.done) return step(s, { ...w, step: 'unallocate' }, () => 'the packet id is taken');
      const next = { ...w, written: w.written + 1 };
      const said = () => `puts ${nameOf(payloadOf(record.id))} in flight as ${record.packetId}`;
      return hasToDo(next, 'put') ? step(put.state, next, said) : onwards(put.state, next, said);
    }
    case 'post': {
      const packets = packetsOf(w);
      const first = w.pushed - w.count + 1;
      for (const posted of post(m, s, w.connectionId, { generation: tick.generation, first, packets })) {
        const then: RedeliverStep = {
          accepted: after(m, w, 'post'),
          gone: w.persistent ? ('lose connection' as const) : ('send clean-up' as const),
          unclear: 'close socket' as const,
          throttled: 'unallocate' as const,
        }[posted.outcome];
        const next = goOn(posted.state, at, { ...w, step: then });
        emit(posted.kind, next, () => {
          return `${saidTick(tick)}: posts ${saidOf(packets.map(({ id }) => id))} as ${first}: ${posted.said}`;
        });
      }
      return;
    }
    case 'close socket':
      return step(
        closeSocket(s, w.connectionId),
        { ...w, step: w.persistent ? 'lose connection' : 'send clean-up' },
        () => {
          return 'closes the socket';
        },
      );
    case 'lose connection': {
      const lost = loseConnection(m, s, { epoch: tick.epoch, persistent: w.persistent });
      const said = () => (lost.done ? `the session is ${lost.record.status}` : 'another epoch, or offline already');
      return stop(said, lost.done ? lost.state : s);
    }
    case 'send clean-up':
      if (!isAlive(s.session, tick.generation) || s.session.epoch !== tick.epoch) return stop(() => 'another epoch');
      return step(cleanUpLater(s), { ...w, step: 'lose connection' }, () => 'sends the clean-up job');
    case 'delete': {
      const removed = w.holds ? s.queue.filter((each) => each.hidden && isIn(w, each)) : [];
      const hidden = removed.length < w.batch.length;
      const deleted = isBroken(m, 'only what was really deleted counts') ? w.batch.length : removed.length;
      const queue = s.queue.filter((each) => !removed.includes(each));
      const next = { ...w, deleted, hidden: hidden && deleted < w.batch.length, holds: false, batch: [] };
      return onwards({ ...s, queue }, next, () => `deletes ${removed.length} from the queue`);
    }
    case 'turn direct': {
      const turned = changeSession(m, s, turnDirect(tick, LEASE_UNTIL, w.deleted, NO_RATE));
      if (turned.done) return stop(() => 'nothing waits any more, turns the session direct', turned.state);
      return onwards(s, { ...w, backlog: turned.record?.backlog ?? 0 }, () => 'there is more to do');
    }
    case 'heal': {
      // it may as well be too early
      onwards(s, w, () => 'it is too early to heal');
      const healed = changeSession(m, s, heal(w.quietSince));
      if (!healed.done) return;
      return emit('time', leave(healed.state, at), () => `${saidTick(tick)}: forgets a backlog of ${w.backlog}`);
    }
    case 'send next': {
      const next = { ...s, ticks: [...s.ticks, { ...tick, number: tick.number + 1 }] };
      if (isBroken(m, 'the next tick is sent before it is due'))
        return emit('step', leave(next, at), () => `${saidTick(tick)}: sends the next tick`);
      return step(next, { ...w, step: 'next tick' }, () => 'sends the next tick');
    }
    case 'next tick': {
      const result = { deleted: w.deleted, deletedBytes: 0, postAllowedAt: NO_RATE, dueAt: NOW, leakSeenAt: 0 };
      const written = changeSession(
        m,
        s,
        endTick(tick, LEASE_UNTIL, tick.number + 1, w.hidden ? { ...result, quietSince: NOW } : result),
      );
      const state = written.done ? written.state : s;
      const said = () => (written.done ? `tick ${tick.number + 1} is due` : 'is not due any more');
      if (isBroken(m, 'the next tick is sent before it is due')) return step(state, { ...w, step: 'send next' }, said);
      return stop(said, state);
    }
    case 'unallocate': {
      const given = changeSession(m, s, unallocate(asRead(w), w.count, w.fresh.length - w.written));
      const next: Redeliver = { ...w, step: 'send again', ...NOTHING };
      return step(release(given.done ? given.state : s, w, w.batch), next, () => 'gives its numbers back');
    }
    case 'send again':
      return step({ ...s, ticks: [...s.ticks, tick] }, { ...w, step: 'give back' }, () => 'sends itself again');
    case 'give back': {
      const result = { deleted: w.deleted, deletedBytes: 0, postAllowedAt: NO_RATE, dueAt: NOW, leakSeenAt: 0 };
      const given = changeSession(m, s, endTick(tick, LEASE_UNTIL, tick.number, result));
      return stop(() => 'gives its lease back', given.done ? given.state : s);
    }
  }
};

/** What a worker begins a round with, and forgets where it comes again under its number. */
const NOTHING = {
  batch: [],
  holds: false,
  fresh: [],
  resend: [],
  unused: 0,
  stamped: 0,
  count: 0,
  pushed: 0,
  sequence: 0,
  written: 0,
} as const;

/** A FIFO queue hands out nothing while something it handed out is hidden. */
const receivable = (m: Model, s: State, { tick }: Redeliver) => {
  const own = s.queue.filter(({ generation }) => generation === tick.generation);
  return own.some(({ hidden }) => hidden) ? [] : own.slice(0, m.bound.batch);
};

/** `w` with what it is going to do about what it received and `records`, which are in flight. */
const planned = (m: Model, w: Redeliver, records: readonly Record[]): Redeliver | 'newer epoch' => {
  const known = isBroken(m, 'a tick stops at a newer epoch')
    ? records.filter(({ epoch }) => epoch <= w.tick.epoch)
    : records;
  const plan = planRedelivery({
    tick: w.tick,
    tookOver: false,
    inFlight: isBroken(m, "a dead worker's messages are sent again")
      ? known.map((each) => ({ ...each, tick: 0 }))
      : known,
    received: w.batch.map(message),
    posted: new Set<number>(),
    budget: Number.POSITIVE_INFINITY,
    windowLeft: w.windowLeft,
    sentBefore: SENT_AT,
  });
  // QoS 2 is not modelled.
  if (plan === 'newer epoch' || plan === 'unsafe') return 'newer epoch';
  const { leftOver, resend, fresh, inFlightAlready } = plan;
  return {
    ...w,
    leftOver,
    resend: resend.map(({ packetId, id, epoch }) => ({ packetId, id, takesRoom: epoch < w.tick.epoch })),
    fresh: fresh.map(({ id }) => id),
    batch: [...inFlightAlready, ...fresh].map(({ id }) => id),
    listed: [],
  };
};

/**
 * The same records, as they look when those are late that nobody is at work on any more: lost with a Lambda, or on the way. Those
 * that their client is about to acknowledge are not looked at.
 */
const withLate = (m: Model, s: State, tick: Tick, records: readonly Record[]): readonly Record[] | undefined => {
  const isLate = (record: Record) =>
    record.epoch === tick.epoch &&
    record.tick !== tick.number &&
    !s.client.unacknowledged.some(({ packetId }) => packetId === record.packetId) &&
    !s.client.waiting.some(({ packets }) => packets.some(({ packetId }) => packetId === record.packetId)) &&
    !s.lambdas.some((each) => isAtWorkOn(each, record));
  if (isBroken(m, 'what is in flight for too long is sent again') || !records.some(isLate)) return undefined;
  return records.map((each) => (isLate(each) ? { ...each, sentAt: SENT_AT - 1 } : each));
};

const isAtWorkOn = (l: Lambda, { epoch, sequence, packetId }: Record): boolean => {
  if (l.kind === 'acknowledge') return l.packetId === packetId;
  return (
    l.kind === 'deliver' &&
    l.epoch === epoch &&
    l.batch > 0 &&
    sequence <= l.sequence &&
    sequence > l.sequence - l.batch
  );
};

/**
 * The window is full, not of messages, and nobody lives who may have taken the room and not used it yet: that is what the code
 * concludes where it still looks so after the longest life of a Lambda (`leakSeenAt`).
 */
const hasLeaked = (m: Model, s: State, { tick, windowLeft }: Redeliver, records: readonly Record[]): boolean =>
  windowLeft === 0 &&
  records.filter(({ epoch }) => epoch === tick.epoch).length < m.bound.window &&
  !s.lambdas.some((each) => each.kind === 'deliver' && each.epoch === tick.epoch && each.batch > 0) &&
  !isBroken(m, 'a leaked window is noticed');

const isIn = (w: Redeliver, { generation, id }: { generation: string; id: MessageId }) =>
  generation === w.tick.generation && w.batch.includes(id);

/** Makes `ids` visible again, if `w` still holds them. */
const release = (s: State, w: Redeliver, ids: readonly MessageId[]): State => {
  if (!w.holds || ids.length === 0) return s;
  const queue = s.queue.map((each) => {
    return each.generation === w.tick.generation && ids.includes(each.id) ? { ...each, hidden: false } : each;
  });
  return { ...s, queue };
};

const recordsOf = (w: Redeliver) =>
  w.fresh.map((id, index) => {
    const sequence = w.sequence - w.fresh.length + 1 + index;
    return inFlightRecord(w.tick.generation, id, sequence, packetIdOf(sequence), w.tick.epoch, w.tick.number);
  });

const packetsOf = (w: Redeliver): readonly Packet[] => [
  ...w.resend,
  ...recordsOf(w).map(({ packetId, id }) => ({ packetId, id })),
];

/** The session as it was when `w` allocated. */
const asRead = ({ tick, pushed }: Redeliver): Session => ({
  ...BLANK,
  generation: tick.generation,
  epoch: tick.epoch,
  pushed,
});
