/**
 * A conditional write as data: which conditions must hold of a record, and what becomes of it then.
 *
 * Rules of this file:
 * - One change is one atomic write on one record. Nothing here knows which store carries it out.
 * - A comparison with a record, or an attribute, that is absent does not hold.
 *
 * The steps of a session are such changes (`transitions.ts`), so their conditions stand in one place, in plain sight,
 * and both stores only need to know how to carry out any change.
 */

export type Value = string | number | boolean | Uint8Array;

export type Condition<R> =
  | readonly ['absent']
  | { readonly [K in keyof R & string]: readonly [Comparison, K, R[K] & Value] }[keyof R & string]
  | readonly ['any', readonly Condition<R>[]];

export type Comparison = '=' | '<>' | '<' | '<=' | '>' | '>=';

type NumericKeys<R> = { readonly [K in keyof R & string]: R[K] extends number ? K : never }[keyof R & string];

export interface Change<R> {
  /** What the step is called, for traces and for tests that leave out one of its conditions. */
  readonly name?: string;
  /** All of these must hold. */
  readonly if: readonly Condition<R>[];
  readonly set?: Partial<R>;
  /** Added to what is there. */
  readonly add?: Partial<Record<NumericKeys<R>, number>>;
}

/** `done`: the record as it is after the change. Else the record that did not fulfil the conditions, if there is one. */
export type Outcome<R> =
  | { readonly done: true; readonly record: R }
  | { readonly done: false; readonly record: R | undefined };

/** Whether every condition holds of `record`. The meaning of conditions for stores that evaluate them here. */
export const holds = <R extends object>(conditions: readonly Condition<R>[], record: R | undefined): boolean =>
  conditions.every((condition) => holdsOne(condition, record));

const holdsOne = <R extends object>(condition: Condition<R>, record: R | undefined): boolean => {
  if (condition[0] === 'absent') return record === undefined;
  if (condition[0] === 'any') return condition[1].some((each) => holdsOne(each, record));
  const [comparison, attribute, value] = condition;
  const actual = record?.[attribute as keyof R] as Value | undefined;
  if (actual === undefined) return false;
  switch (comparison) {
    case '=':
      return actual === value;
    case '<>':
      return actual !== value;
    case '<':
      return actual < value;
    case '<=':
      return actual <= value;
    case '>':
      return actual > value;
    case '>=':
      return actual >= value;
  }
};

/** What `record` becomes by `change`, whose conditions hold. A change of an absent record must set every attribute. */
export const apply = <R extends object>(change: Change<R>, record: R | undefined): R => {
  const next = { ...record, ...change.set } as R;
  for (const [attribute, amount] of Object.entries(change.add ?? {})) {
    const key = attribute as keyof R;
    next[key] = (((record?.[key] as number | undefined) ?? 0) + (amount as number)) as R[keyof R];
  }
  return next;
};
