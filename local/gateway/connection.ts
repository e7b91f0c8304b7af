/**
 * One open WebSocket, held to API Gateway's limits.
 *
 * Rules of this file:
 * - Text only. A binary message closes with 1003, a frame above 32 KB or a message above 128 KB with 1009.
 * - Assumption: idle is the time without a data message in either direction; pings are answered and change nothing.
 * - How a connection ended is said exactly once. Where the gateway closed it, by the gateway's own code.
 */
import type { Duplex } from 'node:stream';
import type { RawData, WebSocket } from 'ws';
import type { Cancel, Clock } from '../clock.ts';
import type { ConnectionFacts } from './events.ts';
import { frameWatch } from './frame-watch.ts';
import { type Closing, closings, type GatewayLimits } from './limits.ts';

/** How long a client may take to answer a close, before its socket is dropped. */
export const CLOSE_GRACE_MS = 1_000;

export interface Connection {
  readonly facts: ConnectionFacts;
  /** When the client last sent a message. Assumption: pushes do not count. */
  lastActiveAt(): number;
  isOpen(): boolean;
  /** Bytes sent and not yet taken by the network. */
  bufferedBytes(): number;
  send(text: string): void;
  close(closing: Closing): void;
  /** Drops the socket without a word. */
  drop(): void;
}

export interface ConnectionOptions {
  readonly facts: ConnectionFacts;
  readonly webSocket: WebSocket;
  /** What the WebSocket runs on. */
  readonly socket: Duplex;
  readonly limits: GatewayLimits;
  readonly clock: Clock;
  readonly onMessage: (body: string) => void;
  readonly onEnd: (closing: Closing) => void;
}

export const openConnection = (options: ConnectionOptions): Connection => {
  const { facts, webSocket, socket, limits, clock } = options;
  let ending: Closing | undefined;
  let cancelDrop: Cancel = () => {};
  let lastMessageAt = clock.now();
  let lastActiveAt = lastMessageAt;

  const close = (closing: Closing): void => {
    if (ending !== undefined) return;
    ending = closing;
    webSocket.close(closing.code, closing.reason);
    cancelDrop = clock.after(CLOSE_GRACE_MS, () => webSocket.terminate());
  };

  let cancelIdle: Cancel = () => {};
  const watchIdle = (): void => {
    const left = lastMessageAt + limits.idleMs - clock.now();
    if (left <= 0) close(closings.idle);
    else cancelIdle = clock.after(left, watchIdle);
  };
  watchIdle();
  const cancelLifetime = clock.after(limits.lifetimeMs, () => close(closings.tooOld));

  // Before the listener of `ws`, so that a frame too large is refused before it is a message.
  const isTooLarge = frameWatch(limits.frameBytes);
  const watchFrames = (chunk: Buffer): void => {
    if (!isTooLarge(chunk)) return;
    socket.off('data', watchFrames);
    close(closings.tooLarge);
  };
  socket.prependListener('data', watchFrames);

  webSocket.on('message', (data: RawData, isBinary: boolean) => {
    if (ending !== undefined) return;
    if (isBinary) return close(closings.binary);
    lastMessageAt = clock.now();
    lastActiveAt = lastMessageAt;
    options.onMessage(data.toString());
  });

  // `ws` has closed by itself: the peer broke the protocol, or a limit given to `ws`.
  webSocket.on('error', (error: NodeJS.ErrnoException) => {
    ending ??= refusals[error.code ?? ''] ?? { code: 1002, reason: '' };
  });

  webSocket.on('close', (code: number, reason: Buffer) => {
    cancelIdle();
    cancelLifetime();
    cancelDrop();
    socket.off('data', watchFrames);
    options.onEnd(ending ?? { code, reason: reason.toString() });
    ending ??= closings.lost;
  });

  return {
    facts,
    close,
    drop: () => webSocket.terminate(),
    lastActiveAt: () => lastActiveAt,
    isOpen: () => ending === undefined && webSocket.readyState === webSocket.OPEN,
    bufferedBytes: () => webSocket.bufferedAmount,
    send: (text) => {
      if (ending !== undefined) return;
      lastMessageAt = clock.now();
      webSocket.send(text, { binary: false }, () => {});
    },
  };
};

/** By the codes of `ws`. */
const refusals: Readonly<Record<string, Closing>> = {
  WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: closings.tooLarge,
  WS_ERR_TOO_MANY_BUFFERED_PARTS: closings.tooLarge,
  WS_ERR_INVALID_UTF8: { code: 1007, reason: '' },
  ECONNRESET: closings.lost,
  EPIPE: closings.lost,
};
