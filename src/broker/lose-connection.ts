/**
 * What happens to a session when its connection is gone, however that was noticed: `$disconnect`, DISCONNECT, a post that
 * found nobody, a violation, a takeover.
 *
 * Rules of this file: safe to run twice, late, and for a connection that was replaced long ago.
 */
import type { ClientId, ConnectionId } from '../session/ids.ts';
import type { Session, SessionAddress, SessionEpoch } from '../session/session.ts';
import { end, endWithConnection, goOffline } from '../session/transitions.ts';
import type { Context } from './context.ts';
import { together } from './in-parallel.ts';
import type { Connection } from './ports.ts';

/** True if the session was on this connection and is now offline or ended. */
export async function loseConnection(context: Context, of: SessionEpoch): Promise<boolean> {
  const { clientId, generation } = of;
  if (!of.persistent) {
    const ended = await context.sessions.change(clientId, endWithConnection(generation, of.epoch));
    if (ended.done) await sessionEnded(context, clientId, 'connection-lost');
    return ended.done;
  }
  const expiresAt = context.clock.now() + context.settings.sessionExpirySeconds * 1_000;
  const offline = await context.sessions.change(clientId, goOffline(generation, of.epoch, expiresAt));
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

/** Ends a session that was read as expired, unless something happened to it since. */
export async function endExpired(context: Context, address: SessionAddress, session: Session): Promise<void> {
  const outcome = await context.sessions.change(address.clientId, end(session));
  if (outcome.done) await sessionEnded(context, address.clientId, 'expired');
}

/** To be called when a session has ended by a write of the caller's: the rest may take its time. */
export async function sessionEnded(context: Context, clientId: ClientId, cause: string): Promise<void> {
  context.log('session-ended', { clientId, cause });
  await context.timers.send({ job: 'clean-up', clientId }, 0);
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
