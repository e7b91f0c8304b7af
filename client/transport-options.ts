/** What every MQTT library's transport is told, and what holds where it is told nothing. */
import { type Clock, systemClock } from './clock.ts';
import { ServerlessMqttError } from './errors.ts';
import type { WebSocketConstructor } from './mqtt-socket.ts';

export interface TransportOptions {
  /** The WebSocket to build on. Default: the global one. */
  readonly WebSocket?: WebSocketConstructor | undefined;
  /**
   * Called right before every real WebSocket, also where a session moves to a new one: put a fresh token or signature into the
   * URL here, and not in MQTT.js's own option of this name. It may take its time: up to 35 s, opening included.
   */
  readonly transformWsUrl?: ((url: string) => string | Promise<string>) | undefined;
  /** For tests. */
  readonly clock?: Clock | undefined;
  /** For tests: from 0 to 1. */
  readonly random?: (() => number) | undefined;
}

/** @throws ServerlessMqttError `no-websocket` where there is no WebSocket to build on */
export function readTransportOptions({
  WebSocket = globalThis.WebSocket as WebSocketConstructor,
  transformWsUrl = (url) => url,
  clock = systemClock,
  random = Math.random,
}: TransportOptions): { readonly [name in keyof TransportOptions]-?: NonNullable<TransportOptions[name]> } {
  if (!WebSocket) {
    throw new ServerlessMqttError('no-websocket', 'no WebSocket here: install ws, and pass { WebSocket }');
  }
  return { WebSocket, transformWsUrl, clock, random };
}
