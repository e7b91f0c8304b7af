/**
 * Everything a run leaves to chance comes from here, so that one list of numbers is one run.
 *
 * Rules of this file: a draw of 0 means the dull choice: no fault, the first of a list. So a run whose draws are all 0 goes
 * through without any trouble, and setting draws to 0 makes a trace simpler.
 */

/** From 0 to 2³² − 1. */
export type Draw = () => number;

/** mulberry32: small, and the same everywhere for one seed. */
export function seeded(seed: number): Draw {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
}

/** The same draws, noted down. */
export function recorded(draw: Draw, into: number[]): Draw {
  return () => {
    const drawn = draw();
    into.push(drawn);
    return drawn;
  };
}

/** Draws from a list, then 0 for ever. */
export function replayed(draws: readonly number[]): Draw {
  let at = 0;
  return () => draws[at++] ?? 0;
}

export interface Choices {
  /** A whole number from 0 to `limit` - 1. */
  below(limit: number): number;
  chance(probability: number): boolean;
  pick<T>(items: readonly T[]): T;
}

export function createChoices(draw: Draw): Choices {
  const next = () => draw() / 4_294_967_296;
  return {
    below: (limit) => Math.floor(next() * limit),
    chance: (probability) => probability > 0 && next() >= 1 - probability,
    pick: (items) => items[Math.floor(next() * items.length)] as (typeof items)[number],
  };
}
