/** `$disconnect`: a socket is closed. An error is thrown to the log; the session's next event finds what was missed. */
import { handleDisconnect } from '../src/broker/handle-disconnect.ts';
import type { ConnectionId } from '../src/session/ids.ts';
import { createContext } from './environment.ts';
import type { DisconnectEvent, GatewayResult } from './events.ts';

const context = createContext(process.env);

export const handler = async ({ requestContext }: DisconnectEvent): Promise<GatewayResult> => {
  const { connectionId, disconnectStatusCode, disconnectReason } = requestContext;
  await handleDisconnect(context, connectionId as ConnectionId, disconnectStatusCode, disconnectReason);
  return { statusCode: 200 };
};
