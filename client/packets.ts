/**
 * As much of MQTT as the wire needs: where a packet ends, and a few facts from its first bytes.
 *
 * Rules of this file: pure. Packets are whole and only looked at, never changed. Nothing here depends on the version of
 * MQTT: 3.1, 3.1.1 and 5 agree on these bytes.
 */

export const packetType = {
  connect: 1,
  connack: 2,
  publish: 3,
  puback: 4,
  pubrec: 5,
  pubrel: 6,
  pingreq: 12,
  pingresp: 13,
  disconnect: 14,
} as const;

export interface SplitBytes {
  readonly packets: readonly Uint8Array[];
  /** The beginning of a packet whose end has not come yet. */
  readonly rest: Uint8Array;
}

export interface ConnectFacts {
  /** In seconds; 0 means none. */
  readonly keepAlive: number;
  /** The session outlives the connection (Clean Session is 0). */
  readonly persistent: boolean;
}

export const typeOf = (packet: Uint8Array): number => (packet[0] ?? 0) >> 4;

/** Of a PUBLISH. */
export const qosOf = (packet: Uint8Array): number => ((packet[0] ?? 0) >> 1) & 0b11;

/** Of a PUBLISH: it may have been sent before. */
export const isDup = (packet: Uint8Array): boolean => ((packet[0] ?? 0) & 0b1000) !== 0;

/** @returns nothing where a remaining length has more than four bytes: these are no MQTT packets (MQTT 3.1.1 §2.2.3) */
export function splitPackets(bytes: Uint8Array): SplitBytes | undefined {
  const packets: Uint8Array[] = [];
  let start = 0;
  while (start < bytes.length) {
    const header = readLength(bytes, start);
    if (header === 'too long') return undefined;
    if (header === 'incomplete' || header.end > bytes.length) break;
    packets.push(bytes.subarray(start, header.end));
    start = header.end;
  }
  return { packets, rest: bytes.subarray(start) };
}

/** The beginning of the variable header, of a whole packet. */
function bodyOf(packet: Uint8Array): Uint8Array {
  const header = readLength(packet, 0);
  return packet.subarray(typeof header === 'string' ? packet.length : header.bodyStart);
}

function readLength(bytes: Uint8Array, start: number) {
  let length = 0;
  for (let i = 0; i < 4; i++) {
    const digit = bytes[start + 1 + i];
    if (digit === undefined) return 'incomplete';
    length += (digit & 0x7f) * 128 ** i;
    const bodyStart = start + 2 + i;
    if (digit < 0x80) return { bodyStart, end: bodyStart + length };
  }
  return 'too long';
}

/** Of a CONNECT (MQTT 3.1.1 §3.1.2). In MQTT 5 a session is taken as persistent unless Clean Start is set. */
export function readConnect(packet: Uint8Array): ConnectFacts {
  const body = bodyOf(packet);
  const level = 2 + twoBytes(body, 0);
  return { persistent: ((body[level + 1] ?? 0) & 0b10) === 0, keepAlive: twoBytes(body, level + 2) };
}

/** Of a packet that answers one with a packet id, or of a PUBLISH with QoS ≥ 1, where it stands behind the topic (MQTT 3.1.1 §3.3.2, §3.4.2). */
export function packetIdOf(packet: Uint8Array): number {
  const body = bodyOf(packet);
  return twoBytes(body, typeOf(packet) === packetType.publish ? 2 + twoBytes(body, 0) : 0);
}

const twoBytes = (bytes: Uint8Array, at: number): number => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);

/** A CONNACK with return code 0 (MQTT 3.1.1 §3.2.2.3). */
export const isAcceptance = (packet: Uint8Array): boolean =>
  typeOf(packet) === packetType.connack && bodyOf(packet)[1] === 0;

/** A PUBLISH with QoS ≥ 1: the packets that sequence numbers count (wire-protocol.md §5). */
export const isNumbered = (packet: Uint8Array): boolean => typeOf(packet) === packetType.publish && qosOf(packet) !== 0;

export function concatenate(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}
