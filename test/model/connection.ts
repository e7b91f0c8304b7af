/**
 * The subscriber's connections: src/broker/connect.ts, `$disconnect`, PUBACK and SUBSCRIBE, call by call.
 *
 * Rules of this file:
 * - The client end sends one frame at a time. A frame that gets no reply makes it close its sockets and connect again.
 * - Moving a session to a second connection (`rebind`) is a CONNECT whose client goes on listening to the first one.
 */
import { type ConnectionId, NO_GRANT, NO_WILL } from '../../src/session/ids.ts';
import { isAlive, isExpired, type Session } from '../../src/session/session.ts';
import { begin, credit, resume } from '../../src/session/transitions.ts';
import { away, closeSocket, connackArrives, handOn, nameOf } from './gateway.ts';
import {
  changeSession,
  cleanUpLater,
  connectionAt,
  type Emit,
  type Emitted,
  EXPIRES_AT,
  goOn,
  hasHappened,
  isBroken,
  leave,
  loseConnection,
  type Model,
  NOW,
  removeInFlight,
  spend,
  start,
  windowOf,
  withConnection,
} from './model.ts';
import {
  type Acknowledge,
  BLANK,
  type Connect,
  type Connection,
  connectionOf,
  generationOf,
  NO_GENERATION,
  numberOf,
  payloadOf,
  type State,
  type Subscribe,
} from './state.ts';

// ── The client end ─────────────────────────────────────────────────────────────────────────────────────────────────

export const client = (m: Model, s: State, emit: Emit): Emitted => {
  const { connection, former, phase, waiting, subscribed, unacknowledged } = s.client;
  if (phase === 'off') {
    emit('return', open(s, false), () => 'client opens a connection and sends CONNECT');
    if (s.left.cleanStarts > 0) {
      emit(
        'fault',
        open(spend(s, 'cleanStarts'), true),
        () => 'client opens a connection and sends CONNECT with cleanSession 1',
      );
    }
    return;
  }
  if (s.left.leaves > 0 && (phase === 'ready' || m.bound.leavesEarly)) {
    emit('fault', vanish(spend(s, 'leaves')), () => 'client vanishes: its connection still accepts posts');
  }
  if (phase !== 'ready') return;
  if (s.left.rebinds > 0 && former === '') {
    emit(
      'fault',
      open(spend(s, 'rebinds'), false),
      () => 'client opens a second connection, to move its session there',
    );
  }
  if (former !== '') emit('step', closeSocket(s, former), () => 'client closes the connection it has moved from');
  const next = waiting[0];
  if (next && !mayFill(s)) {
    if (connectionAt(s, connection).persistent) {
      const isTorn = hasHappened(m, s, 'deaths', 'throttles', 'unclear');
      const closed = closeSocket(s, connection);
      const state = isTorn ? closed : { ...closed, broken: 'P14: a number is missing that nobody has lost' };
      emit('time', state, () => `client has waited for number ${s.client.handed + 1}: it closes the connection`);
    } else {
      const state = { ...s, client: { ...s.client, waiting: waiting.slice(1) } };
      emit(
        'time',
        handOn(state, next),
        () => `client has waited for number ${s.client.handed + 1}: it goes on without`,
      );
    }
  }
  if (isFrameUnderWay(s, connection)) return;
  const here = connectionAt(s, connection);
  const packet = unacknowledged[0];
  if (packet) {
    const state = { ...s, client: { ...s.client, unacknowledged: unacknowledged.slice(1) } };
    const { generation, epoch } = here;
    const lambda: Acknowledge = {
      kind: 'acknowledge',
      step: 'remove',
      connectionId: connection,
      generation,
      epoch,
      packetId: packet.packetId,
    };
    emit(
      'step',
      start(state, lambda),
      () => `client sends PUBACK ${packet.packetId} (${nameOf(payloadOf(packet.id))})`,
    );
  }
  if (!subscribed) {
    const lambda: Subscribe = {
      kind: 'subscribe',
      step: 'read',
      connectionId: connection,
      generation: here.generation,
      epoch: here.epoch,
    };
    emit('step', start(s, lambda), () => 'client sends SUBSCRIBE');
  }
};

