/** Records under one key, changed by conditional writes: what a DynamoDB item is to the broker. */
import { apply, type Change, type Condition, holds, type Outcome } from '../session/change.ts';

export interface Records<R> {
  get(key: string): R | undefined;
  change(key: string, change: Change<R>): Outcome<R>;
  /** True: the record was there and is gone by this call. */
  remove(key: string, conditions: readonly Condition<R>[]): boolean;
  /** Keys in order. */
  entries(): readonly (readonly [string, R])[];
}

export function createRecords<R extends object>(): Records<R> {
  const records = new Map<string, R>();
  return {
    get: (key) => records.get(key),
    change: (key, change) => {
      const current = records.get(key);
      if (!holds(change.if, current)) return { done: false, record: current };
      const next = apply(change, current);
      records.set(key, next);
      return { done: true, record: next };
    },
    remove: (key, conditions) => holds(conditions, records.get(key)) && records.delete(key),
    entries: () => [...records].sort(([a], [b]) => (a < b ? -1 : 1)),
  };
}
