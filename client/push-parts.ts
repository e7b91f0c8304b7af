/**
 * Puts the parts of pushes together (wire-protocol.md §5). Parts of different units may interleave, in any order.
 *
 * Rules of this file: no clock; time is an argument, in milliseconds. All that it holds is bounded. A unit whose parts
 * stop coming is forgotten after 60 s: the broker died in the middle, and what mattered comes again under a new unit. A
 * part that comes twice counts once: a post may be repeated.
 */
import { badAnswer } from './errors.ts';
import { type Push, type PushPart, parsePackets } from './wire.ts';

const FORGET_AFTER_MS = 60_000;
const MOST_UNITS = 64;
const MOST_CHARACTERS = 16 * 1024 * 1024;

interface Unit {
  readonly first: number | undefined;
  readonly count: number;
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

  const forget = (name: string, unit: Unit): void => {
    units.delete(name);
    for (const piece of unit.pieces.values()) held -= piece.length;
  };

  const unitOf = (part: PushPart, now: number): Unit => {
    const known = units.get(part.unit);
    if (known) {
      if (known.first === part.first && known.count === part.count) return known;
      throw badAnswer('parts that do not belong together');
    }
    if (units.size === MOST_UNITS) throw badAnswer('too many pushes in parts at a time');
    const unit: Unit = { first: part.first, count: part.count, since: now, pieces: new Map() };
    units.set(part.unit, unit);
    return unit;
  };

  return {
    add(part, now) {
      for (const [name, unit] of units) if (now - unit.since >= FORGET_AFTER_MS) forget(name, unit);
      const unit = unitOf(part, now);
      if (unit.pieces.has(part.index)) return undefined;
      held += part.piece.length;
      if (held > MOST_CHARACTERS) throw badAnswer('too many bytes in unfinished pushes');
      unit.pieces.set(part.index, part.piece);
      if (unit.pieces.size < unit.count) return undefined;
      forget(part.unit, unit);
      const pieces = Array.from({ length: unit.count }, (_, index) => unit.pieces.get(index));
      return { first: unit.first, packets: parsePackets(pieces.join('')) };
    },
  };
}
