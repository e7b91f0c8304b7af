/**
 * As much of MQTT as the wire needs: where a packet ends, and a few facts from its first bytes.
 *
 * Rules of this file: pure. Packets are whole and only looked at, never changed. Nothing here depends on the version of
 * MQTT: 3.1, 3.1.1 and 5 agree on these bytes.
 */

import * as packetType from './packet-type.ts';

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
  let rest = bytes;
  while (rest.length > 0) {
    const size = measure(rest);
    if (!size) return undefined;
    if (size.end > rest.length) break;
    packets.push(rest.subarray(0, size.end));
    rest = rest.subarray(size.end);
  }
  return { packets, rest };
}

/** The beginning of the variable header, of a whole packet. */
const bodyOf = (packet: Uint8Array): Uint8Array => packet.subarray(measure(packet)?.body);

/** Where the variable header of the first packet begins, and where the packet ends, maybe beyond the bytes. */
export function measure(bytes: Uint8Array) {
  let length = 0;
  for (let i = 0; i < 4; i++) {
    const digit = bytes[i + 1];
    if (digit === undefined) return { body: i, end: bytes.length + 1 };
    length += (digit & 0x7f) << (7 * i);
    if (digit < 0x80) return { body: i + 2, end: i + 2 + length };
  }
  return undefined;
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

export const bytesIn = (packets: readonly Uint8Array[]): number => packets.reduce((sum, { length }) => sum + length, 0);

export function concatenate(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(bytesIn(pieces));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}
