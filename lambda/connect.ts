/**
 * `$connect`: the handshake must offer our sub-protocol (wire §1). CONNECT comes in a frame, so nothing is written but what no
 * later event tells, where it counts. But somebody shall look whether CONNECT came, so a socket for which that cannot be arranged
 * is not opened.
 */
import { together } from '../src/broker/in-parallel.ts';
import { watchSocket } from '../src/broker/watch-socket.ts';
import type { ConnectionId } from '../src/session/ids.ts';
import { createArrangements } from './environment.ts';
import type { ConnectEvent, GatewayResult } from './events.ts';
import { handshakeOf, MOST_HANDSHAKE_BYTES, sizeOf } from './handshake.ts';

const { timers, handshakes, log } = createArrangements(process.env);

const SUBPROTOCOL = 'mqtt.base64';

export const handler = async (event: ConnectEvent): Promise<GatewayResult> => {
  const connectionId = event.requestContext.connectionId as ConnectionId;
  const offered = subprotocolsOf(event.headers ?? {});
  if (!offered.includes(SUBPROTOCOL)) {
    log('handshake-refused', {
      connectionId,
      // Only names of MQTT: others may hold a token.
      offered: offered.filter((name) => /^mqtt(v3\.1)?$/.test(name)).join(', '),
      detail: `offer the sub-protocol ${SUBPROTOCOL}: API Gateway carries no binary frames, so a plain MQTT client needs the transport of this project (docs/wire-protocol.md)`,
    });
    return { statusCode: 400 };
  }
  const handshake = handshakes && handshakeOf(event, handshakes.withRequest);
  const size = handshake ? sizeOf(handshake) : 0;
  if (size > MOST_HANDSHAKE_BYTES) {
    log('handshake-refused', {
      connectionId,
      detail: `headers and query string have ${size} bytes, ${MOST_HANDSHAKE_BYTES} at most: they are kept for the authorizer`,
    });
    return { statusCode: 431 };
  }
  await together([watchSocket(timers, connectionId), handshake && handshakes.keepHandshake(connectionId, handshake)]);
  return { statusCode: 200, headers: { 'Sec-WebSocket-Protocol': SUBPROTOCOL } };
};

/** The names come in one header, separated by commas; how the header is spelt varies. */
const subprotocolsOf = (headers: Readonly<Record<string, string | undefined>>): readonly string[] =>
  Object.entries(headers)
    .filter(([name]) => name.toLowerCase() === 'sec-websocket-protocol')
    .flatMap(([, value]) => (value ?? '').split(','))
    .map((name) => name.trim());
