/** EventBridge: sends the same job every so often, for as long as it is wanted. */
import type { Job } from '../../src/broker/ports.ts';
import { type Cancel, routine, type Time } from './time.ts';

export interface ScheduleOptions {
  readonly time: Time;
  readonly send: (job: Job, delaySeconds: number) => Promise<void>;
  readonly job: Job;
  /** Milliseconds. */
  readonly every: number;
}

export function createSchedule({ time, send, job, every }: ScheduleOptions) {
  let cancel: Cancel | undefined;
  const next = (): void => {
    cancel = time.after(
      every,
      () => {
        void send(job, 0);
        next();
      },
      routine,
    );
  };
  return {
    start: next,
    stop: (): void => {
      cancel?.();
      cancel = undefined;
    },
    isRunning: () => cancel !== undefined,
  };
}
