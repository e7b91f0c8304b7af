/**
 * One operator and key of a statement's Condition.
 *
 * Rules of this file:
 * - A key without values is an absent one. A positive operator does not hold for it, a negated one does; `…IfExists` and
 *   `ForAllValues:` do, `ForAnyValue:` does not.
 * - A value meets a positive operator if it is one of those of the policy, a negated one if it is none of them.
 * - Several values need a qualifier, says IAM, and not what comes without one: an Allow does not apply then, a Deny applies if any of
 *   the values meets it. Or a client would get past a Deny by asking for more.
 */
import { bindOnce } from './bind-once.ts';
import type { Comparison, Operator, Wanted } from './operators.ts';
import type { Values } from './permit.ts';
import { type Effect, type Stance, stanceOf } from './stance.ts';

export type Qualifier = 'ForAllValues' | 'ForAnyValue';

export interface Condition {
  readonly operator: Operator;
  readonly qualifier?: Qualifier;
  readonly ifExists: boolean;
  /** Lower case. */
  readonly key: string;
  readonly wanted: readonly Wanted[];
}

export interface BoundCondition {
  readonly holds: (question?: Values) => boolean;
  /** Whether this value is one of those that the condition names. */
  readonly names: (value: string, question?: Values) => boolean;
}

/** `client`: what is known of it. */
export function bindCondition(condition: Condition, effect: Effect, client: Values): BoundCondition {
  const { key, operator, wanted } = condition;
  const stance = stanceOf(effect, operator.negated);
  const variables = wanted.flatMap((each) => each.variables);
  const comparisons = bindOnce(variables, client, (lookup) => wanted.map(({ bind }) => bind(lookup, stance)));
  return {
    holds: bindOnce([key, ...variables], client, (lookup, question) =>
      holds(condition, stance, valuesOf(lookup(key)), comparisons(question)),
    ),
    names: (value, question) => comparisons(question).some((matches) => matches?.(value) === true),
  };
}

const valuesOf = (found: ReturnType<Values['get']>): readonly string[] =>
  typeof found === 'string' ? [found] : (found ?? []);

function holds(
  { operator, qualifier, ifExists }: Condition,
  { effect, inDoubt }: Stance,
  values: readonly string[],
  wanted: readonly (Comparison | undefined)[],
): boolean {
  const meets = (value: string): boolean => wanted.some((matches) => matches?.(value) ?? inDoubt) !== operator.negated;
  if (operator.family === 'Null') return meets(String(values.length === 0));
  if (values.length === 0) return ifExists || qualifier === 'ForAllValues' || (!qualifier && operator.negated);
  if (qualifier === 'ForAllValues') return values.every(meets);
  if (!qualifier && values.length > 1 && effect === 'Allow') return false;
  return values.some(meets);
}
