/**
 * What happens to a session when its connection is gone, however that was noticed: `$disconnect`, DISCONNECT, a post that
 * found nobody, a violation, a takeover.
 *
 * Rules of this file: safe to run twice, late, and for a connection that was replaced long ago.
 */
import { type CloseReason, encodePushedClose } from '../mqtt/frame.ts';
import { type Connection, isAtItsLimit } from '../session/connection.ts';
import { type ClientId, type ConnectionId, NO_WILL } from '../session/ids.ts';
import { isAlive, type Session, type SessionAddress, type SessionEpoch } from '../session/session.ts';
import { end, endWithConnection, goOffline } from '../session/transitions.ts';
import { type Context, stillAtWork } from './context.ts';
import { together } from './in-parallel.ts';
import { announceDisconnected, announceExpired, type DisconnectReason } from './lifecycle.ts';
import { publishWillLater } from './will.ts';

/** True if the session was on this connection and is now offline or ended. */
export async function loseConnection(context: Context, of: SessionEpoch, reason: DisconnectReason): Promise<boolean> {
  if (of.will !== NO_WILL) {
    // Whoever came to a newer epoch has seen to the will: it was announced by a CONNECT, or has moved on with the session.
    const session = await context.sessions.read(of.clientId);
    if (session?.epoch !== of.epoch) return false;
    await publishWillLater(context, of, reason);
  }
  const lost = of.persistent ? await putOffline(context, of) : await endWithItsConnection(context, of);
  if (!lost) return false;
  const cut = reason === 'CONNECTION_LOST' && isAtItsLimit(of.connectedAt, context.clock.now());
  const why = cut ? 'WEBSOCKET_TTL_EXPIRATION' : reason;
  context.log('connection-ended', { clientId: of.clientId, reason: why });
  await announceDisconnected(context, of.clientId, lost, why);
  return true;
}

/** The session that is offline now, if it was on this connection. */
const putOffline = async (context: Context, { clientId, generation, epoch }: SessionEpoch) => {
  const expiresAt = context.clock.now() + context.settings.sessionExpirySeconds * 1_000;
  const offline = await context.sessions.change(clientId, goOffline(epoch, expiresAt));
  if (!offline.done) return undefined;
  if (offline.record.storesMessages && !offline.record.queueReady) {
    await context.timers.send({ job: 'create-queue', clientId, generation }, 0);
  }
  return offline.record;
};

/** The session that has ended now, if it was on this connection. */
const endWithItsConnection = async (context: Context, { clientId, generation, epoch }: SessionEpoch) => {
  const session = await context.sessions.read(clientId);
  if (!isAlive(session, generation) || session.epoch !== epoch) return undefined;
  await cleanUpLater(context, clientId);
  const ended = await context.sessions.change(clientId, endWithConnection(epoch, context.clock.now()));
  if (!ended.done) return undefined;
  context.log('session-ended', { clientId, cause: 'connection-lost' });
  return ended.record;
};

/**
 * Closes a connection for good, in our books, and gives its session up. Returns what the connection was. Closed before or
 * not: whoever closed it may have died before it came to the session.
 */
export async function closeConnection(
  context: Context,
  connectionId: ConnectionId,
  reason: DisconnectReason,
): Promise<Connection | undefined> {
  const former = await context.connections.close(connectionId, context.clock.now());
  if (former?.generation) await loseConnection(context, former, reason);
  return former;
}

/**
 * A post has found that the connection of this epoch is over. Should its client be there all the same, its next frame tells
 * it to connect again.
 */
export async function abandonConnection(
  context: Context,
  of: SessionEpoch,
  connectionId: ConnectionId,
  reason: DisconnectReason = 'CONNECTION_LOST',
): Promise<boolean> {
  const [lost] = await together([
    loseConnection(context, of, reason),
    context.connections.close(connectionId, context.clock.now()),
  ]);
  return lost;
}

/** The same, where nobody has found it over yet: its client, should it be there, has to connect again. */
export async function giveUpConnection(
  context: Context,
  of: SessionEpoch,
  connectionId: ConnectionId,
): Promise<boolean> {
  await closeSocket(context, connectionId);
  return abandonConnection(context, of, connectionId, 'SERVER_INITIATED_DISCONNECT');
}

/** Ends a session that was read as expired, unless something happened to it since. */
export async function endExpired(context: Context, { clientId }: SessionAddress, session: Session): Promise<void> {
  await cleanUpLater(context, clientId);
  const ended = await context.sessions.change(clientId, end(session, context.clock.now()));
  if (ended.done) await tellExpired(context, { clientId, generation: session.generation });
}

export async function tellExpired(context: Context, session: SessionAddress): Promise<void> {
  context.log('session-ended', { clientId: session.clientId, cause: 'expired' });
  await announceExpired(context, session);
}

/**
 * To be called before the write that ends a session: should this Lambda die behind it, the session is cleaned up all the same.
 */
export async function cleanUpLater(context: Context, clientId: ClientId): Promise<void> {
  const delay = Math.ceil(stillAtWork(context) / 1_000);
  await context.timers.send({ job: 'clean-up', clientId }, delay);
}

/** Tells a client that nobody asked why its connection is over (wire §5), and closes its socket. */
export async function pushClose(context: Context, connectionId: ConnectionId, reason: CloseReason): Promise<void> {
  await context.gateway.post(connectionId, encodePushedClose(reason));
  await closeSocket(context, connectionId);
}

/** Closes a socket whose connection is over already. Where that fails, a job tries again. */
export async function closeSocket(context: Context, connectionId: ConnectionId): Promise<void> {
  try {
    await context.gateway.close(connectionId);
  } catch {
    await context.timers.send({ job: 'close', connectionId }, CLOSE_DELAY);
  }
}

/** Seconds in which a client end should have closed its socket itself (wire §3). */
export const CLOSE_DELAY = 2;
