/**
 * Mode `strict`: what a CONNECT asks for has to be granted by name.
 *
 * Rules of this file:
 * - It comes after IAM's own answer and only ever takes away: `strict` allows nothing that `iam` does not.
 * - An attribute is named by a positive String operator on `iot:ConnectAttributes` one of whose values matches it; the will also by a
 *   positive String or Arn operator on `iot:LastWillTopic`. So a statement without a condition grants a plain clean connection.
 * - What several statements grant adds up.
 */
import type { BoundCondition, Condition } from './condition.ts';
import type { Values } from './permit.ts';

/** Whether a statement names the attribute. */
export type Grant = (attribute: string, question?: Values) => boolean;

export function grantOf(conditions: readonly Condition[], bound: readonly BoundCondition[]): Grant {
  const grants = conditions.flatMap(({ operator, key }, index): readonly Grant[] => {
    const names = bound[index]?.names;
    if (operator.negated || !names) return [];
    if (key === 'iot:connectattributes' && operator.family === 'String') return [names];
    if (key === 'iot:lastwilltopic' && (operator.family === 'String' || operator.family === 'Arn')) {
      return [(attribute) => attribute === 'LastWill'];
    }
    return [];
  });
  return (attribute, question) => grants.some((names) => names(attribute, question));
}

/** `grants`: those of all statements that allow the CONNECT. */
export function isGranted(question: Values | undefined, grants: () => readonly Grant[]): boolean {
  const asked = [question?.get('iot:connectattributes') ?? []].flat();
  if (asked.length === 0) return true;
  const all = grants();
  return asked.every((attribute) => all.some((names) => names(attribute, question)));
}
