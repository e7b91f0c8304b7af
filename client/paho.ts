/**
 * paho-mqtt for JavaScript over this broker's wire: the entry of `serverless-mqtt/paho`.
 *
 *     import Paho from 'paho-mqtt';
 *     import { overServerlessMqtt } from 'serverless-mqtt/paho';
 *     const options = overServerlessMqtt(url);
 *     const client = new Paho.Client(url, 'pump-7');
 *     client.connect({ ...options, cleanSession: false, onSuccess, onFailure });
 *
 * Rules of this file: it knows paho and nothing of the wire. paho makes its sockets of the global `WebSocket`, at `connect`
 * and at any time later, and names no owner. So `hosts` holds a URL with a fragment, one for each client: no browser opens
 * a WebSocket with one, so nobody else asks for it. The global `WebSocket` is wrapped to build these; for every other URL
 * it is what it was.
 */
import { createAttempts } from './attempts.ts';
import { ServerlessMqttError } from './errors.ts';
import { CONNECT_TIMEOUT_MS } from './limits.ts';
import { createMqttSocket, type MqttSocket } from './mqtt-socket.ts';
import { CLOSED } from './ready-state.ts';
import { readTransportOptions, type TransportOptions } from './transport-options.ts';

export { ServerlessMqttError };

export interface PahoTransportOptions extends TransportOptions {
  /** Hears every error of the transport, also while paho is connecting again and tells nothing. */
  readonly onError?: (error: ServerlessMqttError) => void;
}

/** Options of paho's `connect`. What an application sets after them replaces them. */
export interface PahoOptions {
  /** The broker's URL, marked as this client's. */
  readonly hosts: string[];
  /** Else paho tries MQTT 3.1 where 3.1.1 has failed, and tells of that failure alone. */
  readonly mqttVersion: 4;
  readonly reconnect: true;
  /** Seconds. */
  readonly timeout: number;
}

/** What paho uses of a WebSocket. */
interface PahoSocket {
  binaryType?: string;
  onopen?: Handler<void>;
  onmessage?: Handler<{ readonly data: ArrayBuffer }>;
  onerror?: Handler<{ readonly data: string }>;
  onclose?: Handler<void>;
  readonly readyState: number;
  send(data: ArrayBuffer): void;
  close(): void;
}

type Handler<E> = ((event: E) => void) | null;

/** By the URL that only its client asks for. */
const builders = new Map<unknown, () => PahoSocket>();
/** The global `WebSocket` before it was wrapped, and wrapped. */
let plain: typeof globalThis.WebSocket;
let wrapped: typeof globalThis.WebSocket | undefined;

/**
 * The options that make paho-mqtt 1.1 speak to this broker (docs/wire-protocol.md). One call for one client; before `new
 * Paho.Client`, which asks for a global `WebSocket`.
 *
 * paho tells why the broker closes, or cannot be reached, in `errorMessage` of onFailure and onConnectionLost. While it is
 * connecting again it tells nothing, and hears nothing: this transport goes on by itself then, with its own pauses.
 *
 * @throws ServerlessMqttError `no-websocket` where there is no WebSocket to build on
 */
export function overServerlessMqtt(url: string, options: PahoTransportOptions = {}): PahoOptions {
  const { WebSocket, clock, random, transformWsUrl } = readTransportOptions(options);
  const nextAttempt = createAttempts(clock, random);
  const nextUrl = (): string | Promise<string> => transformWsUrl(url);
  /** Of the client's sockets. */
  let newest: MqttSocket | undefined;

  const build = (): PahoSocket => {
    let own: MqttSocket | undefined;
    const socket: PahoSocket = {
      get readyState() {
        return own?.readyState ?? 0;
      },
      send: (data) => own?.send(data),
      close: () => own?.close(),
    };
    const open = (): void => {
      own = createMqttSocket(url, {
        ...nextAttempt(),
        WebSocket,
        clock,
        nextUrl,
        ended: (error) => error && options.onError?.(error),
      });
      own.onopen = () => socket.onopen?.();
      own.onmessage = (event) => socket.onmessage?.(event);
      // What paho puts into its errorMessage.
      own.onerror = ({ message }) => socket.onerror?.({ data: message });
      own.onclose = () => {
        socket.onclose?.();
        // It takes its handlers off once it has heard of the end. While it is connecting again it has not.
        if (socket.onclose) open();
      };
      newest = own;
    };
    // paho may have given up the one before and listen to it still; or its DISCONNECT is on its way, and goes first.
    if (newest && newest.readyState < CLOSED) {
      newest.onopen = newest.onmessage = newest.onerror = null;
      newest.onclose = open;
      newest.close();
    } else open();
    return socket;
  };

  const marked = `${url}#client-${builders.size + 1}`;
  builders.set(marked, build);
  wrapGlobal(WebSocket);
  return { hosts: [marked], mqttVersion: 4, reconnect: true, timeout: CONNECT_TIMEOUT_MS / 1_000 };
}

/** Puts the global `WebSocket` back as it was: when no paho client will connect, or connect again, any more. */
export function restoreWebSocket(): void {
  if (globalThis.WebSocket === wrapped) globalThis.WebSocket = plain;
}

/** @param own where there is no global one */
function wrapGlobal(own: object): void {
  if (wrapped && globalThis.WebSocket === wrapped) return;
  plain = globalThis.WebSocket;
  wrapped = new Proxy((plain ?? own) as typeof plain, {
    construct: (target, args, newTarget) => builders.get(args[0])?.() ?? Reflect.construct(target, args, newTarget),
  });
  globalThis.WebSocket = wrapped;
}
