/** The ports of what DynamoDB keeps. */
import type {
  ChosenCopies,
  Connections,
  Filters,
  Handshake,
  IncomingMessages,
  InFlightMessages,
  NotedFilter,
  Piece,
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
  SESSION_TIME_TO_LIVE,
  UNSUBSCRIBED_TIME_TO_LIVE,
} from '../broker/time-to-live.ts';
import type { Connection } from '../session/connection.ts';
import type { ClientId } from '../session/ids.ts';
import type { InFlight, Session } from '../session/session.ts';
import type { ExpiryIndex } from './expiry-index.ts';
import {
  connectionKey,
  copyKey,
  filterKey,
  filterPrefix,
  handshakeKey,
  incomingKey,
  inFlightKey,
  inFlightPrefix,
  pieceKey,
  requestKey,
  sessionKey,
  subscriptionKey,
  willKey,
} from './keys.ts';
import type { ShapeRegistry } from './shape-registry.ts';
import type { Table } from './table.ts';

export function createSessions(table: Table, expiry: ExpiryIndex): Sessions {
  return {
    read: (clientId) => table.get<Session>(sessionKey(clientId)),
    change: (clientId, change) => table.change(sessionKey(clientId), change, SESSION_TIME_TO_LIVE),
    remove: async (clientId, conditions) => {
      await table.remove(sessionKey(clientId), conditions);
    },
    expired: expiry.upTo,
  };
}

export function createWills(table: Table): Wills {
  return {
    put: (clientId, id, will) => table.put(willKey(clientId, id), will, SESSION_TIME_TO_LIVE),
    read: (clientId, id) => table.get<Will>(willKey(clientId, id)),
    change: (clientId, id, change) => table.change(willKey(clientId, id), change, SESSION_TIME_TO_LIVE),
    remove: (clientId, id) => table.remove(willKey(clientId, id), []),
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

export function createCopies(table: Table): ChosenCopies {
  return { change: (session, id, change) => table.change(copyKey(session, id), change, ONCE_TIME_TO_LIVE) };
}

export function createIncoming(table: Table): IncomingMessages {
  return {
    change: (session, packetId, change) => table.change(incomingKey(session, packetId), change, ONCE_TIME_TO_LIVE),
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
    change: (connectionId, change) => table.change(connectionKey(connectionId), change, CONNECTION_TIME_TO_LIVE),
    close: (connectionId, now) =>
      table.swap<Connection>(connectionKey(connectionId), { state: 'closed', since: now }, CONNECTION_TIME_TO_LIVE),
    putPiece: async (connectionId, piece) => {
      const key = pieceKey(connectionId, piece.index);
      if (await table.putNew(key, piece, PIECE_TIME_TO_LIVE)) return true;
      await table.put(key, piece, PIECE_TIME_TO_LIVE);
      return false;
    },
    readWithPieces: async (connectionId) => {
      const found = await table.query<Connection | Piece>({ ...connectionKey(connectionId), sk: '' });
      const connection = found.find(({ key }) => key.sk === 'connection')?.record as Connection | undefined;
      const pieces = found.filter(({ key }) => key.sk.startsWith('part#')).map(({ record }) => record as Piece);
      return { connection, pieces: pieces.sort((a, b) => a.index - b.index) };
    },
    removePieces: async (connectionId, pieces) => {
      await Promise.all(pieces.map(({ index }) => table.remove(pieceKey(connectionId, index), [])));
    },
    keepHandshake: (connectionId, handshake) =>
      table.put(handshakeKey(connectionId), handshake, CONNECTION_TIME_TO_LIVE),
    readHandshake: (connectionId) => table.get<Handshake>(handshakeKey(connectionId)),
    keepRequest: (connectionId, request) => table.put(requestKey(connectionId), { request }, CONNECTION_TIME_TO_LIVE),
    forgetRequest: async (connectionId) => {
      await table.remove(requestKey(connectionId), []);
    },
    readRequest: async (connectionId) =>
      (await table.get<{ readonly request: string }>(requestKey(connectionId)))?.request,
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