const open = (s: State, clean: boolean): State => {
  const id = connectionOf(1 + Math.max(0, ...s.connections.map((each) => numberOf(each.id))));
  const connection: Connection = {
    id,
    socket: 'up',
    books: 'none',
    notice: false,
    generation: NO_GENERATION,
    epoch: 0,
    persistent: !clean,
  };
  const lambda: Connect = {
    kind: 'connect',
    step: 'read',
    connectionId: id,
    clean,
    generation: NO_GENERATION,
    epoch: 0,
    status: 'absent',
    persistent: !clean,
    pushed: 0,
    predecessors: '',
    resumes: false,
  };
  const { client } = s;
  return start(
    {
      ...s,
      connections: [...s.connections, connection],
      client: { ...client, connection: id, former: client.connection, phase: 'connecting' },
    },
    lambda,
  );
};

const vanish = (s: State): State => {
  const { connection, former } = s.client;
  const connections = s.connections.map((each) => {
    return each.socket === 'up' && (each.id === connection || each.id === former)
      ? { ...each, socket: 'abandoned' as const }
      : each;
  });
  return { ...s, connections, client: away(s.client) };
};

/** Whether a living Lambda may still post the number that the client waits for. */
const mayFill = (s: State): boolean =>
  s.lambdas.some((each) => {
    if (each.kind === 'deliver') return (each.step === 'put' || each.step === 'post') && each.pushed > s.client.handed;
    return each.kind === 'redeliver' && each.count > 0 && each.pushed > s.client.handed;
  });

const isFrameUnderWay = (s: State, connection: ConnectionId): boolean =>
  s.lambdas.some((each) => {
    return (
      (each.kind === 'acknowledge' || each.kind === 'subscribe' || each.kind === 'connect') &&
      each.connectionId === connection
    );
  });

/** The frame's Lambda has died: no reply. */
export const withoutReply = (s: State, id: ConnectionId): State =>
  id !== '' && s.client.connection === id ? closeSocket(s, id) : s;

// ── The gateway's part ─────────────────────────────────────────────────────────────────────────────────────────────

export const connections = (m: Model, s: State, emit: Emit): Emitted => {
  for (const each of s.connections) {
    if (each.socket === 'abandoned') {
      const closed = { ...each, socket: 'closed' as const };
      emit(
        'step',
        withConnection(s, closed),
        () => `the gateway notices the end of ${saidOf(each)}; $disconnect never comes`,
      );
      emit(
        'step',
        withConnection(s, { ...closed, notice: true }),
        () => `the gateway notices the end of ${saidOf(each)}`,
      );
    }
    if (each.notice) disconnect(m, s, each, emit);
    if (each.socket === 'up' && isSuperseded(s, each)) {
      emit('time', closeSocket(s, each.id), () => `a job closes ${saidOf(each)}: it was replaced`);
    }
  }
};

const saidOf = ({ epoch }: Connection): string =>
  epoch === 0 ? 'a new connection' : `the connection of epoch ${epoch}`;

/** `$disconnect`. Before CONNECT is through it leaves its mark in the books. */
const disconnect = (m: Model, s: State, connection: Connection, emit: Emit): Emitted => {
  const state = withConnection(s, { ...connection, notice: false, books: 'closed' });
  if (connection.epoch === 0)
    return emit('return', state, () => '$disconnect of a connection that is not in the books yet');
  const lost = loseConnection(m, state, connection);
  const after = lost.done ? lost.state : state;
  emit('return', lost.done && !connection.persistent ? cleanUpLater(after) : after, () => {
    return `$disconnect of epoch ${connection.epoch}: ${lost.done ? `the session is ${lost.record.status}` : 'changes nothing'}`;
  });
};

/** CONNECT of a newer connection has left a job that closes this one; so has whoever made the session offline. */
const isSuperseded = ({ session }: State, { books, generation, epoch }: Connection): boolean =>
  books === 'open' &&
  (session?.generation !== generation ||
    session.epoch !== epoch ||
    session.status === 'offline' ||
    session.status === 'ended');

