/** The ports of what DynamoDB and the clients' queues keep, in memory. */
import type {
  Clock,
  Connection,
  Connections,
  Filters,
  InFlightMessages,
  NotedFilter,
  Piece,
  Sessions,
  Subscriber,
  Subscription,
  Subscriptions,
} from '../broker/ports.ts';
import {
  CONNECTION_TIME_TO_LIVE,
  PIECE_TIME_TO_LIVE,
  SESSION_TIME_TO_LIVE,
  UNSUBSCRIBED_TIME_TO_LIVE,
} from '../broker/time-to-live.ts';
import type { ClientId } from '../session/ids.ts';
import type { InFlight, Session, SessionAddress } from '../session/session.ts';
import { createMemoryClientQueues } from './client-queues.ts';
import { createRecords, type Records } from './records.ts';

/** @param queueVisibility milliseconds */
export function createMemoryStores(clock: Clock, queueVisibility: number) {
  const records = {
    sessions: createRecords<Session>(clock),
    inFlight: createRecords<InFlight>(clock),
    filters: createRecords<NotedFilter>(clock),
    connections: createRecords<Connection>(clock),
    pieces: createRecords<Piece>(clock),
    subscriptions: createRecords<Subscription>(clock),
  };
  return {
    sessions: createMemorySessions(records.sessions),
    inFlight: createMemoryInFlight(records.inFlight),
    filters: createMemoryFilters(records.filters),
    connections: createMemoryConnections(records.connections, records.pieces),
    subscriptions: createMemorySubscriptions(records.subscriptions),
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
    all: () => everything(records),
  };
}

const keyOf = ({ clientId, generation }: SessionAddress): string => `${generation} ${clientId}`;

const everything = <R>(records: Records<R>): readonly R[] =>
  records.partitions().flatMap((partition) => records.of(partition).map(([, record]) => record));

function createMemoryInFlight(records: Records<InFlight>): InFlightMessages & { all(): readonly InFlight[] } {
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
    all: () => everything(records),
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
): Connections & { all(): readonly Connection[] } {
  const pieces = (connectionId: string): readonly Piece[] =>
    parts
      .of(connectionId)
      .map(([, piece]) => piece)
      .sort((a, b) => a.index - b.index);
  return {
    read: async (connectionId) => records.get(connectionId, ONLY),
    open: async (connectionId, connection) => {
      const open = { if: [['absent'] as const], set: { ...connection, state: 'connected' as const } };
      return records.change(connectionId, ONLY, open, CONNECTION_TIME_TO_LIVE).done;
    },
    close: async (connectionId) => {
      const former = records.get(connectionId, ONLY);
      records.change(connectionId, ONLY, { if: [], set: { state: 'closed' } }, CONNECTION_TIME_TO_LIVE);
      return former;
    },
    putPiece: async (connectionId, piece) => {
      parts.change(connectionId, String(piece.index), { if: [], set: { ...piece } }, PIECE_TIME_TO_LIVE);
    },
    readWithPieces: async (connectionId) => ({
      connection: records.get(connectionId, ONLY),
      pieces: pieces(connectionId),
    }),
    removePieces: async (connectionId, removed) => {
      for (const { index } of removed) parts.remove(connectionId, String(index), []);
    },
    all: () => everything(records),
  };
}
