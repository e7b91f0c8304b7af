/**
 * A client's Last Will, as long as it is not published [MQTT-3.1.2-8]: kept by CONNECT, removed by DISCONNECT, and announced to
 * a background job by whoever is about to end the connection (`publish-will.ts`).
 *
 * Rules of this file:
 * - Every will has its own record, named after the connection of its CONNECT: a reconnect neither loses nor replaces it.
 * - The job is sent before the connection is ended, so that who dies in between loses no will.
 */
import type { Will as WillOfConnect } from '../mqtt/packets.ts';
import { isAtItsLimit } from '../session/connection.ts';
import { type ClientId, type ConnectionId, type GrantId, NO_WILL, type WillId } from '../session/ids.ts';
import type { SessionEpoch } from '../session/session.ts';
import { type Context, stillAtWork } from './context.ts';
import type { DisconnectReason } from './lifecycle.ts';
import type { WillJob } from './ports.ts';

/** Seconds in which a DISCONNECT that was overtaken by the close of its socket removes the will. */
export const WILL_DELAY = 2;
/** Seconds that a client has to come back in where the gateway's own limit has cut it off. */
const GRACE = 60;

/** Keeps the will of a CONNECT. Its record is named after the connection, which has one CONNECT at most. */
export async function keepWill(
  context: Context,
  clientId: ClientId,
  connectionId: ConnectionId,
  { topic, payload, qos, retain }: WillOfConnect,
  grant: GrantId,
): Promise<WillId> {
  const id = String(connectionId) as WillId;
  const will = { id: context.ids.message(), topic, payload, qos, retain, leaseUntil: 0, grant };
  await context.wills.put(clientId, id, will);
  return id;
}

/** The client has left by itself, or its CONNECT has come to nothing. */
export async function forgetWill(
  context: Context,
  { clientId, will }: Pick<SessionEpoch, 'clientId' | 'will'>,
): Promise<void> {
  if (will) await context.wills.remove(clientId, will);
}

/** To be called before the write that ends a connection. */
export async function publishWillLater(
  context: Context,
  { clientId, epoch, will, connectedAt }: SessionEpoch,
  reason: DisconnectReason,
): Promise<void> {
  if (will === NO_WILL) return;
  const now = context.clock.now();
  const job: WillJob = { job: 'will', clientId, will, epoch, endedAt: now, until: now + stillAtWork(context) };
  const isCutOff = isAtItsLimit(connectedAt, now) && seemsCutOff.includes(reason);
  if (isCutOff) await context.timers.send({ ...job, unlessAfter: epoch }, GRACE);
  else await context.timers.send(job, WILL_DELAY);
}

/** How it looks when the gateway cuts a socket off: it is gone, or its client is back before anybody has noticed. */
const seemsCutOff: readonly DisconnectReason[] = ['CONNECTION_LOST', 'DUPLICATE_CLIENTID'];