// ── CONNECT ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The next call of the Lambda at `at`. */
export const connect = (m: Model, s: State, at: number, c: Connect, emit: Emit): Emitted => {
  const step = (state: State, next: Partial<Connect>, text: () => string) =>
    emit('step', goOn(state, at, { ...c, ...next }), () => `CONNECT: ${text()}`);
  const { session } = s;

  switch (c.step) {
    case 'read': {
      if (!session) return step(s, { step: 'write', status: 'absent' }, () => 'there is no session');
      const { generation, epoch, status } = session;
      const read = { generation, epoch, status, predecessors: session.predecessors };
      const resumes = session.persistent && status !== 'ended' && !c.clean;
      if (isExpired(session, EXPIRES_AT) && s.left.expiries > 0 && !c.clean) {
        const next = goOn(spend(s, 'expiries'), at, { ...c, ...read, step: 'send clean-up', resumes: false });
        emit('fault', next, () => 'CONNECT: finds the session expired');
      }
      return step(
        s,
        { ...read, step: resumes ? 'write' : 'send clean-up', resumes },
        () => `reads the session: ${status}, epoch ${epoch}`,
      );
    }
    case 'write':
      return write(m, s, at, c, emit);
    case 'send clean-up':
      return step(cleanUpLater(s), { step: 'write' }, () => 'sends the clean-up job');
    case 'open': {
      const connection = connectionAt(s, c.connectionId);
      if (connection.books === 'closed') return step(s, { step: 'lose connection' }, () => '$disconnect came first');
      const { generation, epoch, persistent } = c;
      const cleaned = c.resumes && c.predecessors !== '' ? cleanUpLater(s) : s;
      const opened = withConnection(cleaned, { ...connection, books: 'open', generation, epoch, persistent });
      const afterOpen = isBroken(m, 'the first tick comes after the CONNACK') ? 'send tick' : 'post CONNACK';
      return step(opened, { step: c.resumes ? afterOpen : 'reply' }, () => 'opens the connection in the books');
    }
    case 'reply': {
      const replied = connackArrives(s, c.connectionId, 0, false);
      return emit('step', leave(replied, at), () => 'CONNECT: CONNACK in the reply');
    }
    case 'post CONNACK': {
      if (connectionAt(s, c.connectionId).socket === 'closed')
        return step(s, { step: 'lose connection' }, () => 'posts CONNACK: gone');
      for (const fault of ['throttles', 'unclear'] as const) {
        if (s.left[fault] === 0) continue;
        const next = goOn(spend(s, fault), at, { ...c, step: 'lose connection' });
        emit('fault', next, () => `CONNECT: posts CONNACK: ${fault === 'throttles' ? 'throttled' : 'no clear answer'}`);
      }
      const posted = connackArrives(s, c.connectionId, c.pushed, true);
      const said = () => 'posts CONNACK: accepted';
      if (!isBroken(m, 'the first tick comes after the CONNACK')) return step(posted, { step: 'send tick' }, said);
      return emit('step', leave(posted, at), () => `CONNECT: ${said()}`);
    }
    case 'send tick': {
      const tick = { generation: c.generation, epoch: c.epoch, number: 1 };
      const sent = { ...s, ticks: [...s.ticks, tick] };
      const said = () => `sends tick 1 of epoch ${c.epoch}`;
      if (isBroken(m, 'the first tick comes after the CONNACK')) return step(sent, { step: 'post CONNACK' }, said);
      return emit('step', leave(sent, at), () => `CONNECT: ${said()}`);
    }
    case 'lose connection': {
      const lost = loseConnection(m, s, c);
      const state = closeSocket(lost.done ? lost.state : s, c.connectionId);
      return emit(
        'step',
        leave(lost.done && !c.persistent ? cleanUpLater(state) : state, at),
        () => `CONNECT: is lost${lost.done ? `, the session is ${lost.record.status}` : ''}`,
      );
    }
  }
};

const write = (m: Model, s: State, at: number, c: Connect, emit: Emit): Emitted => {
  const former: Session | undefined =
    c.status === 'absent'
      ? undefined
      : { ...BLANK, generation: c.generation, epoch: c.epoch, status: c.status, predecessors: c.predecessors };
  const generation = generationOf(1 + newestGeneration(s));
  const asked = {
    connectionId: c.connectionId,
    resumption: '',
    will: NO_WILL,
    grant: NO_GRANT,
    windowLeft: windowOf(m),
  };
  const change =
    former && c.resumes
      ? resume(former, { ...asked, refreshedAt: NOW }, NOW)
      : begin({ ...asked, generation, persistent: !c.clean }, former, newestEpoch(s) + 1);
  const written = changeSession(m, s, change);
  if (!written.done) {
    return emit('step', goOn(s, at, { ...c, step: 'read' }), () => 'CONNECT: somebody else was faster, reads again');
  }
  const { record } = written;
  const next: Connect = {
    ...c,
    step: 'open',
    predecessors: c.resumes ? record.predecessors : '',
    generation: record.generation,
    epoch: record.epoch,
    persistent: record.persistent,
    pushed: record.pushed,
  };
  const state = withConnection(written.state, {
    ...connectionAt(s, c.connectionId),
    persistent: record.persistent,
  });
  // If it never gets the CONNACK, its next one says Session Present 1 and it cannot know that nothing is subscribed. Here it
  // is assumed to subscribe again after a session began.
  const { client } = state;
  const told =
    c.resumes || client.connection !== c.connectionId ? state : { ...state, client: { ...client, subscribed: false } };
  emit(
    'step',
    goOn(told, at, next),
    () => `CONNECT: ${c.resumes ? 'resumes' : 'begins a'} session, epoch ${record.epoch}`,
  );
};

