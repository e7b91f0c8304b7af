/**
 * API Gateway, and the client end behind it: what becomes of a post, and of a socket.
 *
 * Rules of this file:
 * - A socket whose client vanished accepts posts until the gateway notices.
 * - The client end hands pushes on in the order of their sequence numbers (docs/wire-protocol.md §5).
 */
import type { ConnectionId } from '../../src/session/ids.ts';
import { isAlive } from '../../src/session/session.ts';
import { connectionAt, isBroken, type Kind, type Model, spend, withConnection } from './model.ts';
import { type Client, connectionOf, type Packet, type Push, payloadOf, type State } from './state.ts';

export interface Posted {
  readonly outcome: 'accepted' | 'gone' | 'throttled' | 'unclear';
  readonly kind: Kind;
  readonly state: State;
  readonly said: string;
}

/** Everything that may become of a post. */
export const post = (m: Model, s: State, id: ConnectionId, push: Push): readonly Posted[] => {
  const { socket } = connectionAt(s, id);
  if (socket === 'closed') return [{ outcome: 'gone', kind: 'step', state: s, said: 'gone' }];
  const arrived = socket === 'up' ? arrive(m, s, id, push) : s;
  const accepted = socket === 'up' ? 'accepted' : 'accepted, though nobody is there';
  const posted: Posted[] = [{ outcome: 'accepted', kind: 'step', state: arrived, said: accepted }];
  if (s.left.throttles > 0)
    posted.push({ outcome: 'throttled', kind: 'fault', state: spend(s, 'throttles'), said: 'throttled' });
  if (s.left.unclear > 0) {
    posted.push({
      outcome: 'unclear',
      kind: 'fault',
      state: spend(s, 'unclear'),
      said: 'no clear answer, not delivered',
    });
    posted.push({
      outcome: 'unclear',
      kind: 'fault',
      state: spend(arrived, 'unclear'),
      said: 'no clear answer, delivered',
    });
  }
  return posted;
};

const arrive = (m: Model, s: State, id: ConnectionId, push: Push): State => {
  const { client } = s;
  if (client.connection !== id && client.former !== id) return s;
  if (client.connection === id && client.phase === 'connecting')
    return { ...s, broken: 'P7: a PUBLISH before the CONNACK' };
  if (connectionAt(s, id).generation !== push.generation) {
    return { ...s, broken: 'P9: a message of one generation reached another' };
  }
  if (push.first > client.handed + 1 && !isBroken(m, 'the client end waits for a hole')) {
    const waiting = [...client.waiting, push].sort((a, b) => a.first - b.first);
    return watched(m, { ...s, client: { ...client, waiting } });
  }
  return watched(m, handOnWaiting(handOn(s, push)));
};

/** Everything that waits and has come near enough. */
export const handOnWaiting = (s: State): State => {
  let state = s;
  for (
    let next = state.client.waiting[0];
    next && next.first <= state.client.handed + 1;
    next = state.client.waiting[0]
  ) {
    state = handOn({ ...state, client: { ...state.client, waiting: state.client.waiting.slice(1) } }, next);
  }
  return state;
};

/** The client gets what is in `push`. */
export const handOn = (s: State, push: Push): State => {
  const handed = Math.max(s.client.handed, push.first + push.packets.length - 1);
  let state: State = { ...s, client: { ...s.client, handed } };
  for (const packet of push.packets) state = receive(state, push, packet);
  return state;
};

const receive = (s: State, { generation }: Push, packet: Packet): State => {
  const { unacknowledged } = s.client;
  const same = unacknowledged.find(({ packetId }) => packetId === packet.packetId);
  if (same && payloadOf(same.id) !== payloadOf(packet.id)) {
    return { ...s, broken: 'P5: a packet id is in use for two messages' };
  }
  const client = same ? s.client : { ...s.client, unacknowledged: [...unacknowledged, packet] };
  if (!isAlive(s.session, generation)) return { ...s, client };
  return { ...s, client, ...delivery(s, payloadOf(packet.id)) };
};

/** The first delivery of `payload` must not come after that of a later one of its publisher. */
const delivery = (s: State, payload: number): Pick<State, 'delivered' | 'broken'> => {
  const bit = 1 << payload;
  if (s.delivered & bit) return { delivered: s.delivered };
  const delivered = s.delivered | bit;
  const publisher = Math.floor(payload / MESSAGES);
  for (let later = payload + 1; later < (publisher + 1) * MESSAGES; later++) {
    if (s.delivered & (1 << later)) {
      return { delivered, broken: `P2: ${nameOf(payload)} was first delivered after ${nameOf(later)}` };
    }
  }
  return { delivered };
};

/** Payload numbers that each publisher has to itself. */
export const MESSAGES = 3;
export const nameOf = (payload: number): string => `p${Math.floor(payload / MESSAGES) + 1}m${(payload % MESSAGES) + 1}`;

const watched = (m: Model, s: State): State => {
  if (m.bound.window === 0 || s.broken) return s;
  const { unacknowledged, waiting } = s.client;
  // what is not in flight any more is a copy of what the client has acknowledged
  const held = [...unacknowledged, ...waiting.flatMap(({ packets }) => packets)].filter(({ packetId, id }) =>
    s.inFlight.some((each) => each.packetId === packetId && each.id === id),
  ).length;
  return held > m.bound.window
    ? { ...s, broken: `P11: ${held} messages unacknowledged in a window of ${m.bound.window}` }
    : s;
};

// ── Sockets ────────────────────────────────────────────────────────────────────────────────────────────────────────

const AWAY: Omit<Client, 'subscribed'> = {
  connection: connectionOf(0),
  phase: 'off',
  former: connectionOf(0),
  handed: 0,
  waiting: [],
  unacknowledged: [],
};

/** Off, with whatever it believes of its subscription. */
export const away = ({ subscribed }: Pick<Client, 'subscribed'>): Client => ({ ...AWAY, subscribed });

/** The socket is closed, by whichever side; the gateway's notice is on its way. */
export const closeSocket = (s: State, id: ConnectionId): State => {
  const connection = connectionAt(s, id);
  const closed =
    connection.socket === 'closed' ? s : withConnection(s, { ...connection, socket: 'closed', notice: true });
  if (s.client.connection === id) return leaveFormer({ ...closed, client: away(s.client) }, s.client.former);
  if (s.client.former === id) return { ...closed, client: { ...s.client, former: connectionOf(0) } };
  return closed;
};

/** A client end that gives its connection up gives both up. */
const leaveFormer = (s: State, former: ConnectionId): State => (former === '' ? s : closeSocket(s, former));

/** The CONNACK has come: from here on the client listens to this connection, and numbers go on after `handed`. */
export const connackArrives = (s: State, id: ConnectionId, handed: number, resumed: boolean): State => {
  if (s.client.connection !== id || connectionAt(s, id).socket !== 'up') return s;
  const client = {
    ...s.client,
    phase: 'ready' as const,
    handed: Math.max(handed, s.client.former === '' ? 0 : s.client.handed),
    subscribed: resumed && s.client.subscribed,
  };
  return handOnWaiting({ ...s, client });
};
