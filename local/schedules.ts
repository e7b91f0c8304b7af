/**
 * What EventBridge sends to a queue again and again.
 *
 * Rules of this file: the first time comes when one interval is over, as on AWS. However far time has jumped, one message makes
 * up for all that fell into the gap.
 */
import type { Cancel, Clock } from './clock.ts';

export interface Schedule {
  readonly everyMinutes: number;
  readonly queue: string;
  readonly message: object;
}

export const startSchedules = (
  schedules: readonly Schedule[],
  send: (queue: string, body: string) => void,
  clock: Clock,
): { stop(): void } => {
  const cancels = new Map<Schedule, Cancel>();
  const arm = (schedule: Schedule): void => {
    const ring = (): void => {
      send(schedule.queue, JSON.stringify(schedule.message));
      arm(schedule);
    };
    cancels.set(schedule, clock.after(schedule.everyMinutes * 60_000, ring));
  };
  for (const schedule of schedules) arm(schedule);
  return {
    stop: () => {
      for (const cancel of cancels.values()) cancel();
    },
  };
};
