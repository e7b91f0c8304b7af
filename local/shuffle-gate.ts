/**
 * Holds whatever passes until a number of them wait, and lets them go last first: how concurrent posts and concurrent
 * Lambdas are made to finish in the wrong order.
 *
 * Rules of this file: nothing is held longer than `LONGEST_HOLD_MS`, because there may be no other to wait for.
 */
import type { Cancel, Clock } from './clock.ts';

const LONGEST_HOLD_MS = 250;

export interface ShuffleGate {
  /** Resolves when the caller may go on. `size` is the number that must wait; below 2 nobody is held. */
  pass(size: number): Promise<void>;
  /** Lets everybody go. */
  open(): void;
}

/** @param onShuffle told when several go in another order than they came */
export const shuffleGate = (clock: Clock, onShuffle: () => void): ShuffleGate => {
  let held: Array<() => void> = [];
  let cancel: Cancel = () => {};

  const open = (): void => {
    cancel();
    const leaving = held.reverse();
    held = [];
    if (leaving.length > 1) onShuffle();
    for (const leave of leaving) leave();
  };

  return {
    open,
    pass: (size) =>
      size < 2
        ? Promise.resolve()
        : new Promise((resolve) => {
            held.push(resolve);
            // Not at once: the last one is not listening yet, and would go last.
            if (held.length >= size) queueMicrotask(open);
            else if (held.length === 1) cancel = clock.after(LONGEST_HOLD_MS, open);
          }),
  };
};
