/**
 * The broker's end of the wire: text frames of the sub-protocol `mqtt.base64` (docs/wire-protocol.md).
 *
 * Rules of this file: text in, bytes out, and back. What the packets in a frame mean is not its business.
 */
import { Buffer } from 'node:buffer';
import { ProtocolViolation } from './violation.ts';

/** Longest text frame in either direction, in characters (API Gateway's limit on a frame). */
export const MAX_FRAME_CHARACTERS = 32_768;

export type ClientFrame =
  | { readonly kind: 'packets'; readonly bytes: Uint8Array }
  | { readonly kind: 'part'; readonly index: number; readonly count: number; readonly piece: string }
  | { readonly kind: 'move'; readonly token: string };

/** Why the broker closes a connection (wire §3). */
export type CloseReason =
  | ProtocolViolation['reason']
  | 'refused'
  | 'disconnected'
  | 'session-taken-over'
  | 'keep-alive-timeout'
  | 'not-connected'
  | 'internal-error';

/** @throws ProtocolViolation malformed-frame */
export function parseClientFrame(text: string): ClientFrame {
  if (text.startsWith('^')) return parseMove(text);
  if (!text.startsWith('~')) return { kind: 'packets', bytes: fromBase64(text) };
  const head = /^~(\d{1,4})\.(\d{1,4}):/.exec(text);
  if (!head) throw new ProtocolViolation('malformed-frame', 'the head of a part is not ~index.count: (wire §4)');
  const [index, count] = [Number(head[1]), Number(head[2])];
  if (index >= count) throw new ProtocolViolation('malformed-frame', `part ${index} of ${count} (wire §4)`);
  return { kind: 'part', index, count, piece: text.slice(head[0].length) };
}

const parseMove = (text: string): ClientFrame => {
  const token = /^\^([\w.-]{1,1400})$/.exec(text)?.[1];
  if (token === undefined) throw new ProtocolViolation('malformed-frame', 'what follows ^ is no token (wire §8)');
  return { kind: 'move', token };
};

/** @throws ProtocolViolation malformed-frame */
export function fromBase64(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64');
  // Node skips what is not base64; text that does not come back unchanged had something to skip.
  if (text === '' || bytes.toString('base64') !== text) {
    throw new ProtocolViolation('malformed-frame', 'the frame is not base64 (wire §2)');
  }
  return bytes;
}

/** What a reply says besides its packets: why the connection closes (§3); how the session moves on, and has moved (§8). */
export interface ReplyFields {
  readonly close?: CloseReason;
  readonly token?: string;
  readonly next?: number;
}

/** The reply to one client frame (wire §3). `taken` counts packets. */
export function encodeReply(taken: number, packets: readonly Uint8Array[], fields: ReplyFields = {}): string {
  const written = Object.entries(fields).map(([name, value]) => `;${name}=${value}`);
  return `!${taken}${written.join('')}:${toBase64(packets)}`;
}

/**
 * A push (wire §5), as the frames to be posted one after the other.
 * @param first sequence number of the first PUBLISH with QoS ≥ 1, or the first one to expect after a CONNACK
 * @param unit names the push, should it need parts
 */
export function encodePush(packets: readonly Uint8Array[], first: number | undefined, unit: string): readonly string[] {
  const body = toBase64(packets);
  const head = `>${first ?? ''}`;
  if (head.length + 1 + body.length <= MAX_FRAME_CHARACTERS) return [`${head}:${body}`];
  const room = MAX_FRAME_CHARACTERS - `${head};part=${unit}.9999.9999:`.length;
  const count = Math.ceil(body.length / room);
  return Array.from(
    { length: count },
    (_, index) => `${head};part=${unit}.${index}.${count}:${body.slice(index * room, (index + 1) * room)}`,
  );
}

/** Tells a client that nobody asked why its connection is about to be closed (wire §5). */
export function encodePushedClose(reason: CloseReason): string {
  return `>;close=${reason}:`;
}

const toBase64 = (packets: readonly Uint8Array[]): string => Buffer.concat(packets).toString('base64');
