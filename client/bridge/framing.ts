/**
 * Where packets end in a stream of bytes (MQTT 3.1.1 §2.2), however the network has cut it.
 *
 * Rules of this file: no socket, no clock. Nothing of a packet is looked at but its first byte and its length. Packets are
 * handed out one by one, on demand: a heap of tiny packets stays bytes until somebody can use them. What is held is bounded
 * by whoever pushes: a packet that is too large is refused by its header.
 */
import * as packetType from '../packet-type.ts';
import { measure } from '../packets.ts';

const CONNECT = packetType.connect << 4;
const FIRST_CAPACITY = 256;

/** Why these bytes are not taken. */
export type FramingFault = 'not-mqtt' | 'packet-too-large';

export interface Framer {
  /** Bytes that have not been handed out. */
  readonly bytes: number;
  /** @param chunk is copied */
  push(chunk: Uint8Array): void;
  /** @returns the next whole packet, a copy; nothing where it is not whole yet; or why the stream ends here, for good */
  next(): Uint8Array | FramingFault | undefined;
}

/** @param largestPacket in bytes, with its fixed header */
export function createFramer(largestPacket: number): Framer {
  let buffer = new Uint8Array(0);
  let start = 0;
  let end = 0;
  let isFirst = true;
  let fault: FramingFault | undefined;

  const makeRoom = (length: number): void => {
    if (end + length <= buffer.length) return;
    const needed = end - start + length;
    // Twice what is needed, so that a packet that comes byte by byte is copied a few times only.
    const next = needed <= buffer.length / 2 ? buffer : new Uint8Array(Math.max(FIRST_CAPACITY, needed * 2));
    next.set(buffer.subarray(start, end));
    buffer = next;
    end -= start;
    start = 0;
  };

  const faultOf = (held: Uint8Array, packetEnd: number): FramingFault | undefined => {
    // A client begins with CONNECT (MQTT-3.1.0-1): its first byte tells HTTP, TLS and others at the wrong port.
    if (isFirst && held[0] !== CONNECT) return 'not-mqtt';
    return packetEnd > largestPacket ? 'packet-too-large' : undefined;
  };

  return {
    get bytes() {
      return end - start;
    },
    push(chunk) {
      if (fault) return;
      makeRoom(chunk.length);
      buffer.set(chunk, end);
      end += chunk.length;
    },
    next() {
      if (fault || start === end) return fault;
      const held = buffer.subarray(start, end);
      const size = measure(held);
      fault = size ? faultOf(held, size.end) : 'not-mqtt';
      if (!size || fault) {
        buffer = new Uint8Array(0);
        start = end = 0;
        return fault;
      }
      if (size.end > held.length) return undefined;
      const packet = held.slice(0, size.end);
      start += packet.length;
      isFirst = false;
      if (start === end) {
        start = end = 0;
        // An idle client holds nothing.
        if (buffer.length > FIRST_CAPACITY) buffer = new Uint8Array(0);
      }
      return packet;
    },
  };
}
