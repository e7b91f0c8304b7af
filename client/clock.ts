/** Time as a dependency, so that tests move it by hand. Milliseconds; `now` only ever grows and means nothing by itself. */

export type Cancel = () => void;

export interface Clock {
  now(): number;
  after(milliseconds: number, ring: () => void): Cancel;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  after: (milliseconds, ring) => {
    const timer = setTimeout(ring, milliseconds);
    return () => clearTimeout(timer);
  },
};

/** One timer that can be set again: setting it forgets what it was set to before. */
export interface Alarm {
  set(milliseconds: number, ring: () => void): void;
  clear(): void;
}

export function createAlarm(clock: Clock): Alarm {
  let cancel: Cancel = () => {};
  return {
    set(milliseconds, ring) {
      cancel();
      cancel = clock.after(milliseconds, ring);
    },
    clear: () => cancel(),
  };
}
