/**
 * MQTT.js over this broker's wire, in Node and in browsers: the entry of `serverless-mqtt/client`.
 *
 *     import mqtt from 'mqtt';
 *     import WebSocket from 'ws'; // Node 20; browsers and Node 22 have their own
 *     import { overServerlessMqtt } from 'serverless-mqtt/client';
 *     const client = mqtt.connect(url, { ...overServerlessMqtt({ WebSocket }), clientId: 'pump-7', clean: false });
 *
 * Rules of this file: it knows MQTT.js and nothing of the wire. MQTT.js drops the message of an error of its socket and
 * connects again after a constant time; so errors are emitted on the client itself, and the pause lies before the opening
 * of the real socket.
 */
import { backOff, LONGEST_BACK_OFF_MS } from './back-off.ts';
import { type Clock, systemClock } from './clock.ts';
import { ServerlessMqttError } from './errors.ts';
import { REPLY_TIMEOUT_MS } from './exchange.ts';
import { MqttSocket, OPEN_TIMEOUT_MS, type WebSocketConstructor } from './mqtt-socket.ts';

export { ServerlessMqttError };

export interface TransportOptions {
  /** The WebSocket to build on. Default: the global one. */
  readonly WebSocket?: WebSocketConstructor;
  /**
   * Called before every real WebSocket, also where a session moves to a new one: put a fresh token into the URL here, and
   * not in MQTT.js's own option of this name.
   */
  readonly transformWsUrl?: (url: string) => string;
  /** For tests. */
  readonly clock?: Clock;
  /** For tests: from 0 to 1. */
  readonly random?: () => number;
}

/** A connection that stood so long is a success (wire-protocol.md §7). */
const STOOD_MS = 30_000;

/** What is used of an MQTT.js client. */
interface MqttJsClient {
  emit(event: 'error', error: Error): boolean;
  once(event: 'end', listener: () => void): unknown;
  removeListener(event: 'end', listener: () => void): unknown;
}

/** Options of MQTT.js. What an application sets after them replaces them. */
export interface MqttJsOptions {
  readonly forceNativeWebSocket: true;
  readonly createWebsocket: (url: string) => MqttSocket;
  readonly transformWsUrl: (url: string, options: unknown, client: MqttJsClient) => string;
  /** Milliseconds. Short, because the true pause (wire-protocol.md §7) comes after it; 0 in its place still means "never". */
  readonly reconnectPeriod: number;
  /** Milliseconds: the longest pause, then opening, then the reply to CONNECT. */
  readonly connectTimeout: number;
  /** Milliseconds between two looks at whether the broker keeps up. */
  readonly browserBufferTimeout: number;
}

/**
 * The options that make MQTT.js 5 speak to this broker (docs/wire-protocol.md). One call for one client: the count of
 * failures in a row, by which the pause between connections grows, is kept inside.
 *
 * The client emits `error` with a `ServerlessMqttError` where the broker closes with a reason, cannot be reached or does
 * not answer; a refused CONNECT is MQTT.js's own error. Either way it connects again, except after a refusal.
 *
 * For a library that builds its own WebSocket (paho-mqtt): `window.WebSocket = function (url) { return
 * createWebsocket(url); }`.
 *
 * @throws ServerlessMqttError `no-websocket` where there is no WebSocket to build on
 */
export function overServerlessMqtt(options: TransportOptions = {}): MqttJsOptions {
  const { clock = systemClock, random = Math.random, transformWsUrl = (url) => url } = options;
  const WebSocket = options.WebSocket ?? (globalThis.WebSocket as WebSocketConstructor | undefined);
  if (!WebSocket) {
    throw new ServerlessMqttError('no-websocket', 'this Node has no WebSocket: install ws, and pass { WebSocket }');
  }
  /** Failures in a row; none after a success. */
  let failures = 0;
  /** MQTT.js names its client when it asks for the URL, right before it asks for the socket. */
  let client: MqttJsClient | undefined;
  /** As MQTT.js has it, before `transformWsUrl`. */
  let plainUrl: string | undefined;

  return {
    forceNativeWebSocket: true,
    reconnectPeriod: 100,
    connectTimeout: LONGEST_BACK_OFF_MS + OPEN_TIMEOUT_MS + REPLY_TIMEOUT_MS,
    browserBufferTimeout: 100,
    transformWsUrl(url, _options, itsClient) {
      client = itsClient;
      plainUrl = url;
      return transformWsUrl(url);
    },
    createWebsocket(url) {
      let acceptedAt = Number.POSITIVE_INFINITY;
      const plain = plainUrl ?? url;
      plainUrl = undefined;
      const socket = new MqttSocket(url, {
        WebSocket,
        clock,
        nextUrl: () => transformWsUrl(plain),
        delay: failures === 0 ? 0 : backOff(failures - 1, random()),
        accepted: () => {
          acceptedAt = clock.now();
        },
        over: (left) => {
          const stood = clock.now() - acceptedAt >= STOOD_MS;
          if (left || stood) failures = 0;
          if (!left) failures += 1;
        },
      });
      if (client) attend(client, socket);
      return socket;
    },
  };
}

/** MQTT.js keeps the text of a socket's error to itself, and forgets a socket that is still opening when it ends. */
function attend(client: MqttJsClient, socket: MqttSocket): void {
  const close = (): void => socket.close();
  client.once('end', close);
  socket.addEventListener('error', (event) => client.emit('error', (event as Event & { error: Error }).error));
  socket.addEventListener('close', () => client.removeListener('end', close));
}
