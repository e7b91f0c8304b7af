/**
 * In which order pushes are handed on (wire-protocol.md §5, §8).
 *
 * Rules of this file: no clock; time is an argument, in milliseconds. All that waits is bounded. Before the CONNACK
 * everything waits, and on a new socket before the session has moved there. After it, a push without a number never waits,
 * nor does one that lies behind; one that is ahead waits for the hole before it, 2 s at most.
 */

import { badAnswer } from './errors.ts';
import { HOLE_WAIT_MS, MOST_WAITING, MOST_WAITING_BYTES } from './limits.ts';
import * as packetType from './packet-type.ts';
import { bytesIn, isNumbered, typeOf } from './packets.ts';
import type { Push } from './wire.ts';

/** What a function returns is to be handed on now, in this order. */
export interface PushOrder {
  /**
   * A CONNACK has come in a reply and is handed on, and the first number expected is 1; or the session has moved to this
   * socket, which begins with another one (§8). What waited for that goes the usual way, as if it came now.
   */
  begin(expected: number, now: number): readonly Push[];
  /** @throws ServerlessMqttError `bad-answer` where more would wait than is bearable, or a CONNACK brings no number */
  arrive(push: Push, now: number): readonly Push[];
  /** When the push that has waited longest for a hole is to be handed on; nothing where none waits for a hole. */
  dueAt(): number | undefined;
  /** The hole stays: everything that waits is handed on, in order of number. */
  giveUpHole(): readonly Push[];
}

export function createPushOrder(): PushOrder {
  /** The next sequence number; none before the CONNACK. */
  let expected: number | undefined;
  /** Before the CONNACK as they came; after it by number, all of them ahead. */
  let waiting: { readonly push: Push; readonly since: number }[] = [];

  const begin = (next: number, now: number): readonly Push[] => {
    const early = waiting;
    waiting = [];
    expected = next;
    return early.flatMap(({ push }) => arrive(push, now));
  };

  const arrive = (push: Push, now: number): readonly Push[] => {
    const { first, packets } = push;
    if (expected === undefined) {
      if (!packets.some((packet) => typeOf(packet) === packetType.connack)) return wait(push, now);
      if (first === undefined) throw badAnswer('a CONNACK without a number');
      return [push, ...begin(pass(push), now)];
    }
    if (first === undefined) return [push];
    if (first > expected) return wait(push, now);
    pass(push);
    return [push, ...passWaiting((next) => numberOf(next) > (expected ?? 0))];
  };

  const wait = (push: Push, since: number): readonly Push[] => {
    waiting.push({ push, since });
    if (waiting.length > MOST_WAITING || bytesIn(waiting.flatMap((each) => each.push.packets)) > MOST_WAITING_BYTES) {
      throw badAnswer('more than can wait');
    }
    if (expected !== undefined) waiting.sort((a, b) => numberOf(a.push) - numberOf(b.push));
    return [];
  };

  /** This push is handed on. @returns the number expected behind it, never less than before */
  const pass = (push: Push): number => {
    expected = Math.max(expected ?? 0, numberOf(push) + push.packets.filter(isNumbered).length);
    return expected;
  };

  /** As long as there is no hole. */
  const passWaiting = (isHole: (push: Push) => boolean): readonly Push[] => {
    const passed: Push[] = [];
    for (const { push } of waiting) {
      if (isHole(push)) break;
      pass(push);
      passed.push(push);
    }
    waiting = waiting.slice(passed.length);
    return passed;
  };

  return {
    begin,
    arrive,
    dueAt: () =>
      expected === undefined || waiting.length === 0
        ? undefined
        : Math.min(...waiting.map(({ since }) => since)) + HOLE_WAIT_MS,
    giveUpHole: () => passWaiting(() => false),
  };
}

const numberOf = ({ first = 0 }: Push): number => first;
