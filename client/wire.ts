/**
 * The client's end of the wire `mqtt.base64`: packets to frames, and the broker's frames to values
 * (docs/wire-protocol.md §2–§6, §8).
 *
 * Rules of this file: pure. A frame is text of at most 32,768 characters. Fields that are not known here are skipped:
 * that is how the wire grows. Everything else that the wire does not allow is one error, `bad-answer`.
 */
import { decodeBase64, encodeBase64 } from './base64.ts';
import { badAnswer } from './errors.ts';
import { concatenate, splitPackets } from './packets.ts';

export const SUB_PROTOCOL = 'mqtt.base64';
export const MAX_FRAME_CHARACTERS = 32_768;

/** What one frame of base64 holds. */
const MAX_FRAME_BYTES = 24_576;
/** With room for the longest head, and a multiple of four, so that every piece is base64 by itself. */
const PIECE_CHARACTERS = 32_756;

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
  readonly close: string | undefined;
  /** With it the session can be moved to another socket, once (§8). */
  readonly token: string | undefined;
  /** The session has moved: the first number expected of the pushes on its new socket (§8). */
  readonly next: number | undefined;
  readonly packets: readonly Uint8Array[];
}

export type BrokerFrame =
  | ({ readonly kind: 'reply' } & Reply)
  | ({ readonly kind: 'push' } & Push)
  | ({ readonly kind: 'part' } & PushPart)
  | { readonly kind: 'closing'; readonly reason: string }
  | { readonly kind: 'gateway'; readonly message: string; readonly throttled: boolean };

/** The next frame for these packets: as many as fit, or the parts of the first one (§2, §4). */
export function packFrame(packets: readonly Uint8Array[]): Packed {
  let bytes = 0;
  let count = 0;
  for (const packet of packets) {
    bytes += packet.length;
    if (bytes > MAX_FRAME_BYTES) break;
    count += 1;
  }
  if (count > 0) return { count, frames: [encodeBase64(concatenate(packets.slice(0, count)))] };
  return { count: 1, frames: packets[0] ? cut(encodeBase64(packets[0])) : [] };
}

function cut(base64: string): string[] {
  const count = Math.ceil(base64.length / PIECE_CHARACTERS);
  return Array.from({ length: count }, (_, index) => {
    const piece = base64.slice(index * PIECE_CHARACTERS, (index + 1) * PIECE_CHARACTERS);
    return `~${index}.${count}:${piece}`;
  });
}

/** @throws ServerlessMqttError `bad-answer` */
export function parseBrokerFrame(frame: string): BrokerFrame {
  if (frame.length > MAX_FRAME_CHARACTERS) throw badAnswer(`a frame of ${frame.length} characters`);
  switch (frame[0]) {
    case '!':
      return parseReply(frame);
    case '>':
      return parsePush(frame);
    case '{':
      return parseGatewayMessage(frame);
    default:
      throw badAnswer(`a frame that begins with ${JSON.stringify(frame.slice(0, 1))}`);
  }
}

function parseReply(frame: string): BrokerFrame {
  const { number, fields, body } = splitFrame(frame);
  if (number === undefined) throw badAnswer('a reply without a number');
  const next = fields.get('next');
  if (next !== undefined && !/^\d{1,15}$/.test(next)) throw badAnswer(`next=${next.slice(0, 64)}`);
  return {
    kind: 'reply',
    taken: number,
    close: fields.get('close'),
    token: fields.get('token'),
    next: next === undefined ? undefined : Number(next),
    packets: parsePackets(body),
  };
}

function parsePush(frame: string): BrokerFrame {
  const { number: first, fields, body } = splitFrame(frame);
  const reason = fields.get('close');
  if (reason !== undefined) return { kind: 'closing', reason };
  const field = fields.get('part');
  if (field === undefined) return { kind: 'push', first, packets: parsePackets(body) };
  const part = /^([\w-]{1,32})\.(\d{1,4})\.(\d{1,4})$/.exec(field);
  const [index, count] = [Number(part?.[2]), Number(part?.[3])];
  if (part?.[1] === undefined || index >= count) throw badAnswer(`part=${field.slice(0, 64)}`);
  return { kind: 'part', first, unit: part[1], index, count, piece: body };
}

const throttles: readonly unknown[] = ['Too Many Requests', 'Limit Exceeded', 'Rate exceeded'];

function parseGatewayMessage(frame: string): BrokerFrame {
  let said: { readonly message?: unknown };
  try {
    said = JSON.parse(frame);
  } catch {
    throw badAnswer('a frame that is not JSON');
  }
  return { kind: 'gateway', message: String(said.message).slice(0, 200), throttled: throttles.includes(said.message) };
}

/** The packets of a body, or of the pieces of a push put together. @throws ServerlessMqttError `bad-answer` */
export function parsePackets(base64: string): readonly Uint8Array[] {
  const bytes = decodeBase64(base64);
  if (bytes === undefined) throw badAnswer('a body that is not base64');
  const split = splitPackets(bytes);
  if (split === undefined || split.rest.length > 0) throw badAnswer('a body that is not whole MQTT packets');
  return split.packets;
}

function splitFrame(frame: string) {
  const head = /^.(\d{0,15})((?:;[a-z]+=[^;:]*)*):/.exec(frame);
  // No values: one of them may be a token.
  if (!head) throw badAnswer(`a frame that begins with ${JSON.stringify(frame.slice(0, 32).replace(/=.*/s, '='))}`);
  const [{ length }, number, fields = ''] = head;
  return {
    number: number ? Number(number) : undefined,
    fields: new Map([...fields.matchAll(/;([a-z]+)=([^;]*)/g)].map(([, name, value = '']) => [name, value])),
    body: frame.slice(length),
  };
}
