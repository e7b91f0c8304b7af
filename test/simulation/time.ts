/**
 * Virtual time, in milliseconds, and what is to happen in it. Nothing happens by itself: what is due waits to be chosen, so
 * that things due together come in any order.
 */

export type Cancel = () => void;

interface Event {
  readonly at: number;
  readonly latest: number;
  /** Whether it only keeps going what may go on for ever: waiting for it would have no end. */
  readonly isRoutine: () => boolean;
  readonly happen: () => void;
}

export interface When {
  /** Time does not pass beyond this after it is due, ms, without it. */
  readonly patience?: number;
  readonly isRoutine?: () => boolean;
}

export const routine: When = { isRoutine: () => true };
const never = (): boolean => false;

export function createTime() {
  let now = Date.UTC(2026, 0, 1);
  /** By `at`. */
  const events: Event[] = [];
  const remove = (event: Event): void => {
    const index = events.indexOf(event);
    if (index >= 0) events.splice(index, 1);
  };
  const dueCount = (): number => {
    let count = 0;
    while (count < events.length && (events[count] as Event).at <= now) count++;
    return count;
  };
  return {
    now: () => now,
    /** `happen` may be chosen from `delay` on. */
    after: (
      delay: number,
      happen: () => void,
      { patience = Number.POSITIVE_INFINITY, isRoutine = never }: When = {},
    ): Cancel => {
      const event = { at: now + delay, latest: now + delay + patience, isRoutine, happen };
      let index = events.length;
      while (index > 0 && (events[index - 1] as Event).at > event.at) index--;
      events.splice(index, 0, event);
      return () => remove(event);
    },
    /** How many events may be chosen now. */
    dueCount,
    /** Whether anything is due, or `ever` will be, that is not routine. */
    isAnythingToCome: (ever: boolean): boolean =>
      (ever ? events : events.slice(0, dueCount())).some(({ isRoutine }) => !isRoutine()),
    /** Lets the `index`-th of them happen. */
    happen: (index: number): void => {
      const [event] = events.splice(index, 1);
      event?.happen();
    },
    /** The first due event that does not bear waiting, or -1. */
    urgent: (): number => events.findIndex(({ at, latest }) => at <= now && latest <= now),
    pass: (milliseconds: number): void => {
      now = Math.max(now, Math.min(now + milliseconds, ...events.map(({ latest }) => latest)));
    },
    /** Nothing is to come any more but routine. */
    skipTo: (then: number): void => {
      if (events.some(({ isRoutine }) => !isRoutine())) throw new Error('something would be left out');
      now = then;
    },
    /** To the next event. False: nothing is to come. */
    skip: (): boolean => {
      const next = events[0];
      if (!next) return false;
      now = Math.max(now, next.at);
      return true;
    },
  };
}

export type Time = ReturnType<typeof createTime>;
