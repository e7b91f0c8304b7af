/**
 * A publisher and its Lambda: src/broker/deliver.ts, call by call.
 *
 * Rules of this file:
 * - Steps have the names and the order of the code; what a step decides by stands in `src/session/transitions.ts`.
 * - The post and the second look at the session go on side by side, so either may come first.
 * - PUBACK leaves with the last step, or the Lambda dies just before it.
 */
import type { Generation, MessageId } from '../../src/session/ids.ts';
import { isAlive, isExpired, isForgotten, packetIdOf, type Session } from '../../src/session/session.ts';
import { allocate, count, end, park, unallocate } from '../../src/session/transitions.ts';
import { closeSocket, MESSAGES, nameOf, post } from './gateway.ts';
import {
  changeSession,
  cleanUpLater,
  type Emit,
  type Emitted,
  EXPIRES_AT,
  goOn,
  isBroken,
  type Kind,
  leave,
  loseConnection,
  type Model,
  NOW,
  putInFlight,
  removeInFlight,
  spend,
  start,
} from './model.ts';
import {
  attemptOf,
  BLANK,
  connectionOf,
  type Deliver,
  inFlightRecord,
  messageId,
  NO_GENERATION,
  type Packet,
  payloadOf,
  type State,
} from './state.ts';

// ── The publisher ──────────────────────────────────────────────────────────────────────────────────────────────────

/** Every publisher that has something to say, and waits for no reply, sends its next frame. */
export const publish = (m: Model, s: State, emit: Emit): Emitted => {
  s.publishers.forEach((publisher, index) => {
    if (publisher.waits || publisher.next >= m.bound.messages) return;
    const payloads = frameOf(m, index, publisher.next);
    const who = `publisher ${index + 1}`;
    if (!s.subscription) {
      emit('step', acknowledged(s, index, payloads, NO_GENERATION, []), () => `${who} sends to nobody: PUBACK`);
      return;
    }
    const attempt = freshAttempt(s, payloads);
    const ids = payloads.map((payload) => messageId(payload, attempt));
    const publishers = s.publishers.with(index, { ...publisher, waits: true });
    const lambda = { ...idle(index, s.subscription.generation, ids), most: mostOf(m) };
    emit('step', start({ ...s, publishers }, lambda), () => `${who} sends ${payloads.map(nameOf).join(', ')}`);
  });
};

const frameOf = (m: Model, publisher: number, next: number): number[] => {
  const length = Math.min(m.bound.perFrame, m.bound.messages - next);
  return Array.from({ length }, (_, index) => publisher * MESSAGES + next + index);
};

/** A PUBLISH that is sent again makes new messages: none of the old ones must have the same id. */
const freshAttempt = (s: State, payloads: readonly number[]): number => {
  let attempt = 0;
  const see = (id: MessageId) => {
    if (payloads.includes(payloadOf(id))) attempt = Math.max(attempt, attemptOf(id) + 1);
  };
  for (const { id } of s.inFlight) see(id);
  for (const { id } of s.queue) see(id);
  for (const { id } of s.client.unacknowledged) see(id);
  for (const { packets } of s.client.waiting) for (const { id } of packets) see(id);
  for (const lambda of s.lambdas) {
    if (lambda.kind === 'deliver') lambda.waiting.forEach(see);
    if (lambda.kind !== 'redeliver') continue;
    lambda.batch.forEach(see);
    lambda.fresh.forEach(see);
    for (const { id } of lambda.resend) see(id);
  }
  return attempt;
};

/** As many as one push carries. */
const AT_ONCE = 3;

const idle = (publisher: number, to: Generation, waiting: readonly MessageId[]): Deliver => ({
  kind: 'deliver',
  step: 'allocate',
  publisher,
  answers: true,
  to,
  waiting,
  most: AT_ONCE,
  batch: 0,
  epoch: 0,
  persistent: true,
  connectionId: connectionOf(0),
  sequence: 0,
  pushed: 0,
  tick: 0,
  written: 0,
  look: 'pending',
  fate: 'open',
  fitting: 0,
});

/** `d`, deciding again from the beginning: it remembers nothing of the session. */
const again = (d: Deliver, waiting = d.waiting): Deliver => ({
  ...idle(d.publisher, d.to, waiting),
  answers: d.answers,
  most: d.most,
});

const mostOf = ({ bound }: Model): number => (bound.window > 0 ? Math.min(AT_ONCE, bound.window) : AT_ONCE);

