/**
 * Time as a dependency: what the emulators measure by, so that tests move it by hand.
 *
 * Rules of this file: milliseconds since the epoch. A timer may ring a little early or late: whoever sets one looks at
 * the clock when it rings.
 */

export type Cancel = () => void;

export interface Clock {
  now(): number;
  after(milliseconds: number, ring: () => void): Cancel;
}

/** Longest delay `setTimeout` takes; a longer one would ring at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  after: (milliseconds, ring) => {
    const timer = setTimeout(ring, Math.min(Math.max(0, milliseconds), LONGEST_TIMER_MS));
    return () => clearTimeout(timer);
  },
};

/** Resolves after `milliseconds`, or at once when `signal` is aborted. Never rejects. */
export const pause = (clock: Clock, milliseconds: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const finish = (): void => {
      cancel();
      signal?.removeEventListener('abort', finish);
      resolve();
    };
    const cancel = clock.after(milliseconds, finish);
    signal?.addEventListener('abort', finish);
  });
