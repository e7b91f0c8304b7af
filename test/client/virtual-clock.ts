/** Time that stands still until a test moves it. */
import type { Clock } from '../../client/clock.ts';

export interface VirtualClock extends Clock {
  /** Lets so many milliseconds pass, ringing every timer at its time, and all that follows from each before the next. */
  pass(milliseconds: number): Promise<void>;
  /** Timers that have been set and have neither rung nor been cancelled. */
  readonly pending: number;
}

/** Lets all promises and microtasks run that are under way. */
export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export function createVirtualClock(): VirtualClock {
  let now = 1_000_000;
  const timers = new Set<{ readonly at: number; readonly ring: () => void }>();

  return {
    now: () => now,
    after(milliseconds, ring) {
      const timer = { at: now + milliseconds, ring };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    get pending() {
      return timers.size;
    },
    async pass(milliseconds) {
      const end = now + milliseconds;
      await settle();
      for (;;) {
        const next = [...timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
        if (!next) break;
        now = next.at;
        timers.delete(next);
        next.ring();
        await settle();
      }
      now = end;
    },
  };
}