/** The publisher has its PUBACK: from now on the broker owes `payloads` to the session, but for those it refused. */
const acknowledged = (
  s: State,
  publisher: number,
  payloads: readonly number[],
  to: Generation,
  refused: readonly number[],
): State => {
  const next = (payloads.at(-1) ?? 0) - publisher * MESSAGES + 1;
  let owed = s.owed;
  if (isAlive(s.session, to)) for (const payload of payloads) if (!refused.includes(payload)) owed |= 1 << payload;
  return { ...s, owed, publishers: s.publishers.with(publisher, { next, waits: false }) };
};

// ── Its Lambda ─────────────────────────────────────────────────────────────────────────────────────────────────────

const saidOf = (ids: readonly MessageId[]): string => ids.map((id) => nameOf(payloadOf(id))).join(', ');
export const whoDelivers = (d: Deliver): string => `publisher ${d.publisher + 1}${d.answers ? '' : ' (stalled)'}`;

/** All is done: the reply leaves, or this Lambda dies just before, or nobody is there any more to get it. */
const reply = (
  m: Model,
  s: State,
  at: number,
  d: Deliver,
  outcome: 'delivered' | 'dead',
  refused: readonly MessageId[],
  emit: Emit,
  said: () => string,
  kind: Kind = 'step',
): Emitted => {
  const gone = leave(s, at);
  if (!d.answers) return emit(kind, gone, said);
  const publisher = s.publishers[d.publisher];
  if (!publisher) return;
  const unheard = { ...gone, publishers: s.publishers.with(d.publisher, { ...publisher, waits: false }) };
  if (s.left.deaths > 0) emit('fault', spend(unheard, 'deaths'), () => `${said()}; dies before its PUBACK`);
  if (s.left.stalls > 0) emit('fault', spend(unheard, 'stalls'), () => `${said()}; its PUBACK is lost`);
  const payloads = frameOf(m, d.publisher, publisher.next);
  const to = outcome === 'dead' ? NO_GENERATION : d.to;
  emit(kind, acknowledged(gone, d.publisher, payloads, to, refused.map(payloadOf)), () => `${said()}; PUBACK`);
};

/** The publisher's connection breaks while its Lambda works on. */
export const stall = (s: State, at: number, d: Deliver, emit: Emit): Emitted => {
  const publisher = s.publishers[d.publisher];
  if (!d.answers || s.left.stalls === 0 || !publisher) return;
  const publishers = s.publishers.with(d.publisher, { ...publisher, waits: false });
  const next = goOn({ ...spend(s, 'stalls'), publishers }, at, { ...d, answers: false });
  emit('fault', next, () => `${whoDelivers(d)} loses its connection; its Lambda works on`);
};

