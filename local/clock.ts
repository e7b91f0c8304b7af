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

/** The system's time, which can be made to jump ahead. */
export interface SkippableClock extends Clock {
  /** One BigInt64: the milliseconds skipped so far, for threads that tell the same time. */
  readonly skipped: SharedArrayBuffer;
  /** Time jumps ahead by whole milliseconds. The timers that fall into the gap ring one after the other. */
  skip(milliseconds: number): void;
}

export const skippableClock = (): SkippableClock => {
  const skipped = new SharedArrayBuffer(8);
  const ahead = new BigInt64Array(skipped);
  const now = (): number => systemClock.now() + Number(Atomics.load(ahead, 0));
  /** Sets a timer anew by the time it is now. */
  const timers = new Set<{ readonly at: number; readonly wind: () => void }>();

  return {
    now,
    skipped,
    after: (milliseconds, ring) => {
      let cancel: Cancel = () => {};
      const timer = {
        at: now() + milliseconds,
        wind: (): void => {
          cancel();
          cancel = systemClock.after(timer.at - now(), () => {
            timers.delete(timer);
            ring();
          });
        },
      };
      timers.add(timer);
      timer.wind();
      return () => {
        timers.delete(timer);
        cancel();
      };
    },
    skip: (milliseconds) => {
      Atomics.add(ahead, 0, BigInt(milliseconds));
      for (const timer of [...timers].sort((a, b) => a.at - b.at)) timer.wind();
    },
  };
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
