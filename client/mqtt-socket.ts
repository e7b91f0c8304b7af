/**
 * A WebSocket look-alike: MQTT libraries write MQTT into it and hear MQTT from it; below, the wire `mqtt.base64` runs over
 * a real WebSocket (docs/wire-protocol.md §1, §7, §8).
 *
 * Rules of this file: to the library it behaves as a WebSocket, but `send` never throws (MQTT.js would take the process
 * down with it). The library's close waits for the answer to its DISCONNECT. The inner socket is replaced while this one
 * lives, and the library does not notice: what an inner socket says depends on its role, and one without a role is not
 * heard.
 */
import { type Alarm, type Clock, createAlarm } from './clock.ts';
import { ServerlessMqttError } from './errors.ts';
import { createExchange, type Exchange, type SocketRole } from './exchange.ts';
import { SUB_PROTOCOL } from './wire.ts';

export const OPEN_TIMEOUT_MS = 35_000;
/** A library that was just handed something has this long to look at it before it hears that the connection is over. */
const DIGEST_MS = 100;
/** What the broker sent before it knew that a session had moved still comes on the former socket (§8). */
const FORMER_MS = 5_000;

/** What is used of a real WebSocket: the browser's, Node's (22 and up) or the one of the package `ws`. */
export interface InnerSocket {
  send(text: string): void;
  close(code: number): void;
  addEventListener(type: 'open' | 'message' | 'error' | 'close', listener: (event: InnerEvent) => void): void;
}

interface InnerEvent {
  readonly type?: string;
  readonly data?: unknown;
  readonly message?: unknown;
  readonly code?: number;
  readonly reason?: string;
}

export type WebSocketConstructor = new (url: string, protocols: string[]) => InnerSocket;

export interface MqttSocketOptions {
  readonly WebSocket: WebSocketConstructor;
  readonly clock: Clock;
  /** To be waited before the real WebSocket is opened, in milliseconds. */
  readonly delay: number;
  /** Of the real WebSocket that the session moves to. Default: the same URL. */
  readonly nextUrl?: () => string;
  /** The broker has accepted the CONNECT. */
  accepted(): void;
  /** The broker has taken packets: who waits for `bufferedAmount` to fall looks again. */
  taken?(): void;
  /** @param left the MQTT library has left with a DISCONNECT */
  over(left: boolean): void;
}

type Handler = ((event: Event) => void) | null;

export class MqttSocket extends EventTarget {
  readonly CONNECTING = 0;
  readonly OPEN = 1;
  readonly CLOSING = 2;
  readonly CLOSED = 3;

  readonly url: string;
  /** The sub-protocol as the library sees it. */
  readonly protocol = 'mqtt';
  /** Messages are always an ArrayBuffer. */
  binaryType = 'arraybuffer';
  readyState: 0 | 1 | 2 | 3 = 0;
  onopen: Handler = null;
  onmessage: Handler = null;
  onerror: Handler = null;
  onclose: Handler = null;

  readonly #options: MqttSocketOptions;
  readonly #alarm: Alarm;
  readonly #formerAlarm: Alarm;
  readonly #exchange: Exchange;
  /** The real WebSocket in use, the one that the session moves to, and the one that it has left. */
  #inner: InnerSocket | undefined;
  #next: { readonly socket: InnerSocket; opened(): void; ended(): void } | undefined;
  #former: InnerSocket | undefined;
  #accepted = false;
  #handedOnAt = Number.NEGATIVE_INFINITY;
  /** Tells the library that the connection is over; there once it is. */
  #announceEnd: (() => void) | undefined;

