/**
 * A WebSocket look-alike: MQTT libraries write MQTT into it and hear MQTT from it; below, the wire `mqtt.base64` runs over
 * a real WebSocket (docs/wire-protocol.md §1, §7, §8).
 *
 * Rules of this file: to the library it behaves as a WebSocket with `on…` handlers, but `send` never throws (MQTT.js would
 * take the process down with it). The library's close waits for the answer to its DISCONNECT. The real socket is replaced
 * while this one lives, and the library does not notice: what a real socket says depends on its role, and one without a
 * role is not heard.
 */

import type { Attempt } from './attempts.ts';
import { type Clock, createAlarm } from './clock.ts';
import { ServerlessMqttError } from './errors.ts';
import { createExchange, type SocketRole } from './exchange.ts';
import { DIGEST_MS, FORMER_MS, OPEN_TIMEOUT_MS } from './limits.ts';
import { CLOSED, CLOSING, CONNECTING, OPEN } from './ready-state.ts';
import { SUB_PROTOCOL } from './wire.ts';

/** What is used of a real WebSocket: the browser's, Node's (22 and up) or the one of the package `ws`. */
export interface InnerSocket {
  // Set, never read: each kind of WebSocket has its own types of events.
  onopen: unknown;
  onmessage: unknown;
  onerror: unknown;
  onclose: unknown;
  send(text: string): void;
  close(code: number): void;
}

interface InnerEvent {
  readonly data?: unknown;
  readonly message?: unknown;
  readonly error?: { readonly code?: unknown };
  readonly code?: number;
  readonly reason?: string;
}

export type WebSocketConstructor = new (url: string, protocols: string[]) => InnerSocket;

export interface MqttSocketOptions extends Attempt {
  readonly WebSocket: WebSocketConstructor;
  readonly clock: Clock;
  /** The URL of the next real WebSocket: of the first, and of each that the session moves to. */
  nextUrl(): string | Promise<string>;
  /** The broker has taken packets: who waits for `bufferedAmount` to fall looks again. */
  readonly taken?: () => void;
  /** The library is about to hear that the connection is over. */
  ended(error?: ServerlessMqttError): void;
}

type Handler<E> = ((event: E) => void) | null | undefined;

export interface MqttSocket {
  readonly OPEN: 1;
  readonly readyState: number;
  /** Bytes that the broker has not taken yet, so that a library with much to say can wait. */
  readonly bufferedAmount: number;
  /** Whatever it says, messages are an ArrayBuffer. */
  binaryType?: string;
  onopen?: Handler<object>;
  onmessage?: Handler<{ readonly data: ArrayBuffer }>;
  onerror?: Handler<ServerlessMqttError>;
  onclose?: Handler<object>;
  send(data: ArrayBuffer | Uint8Array): void;
  close(): void;
}

