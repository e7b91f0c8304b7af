/** The time of this machine. */
import type { Clock } from '../broker/ports.ts';

export const systemClock: Clock = {
  now: () => Date.now(),
  pause: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
};
