/**
 * The client's end of the wire `mqtt.base64`: packets to frames, and the broker's frames to values
 * (docs/wire-protocol.md §2–§6, §8).
 *
 * Rules of this file: pure. A frame is text of at most 32,768 characters. Fields that are not known here are skipped:
 * that is how the wire grows. Everything else that the wire does not allow is one error, `bad-answer`.
 */

import { decodeBase64, encodeBase64 } from './base64.ts';
import { badAnswer } from './errors.ts';
import { MAX_FRAME_BYTES, MAX_FRAME_CHARACTERS } from './limits.ts';
import { concatenate, splitPackets } from './packets.ts';

export const SUB_PROTOCOL = 'mqtt.base64';

/** With room for the longest head, and a multiple of four, so that every piece is base64 by itself. */
const pieces = /.{1,32756}/g;

export interface Packed {
  /** How many packets, from the first, the frames carry. */
  readonly count: number;
  /** One frame; or all the parts of one packet (§4). */
  readonly frames: readonly string[];
}

export interface Push {
  /** Sequence number of its first PUBLISH with QoS ≥ 1; with a CONNACK the first number expected (§5). */
  readonly first: number | undefined;
  readonly packets: readonly Uint8Array[];
}

export interface PushPart {
  readonly first: number | undefined;
  readonly unit: string;
  readonly index: number;
  readonly count: number;
  readonly piece: string;
}

export interface Reply {
  readonly taken: number;
  /** With it the session can be moved to another socket, once (§8). */
  readonly token: string | undefined;
  /** The session has moved: the first number expected of the pushes on its new socket (§8). */
  readonly next: number | undefined;
  readonly packets: readonly Uint8Array[];
}

/** The broker is done with this connection: the last reply, or a push of its own accord (§3, §5). */
export interface Closing {
  readonly reason: string;
  readonly packets: readonly Uint8Array[];
}

export interface GatewayMessage {
  readonly message: string;
  readonly throttled: boolean;
}

export type BrokerFrame =
  | ({ readonly kind: 'reply' } & Reply)
  | ({ readonly kind: 'push' } & Push)
  | ({ readonly kind: 'part' } & PushPart)
  | ({ readonly kind: 'closing' } & Closing)
  | ({ readonly kind: 'gateway' } & GatewayMessage);

/** The next frame for these packets: as many as fit, or the parts of the first one (§2, §4). */
export function packFrame(packets: readonly Uint8Array[]): Packed {
  let bytes = 0;
  let count = 0;
  for (const packet of packets) {
    bytes += packet.length;
    if (bytes > MAX_FRAME_BYTES) break;
    count += 1;
  }
  const base64 = encodeBase64(concatenate(packets.slice(0, count || 1)));
  return count > 0 ? { count, frames: [base64] } : { count: 1, frames: cut(base64) };
}

const cut = (base64: string): string[] =>
  (base64.match(pieces) ?? []).map((piece, index, { length }) => `~${index}.${length}:${piece}`);

const throttles: readonly unknown[] = ['Too Many Requests', 'Limit Exceeded', 'Rate exceeded'];

/** @throws ServerlessMqttError `bad-answer` */
export function parseBrokerFrame(frame: string): BrokerFrame {
  if (frame.length > MAX_FRAME_CHARACTERS) throw badAnswer(`a frame of ${frame.length} characters`);
  const parsed = frame[0] === '{' ? parseGatewayMessage(frame) : parseBrokersOwn(frame);
  // No values: one of them may be a token.
  if (!parsed) throw badAnswer(`a frame that begins with ${JSON.stringify(frame.slice(0, 32).replace(/=.*/s, '='))}`);
  return parsed;
}

function parseGatewayMessage(frame: string): BrokerFrame | undefined {
  try {
    const { message } = JSON.parse(frame);
    return { kind: 'gateway', message: String(message).slice(0, 200), throttled: throttles.includes(message) };
  } catch {
    return undefined;
  }
}

function parseBrokersOwn(frame: string): BrokerFrame | undefined {
  const [head = '', kind, digits, fields = ''] = /^([!>])(\d{0,15})((?:;[a-z]+=[^;:]*)*):/.exec(frame) ?? [];
  const body = frame.slice(head.length);
  const number = digits ? Number(digits) : undefined;
  const field = (name: string): string | undefined => new RegExp(`;${name}=([^;]*)`).exec(fields)?.[1];
  const reason = field('close');
  if (kind === '!') {
    const next = field('next');
    if (number === undefined || !/^\d{1,15}$/.test(next ?? '0')) return undefined;
    const packets = parsePackets(body);
    if (reason !== undefined) return { kind: 'closing', reason, packets };
    return { kind: 'reply', taken: number, token: field('token'), next: next ? Number(next) : undefined, packets };
  }
  if (kind === undefined) return undefined;
  if (reason !== undefined) return { kind: 'closing', reason, packets: [] };
  const part = field('part');
  if (part === undefined) return { kind: 'push', first: number, packets: parsePackets(body) };
  const [, unit = '', index, count] = /^([\w-]{1,32})\.(\d{1,4})\.(\d{1,4})$/.exec(part) ?? [];
  return Number(index) < Number(count)
    ? { kind: 'part', first: number, unit, index: Number(index), count: Number(count), piece: body }
    : undefined;
}

/** The packets of a body, or of the pieces of a push put together. @throws ServerlessMqttError `bad-answer` */
export function parsePackets(base64: string): readonly Uint8Array[] {
  const bytes = decodeBase64(base64);
  const split = bytes && splitPackets(bytes);
  if (!split || split.rest.length > 0) throw badAnswer('a body of no whole packets');
  return split.packets;
}