/** @param url names the broker in errors until `nextUrl` has been asked */
export function createMqttSocket(url: string, options: MqttSocketOptions): MqttSocket {
  const { clock } = options;
  const alarm = createAlarm(clock);
  const formerAlarm = createAlarm(clock);
  /** The real WebSockets; one whose URL is still being made is stood in for. */
  const inners: { [role in SocketRole]?: Pick<InnerSocket, 'send' | 'close'> | undefined } = {};
  let address = url;
  let readyState = CONNECTING;
  let isAccepted = false;
  let handedOnAt = -DIGEST_MS;
  let nextOpened = (): void => {};
  let nextEnded = (): void => {};
  /** Tells the library that the connection is over; there once it is. */
  let announceEnd: (() => void) | undefined;

  const exchange = createExchange({
    clock,
    sendFrame: (frame) => inners.current?.send(frame),
    nextSocket: {
      open(opened, ended) {
        nextOpened = opened;
        nextEnded = () => {
          dropNext();
          ended();
        };
        open('next', nextEnded);
      },
      send: (frame) => inners.next?.send(frame),
      use() {
        drop('former');
        [inners.former, inners.current, inners.next] = [inners.current, inners.next, undefined];
        formerAlarm.set(FORMER_MS, () => drop('former'));
      },
      drop: () => dropNext(),
    },
    handOn({ buffer: data }) {
      handedOnAt = clock.now();
      socket.onmessage?.({ data });
    },
    accepted() {
      isAccepted = true;
      options.accepted();
    },
    taken: options.taken,
    over: (error) => end(error),
  });

  const drop = (role: SocketRole): void => {
    inners[role]?.close(1000);
    inners[role] = undefined;
  };

  const dropNext = (): void => {
    alarm.clear();
    drop('next');
  };

  const connect = (): InnerSocket => {
    const inner = new options.WebSocket(address, [SUB_PROTOCOL]);
    const role = (): SocketRole | undefined =>
      (['current', 'next', 'former'] as const).find((each) => inners[each] === inner);
    let trouble: unknown;
    inner.onerror = ({ message, error }: InnerEvent) => {
      // `ws` has no message where it has tried several addresses.
      trouble = message || error?.code;
    };
    inner.onopen = () => {
      const to = role();
      if (to) alarm.clear();
      if (to === 'current') opened();
      if (to === 'next') nextOpened();
    };
    inner.onmessage = ({ data }: InnerEvent) => {
      const from = role();
      if (from) exchange.receive(data, from);
    };
    inner.onclose = ({ code = 1006, reason = '' }: InnerEvent) => {
      const from = role();
      if (from === 'next') nextEnded();
      if (from !== 'current') return;
      if (exchange.isMoving) inners.current = undefined;
      else end(whyClosed(code, reason, trouble));
    };
    return inner;
  };

  const open = (role: 'current' | 'next', failed: (why: string) => void): void => {
    const standIn = { send() {}, close() {} };
    const use = (made: string): void => {
      if (inners[role] !== standIn) return;
      address = made;
      inners[role] = connect();
    };
    const fail = (error: unknown): void => {
      if (inners[role] === standIn) failed(String(error));
    };
    inners[role] = standIn;
    alarm.set(OPEN_TIMEOUT_MS, () => failed('no answer within 35 s'));
    try {
      const made = options.nextUrl();
      if (typeof made === 'string') use(made);
      else made.then(use).catch(fail);
    } catch (error) {
      fail(error);
    }
  };

  const openFirst = (): void => open('current', (why) => end(cannotOpen(address, why)));

  const opened = (): void => {
    if (readyState !== CONNECTING) return;
    readyState = OPEN;
    exchange.start();
    socket.onopen?.({});
  };

  /** A connection that the broker had accepted closes without a word: every two hours, for one. */
  const whyClosed = (code: number, reason: string, trouble: unknown): ServerlessMqttError | undefined => {
    if (readyState === CONNECTING)
      return cannotOpen(address, String(trouble ?? `code ${code}, a browser tells no more`));
    if (isAccepted || readyState === CLOSING) return undefined;
    return new ServerlessMqttError(
      'closed-early',
      `closed before the broker answered CONNECT (code ${code}${reason && `, ${reason}`})`,
    );
  };

  const end = (error?: ServerlessMqttError): void => {
    const isAskedFor = readyState === CLOSING;
    readyState = CLOSING;
    exchange.stop();
    formerAlarm.clear();
    drop('former');
    drop('current');
    options.over(exchange.isLeaving);
    announceEnd = () => {
      announceEnd = undefined;
      readyState = CLOSED;
      options.ended(error);
      if (error) socket.onerror?.(error);
      socket.onclose?.({});
    };
    alarm.set(isAskedFor ? 0 : Math.max(0, handedOnAt + DIGEST_MS - clock.now()), announceEnd);
  };

  const close = (): void => {
    if (announceEnd) alarm.set(0, announceEnd);
    else if (readyState < CLOSING) {
      readyState = CLOSING;
      exchange.leave();
    }
  };

  const socket: MqttSocket = {
    OPEN,
    get readyState() {
      return readyState;
    },
    get bufferedAmount() {
      return exchange.bufferedAmount;
    },
    send(data) {
      if (readyState > OPEN) return;
      exchange.write(new Uint8Array(data));
    },
    close,
  };

  if (options.delay > 0) alarm.set(options.delay, openFirst);
  else openFirst();
  return socket;
}

function cannotOpen(url: string, why: string): ServerlessMqttError {
  // Never the query or the user: they may hold a token or a password.
  const place = url.replace(/[?#].*$/s, '').replace(/\/\/[^/]*@/, '//');
  return new ServerlessMqttError(
    'cannot-open',
    `cannot open ${place} (${why.replaceAll(url, place)}): is it the URL of the broker, and is that up?`,
  );
}