/** The next call of the Lambda at `at`. */
export const deliver = (m: Model, s: State, at: number, d: Deliver, emit: Emit): Emitted => {
  const who = () => whoDelivers(d);
  switch (d.step) {
    case 'allocate':
      return allocateNumbers(m, s, at, d, emit);
    case 'put': {
      const record = recordsOf(d)[d.written];
      if (!record) return;
      const put = putInFlight(m, s, record);
      const written = d.written + 1;
      if (!put.done) {
        // an old message still holds the packet id
        const next: Deliver = { ...d, step: d.written > 0 ? 'take back' : 'unallocate', fate: 'taken' };
        return emit('step', goOn(s, at, next), () => `${who()}: packet id ${record.packetId} is taken`);
      }
      const step =
        written < d.batch ? 'put' : isBroken(m, 'a message is in flight before it is posted') ? 'look' : 'post';
      return emit('step', goOn(put.state, at, { ...d, step, written }), () => {
        return `${who()}: puts ${nameOf(payloadOf(record.id))} in flight as ${record.packetId}, epoch ${d.epoch}`;
      });
    }
    case 'post':
      if (d.look === 'pending' && d.written > 0) look(m, s, at, d, emit);
      return postBatch(m, s, at, d, emit);
    case 'look':
      return look(m, s, at, d, emit);
    case 'close socket': {
      const step = d.persistent ? 'lose connection' : 'send clean-up before the loss';
      return emit('step', goOn(closeSocket(s, d.connectionId), at, { ...d, step }), () => {
        return `${who()}: closes the socket of epoch ${d.epoch}`;
      });
    }
    case 'send clean-up before the loss':
      // it has read that the session is still on this connection
      if (!isHere(s, d)) return emit('step', goOn(s, at, { ...d, step: 'take back' }), () => `${who()}: another epoch`);
      return emit('step', goOn(cleanUpLater(s), at, { ...d, step: 'lose connection' }), () => {
        return `${who()}: sends the clean-up job`;
      });
    case 'lose connection': {
      const lost = loseConnection(m, s, d);
      const said = () =>
        `${who()}: ${lost.done ? `the session is ${lost.record.status}` : 'another epoch, or offline already'}`;
      const state = lost.done ? lost.state : s;
      // it may have been delivered, so it stays in flight: the next epoch sends it again
      if (lost.done && d.fate === 'unclear') {
        return d.persistent
          ? batchIsDelivered(m, state, at, d, emit, said)
          : emit('step', goOn(state, at, again(d)), said);
      }
      return emit('step', goOn(state, at, { ...d, step: 'take back' }), said);
    }
    case 'take back':
      return takeBack(m, s, at, d, emit);
    case 'unallocate': {
      const given = changeSession(m, s, unallocate(asRead(d), d.batch, d.batch));
      const next: Deliver = d.fate === 'taken' ? again(d) : { ...d, step: firstToPark(m) };
      return emit('step', goOn(given.done ? given.state : s, at, next), () => {
        return `${who()}: ${given.done ? 'gives its numbers back' : 'its numbers are not the last any more'}`;
      });
    }
    case 'send tick': {
      const tick = { generation: d.to, epoch: d.epoch, number: d.tick + 1 };
      const sent = { ...s, ticks: [...s.ticks, tick] };
      const said = () => `${who()}: sends tick ${tick.number} of epoch ${tick.epoch}`;
      if (firstToPark(m) === 'park') return storeParked(m, sent, at, d, emit, said);
      return emit('step', goOn(sent, at, { ...d, step: 'park' }), said);
    }
    case 'park': {
      const parked = changeSession(m, s, park(asRead(d), NOW));
      const state = parked.done ? parked.state : s;
      const said = () =>
        `${who()}: ${parked.done ? 'turns the session queued' : 'is not the one to turn the session queued'}`;
      if (firstToPark(m) === 'park') return emit('step', goOn(state, at, { ...d, step: 'send tick' }), said);
      return storeParked(m, state, at, d, emit, said);
    }
    case 'read':
      return decide(m, s, at, d, s.session, emit);
    case 'count': {
      const counted = changeSession(m, s, count(d.to, d.fitting, 0, boundsOf(m), NOW));
      if (!counted.done) return emit('step', goOn(s, at, again(d)), () => `${who()}: cannot count, decides again`);
      const said = () => `${who()}: counts ${d.fitting}, backlog ${counted.record.backlog}`;
      if (counted.record.generation !== d.to) {
        return emit('step', { ...s, broken: 'P13: a message is counted for another session' }, said);
      }
      if (isBroken(m, 'a message is counted before it is sent'))
        return replyStored(m, counted.state, at, d, emit, said);
      return emit('step', goOn(counted.state, at, { ...d, step: 'send' }), said);
    }
    case 'send': {
      const stored = d.waiting.slice(0, d.fitting).map((id) => ({ id, generation: d.to, hidden: false }));
      const state = { ...s, queue: [...s.queue, ...stored] };
      const said = () => `${who()}: sends ${saidOf(d.waiting.slice(0, d.fitting))} to the queue`;
      if (!isBroken(m, 'a message is counted before it is sent')) return replyStored(m, state, at, d, emit, said);
      return emit('step', goOn(state, at, { ...d, step: 'count' }), said);
    }
    case 'send clean-up before the end':
      return emit('step', goOn(cleanUpLater(s), at, { ...d, step: 'end' }), () => `${who()}: sends the clean-up job`);
    case 'end': {
      const expired = { ...asRead(d), status: 'offline' as const, expiresAt: EXPIRES_AT };
      const ended = changeSession(m, s, end(expired, NOW));
      return emit('step', goOn(ended.done ? ended.state : s, at, again(d)), () => {
        return `${who()}: ${ended.done ? 'ends the session' : 'something happened to the session'}`;
      });
    }
    case 'remove leftover': {
      const own = s.subscription?.generation === d.to || isBroken(m, 'a subscription is removed by its generation');
      const state = own ? { ...s, subscription: undefined } : s;
      return reply(m, state, at, d, 'dead', [], emit, () => `${who()}: removes what clean-up has missed`);
    }
  }
};