/** Generations are random and never come twice. */
const newestGeneration = (s: State): number => {
  let newest = 0;
  const see = (name: string) => {
    for (const each of name.split(' ')) newest = Math.max(newest, numberOf(each));
  };
  see(s.session?.generation ?? '');
  see(s.session?.predecessors ?? '');
  see(s.subscription?.generation ?? '');
  for (const each of s.inFlight) see(each.generation);
  for (const each of s.queue) see(each.generation);
  for (const each of s.ticks) see(each.generation);
  for (const each of s.connections) see(each.generation);
  for (const each of s.lambdas) {
    if (each.kind === 'deliver') see(each.to);
    else if (each.kind === 'redeliver') see(each.tick.generation);
    else see(each.generation);
    if (each.kind === 'clean-up') see(each.predecessors);
  }
  return newest;
};

/** The first epoch of a session is taken from the clock: later than every epoch there was. */
const newestEpoch = (s: State): number => {
  let newest = Math.max(s.session?.epoch ?? 0, s.subscription?.epoch ?? 0);
  for (const each of s.inFlight) newest = Math.max(newest, each.epoch);
  for (const each of s.ticks) newest = Math.max(newest, each.epoch);
  for (const each of s.connections) newest = Math.max(newest, each.epoch);
  for (const each of s.lambdas) {
    if (each.kind === 'redeliver') newest = Math.max(newest, each.tick.epoch);
    else newest = Math.max(newest, each.epoch);
  }
  return newest;
};

// ── PUBACK, SUBSCRIBE ──────────────────────────────────────────────────────────────────────────────────────────────

/** The next call of the Lambda at `at`. */
export const acknowledge = (m: Model, s: State, at: number, a: Acknowledge, emit: Emit): Emitted => {
  const who = () => `PUBACK ${a.packetId} of epoch ${a.epoch}`;
  if (a.step === 'credit') {
    const credited = changeSession(m, s, credit(a.epoch, 1));
    return emit('step', leave(credited.done ? credited.state : s, at), () => `${who()}: there is room for one more`);
  }
  const removed = removeInFlight(m, s, 'acknowledge', a.generation, a.packetId, [['=', 'epoch', a.epoch]]);
  const said = () => `${who()}: ${removed.done ? 'removes what it acknowledges' : 'removes nothing'}`;
  if (removed.done && m.bound.window > 0) return emit('step', goOn(removed.state, at, { ...a, step: 'credit' }), said);
  emit('step', leave(removed.state, at), said);
};

export const subscribe = (m: Model, s: State, at: number, u: Subscribe, emit: Emit): Emitted => {
  if (u.step === 'read') {
    const alive = isAlive(s.session, u.generation) || isBroken(m, 'a dead session does not subscribe');
    const state = alive ? goOn(s, at, { ...u, step: 'write' }) : withoutReply(leave(s, at), u.connectionId);
    return emit('step', state, () => `SUBSCRIBE of epoch ${u.epoch}: the session is ${alive ? 'alive' : 'dead'}`);
  }
  const newer = s.subscription !== undefined && s.subscription.epoch > u.epoch;
  const written = !newer || isBroken(m, 'an older epoch does not subscribe');
  const subscribed = u.connectionId !== '' && s.client.connection === u.connectionId;
  const state = {
    ...s,
    subscription: written ? { generation: u.generation, epoch: u.epoch } : s.subscription,
    client: subscribed ? { ...s.client, subscribed: true } : s.client,
  };
  emit(
    'step',
    leave(state, at),
    () => `SUBSCRIBE of epoch ${u.epoch}: ${written ? 'is subscribed' : 'a newer one has subscribed'}`,
  );
};
