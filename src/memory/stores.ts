/** The ports of what DynamoDB and the clients' queues keep, in memory. */
import type {
  Clock,
  Connection,
  Connections,
  Filters,
  InFlightMessages,
  Piece,
  Sessions,
  Subscriber,
  Subscription,
  Subscriptions,
} from '../broker/ports.ts';
import type { ClientId, ConnectionId } from '../session/ids.ts';
import type { InFlight, Session, SessionAddress } from '../session/session.ts';
import { createMemoryClientQueues } from './client-queues.ts';
import { createRecords } from './records.ts';

/** Parts of a key cannot run into each other. */
const keyOf = (...parts: readonly (string | number)[]): string => JSON.stringify(parts);

/** @param queueVisibility milliseconds */
export function createMemoryStores(clock: Clock, queueVisibility: number) {
  return {
    sessions: createMemorySessions(),
    inFlight: createMemoryInFlight(),
    filters: createMemoryFilters(),
    connections: createMemoryConnections(),
    subscriptions: createMemorySubscriptions(),
    queues: createMemoryClientQueues(clock, queueVisibility),
  };
}

function createMemorySessions(): Sessions & { all(): readonly Session[] } {
  const records = createRecords<Session>();
  return {
    read: async (clientId) => records.get(clientId),
    change: async (clientId, change) => records.change(clientId, change),
    remove: async (clientId, conditions) => {
      records.remove(clientId, conditions);
    },
    all: () => records.entries().map(([, session]) => session),
  };
}

function createMemoryInFlight(): InFlightMessages & { all(): readonly InFlight[] } {
  const records = createRecords<InFlight>();
  const prefix = ({ clientId, generation }: SessionAddress) => keyOf(clientId, generation);
  const key = (session: SessionAddress, packetId: number) => `${prefix(session)}${packetId}`;
  return {
    put: async (session, message) =>
      records.change(key(session, message.packetId), { if: [['absent']], set: { ...message } }).done,
    list: async (session) =>
      records
        .entries()
        .flatMap(([each, record]) => (each.startsWith(prefix(session)) ? [record] : []))
        .sort((a, b) => a.sequence - b.sequence),
    change: async (session, packetId, change) => records.change(key(session, packetId), change),
    remove: async (session, packetId, conditions) => records.remove(key(session, packetId), conditions),
    all: () => records.entries().map(([, record]) => record),
  };
}

function createMemorySubscriptions(): Subscriptions & { all(): readonly Subscription[] } {
  const records = createRecords<Subscription>();
  const shapes = new Set<string>();
  return {
    change: async (topicFilter, clientId, change) => records.change(keyOf(topicFilter, clientId), change),
    remove: async (topicFilter, clientId, conditions) => {
      records.remove(keyOf(topicFilter, clientId), conditions);
    },
    to: async (topicFilter) =>
      records.entries().flatMap(([key, { qos, generation, active }]): Subscriber[] => {
        const [filter, clientId] = JSON.parse(key) as [string, ClientId];
        return active && filter === topicFilter ? [{ topicFilter, clientId, generation, qos }] : [];
      }),
    shapes: async () => new Set(shapes),
    addShape: async (shape, most) => {
      if (!shapes.has(shape) && shapes.size >= most) return false;
      shapes.add(shape);
      return true;
    },
    all: () => records.entries().map(([, subscription]) => subscription),
  };
}

function createMemoryFilters(): Filters & { all(): readonly string[] } {
  const filters = new Map<string, Set<string>>();
  const of = ({ clientId, generation }: SessionAddress): Set<string> => {
    const key = keyOf(clientId, generation);
    const known = filters.get(key) ?? new Set();
    filters.set(key, known);
    return known;
  };
  return {
    put: async (session, topicFilter) => {
      of(session).add(topicFilter);
    },
    list: async (session) => [...of(session)].sort(),
    remove: async (session, topicFilter) => {
      of(session).delete(topicFilter);
    },
    all: () => [...filters.values()].flatMap((each) => [...each]),
  };
}

function createMemoryConnections(): Connections {
  const records = createRecords<Connection>();
  const piecesOf = new Map<ConnectionId, Map<number, Piece>>();
  const pieces = (connectionId: ConnectionId): readonly Piece[] =>
    [...(piecesOf.get(connectionId)?.values() ?? [])].sort((a, b) => a.index - b.index);
  return {
    read: async (connectionId) => records.get(connectionId),
    open: async (connectionId, connection) =>
      records.change(connectionId, { if: [['absent']], set: { ...connection, state: 'connected' } }).done,
    close: async (connectionId) => {
      const former = records.get(connectionId);
      records.change(connectionId, { if: [], set: { state: 'closed' } });
      return former;
    },
    putPiece: async (connectionId, piece) => {
      const known = piecesOf.get(connectionId) ?? new Map<number, Piece>();
      known.set(piece.index, piece);
      piecesOf.set(connectionId, known);
    },
    readWithPieces: async (connectionId) => ({
      connection: records.get(connectionId),
      pieces: pieces(connectionId),
    }),
    removePieces: async (connectionId, removed) => {
      for (const { index } of removed) piecesOf.get(connectionId)?.delete(index);
    },
  };
}
