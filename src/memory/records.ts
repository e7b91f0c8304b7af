/**
 * Records under a partition and a sort key, changed by conditional writes: what a DynamoDB table is to the broker.
 *
 * Rules of this file: every write says how long the record may live after it. What has outlived that stays readable until
 * `collect` takes it, as in DynamoDB, which comes to it days late.
 */
import type { Clock } from '../broker/ports.ts';
import { apply, type Change, type Condition, holds, type Outcome } from '../session/change.ts';

export interface Records<R> {
  get(partition: string, sort: string): R | undefined;
  change(partition: string, sort: string, change: Change<R>, timeToLive: number): Outcome<R>;
  /** True: the record was there and is gone by this call. */
  remove(partition: string, sort: string, conditions: readonly Condition<R>[]): boolean;
  /** The records of a partition by their sort keys, in the order they came. */
  of(partition: string): readonly (readonly [string, R])[];
  /** All partitions that hold something. */
  partitions(): readonly string[];
  /** Removes the records whose time to live is over and of which `chosen` says so. */
  collect(chosen: () => boolean): void;
}

interface Kept<R> {
  readonly record: R;
  readonly collectAt: number;
}

export function createRecords<R extends object>(clock: Pick<Clock, 'now'>): Records<R> {
  const partitions = new Map<string, Map<string, Kept<R>>>();
  const get = (partition: string, sort: string) => partitions.get(partition)?.get(sort)?.record;
  const remove = (partition: string, sort: string): boolean => {
    const records = partitions.get(partition);
    const removed = records?.delete(sort) ?? false;
    if (records?.size === 0) partitions.delete(partition);
    return removed;
  };
  return {
    get,
    change: (partition, sort, change, timeToLive) => {
      const current = get(partition, sort);
      if (!holds(change.if, current)) return { done: false, record: current };
      const record = apply(change, current);
      const records = partitions.get(partition) ?? new Map<string, Kept<R>>();
      partitions.set(partition, records.set(sort, { record, collectAt: clock.now() + timeToLive }));
      return { done: true, record };
    },
    remove: (partition, sort, conditions) => holds(conditions, get(partition, sort)) && remove(partition, sort),
    of: (partition) => [...(partitions.get(partition) ?? [])].map(([sort, { record }]) => [sort, record]),
    partitions: () => [...partitions.keys()],
    collect: (chosen) => {
      for (const [partition, records] of [...partitions]) {
        for (const [sort, { collectAt }] of [...records]) {
          if (collectAt <= clock.now() && chosen()) remove(partition, sort);
        }
      }
    },
  };
}