const allocateNumbers = (m: Model, s: State, at: number, d: Deliver, emit: Emit): Emitted => {
  const who = () => whoDelivers(d);
  const length = Math.min(d.most, d.waiting.length);
  const allocated = changeSession(m, s, allocate(d.to, length, 'ordered', undefined));
  const session = allocated.record;
  if (allocated.done) {
    const { epoch, persistent, connectionId, sequence, pushed, tick } = allocated.record;
    const most = Math.max(1, Math.min(AT_ONCE, allocated.record.windowLeft));
    const step = isBroken(m, 'a message is in flight before it is posted') ? 'post' : 'put';
    const read = { epoch, persistent, connectionId, sequence, pushed, tick };
    const next: Deliver = { ...d, ...read, step, batch: length, most };
    return emit('step', goOn(allocated.state, at, next), () => {
      return `${who()}: allocates ${length > 1 ? `${sequence - length + 1} to ` : ''}${sequence} in epoch ${epoch}`;
    });
  }
  if (allocatesAgain(m, s, at, d, session, emit)) return;
  decide(m, s, at, d, session, emit);
};

/** It has lost a race for room in the window, or there is none. */
const allocatesAgain = (
  m: Model,
  s: State,
  at: number,
  d: Deliver,
  session: Session | undefined,
  emit: Emit,
): boolean => {
  if (!isAlive(session, d.to) || session.status !== 'online' || session.mode !== 'direct') return false;
  const length = Math.min(d.most, d.waiting.length);
  const who = () => whoDelivers(d);
  const most = session.windowLeft >= length ? d.most : Math.max(1, session.windowLeft);
  if (session.windowLeft > 0) {
    emit('step', goOn(s, at, { ...d, most }), () => `${who()}: there is room for ${most}`);
    return true;
  }
  const { epoch, tick } = session;
  const next: Deliver = { ...d, step: firstToPark(m), most, epoch, tick, fitting: fittingOf(m, d, session) };
  emit('step', goOn(s, at, next), () => `${who()}: the window is full`);
  return true;
};

/** What it does with a session that is not online and direct. */
const decide = (m: Model, s: State, at: number, d: Deliver, session: Session | undefined, emit: Emit): Emitted => {
  const who = () => whoDelivers(d);
  if (!isAlive(session, d.to)) {
    const said = () => `${who()}: its subscriber's session is dead`;
    if (!isForgotten(session, d.to)) return reply(m, s, at, d, 'dead', [], emit, said);
    return emit('step', goOn(s, at, { ...d, step: 'remove leftover' }), said);
  }
  if (s.left.expiries > 0 && isExpired(session, EXPIRES_AT)) {
    const next: Deliver = { ...d, step: 'send clean-up before the end', epoch: session.epoch };
    emit('fault', goOn(spend(s, 'expiries'), at, next), () => `${who()}: finds the session expired`);
  }
  const fitting = fittingOf(m, d, session);
  store(m, s, at, { ...again(d), fitting }, emit, () => `${who()}: the session is ${session.status}, ${session.mode}`);
};

const store = (m: Model, s: State, at: number, d: Deliver, emit: Emit, said: () => string): Emitted => {
  if (d.fitting === 0) return reply(m, s, at, d, 'delivered', d.waiting, emit, () => `${said()}; refused by the bound`);
  const step = isBroken(m, 'a message is counted before it is sent') ? 'send' : 'count';
  emit('step', goOn(s, at, { ...d, step }), said);
};

const replyStored = (m: Model, s: State, at: number, d: Deliver, emit: Emit, said: () => string): Emitted =>
  reply(m, s, at, d, 'delivered', d.waiting.slice(d.fitting), emit, said);

const firstToPark = (m: Model): 'send tick' | 'park' =>
  isBroken(m, 'the tick is sent before the session is parked') ? 'park' : 'send tick';

/** The session was turned queued because its window is full, or because a post was throttled: then it is read again. */
const storeParked = (m: Model, s: State, at: number, d: Deliver, emit: Emit, said: () => string): Emitted => {
  if (d.fate === 'throttled') emit('step', goOn(s, at, { ...again(d), step: 'read' }), said);
  else store(m, s, at, { ...again(d), fitting: d.fitting }, emit, said);
};

