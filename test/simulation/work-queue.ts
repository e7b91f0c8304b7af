/**
 * A standard SQS queue with a Lambda behind it: it hands messages out in any order, some twice, several to one Lambda, and
 * again where that did not finish. What was handed out too often goes to the dead-letter queue.
 */
import type { Choices } from './choices.ts';
import type { Faults } from './faults.ts';
import type { Cancel, Time } from './time.ts';

/** As in lib/resources.ts. */
const VISIBILITY = 30_000;
const MOST_RECEIVES = 20;
const BATCH = 5;

interface Entry<T> {
  readonly body: T;
  receives: number;
  /** Handed out at this moment. */
  hidden: boolean;
  visibleAt: number;
  cancel: Cancel;
}

export interface WorkQueueOptions<T> {
  readonly choices: Choices;
  readonly faults: Faults;
  readonly time: Time;
  /** A spell of throttling may carry this to the dead-letter queue. */
  readonly mayLose: (body: T) => boolean;
  /** What is sent again and again for ever, and finds nothing to do now. */
  readonly isRoutine?: (body: T) => boolean;
  /** Starts the Lambda; `ended` says which of the batch are done, in its place. */
  readonly consume: (bodies: readonly T[], ended: (done: readonly boolean[]) => void) => void;
}

export function createWorkQueue<T>({
  choices,
  faults,
  time,
  mayLose,
  consume,
  isRoutine = () => false,
}: WorkQueueOptions<T>) {
  const entries = new Set<Entry<T>>();
  let deadLetters = 0;

  const appear = (entry: Entry<T>, delay: number): void => {
    entry.visibleAt = time.now() + delay;
    entry.hidden = false;
    entry.cancel = time.after(delay, () => handOut(entry), { isRoutine: () => isRoutine(entry.body) });
  };

  const handOut = (first: Entry<T>): void => {
    const others = [...entries].filter(
      (entry) => entry !== first && !entry.hidden && entry.visibleAt <= time.now() && choices.chance(0.2),
    );
    const batch = [first, ...others.slice(0, BATCH - 1)].filter((entry) => {
      entry.cancel();
      entry.receives++;
      if (entry.receives <= MOST_RECEIVES && !(mayLose(entry.body) && faults.strikes('deadLettered'))) return true;
      entries.delete(entry);
      deadLetters++;
      return false;
    });
    if (batch.length === 0) return;
    for (const entry of batch) {
      entry.hidden = true;
      entry.visibleAt = time.now() + VISIBILITY;
    }
    consume(
      batch.map(({ body }) => body),
      (done) => {
        for (const [index, entry] of batch.entries()) {
          if (done[index]) entries.delete(entry);
          else appear(entry, Math.max(0, entry.visibleAt - time.now()));
        }
      },
    );
  };

  const add = (body: T, delaySeconds: number): void => {
    const entry: Entry<T> = { body, receives: 0, hidden: false, visibleAt: 0, cancel: () => {} };
    entries.add(entry);
    appear(entry, delaySeconds * 1_000);
  };

  return {
    send: async (body: T, delaySeconds: number): Promise<void> => {
      if (delaySeconds > 900) throw new Error(`SQS delays by 900 s at most, not ${delaySeconds}`);
      add(body, delaySeconds);
      if (faults.strikes('doubled')) add(body, delaySeconds);
    },
    bodies: (): readonly T[] => [...entries].map(({ body }) => body),
    pending: (): readonly T[] => [...entries].map(({ body }) => body).filter((body) => !isRoutine(body)),
    /** Nothing is handed out, and what waits is routine. */
    isIdle: (): boolean => [...entries].every(({ body, hidden }) => !hidden && isRoutine(body)),
    deadLetters: () => deadLetters,
  };
}
