/**
 * A WebSocket look-alike: MQTT libraries write MQTT into it and hear MQTT from it; below, the wire `mqtt.base64` runs over
 * a real WebSocket (docs/wire-protocol.md §1, §7).
 *
 * Rules of this file: to the library it behaves as a WebSocket, but `send` never throws (MQTT.js would take the process
 * down with it). The library's close waits for the answer to its DISCONNECT. The inner socket may be replaced while this
 * one lives: whatever an inner socket says that is no longer `#inner` is not heard.
 */
import { type Alarm, type Clock, createAlarm } from './clock.ts';
import { ServerlessMqttError } from './errors.ts';
import { createExchange, type Exchange } from './exchange.ts';
import { SUB_PROTOCOL } from './wire.ts';

export const OPEN_TIMEOUT_MS = 35_000;
/** A library that was just handed something has this long to look at it before it hears that the connection is over. */
const DIGEST_MS = 100;

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
  /** The broker has accepted the CONNECT. */
  accepted(): void;
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
  readonly #exchange: Exchange;
  #inner: InnerSocket | undefined;
  #accepted = false;
  #handedOnAt = Number.NEGATIVE_INFINITY;
  /** Tells the library that the connection is over; there once it is. */
  #announceEnd: (() => void) | undefined;

  constructor(url: string, options: MqttSocketOptions) {
    super();
    this.url = url;
    this.#options = options;
    this.#alarm = createAlarm(options.clock);
    for (const type of ['open', 'message', 'error', 'close'] as const) {
      this.addEventListener(type, (event) => this[`on${type}`]?.(event));
    }
    this.#exchange = createExchange({
      clock: options.clock,
      sendFrame: (frame) => this.#inner?.send(frame),
      handOn: (bytes) => {
        this.#handedOnAt = options.clock.now();
        this.#tell('message', { data: bytes.buffer });
      },
      accepted: () => {
        this.#accepted = true;
        options.accepted();
      },
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
      this.#attach(new this.#options.WebSocket(this.url, [SUB_PROTOCOL]));
    } catch (error) {
      this.#end(1006, '', cannotOpen(this.url, String(error)));
    }
  }

  #attach(inner: InnerSocket): void {
    this.#inner = inner;
    this.#alarm.set(OPEN_TIMEOUT_MS, () => this.#end(1006, '', cannotOpen(this.url, 'no answer within 35 s')));
    const isCurrent = (): boolean => inner === this.#inner;
    let trouble: unknown;
    // Listeners stay for good: `ws` throws an 'error' that nobody listens to.
    inner.addEventListener('error', ({ message }) => {
      trouble = message;
    });
    inner.addEventListener('open', () => {
      if (isCurrent()) this.#opened();
    });
    inner.addEventListener('message', ({ data }) => {
      if (isCurrent()) this.#exchange.receive(data);
    });
    inner.addEventListener('close', ({ code = 1006, reason = '' }) => {
      if (isCurrent()) this.#end(code, reason, this.#whyClosed(code, reason, trouble));
    });
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
