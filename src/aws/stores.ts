/** The ports of what DynamoDB keeps. */
import type {
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
import type { InFlight, Session } from '../session/session.ts';
import {
  connectionKey,
  filterKey,
  filterPrefix,
  inFlightKey,
  inFlightPrefix,
  pieceKey,
  sessionKey,
  subscriptionKey,
} from './keys.ts';
import type { ShapeRegistry } from './shape-registry.ts';
import type { Table } from './table.ts';

export function createSessions(table: Table): Sessions {
  return {
    read: (clientId) => table.get<Session>(sessionKey(clientId)),
    change: (clientId, change) => table.change(sessionKey(clientId), change, SESSION_TIME_TO_LIVE),
    remove: async (clientId, conditions) => {
      await table.remove(sessionKey(clientId), conditions);
    },
  };
}

export function createInFlight(table: Table): InFlightMessages {
  return {
    put: (session, message) => table.putNew(inFlightKey(session, message.packetId), message, SESSION_TIME_TO_LIVE),
    list: async (session) => {
      const found = await table.query<InFlight>(inFlightPrefix(session));
      return found.map(({ record }) => record).sort((a, b) => a.sequence - b.sequence);
    },
    change: (session, packetId, change) => table.change(inFlightKey(session, packetId), change, SESSION_TIME_TO_LIVE),
    remove: (session, packetId, conditions) => table.remove(inFlightKey(session, packetId), conditions),
  };
}

export function createFilters(table: Table): Filters {
  return {
    change: (session, topicFilter, change) =>
      table.change(filterKey(session, topicFilter), change, SESSION_TIME_TO_LIVE),
    list: async (session) => {
      const prefix = filterPrefix(session);
      const found = await table.query<NotedFilter>(prefix);
      return found.map(({ key, record: { epoch } }) => ({ topicFilter: key.sk.slice(prefix.sk.length), epoch }));
    },
    remove: async (session, topicFilter, conditions) => {
      await table.remove(filterKey(session, topicFilter), conditions);
    },
  };
}

export function createConnections(table: Table): Connections {
  return {
    read: (connectionId) => table.get<Connection>(connectionKey(connectionId)),
    open: (connectionId, connection) =>
      table.putNew(connectionKey(connectionId), { ...connection, state: 'connected' }, CONNECTION_TIME_TO_LIVE),
    close: (connectionId) =>
      table.swap<Connection>(connectionKey(connectionId), { state: 'closed' }, CONNECTION_TIME_TO_LIVE),
    putPiece: (connectionId, piece) => table.put(pieceKey(connectionId, piece.index), piece, PIECE_TIME_TO_LIVE),
    readWithPieces: async (connectionId) => {
      const found = await table.query<Connection | Piece>({ ...connectionKey(connectionId), sk: '' });
      const connection = found.find(({ key }) => key.sk === 'connection')?.record as Connection | undefined;
      const pieces = found.filter(({ key }) => key.sk !== 'connection').map(({ record }) => record as Piece);
      return { connection, pieces: pieces.sort((a, b) => a.index - b.index) };
    },
    removePieces: async (connectionId, pieces) => {
      await Promise.all(pieces.map(({ index }) => table.remove(pieceKey(connectionId, index), [])));
    },
  };
}

export function createSubscriptions(table: Table, registry: ShapeRegistry): Subscriptions {
  return {
    change: (topicFilter, clientId, change) =>
      table.change(
        subscriptionKey(topicFilter, clientId),
        change,
        change.set?.active === false ? UNSUBSCRIBED_TIME_TO_LIVE : SESSION_TIME_TO_LIVE,
      ),
    remove: async (topicFilter, clientId, conditions) => {
      await table.remove(subscriptionKey(topicFilter, clientId), conditions);
    },
    to: async (topicFilter) => {
      const found = await table.query<Subscription>({ ...subscriptionKey(topicFilter, '' as ClientId) });
      return found.flatMap(({ key, record: { qos, generation, active } }): Subscriber[] =>
        active ? [{ topicFilter, clientId: key.sk as ClientId, generation, qos }] : [],
      );
    },
    shapes: registry.read,
    addShape: registry.add,
  };
}
