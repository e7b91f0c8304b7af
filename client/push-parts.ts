/**
 * Puts the parts of pushes together (wire-protocol.md §5). Parts of different units may interleave, in any order.
 *
 * Rules of this file: no clock; time is an argument, in milliseconds. All that it holds is bounded. A unit whose parts
 * stop coming is forgotten after 60 s: the broker died in the middle, and what mattered comes again under a new unit. A
 * part that comes twice counts once: a post may be repeated.
 */

import { badAnswer } from './errors.ts';
import { FORGET_PARTS_AFTER_MS, MOST_PIECES } from './limits.ts';
import { type Push, type PushPart, parsePackets } from './wire.ts';

interface Unit {
  /** What the heads of its parts have in common. */
  readonly head: string;
  readonly since: number;
  readonly pieces: Map<number, string>;
}

export interface PartCollector {
  /** @returns the push, once its last missing part has come. @throws ServerlessMqttError `bad-answer` */
  add(part: PushPart, now: number): Push | undefined;
}

export function createPartCollector(): PartCollector {
  const units = new Map<string, Unit>();
  let held = 0;

  const forget = (name: string, { pieces }: Unit): void => {
    units.delete(name);
    held -= pieces.size;
  };

  return {
    add({ first, unit: name, index, count, piece }, now) {
      for (const [each, unit] of units) if (now - unit.since >= FORGET_PARTS_AFTER_MS) forget(each, unit);
      const head = `${first} ${count}`;
      const unit = units.get(name) ?? { head, since: now, pieces: new Map<number, string>() };
      const { pieces } = unit;
      if (unit.head !== head) throw badAnswer('parts that differ');
      if (pieces.has(index)) return undefined;
      units.set(name, unit);
      pieces.set(index, piece);
      held += 1;
      if (held > MOST_PIECES) throw badAnswer('more than can wait');
      if (pieces.size < count) return undefined;
      forget(name, unit);
      return { first, packets: parsePackets(Array.from({ length: count }, (_, at) => pieces.get(at)).join('')) };
    },
  };
}
