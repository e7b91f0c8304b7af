/**
 * What the client has to say: one frame in flight, the rest gathers behind it (wire-protocol.md §3, §4, §6, §8).
 *
 * Rules of this file: no clock, no socket. Packets leave in the order they came, and none leaves the outbox before the
 * broker has taken it, but for those that a move has made needless. Somebody else keeps the turns: `frame()` is what to
 * send, then one of `replied` and `throttled` tells what the answer means.
 */

import { badAnswer } from './errors.ts';
import { LONGEST_PAUSE_MS, SHORTEST_PAUSE_MS } from './limits.ts';
import { bytesIn } from './packets.ts';
import { type Packed, packFrame } from './wire.ts';

export interface Settled {
  /** The packets that the broker has dealt with, in order. */
  readonly taken: readonly Uint8Array[];
  /** To be waited before the next frame, in milliseconds. */
  readonly pause: number;
}

export interface Outbox {
  /** Bytes that the broker has not taken yet. */
  readonly bytes: number;
  /** Some parts of a packet have been sent, and others not. */
  readonly isMidPacket: boolean;
  add(packet: Uint8Array): void;
  /** The frame to send now: the next one, or one that must be sent again. Nothing where there is nothing to say. */
  frame(): string | undefined;
  /** @throws ServerlessMqttError `bad-answer` where more is taken than the frame carried */
  replied(taken: number): Settled;
  /** @returns to be waited before the frame is sent again, in milliseconds */
  throttled(): number;
  /** The session has moved to another socket, with no frame in flight. @param isNeedless what is not to be said there */
  moved(isNeedless: (packet: Uint8Array) => boolean): void;
}

export function createOutbox(): Outbox {
  let packets: Uint8Array[] = [];
  let bytes = 0;
  /** What is on its way: a prefix of `packets`. */
  let flight: Packed | undefined;
  /** Which of the frames of `flight`. */
  let at = 0;
  let rests = 0;
  let throttles = 0;

  return {
    get bytes() {
      return bytes;
    },
    get isMidPacket() {
      return at > 0;
    },
    add(packet) {
      packets.push(packet);
      bytes += packet.length;
    },
    frame() {
      if (packets.length > 0) flight ??= packFrame(packets);
      return flight?.frames[at];
    },
    replied(taken) {
      if (!flight) throw badAnswer('a reply to no frame');
      throttles = 0;
      const isPart = at < flight.frames.length - 1;
      const most = isPart ? 0 : flight.count;
      if (taken > most) throw badAnswer(`a reply that takes ${taken} packets of ${most}`);
      if (isPart) {
        at += 1;
        return { taken: [], pause: 0 };
      }
      flight = undefined;
      at = 0;
      const gone = packets.splice(0, taken);
      bytes -= bytesIn(gone);
      rests = taken === 0 ? rests + 1 : 0;
      return { taken: gone, pause: pauseAfter(rests) };
    },
    throttled() {
      throttles += 1;
      return pauseAfter(throttles);
    },
    moved(isNeedless) {
      // A frame that was throttled is made anew.
      flight = undefined;
      throttles = 0;
      packets = packets.filter((packet) => !isNeedless(packet));
      bytes = bytesIn(packets);
    },
  };
}

/** @param times how often in a row the broker, or the gateway, has asked for a pause */
function pauseAfter(times: number): number {
  return times === 0 ? 0 : Math.min(LONGEST_PAUSE_MS, SHORTEST_PAUSE_MS * 2 ** (times - 1));
}
