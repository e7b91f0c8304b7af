/** The ports of what DynamoDB and the clients' queues keep, in memory. */
import type {
  ChosenCopies,
  Clock,
  Connections,
  Filters,
  Handshake,
  IncomingMessages,
  InFlightMessages,
  NotedFilter,
  Page,
  Piece,
  RetainedMessages,
  Sessions,
  Subscriber,
  Subscription,
  Subscriptions,
  Will,
  Wills,
} from '../broker/ports.ts';
import {
  CONNECTION_TIME_TO_LIVE,
  ONCE_TIME_TO_LIVE,
  PIECE_TIME_TO_LIVE,
  REMOVED_TIME_TO_LIVE,
  RETAINED_TIME_TO_LIVE,
  SESSION_TIME_TO_LIVE,
  UNSUBSCRIBED_TIME_TO_LIVE,
} from '../broker/time-to-live.ts';
import type { Connection } from '../session/connection.ts';
import type { ClientId } from '../session/ids.ts';
import { firstLevelOf, isRetained, type RetainedMessage } from '../session/retained.ts';
import type { ChosenCopy, Incoming, InFlight, Session, SessionAddress } from '../session/session.ts';
import { createMemoryClientQueues } from './client-queues.ts';
import { createMemoryIdentity } from './identity.ts';
import { createRecords, type Records } from './records.ts';

/**
 * @param queueVisibility milliseconds
 * @param retainedPage how many retained messages, or first levels, are found at once
 */
export function createMemoryStores(clock: Clock, queueVisibility: number, retainedPage = 250) {
  const records = {
    sessions: createRecords<Session>(clock),
    wills: createRecords<Will>(clock),
    inFlight: createRecords<InFlight>(clock),
    copies: createRecords<ChosenCopy>(clock),
    incoming: createRecords<Incoming>(clock),
    filters: createRecords<NotedFilter>(clock),
    connections: createRecords<Connection>(clock),
    pieces: createRecords<Piece>(clock),
    handshakes: createRecords<Handshake>(clock),
    requests: createRecords<{ readonly request: string }>(clock),
    subscriptions: createRecords<Subscription>(clock),
    retained: createRecords<RetainedMessage>(clock),
  };
  return {
    sessions: createMemorySessions(records.sessions),
    wills: createMemoryWills(records.wills),
    inFlight: createMemoryInFlight(records.inFlight),
    copies: createMemoryCopies(records.copies),
    incoming: createMemoryIncoming(records.incoming),
    filters: createMemoryFilters(records.filters),
    connections: createMemoryConnections(records.connections, records.pieces, records.handshakes, records.requests),
    subscriptions: createMemorySubscriptions(records.subscriptions),
    retained: createMemoryRetained(records.retained, retainedPage),
    identity: createMemoryIdentity(clock),
    queues: createMemoryClientQueues(clock, queueVisibility),
    /** Removes what has outlived its time to live, of which `chosen` says so. */
    collect: (chosen: () => boolean = () => true): void => {
      for (const each of Object.values(records)) each.collect(chosen);
    },
  };
}

export type MemoryStores = ReturnType<typeof createMemoryStores>;

/** The session's only record lies under the client id alone. */
const ONLY = '';

function createMemorySessions(records: Records<Session>): Sessions & { all(): readonly Session[] } {
  return {
    read: async (clientId) => records.get(clientId, ONLY),
    change: async (clientId, change) => records.change(clientId, ONLY, change, SESSION_TIME_TO_LIVE),
    remove: async (clientId, conditions) => {
      records.remove(clientId, ONLY, conditions);
    },
    expired: async (part, before, after) => {
      const found = records
        .partitions()
        .flatMap((clientId) => records.of(clientId).map(([, session]) => ({ clientId: clientId as ClientId, session })))
        .filter(({ session }) => session.expiryPart === part && session.expiresAt > 0 && session.expiresAt <= before)
        .map(({ clientId, session }) => ({ clientId, place: placeOf(session.expiresAt, clientId) }))
        .filter(({ place }) => after === undefined || place > after)
        .sort((a, b) => (a.place < b.place ? -1 : 1));
      const page = found.slice(0, EXPIRED_AT_ONCE);
      return {
        found: page.map(({ clientId }) => clientId),
        next: found.length > page.length ? page.at(-1)?.place : undefined,
      };
    },
    all: () => everything(records),
  };
}