const postBatch = (m: Model, s: State, at: number, d: Deliver, emit: Emit): Emitted => {
  const packets = recordsOf(d).map(({ packetId, id }): Packet => ({ packetId, id }));
  const first = d.pushed - packets.length + 1;
  for (const posted of post(m, s, d.connectionId, { generation: d.to, first, packets })) {
    const said = () => `${whoDelivers(d)}: posts ${saidOf(packets.map(({ id }) => id))} as ${first}: ${posted.said}`;
    const then = (step: Deliver['step'], fate: Deliver['fate']) =>
      emit(posted.kind, goOn(posted.state, at, { ...d, step, fate }), said);
    switch (posted.outcome) {
      case 'accepted':
        if (d.written === 0) then('put', 'open');
        else if (d.look === 'pending' && !isBroken(m, 'a second look after the post')) then('look', 'open');
        else if (d.look === 'changed') then('take back', 'changed');
        else batchIsDelivered(m, posted.state, at, d, emit, said, posted.kind);
        break;
      case 'gone':
        then(d.persistent ? 'lose connection' : 'send clean-up before the loss', 'gone');
        break;
      case 'unclear':
        then('close socket', 'unclear');
        break;
      case 'throttled':
        then(d.written > 0 ? 'take back' : 'unallocate', 'throttled');
        break;
    }
  }
};

/** The second look: is the session still on the connection that was posted to? */
const look = (m: Model, s: State, at: number, d: Deliver, emit: Emit): Emitted => {
  if (d.step === 'post' && isBroken(m, 'a second look after the post')) return;
  const same = isHere(s, d);
  const said = () => `${whoDelivers(d)}: looks again, ${same ? 'still' : 'no longer'} epoch ${d.epoch}`;
  if (d.step === 'post') return emit('step', goOn(s, at, { ...d, look: same ? 'same' : 'changed' }), said);
  if (same) return batchIsDelivered(m, s, at, d, emit, said);
  emit('step', goOn(s, at, { ...d, step: 'take back', fate: 'changed' }), said);
};

/** What a connection that is not persistent is asked before its session ends. */
const isHere = (s: State, d: Deliver): boolean => isAlive(s.session, d.to) && s.session.epoch === d.epoch;

const batchIsDelivered = (
  m: Model,
  s: State,
  at: number,
  d: Deliver,
  emit: Emit,
  said: () => string,
  kind: Kind = 'step',
): Emitted => {
  const waiting = d.waiting.slice(d.batch);
  if (waiting.length === 0) return reply(m, s, at, d, 'delivered', [], emit, said, kind);
  emit(kind, goOn(s, at, again(d, waiting)), said);
};

/** The newest first: whoever dies here leaves the oldest behind. */
const takeBack = (m: Model, s: State, at: number, d: Deliver, emit: Emit): Emitted => {
  const oldestFirst = isBroken(m, 'the newest is taken back first');
  const total = d.batch;
  const record = recordsOf(d)[oldestFirst ? total - d.written : d.written - 1];
  if (!record) return;
  const removed = removeInFlight(m, s, 'take back', d.to, record.packetId, [['=', 'id', record.id]]);
  const written = d.written - 1;
  const next: Deliver = written > 0 ? { ...d, written } : afterTakeBack({ ...d, written });
  emit('step', goOn(removed.state, at, next), () => {
    return `${whoDelivers(d)}: takes ${nameOf(payloadOf(record.id))} back${removed.done ? '' : ': it is gone already'}`;
  });
};

const afterTakeBack = (d: Deliver): Deliver => {
  if (d.fate === 'taken' || d.fate === 'throttled') return { ...d, step: 'unallocate' };
  return again(d);
};

const recordsOf = (d: Deliver) => {
  const batch = d.waiting.slice(0, d.batch);
  return batch.map((id, index) => {
    const sequence = d.sequence - batch.length + 1 + index;
    return inFlightRecord(d.to, id, sequence, packetIdOf(sequence), d.epoch, 0);
  });
};

/** The session as `d` has read it. */
const asRead = (d: Deliver): Session => ({
  ...BLANK,
  generation: d.to,
  epoch: d.epoch,
  pushed: d.pushed,
  tick: d.tick,
});

const boundsOf = (m: Model) => ({ maxStoredMessages: m.bound.maxStored, maxStoredBytes: 0 });

/** The newest are refused. */
const fittingOf = (m: Model, d: Deliver, session: Session | undefined): number =>
  Math.max(0, Math.min(d.waiting.length, m.bound.maxStored - (session?.backlog ?? 0)));
