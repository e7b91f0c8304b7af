/**
 * `$disconnect`: the gateway says that a socket is closed. It may come late, twice, before CONNECT is through, or never.
 */
import type { ConnectionId } from '../session/ids.ts';
import type { Context } from './context.ts';
import { closeConnection } from './lose-connection.ts';

export async function handleDisconnect(
  context: Context,
  connectionId: ConnectionId,
  statusCode?: number | null,
  reason?: string | null,
): Promise<void> {
  const former = await closeConnection(context, connectionId, 'CONNECTION_LOST');
  context.log('socket-closed', {
    connectionId,
    ...(former ? { clientId: former.clientId } : {}),
    ...(statusCode == null ? {} : { statusCode }),
    ...(reason ? { reason } : {}),
  });
}
