/**
 * `$disconnect`: the gateway says that a socket is closed. It may come late, twice, before CONNECT is through, or never.
 */
import type { ConnectionId } from '../session/ids.ts';
import type { Context } from './context.ts';
import { loseConnection } from './lose-connection.ts';

export async function handleDisconnect(
  context: Context,
  connectionId: ConnectionId,
  statusCode?: number | null,
  reason?: string | null,
): Promise<void> {
  const former = await context.connections.close(connectionId);
  context.log('socket-closed', {
    connectionId,
    ...(former ? { clientId: former.clientId } : {}),
    ...(statusCode == null ? {} : { statusCode }),
    ...(reason ? { reason } : {}),
  });
  // Closed already or not: whoever closed it may have died before it came to the session.
  if (former?.generation) await loseConnection(context, former);
}
