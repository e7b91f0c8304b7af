/** The first look at a connection is arranged before it exists. Apart from what the look does, which a handshake need not load. */
import { CONNECT_WITHIN } from '../session/connection.ts';
import type { ConnectionId } from '../session/ids.ts';
import type { Timers } from './ports.ts';

/** To be called by `$connect`: the handshake is about to be accepted. */
export async function watchSocket(timers: Timers, connectionId: ConnectionId): Promise<void> {
  await sendCheck(timers, connectionId, 0, CONNECT_WITHIN);
}

/** Has the connection looked at in so many milliseconds (`check-connection.ts`). */
export async function sendCheck(
  timers: Timers,
  connectionId: ConnectionId,
  number: number,
  milliseconds: number,
): Promise<void> {
  await timers.send({ job: 'check', connectionId, number }, Math.ceil(milliseconds / 1_000));
}
