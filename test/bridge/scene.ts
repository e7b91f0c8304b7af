/** One client of the bridge in memory: the test is the client on one side and the gateway on the other, on virtual time. */
import { type Admission, createAdmission } from '../../client/bridge/admission.ts';
import { type BufferedBytes, createBufferedBytes } from '../../client/bridge/buffered-bytes.ts';
import { type Connection, createConnection } from '../../client/bridge/connection.ts';
import { defaultLimits, type Limits } from '../../client/bridge/limits.ts';
import { ScriptedSocket } from '../client/scripted-socket.ts';
import { bytes, hex } from '../client/vectors.ts';
import { createVirtualClock, settle, type VirtualClock } from '../client/virtual-clock.ts';

export interface LogLine {
  readonly event: string;
  readonly [field: string]: unknown;
}

/** What clients of one bridge share. */
export interface World {
  readonly clock: VirtualClock;
  readonly limits: Limits;
  readonly buffered: BufferedBytes;
  readonly admission: Admission;
  readonly log: LogLine[];
  /** Every WebSocket to the gateway, of all clients. */
  readonly gateways: ScriptedSocket[];
  /** A client that has connected. */
  client(address?: string): SceneClient;
}

export interface SceneClient {
  readonly connection: Connection;
  /** What the client was sent and the test has not looked at, in hexadecimal; and `paused`, `resumed`, `close: reason`. */
  readonly heard: string[];
  /** What the bridge waits for in the client's direction; a test sets it. */
  unread: number;
  /** How much the client reads of what it is sent. */
  reads: boolean;
  readonly isPaused: boolean;
  readonly isReleased: boolean;
  /** The client writes, and what follows from it happens. */
  write(...packets: string[]): Promise<void>;
  /** The client's socket closes. */
  close(): Promise<void>;
}

export function createWorld(limits: Partial<Limits> = {}, random = (): number => 0.5): World {
  const clock = createVirtualClock();
  const all: Limits = { ...defaultLimits, ...limits };
  const buffered = createBufferedBytes(all.totalBytes);
  const admission = createAdmission({ clock, random });
  const log: LogLine[] = [];
  const gateways: ScriptedSocket[] = [];
  let newest = 0;

  return {
    clock,
    limits: all,
    buffered,
    admission,
    log,
    gateways,
    client(address = '192.0.2.1') {
      newest += 1;
      const heard: string[] = [];
      let isPaused = false;
      let isReleased = false;
      const client: SceneClient = {
        heard,
        unread: 0,
        reads: true,
        get isPaused() {
          return isPaused;
        },
        get isReleased() {
          return isReleased;
        },
        get connection() {
          return connection;
        },
        async write(...packets) {
          for (const packet of packets) connection.receive(bytes(packet));
          await settle();
        },
        async close() {
          connection.closed();
          await settle();
        },
      };
      const connection = createConnection({
        number: newest,
        address,
        url: 'wss://broker.example/mqtt',
        clock,
        limits: all,
        buffered,
        admission,
        keyOf: (from, connect) => `${from} ${hex(connect)}`,
        log: (event, fields) => log.push({ event, ...fields }),
        released: () => {
          isReleased = true;
        },
        WebSocket: class extends ScriptedSocket {
          constructor(url: string, protocols: string[]) {
            super(url, protocols);
            gateways.push(this);
          }
        },
        socket: {
          get heldBytes() {
            return client.unread;
          },
          send(packets) {
            heard.push(hex(packets));
            if (!client.reads) client.unread += packets.length;
          },
          pause() {
            isPaused = true;
          },
          resume() {
            isPaused = false;
          },
          close: (reason) => heard.push(`close: ${reason}`),
        },
      });
      return client;
    },
  };
}

/** The broker, or the gateway, says a frame. */
export async function say(gateway: ScriptedSocket | undefined, frame: string): Promise<void> {
  gateway?.tell('message', { data: frame });
  await settle();
}

/** Takes what the gateway was sent: packets in hexadecimal, parts and moves as they are. */
export const sent = (gateway: ScriptedSocket | undefined): string[] =>
  (gateway?.sent.splice(0) ?? []).map((frame) => (/^[~^]/.test(frame) ? frame : hex(Buffer.from(frame, 'base64'))));