  constructor(url: string, options: MqttSocketOptions) {
    super();
    this.url = url;
    this.#options = options;
    this.#alarm = createAlarm(options.clock);
    this.#formerAlarm = createAlarm(options.clock);
    for (const type of ['open', 'message', 'error', 'close'] as const) {
      this.addEventListener(type, (event) => this[`on${type}`]?.(event));
    }
    this.#exchange = createExchange({
      clock: options.clock,
      sendFrame: (frame) => this.#inner?.send(frame),
      nextSocket: {
        open: (opened, ended) => this.#openNext(opened, ended),
        send: (frame) => this.#next?.socket.send(frame),
        use: () => this.#useNext(),
        drop: () => this.#dropNext(),
      },
      handOn: (bytes) => {
        this.#handedOnAt = options.clock.now();
        this.#tell('message', { data: bytes.buffer });
      },
      accepted: () => {
        this.#accepted = true;
        options.accepted();
      },
      taken: () => options.taken?.(),
      over: (error) => this.#end(1000, '', error),
    });
    if (options.delay > 0) this.#alarm.set(options.delay, () => this.#open());
    else this.#open();
  }

  /** Bytes that the broker has not taken yet, so that a library with much to say can wait. */
  get bufferedAmount(): number {
    return this.#exchange.bufferedAmount;
  }

  send(data: ArrayBuffer | ArrayBufferView): void {
    if (this.readyState > this.OPEN) return;
    const bytes = ArrayBuffer.isView(data)
      ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
      : new Uint8Array(data);
    this.#exchange.write(bytes);
  }

  close(): void {
    if (this.#announceEnd) this.#alarm.set(0, this.#announceEnd);
    else if (this.readyState < this.CLOSING) {
      this.readyState = this.CLOSING;
      this.#exchange.leave();
    }
  }

  /** Only MQTT.js's other WebSocket builder calls it: better an explanation than its TypeError. */
  on(): never {
    this.close();
    throw new ServerlessMqttError(
      'wrong-builder',
      'MQTT.js keeps the kind of WebSocket of the first connect() of a process: make that one with these options',
    );
  }

  #open(): void {
    try {
      this.#inner = this.#connect(this.url);
      this.#alarm.set(OPEN_TIMEOUT_MS, () => this.#end(1006, '', cannotOpen(this.url, 'no answer within 35 s')));
    } catch (error) {
      this.#end(1006, '', cannotOpen(this.url, String(error)));
    }
  }

  #openNext(opened: () => void, ended: () => void): void {
    try {
      const socket = this.#connect(this.#options.nextUrl?.() ?? this.url);
      this.#next = { socket, opened, ended };
      this.#alarm.set(OPEN_TIMEOUT_MS, () => this.#nextEnded());
    } catch {
      ended();
    }
  }

  #nextOpened(): void {
    this.#alarm.clear();
    this.#next?.opened();
  }

  #nextEnded(): void {
    const next = this.#next;
    this.#dropNext();
    next?.ended();
  }

  #dropNext(): void {
    this.#alarm.clear();
    this.#next?.socket.close(1000);
    this.#next = undefined;
  }

  #useNext(): void {
    this.#closeFormer();
    this.#former = this.#inner;
    this.#inner = this.#next?.socket;
    this.#next = undefined;
    this.#formerAlarm.set(FORMER_MS, () => this.#closeFormer());
  }

  #closeFormer(): void {
    this.#formerAlarm.clear();
    this.#former?.close(1000);
    this.#former = undefined;
  }

  #roleOf(inner: InnerSocket): SocketRole | undefined {
    if (inner === this.#inner) return 'current';
    if (inner === this.#next?.socket) return 'next';
    return inner === this.#former ? 'former' : undefined;
  }

  #connect(url: string): InnerSocket {
    const inner = new this.#options.WebSocket(url, [SUB_PROTOCOL]);
    let trouble: unknown;
    // Listeners stay for good: `ws` throws an 'error' that nobody listens to.
    inner.addEventListener('error', ({ message }) => {
      trouble = message;
    });
    inner.addEventListener('open', () => {
      const role = this.#roleOf(inner);
      if (role === 'current') this.#opened();
      if (role === 'next') this.#nextOpened();
    });
    inner.addEventListener('message', ({ data }) => {
      const role = this.#roleOf(inner);
      if (role) this.#exchange.receive(data, role);
    });
    inner.addEventListener('close', ({ code = 1006, reason = '' }) => {
      const role = this.#roleOf(inner);
      if (role === 'next') this.#nextEnded();
      if (role !== 'current') return;
      if (this.#exchange.isMoving) this.#inner = undefined;
      else this.#end(code, reason, this.#whyClosed(code, reason, trouble));
    });
    return inner;
  }

  #opened(): void {
    this.#alarm.clear();
    if (this.readyState !== this.CONNECTING) return;
    this.readyState = this.OPEN;
    this.#exchange.start();
    this.#tell('open');
  }

  /** A connection that the broker had accepted closes without a word: every two hours, for one. */
  #whyClosed(code: number, reason: string, trouble: unknown): ServerlessMqttError | undefined {
    if (this.readyState === this.CONNECTING) return cannotOpen(this.url, String(trouble ?? `code ${code}`));
    if (this.#accepted || this.readyState === this.CLOSING) return undefined;
    return new ServerlessMqttError(
      'closed-early',
      `the connection closed before the broker answered CONNECT (code ${code}${reason && `, ${reason}`})`,
    );
  }

  #end(code: number, reason: string, error?: ServerlessMqttError): void {
    const { clock, over } = this.#options;
    const isAskedFor = this.readyState === this.CLOSING;
    this.readyState = this.CLOSING;
    this.#exchange.stop();
    this.#closeFormer();
    this.#inner?.close(1000);
    this.#inner = undefined;
    over(this.#exchange.isLeaving);
    this.#announceEnd = () => {
      this.#announceEnd = () => {};
      this.readyState = this.CLOSED;
      if (error) this.#tell('error', { error, message: error.message });
      this.#tell('close', { code, reason });
    };
    const digest = isAskedFor ? 0 : this.#handedOnAt + DIGEST_MS - clock.now();
    this.#alarm.set(Math.max(0, digest), this.#announceEnd);
  }

  #tell(type: 'open' | 'message' | 'error' | 'close', fields: object = {}): void {
    this.dispatchEvent(Object.assign(new Event(type), fields));
  }
}

function cannotOpen(url: string, why: string): ServerlessMqttError {
  // Never the query or the user: they may hold a token or a password.
  const place = url.replace(/[?#].*$/s, '').replace(/\/\/[^/]*@/, '//');
  return new ServerlessMqttError(
    'cannot-open',
    `cannot open ${place} (${why.replaceAll(url, place)}): is the URL the broker's, and is the broker up?`,
  );
}
