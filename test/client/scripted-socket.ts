/** A WebSocket whose other end is the test, and the look-alike on top of it. */
import { createMqttSocket, type MqttSocket } from '../../client/mqtt-socket.ts';
import type { ServerlessMqttError } from '../../client/transport.ts';
import { bytes, hex } from './vectors.ts';
import { createVirtualClock, settle, type VirtualClock } from './virtual-clock.ts';

interface Fields {
  readonly data?: unknown;
  readonly message?: string;
  readonly code?: number;
  readonly reason?: string;
}

export class ScriptedSocket {
  readonly url: string;
  readonly protocols: readonly string[];
  /** Frames that the client has sent and the test has not looked at. */
  readonly sent: string[] = [];
  closedWith: number | undefined;
  onopen: unknown;
  onmessage: unknown;
  onerror: unknown;
  onclose: unknown;

  constructor(url: string, protocols: readonly string[]) {
    this.url = url;
    this.protocols = protocols;
  }

  send(frame: string): void {
    this.sent.push(frame);
  }

  close(code: number): void {
    this.closedWith ??= code;
  }

  tell(type: 'open' | 'message' | 'error' | 'close', fields: Fields = {}): void {
    (this[`on${type}`] as ((fields: Fields) => void) | undefined)?.(fields);
  }
}

export interface Scene {
  readonly clock: VirtualClock;
  readonly socket: MqttSocket;
  /** Every real WebSocket below that has been made. */
  readonly inners: readonly ScriptedSocket[];
  /** The newest of them; there once it has been made. */
  readonly inner: ScriptedSocket;
  /** What the MQTT library has heard and the test has not looked at: packets in hexadecimal, errors, the end. */
  readonly heard: string[];
  readonly errors: ServerlessMqttError[];
  readonly counts: { accepted: number; left: boolean[] };
  /** The MQTT library writes packets. */
  write(...packets: string[]): Promise<void>;
  /** The broker sends a frame, on the newest WebSocket or on this one. */
  say(frame: string, inner?: ScriptedSocket): Promise<void>;
  /** Takes what was sent on the newest WebSocket or on this one, as hexadecimal digits; parts and moves as they are. */
  sent(inner?: ScriptedSocket): string[];
  /** Takes what was heard. */
  taken(): string[];
}

export const CONNECT = '100d00044d5154540402003c000161';
export const CONNACK = '20020000';
export const PINGREQ = 'c000';
export const PINGRESP = 'd000';
export const DISCONNECT = 'e000';

/** CONNECT with this keep-alive, in seconds. */
export const connectWith = ({ keepAlive = 60, persistent = false }): string =>
  `100d00044d51545404${persistent ? '00' : '02'}${keepAlive.toString(16).padStart(4, '0')}000161`;

/** PUBLISH with QoS 1, and its PUBACK. */
export const publish = (id: number): string => `3205000161${id.toString(16).padStart(4, '0')}`;
export const again = (id: number): string => `3a05000161${id.toString(16).padStart(4, '0')}`;
export const puback = (id: number): string => `4002${id.toString(16).padStart(4, '0')}`;

export const base64 = (...packets: string[]): string => Buffer.from(packets.join(''), 'hex').toString('base64');
export const reply = (taken: number, ...packets: string[]): string => `!${taken}:${base64(...packets)}`;

const URL = 'ws://broker.example/mqtt';

export function createScene(delay = 0, nextUrl: () => string | Promise<string> = () => URL): Scene {
  const clock = createVirtualClock();
  const inners: ScriptedSocket[] = [];
  const heard: string[] = [];
  const errors: ServerlessMqttError[] = [];
  const counts = { accepted: 0, left: [] as boolean[] };
  const socket = createMqttSocket(URL, {
    clock,
    delay,
    nextUrl,
    ended: () => {},
    WebSocket: class extends ScriptedSocket {
      constructor(url: string, protocols: string[]) {
        super(url, protocols);
        inners.push(this);
      }
    },
    accepted: () => {
      counts.accepted += 1;
    },
    over: (left) => counts.left.push(left),
  });
  socket.onopen = () => heard.push('open');
  socket.onmessage = ({ data }) => heard.push(hex(new Uint8Array(data)));
  socket.onerror = (error) => {
    errors.push(error);
    heard.push(`error ${error.code}`);
  };
  socket.onclose = () => heard.push('close');

  const scene: Scene = {
    clock,
    socket,
    heard,
    errors,
    counts,
    inners,
    get inner() {
      const inner = inners.at(-1);
      if (!inner) throw new Error('no WebSocket has been opened');
      return inner;
    },
    async write(...packets) {
      for (const packet of packets) socket.send(bytes(packet));
      await settle();
    },
    async say(frame, inner = scene.inner) {
      inner.tell('message', { data: frame });
      await settle();
    },
    sent: (inner = scene.inner) =>
      inner.sent.splice(0).map((frame) => (/^[~^]/.test(frame) ? frame : hex(Buffer.from(frame, 'base64')))),
    taken: () => heard.splice(0),
  };
  return scene;
}

/** A scene whose MQTT connection stands. */
export async function connectedScene(connect = CONNECT): Promise<Scene> {
  const scene = createScene();
  scene.inner.tell('open');
  await scene.write(connect);
  await scene.say(reply(1, CONNACK));
  scene.sent();
  scene.taken();
  return scene;
}

/** The library closes while it is handed a message. */
export function closeAtNextMessage({ socket }: Scene): void {
  const hear = socket.onmessage;
  socket.onmessage = (event) => {
    hear?.(event);
    socket.close();
  };
}
