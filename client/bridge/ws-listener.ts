/**
 * MQTT over WebSocket as the specification has it (MQTT 3.1.1 §6): binary, sub-protocol `mqtt`; also over TLS. The older
 * `mqttv3.1` is what some libraries offer for MQTT 3.1.
 *
 * Rules of this file: messages in, messages out; packets need not be whole in them. What the package `ws` holds of a message
 * that is not whole yet is counted, too. Whoever is refused is told why by the HTTP answer.
 */
import { createServer, type IncomingMessage, STATUS_CODES } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';
import { SUB_PROTOCOL } from '../wire.ts';
import type { Address } from './address.ts';
import type { EndReason } from './connection.ts';
import { LINGER_MS, messageBytesOf, PROBE_AFTER_MS } from './limits.ts';
import { type Certificate, type Listener, open, type Reception } from './listener.ts';

const SUB_PROTOCOLS: readonly string[] = ['mqtt', 'mqttv3.1'];
const EXPIRY_CHECK_MS = 1_000;

/** @throws the system's error, such as EADDRINUSE, or OpenSSL's where the certificate is none */
export async function listenWebSocket(at: Address, reception: Reception, certificate?: Certificate): Promise<Listener> {
  const { limits } = reception;
  const http = {
    headersTimeout: limits.connectMs,
    requestTimeout: limits.connectMs,
    connectionsCheckingInterval: EXPIRY_CHECK_MS,
    maxHeaderSize: 16 * 1024,
  };
  const server = certificate
    ? createTlsServer({ ...http, ...certificate, handshakeTimeout: limits.connectMs })
    : createServer(http);
  // Also those that have not shaken hands yet.
  server.maxConnections = limits.clients;
  const options = {
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: messageBytesOf(limits),
    // Known to `ws`, and not to its types yet.
    closeTimeout: LINGER_MS,
    handleProtocols: (offered: Set<string>) => SUB_PROTOCOLS.find((each) => offered.has(each)) ?? false,
  };
  const webSockets = new WebSocketServer(options);

  server.on('request', (_request, response) => {
    response.writeHead(426, { 'content-type': 'text/plain; charset=utf-8', upgrade: 'websocket', connection: 'close' });
    response.end('This is MQTT over WebSocket, sub-protocol mqtt.\n');
  });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const from = String(request.socket.remoteAddress);
    const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((each) => each.trim());
    socket.on('error', () => {});
    if (!offered.some((each) => SUB_PROTOCOLS.includes(each))) {
      const detail = offered.includes(SUB_PROTOCOL)
        ? `${SUB_PROTOCOL} is what the broker speaks: connect to the broker itself, or offer mqtt`
        : 'a client offers the sub-protocol mqtt';
      reception.refused('sub-protocol', from, detail);
      return refuse(socket, 400, detail);
    }
    webSockets.handleUpgrade(request, socket, head, (webSocket) => serve(webSocket, request.socket, from, reception));
  });
  const where = await open(server, at, reception);

  return {
    ...where,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

function refuse(socket: Duplex, status: number, detail: string): void {
  const head = [`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, 'Connection: close', 'Content-Type: text/plain'];
  socket.end([...head, `Content-Length: ${detail.length + 1}`, '', `${detail}\n`].join('\r\n'));
}

function serve(webSocket: WebSocket, socket: Socket, from: string, reception: Reception): void {
  /** What has come since the last message: `ws` holds it. */
  let unfinished = 0;
  // 'close' follows; what the socket itself has is no error here.
  webSocket.on('error', ({ message }) => connection?.end('websocket-error', message));
  const connection = reception.accept(
    {
      get heldBytes() {
        return socket.destroyed ? 0 : unfinished + webSocket.bufferedAmount;
      },
      send: (bytes) => webSocket.send(bytes, { binary: true }, () => connection?.weigh()),
      pause: () => webSocket.pause(),
      resume: () => webSocket.resume(),
      close(reason) {
        webSocket.resume();
        webSocket.close(closeCodes[reason] ?? UNEXPECTED, reason.slice(0, LONGEST_REASON));
      },
    },
    from,
  );
  if (!connection) {
    webSocket.terminate();
    return;
  }
  socket.setNoDelay(true);
  socket.setKeepAlive(true, PROBE_AFTER_MS);
  // Before `ws` looks at them: a message that they complete sets the count back.
  socket.prependListener('data', (bytes: Buffer) => {
    unfinished += bytes.length;
  });
  socket.on('data', () => connection.weigh());
  const whole = (): void => {
    unfinished = 0;
  };
  webSocket.on('ping', whole);
  webSocket.on('pong', whole);
  webSocket.on('message', (data: RawData, isBinary: boolean) => {
    whole();
    // Binary only: MQTT-6.0.0-1.
    if (isBinary) connection.receive(data as Buffer);
    else connection.end('text-message', 'MQTT over WebSocket is binary');
  });
  webSocket.on('close', () => connection.closed());
}

/** In characters, so that it has 123 bytes at most (RFC 6455 §5.5). The broker's reasons may be of a later version. */
const LONGEST_REASON = 41;
/** RFC 6455 §7.4.1. */
const UNEXPECTED = 1011;
const closeCodes: Readonly<Partial<Record<EndReason, number>>> = {
  disconnected: 1000,
  'client-gone': 1000,
  refused: 1000,
  'bridge-stopping': 1001,
  'not-mqtt': 1002,
  'text-message': 1003,
  'connect-missing': 1008,
  'keep-alive-timeout': 1008,
  'client-too-slow': 1008,
  'packet-too-large': 1009,
  'bridge-full': 1013,
};
