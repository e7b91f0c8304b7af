/**
 * The one pending look at each connection: all that has to happen to it when nobody calls.
 *
 * Rules of this file:
 * - `$connect` sends the first check; each check sends the next one before it is done, until the connection has been closed for
 *   a while. A check that comes twice is told by its number.
 * - It ends what others have begun and died over; whatever it does is safe to do twice.
 */

import type { CloseReason } from '../mqtt/frame.ts';
import {
  CONNECT_WITHIN,
  type Connection,
  isLeftToTheGateway,
  isNews,
  isRenewalDue,
  isSilent,
  isUnauthorized,
  leaveCheck,
  nextLook,
  seen,
} from '../session/connection.ts';
import type { ConnectionId } from '../session/ids.ts';
import { epochOf, isAlive, isConnected, type Session } from '../session/session.ts';
import { type Context, stillAtWork } from './context.ts';
import { awaken, resendLate } from './deliver.ts';
import type { DisconnectReason } from './lifecycle.ts';
import { CLOSE_DELAY, closeConnection, closeSocket, loseConnection, pushClose } from './lose-connection.ts';
import type { ConnectionCheck } from './ports.ts';
import { type Living, reauthorize } from './reauthorize.ts';
import { sendCheck } from './watch-socket.ts';

/** Notes that the client was heard, if that is news. */
export async function noteLife(context: Context, connectionId: ConnectionId, connection: Connection): Promise<void> {
  const now = context.clock.now();
  if (connection.state === 'connected' && isNews(connection, now)) {
    await context.connections.change(connectionId, seen(now));
  }
}

/** @throws when AWS fails: the check comes back */
export async function checkConnection(context: Context, { connectionId, number }: ConnectionCheck): Promise<void> {
  const connection = await context.connections.read(connectionId);
  if (connection && connection.check > number) return; // it was done before
  const wait = await look(context, connectionId, connection);
  if (wait === undefined) return;
  await sendCheck(context.timers, connectionId, number + 1, wait);
  await context.connections.change(connectionId, leaveCheck(number));
}

/** Does what is due, and returns when to look again, ms from now; nothing where that is never. */
const look = async (
  context: Context,
  connectionId: ConnectionId,
  connection: Connection | undefined,
): Promise<number | undefined> => {
  const now = context.clock.now();
  if (!connection) return closeWithoutConnect(context, connectionId);
  switch (connection.state) {
    case 'announced': {
      const dies = connection.since + stillAtWork(context);
      if (now < dies) return dies - now;
      context.log('connect-unfinished', { connectionId, clientId: connection.clientId });
      await closeBoth(context, connectionId, now);
      return stillAtWork(context);
    }
    case 'connected':
      return lookAtLiving(context, connectionId, connection, now);
    case 'closed': {
      // Whoever closed it has given its session up by then, and a CONNECT that was under way has seen that it is closed.
      const settledAt = connection.since + stillAtWork(context);
      if (now < settledAt) return settledAt - now;
      await settle(context, connectionId, connection);
      return undefined;
    }
  }
};

/** In our books and at the gateway. Its session, if there is one, is looked after when it has been closed for a while. */
const closeBoth = async (context: Context, connectionId: ConnectionId, now: number): Promise<void> => {
  await context.connections.close(connectionId, now);
  await closeSocket(context, connectionId);
};

const closeWithoutConnect = async (context: Context, connectionId: ConnectionId): Promise<number | undefined> => {
  const former = await context.connections.close(connectionId, context.clock.now());
  context.log('connect-missing', { connectionId, seconds: CONNECT_WITHIN / 1_000 });
  await closeSocket(context, connectionId);
  // Its CONNECT has come just now, and will find the connection closed, unless it dies before.
  return former && stillAtWork(context);
};

const lookAtLiving = async (
  context: Context,
  connectionId: ConnectionId,
  connection: Connection,
  now: number,
): Promise<number> => {
  const { clientId, generation, epoch } = connection;
  const session = await context.sessions.read(clientId);
  if (!isAlive(session, generation) || session.epoch !== epoch || !isConnected(session)) {
    // Taken over, or given up, by somebody who died before closing it.
    await closeBoth(context, connectionId, now);
    return stillAtWork(context);
  }
  if (isSilent(connection, now)) {
    context.log('keep-alive-timeout', { connectionId, clientId, keepAlive: connection.keepAlive });
    return closeWith(context, connectionId, 'MQTT_KEEP_ALIVE_TIMEOUT', 'keep-alive-timeout'); // [MQTT-3.1.2-24]
  }
  if (isUnauthorized(connection, now)) {
    context.log('authorization-over', { connectionId, clientId });
    return closeWith(context, connectionId, 'CUSTOMAUTH_TTL_EXPIRATION', 'not-authorized');
  }
  if (!isRenewalDue(connection, now)) return lookAfter(context, connectionId, { connection, session }, now);
  const renewal = await reauthorize(context, connectionId, connection);
  switch (renewal.kind) {
    case 'renewed':
      context.log('reauthorized', { connectionId, clientId });
      return lookAfter(context, connectionId, renewal, now);
    case 'refused':
      context.log('reauthorize-refused', { connectionId, clientId, detail: renewal.detail });
      return closeWith(context, connectionId, 'FORBIDDEN_ACCESS', 'not-authorized');
    case 'given-up':
      return stillAtWork(context);
  }
};

/** What an open connection with a session on it may need. */
const lookAfter = async (
  context: Context,
  connectionId: ConnectionId,
  { connection, session }: Living,
  now: number,
): Promise<number> => {
  if (isLeftToTheGateway(connection) && !(await context.gateway.has(connectionId))) {
    await closeConnection(context, connectionId, 'CONNECTION_LOST');
    return stillAtWork(context);
  }
  await awaken(context, connection, session);
  await resendLate(context, connection, session);
  return nextLook(connection, now);
};

/** Ends a connection, and tells its client why. */
const closeWith = async (
  context: Context,
  connectionId: ConnectionId,
  reason: DisconnectReason,
  told: CloseReason,
): Promise<number> => {
  await context.timers.send({ job: 'close', connectionId }, CLOSE_DELAY);
  // Before the socket is closed, whose $disconnect knows less about why.
  await closeConnection(context, connectionId, reason);
  await pushClose(context, connectionId, told);
  return stillAtWork(context);
};

/** A session that still believes in a connection closed long ago is given up. */
const settle = async (context: Context, connectionId: ConnectionId, connection: Connection): Promise<void> => {
  const { clientId } = connection;
  if (!clientId) return;
  // Credentials are kept no longer than somebody may ask with them; a session that has moved has taken them along.
  if (connection.authorizedUntil > 0) await context.connections.forgetRequest(connectionId);
  const session = await context.sessions.read(clientId);
  if (session && isOn(session, connectionId))
    await loseConnection(context, epochOf(clientId, session), 'CONNECTION_LOST');
};

const isOn = (session: Session, connectionId: ConnectionId): boolean =>
  isConnected(session) && session.connectionId === connectionId;
