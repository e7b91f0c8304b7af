/** paho-mqtt for JavaScript in Node: the same file that browsers load. */
import WebSocket from 'ws';
import { restoreWebSocket } from '../../client/paho.ts';
import { interoperates } from './interop.ts';
import { connectPaho } from './paho-library.ts';

// paho leaves its timers behind. Nobody waits for them here.
const { setTimeout: setTimer } = globalThis;
globalThis.setTimeout = ((ring: () => void, milliseconds: number) =>
  setTimer(ring, milliseconds).unref()) as typeof setTimeout;

afterAll(restoreWebSocket);

interoperates('paho-mqtt', (settings) => connectPaho({ ...settings, WebSocket }));
