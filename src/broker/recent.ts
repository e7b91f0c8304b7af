/**
 * What a process remembers of what it has read: what was asked for last, and no failures.
 *
 * Rules of this file: `most` bounds the weight of all together, so that a process does not run out of memory where each of them is
 * large. The last one stays, whatever its weight.
 */

export interface Recent<K, V> {
  /** What was made for `key` before, or is made now. */
  get(key: K, make: () => Promise<V>): Promise<V>;
  forget(key: K): void;
}

interface Entry<V> {
  readonly value: Promise<V>;
  readonly weight: number;
}

/** @param weigh 1 for what is of the usual size */
export function createRecent<K, V>(most: number, weigh: (value: V) => number = () => 1): Recent<K, V> {
  const entries = new Map<K, Entry<V>>();
  let weight = 0;

  const forget = (key: K): void => {
    weight -= entries.get(key)?.weight ?? 0;
    entries.delete(key);
  };
  const keep = (key: K, entry: Entry<V>): void => {
    forget(key);
    entries.set(key, entry);
    weight += entry.weight;
    for (const [oldest] of entries) {
      if (weight <= most || entries.size === 1) return;
      forget(oldest);
    }
  };
  const make = (key: K, value: Promise<V>): Entry<V> => {
    const made: Entry<V> = { value, weight: 1 };
    const isStillThere = () => entries.get(key)?.value === value;
    value.then(
      (known) => isStillThere() && keep(key, { value, weight: weigh(known) }),
      () => isStillThere() && forget(key),
    );
    return made;
  };

  return {
    get: (key, read) => {
      const entry = entries.get(key) ?? make(key, read());
      keep(key, entry);
      return entry.value;
    },
    forget,
  };
}
