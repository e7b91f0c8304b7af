/**
 * What happens to a session when its connection is gone, however that was noticed: `$disconnect`, DISCONNECT, a post that
 * found nobody, a violation, a takeover.
 *
 * Rules of this file: safe to run twice, late, and for a connection that was replaced long ago.
 */
import type { ClientId, ConnectionId } from '../session/ids.ts';
import { isAlive, type Session, type SessionAddress, type SessionEpoch } from '../session/session.ts';
import { end, endWithConnection, goOffline } from '../session/transitions.ts';
import type { Context } from './context.ts';
import { together } from './in-parallel.ts';
import type { Connection } from './ports.ts';

/** True if the session was on this connection and is now offline or ended. */
export async function loseConnection(context: Context, of: SessionEpoch): Promise<boolean> {
  const { clientId, generation } = of;
  if (!of.persistent) return endWithItsConnection(context, of);
  const expiresAt = context.clock.now() + context.settings.sessionExpirySeconds * 1_000;
  const offline = await context.sessions.change(clientId, goOffline(of.epoch, expiresAt));
  if (offline.done && offline.record.storesMessages && !offline.record.queueReady) {
    await context.timers.send({ job: 'create-queue', clientId, generation }, 0);
  }
  return offline.done;
}

/**
 * Closes a connection for good, in our books, and gives its session up. Returns what the connection was. Closed before or
 * not: whoever closed it may have died before it came to the session.
 */
export async function closeConnection(context: Context, connectionId: ConnectionId): Promise<Connection | undefined> {
  const former = await context.connections.close(connectionId);
  if (former?.generation) await loseConnection(context, former);
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
): Promise<boolean> {
  const [lost] = await together([loseConnection(context, of), context.connections.close(connectionId)]);
  return lost;
}

/** The same, where nobody has found it over yet: its client, should it be there, has to connect again. */
export async function giveUpConnection(
  context: Context,
  of: SessionEpoch,
  connectionId: ConnectionId,
): Promise<boolean> {
  await closeSocket(context, connectionId);
  return abandonConnection(context, of, connectionId);
}

const endWithItsConnection = async (
  context: Context,
  { clientId, generation, epoch }: SessionEpoch,
): Promise<boolean> => {
  const session = await context.sessions.read(clientId);
  if (!isAlive(session, generation) || session.epoch !== epoch) return false;
  await cleanUpLater(context, clientId);
  const ended = await context.sessions.change(clientId, endWithConnection(epoch, context.clock.now()));
  if (ended.done) context.log('session-ended', { clientId, cause: 'connection-lost' });
  return ended.done;
};

/** Ends a session that was read as expired, unless something happened to it since. */
export async function endExpired(context: Context, { clientId }: SessionAddress, session: Session): Promise<void> {
  await cleanUpLater(context, clientId);
  const ended = await context.sessions.change(clientId, end(session, context.clock.now()));
  if (ended.done) context.log('session-ended', { clientId, cause: 'expired' });
}

/**
 * To be called before the write that ends a session: should this Lambda die behind it, the session is cleaned up all the same.
 */
export async function cleanUpLater(context: Context, clientId: ClientId): Promise<void> {
  const delay = Math.ceil(stillAtWork(context) / 1_000);
  await context.timers.send({ job: 'clean-up', clientId }, delay);
}

/** How long after the end of a session there may be Lambdas that knew it alive and write on its behalf, ms. */
export const stillAtWork = ({ timing }: Context): number => timing.lambdaTimeout + timing.clockMargin;

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
