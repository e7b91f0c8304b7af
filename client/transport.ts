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
import { createAttempts } from './attempts.ts';
import { ServerlessMqttError } from './errors.ts';
import { CONNECT_TIMEOUT_MS } from './limits.ts';
import { createMqttSocket, type MqttSocket } from './mqtt-socket.ts';
import { readTransportOptions, type TransportOptions } from './transport-options.ts';

export { ServerlessMqttError, type TransportOptions };

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
 * @throws ServerlessMqttError `no-websocket` where there is no WebSocket to build on
 */
export function overServerlessMqtt(options: TransportOptions = {}): MqttJsOptions {
  const { WebSocket, clock, random, transformWsUrl } = readTransportOptions(options);
  const nextAttempt = createAttempts(clock, random);
  /** MQTT.js names its client when it asks for the URL, right before it asks for the socket. */
  let client: MqttJsClient | undefined;

  return {
    forceNativeWebSocket: true,
    reconnectPeriod: 100,
    connectTimeout: CONNECT_TIMEOUT_MS,
    browserBufferTimeout: 100,
    transformWsUrl(url, _options, itsClient) {
      client = itsClient;
      return url; // which is made anew when the pause is over
    },
    createWebsocket(url) {
      const itsClient = client;
      const socket = createMqttSocket(url, {
        ...nextAttempt(),
        WebSocket,
        clock,
        nextUrl: () => transformWsUrl(url),
        // MQTT.js keeps the text of a socket's error to itself.
        ended(error) {
          if (error) itsClient?.emit('error', error);
          itsClient?.removeListener('end', socket.close);
        },
      });
      // MQTT.js forgets a socket that is still opening when it ends.
      itsClient?.once('end', socket.close);
      return Object.assign(socket, { on: wrongBuilder });
    },
  };
}

/** Only MQTT.js's other WebSocket builder calls `on`: better an explanation than its TypeError. */
function wrongBuilder(this: MqttSocket): never {
  this.close();
  throw new ServerlessMqttError(
    'wrong-builder',
    'make the first connect() of this process with these options: MQTT.js keeps its kind of WebSocket',
  );
}