const EXPIRED_AT_ONCE = 100;
/** Sorts by time, whatever its number of digits. */
const placeOf = (expiresAt: number, clientId: string): string => `${String(expiresAt).padStart(16, '0')} ${clientId}`;

function createMemoryWills(records: Records<Will>): Wills & { all(): readonly Will[] } {
  return {
    put: async (clientId, id, will) => {
      records.change(clientId, id, { if: [], set: { ...will } }, SESSION_TIME_TO_LIVE);
    },
    read: async (clientId, id) => records.get(clientId, id),
    change: async (clientId, id, change) => records.change(clientId, id, change, SESSION_TIME_TO_LIVE),
    remove: async (clientId, id) => records.remove(clientId, id, []),
    all: () => everything(records),
  };
}

const keyOf = ({ clientId, generation }: SessionAddress): string => `${generation} ${clientId}`;

const everything = <R>(records: Records<R>): readonly R[] =>
  records.partitions().flatMap((partition) => records.of(partition).map(([, record]) => record));

function createMemoryInFlight(
  records: Records<InFlight>,
): InFlightMessages & { all(session?: SessionAddress): readonly InFlight[] } {
  return {
    put: async (session, message) => {
      const put = { if: [['absent'] as const], set: { ...message } };
      return records.change(keyOf(session), String(message.packetId), put, SESSION_TIME_TO_LIVE).done;
    },
    list: async (session) =>
      records
        .of(keyOf(session))
        .map(([, record]) => record)
        .sort((a, b) => a.sequence - b.sequence),
    change: async (session, packetId, change) =>
      records.change(keyOf(session), String(packetId), change, SESSION_TIME_TO_LIVE),
    remove: async (session, packetId, conditions) => records.remove(keyOf(session), String(packetId), conditions),
    all: (session) => (session ? records.of(keyOf(session)).map(([, record]) => record) : everything(records)),
  };
}

function createMemoryCopies(records: Records<ChosenCopy>): ChosenCopies {
  return {
    change: async (session, id, change) => records.change(keyOf(session), id, change, ONCE_TIME_TO_LIVE),
  };
}

function createMemoryIncoming(records: Records<Incoming>): IncomingMessages {
  return {
    change: async (session, packetId, change) =>
      records.change(keyOf(session), String(packetId), change, ONCE_TIME_TO_LIVE),
  };
}

function createMemorySubscriptions(records: Records<Subscription>): Subscriptions & { all(): readonly Subscription[] } {
  const shapes = new Set<string>();
  return {
    change: async (topicFilter, clientId, change) =>
      records.change(
        topicFilter,
        clientId,
        change,
        change.set?.active === false ? UNSUBSCRIBED_TIME_TO_LIVE : SESSION_TIME_TO_LIVE,
      ),
    remove: async (topicFilter, clientId, conditions) => {
      records.remove(topicFilter, clientId, conditions);
    },
    to: async (topicFilter) =>
      records
        .of(topicFilter)
        .flatMap(([clientId, { qos, generation, active }]): Subscriber[] =>
          active ? [{ topicFilter, clientId: clientId as ClientId, generation, qos }] : [],
        ),
    shapes: async () => new Set(shapes),
    addShape: async (shape, most) => {
      if (!shapes.has(shape) && shapes.size >= most) return false;
      shapes.add(shape);
      return true;
    },
    all: () => everything(records),
  };
}

