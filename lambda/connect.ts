/**
 * `$connect`: the handshake must offer our sub-protocol (wire §1). Nothing is written: CONNECT comes in a frame. But somebody
 * shall look whether it came, so a socket for which that cannot be arranged is not opened.
 */
import { watchSocket } from '../src/broker/watch-socket.ts';
import type { ConnectionId } from '../src/session/ids.ts';
import { createArrangements } from './environment.ts';
import type { ConnectEvent, GatewayResult } from './events.ts';

const { timers, log } = createArrangements(process.env);

const SUBPROTOCOL = 'mqtt.base64';

export const handler = async (event: ConnectEvent): Promise<GatewayResult> => {
  const { connectionId } = event.requestContext;
  const offered = subprotocolsOf(event.headers ?? {});
  if (offered.includes(SUBPROTOCOL)) {
    await watchSocket(timers, connectionId as ConnectionId);
    return { statusCode: 200, headers: { 'Sec-WebSocket-Protocol': SUBPROTOCOL } };
  }
  log('handshake-refused', {
    connectionId,
    // Only names of MQTT: others may hold a token.
    offered: offered.filter((name) => /^mqtt(v3\.1)?$/.test(name)).join(', '),
    detail: `offer the sub-protocol ${SUBPROTOCOL}: API Gateway carries no binary frames, so a plain MQTT client needs the transport of this project (docs/wire-protocol.md)`,
  });
  return { statusCode: 400 };
};

/** The names come in one header, separated by commas; how the header is spelt varies. */
const subprotocolsOf = (headers: Readonly<Record<string, string | undefined>>): readonly string[] =>
  Object.entries(headers)
    .filter(([name]) => name.toLowerCase() === 'sec-websocket-protocol')
    .flatMap(([, value]) => (value ?? '').split(','))
    .map((name) => name.trim());