function createMemoryRetained(
  records: Records<RetainedMessage>,
  most: number,
): RetainedMessages & { all(): readonly RetainedMessage[] } {
  const pageOf = <T>(all: readonly T[], keyOf: (each: T) => string, after: string | undefined): Page<T> => {
    const sorted = [...all].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
    const rest = after === undefined ? sorted : sorted.filter((each) => keyOf(each) > after);
    const found = rest.slice(0, most);
    const last = found.at(-1);
    return { found, next: last !== undefined && rest.length > most ? keyOf(last) : undefined };
  };
  return {
    read: async (topic) => records.get(firstLevelOf(topic), topic),
    change: async (topic, change) => {
      const removes = change.set?.payload !== undefined && !isRetained({ payload: change.set.payload });
      return records.change(firstLevelOf(topic), topic, change, removes ? REMOVED_TIME_TO_LIVE : RETAINED_TIME_TO_LIVE);
    },
    under: async (prefix, after) => {
      const fitting = records.of(firstLevelOf(prefix)).filter(([topic]) => topic.startsWith(prefix));
      return pageOf(
        fitting.map(([, record]) => record),
        ({ topic }) => topic,
        after,
      );
    },
    firstLevels: async (after) => pageOf(records.partitions(), (level) => level, after),
    all: () => everything(records),
  };
}

function createMemoryFilters(records: Records<NotedFilter>): Filters & { all(): readonly string[] } {
  const sorted = (partition: string) => [...records.of(partition)].sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    change: async (session, topicFilter, change) =>
      records.change(keyOf(session), topicFilter, change, SESSION_TIME_TO_LIVE),
    list: async (session) => sorted(keyOf(session)).map(([topicFilter, { epoch }]) => ({ topicFilter, epoch })),
    remove: async (session, topicFilter, conditions) => {
      records.remove(keyOf(session), topicFilter, conditions);
    },
    all: () => records.partitions().flatMap((partition) => sorted(partition).map(([topicFilter]) => topicFilter)),
  };
}

function createMemoryConnections(
  records: Records<Connection>,
  parts: Records<Piece>,
  handshakes: Records<Handshake>,
  requests: Records<{ readonly request: string }>,
): Connections & { all(): readonly Connection[] } {
  const pieces = (connectionId: string): readonly Piece[] =>
    parts
      .of(connectionId)
      .map(([, piece]) => piece)
      .sort((a, b) => a.index - b.index);
  return {
    read: async (connectionId) => records.get(connectionId, ONLY),
    change: async (connectionId, change) => records.change(connectionId, ONLY, change, CONNECTION_TIME_TO_LIVE),
    close: async (connectionId, now) => {
      const former = records.get(connectionId, ONLY);
      records.change(connectionId, ONLY, { if: [], set: { state: 'closed', since: now } }, CONNECTION_TIME_TO_LIVE);
      return former;
    },
    putPiece: async (connectionId, piece) => {
      const isNew = parts.get(connectionId, String(piece.index)) === undefined;
      parts.change(connectionId, String(piece.index), { if: [], set: { ...piece } }, PIECE_TIME_TO_LIVE);
      return isNew;
    },
    readWithPieces: async (connectionId) => ({
      connection: records.get(connectionId, ONLY),
      pieces: pieces(connectionId),
    }),
    removePieces: async (connectionId, removed) => {
      for (const { index } of removed) parts.remove(connectionId, String(index), []);
    },
    keepHandshake: async (connectionId, handshake) => {
      handshakes.change(connectionId, ONLY, { if: [], set: handshake }, CONNECTION_TIME_TO_LIVE);
    },
    readHandshake: async (connectionId) => handshakes.get(connectionId, ONLY),
    keepRequest: async (connectionId, request) => {
      requests.change(connectionId, ONLY, { if: [], set: { request } }, CONNECTION_TIME_TO_LIVE);
    },
    forgetRequest: async (connectionId) => {
      requests.remove(connectionId, ONLY, []);
    },
    readRequest: async (connectionId) => requests.get(connectionId, ONLY)?.request,
    all: () => everything(records),
  };
}
