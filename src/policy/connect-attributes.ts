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

const ATTRIBUTES = 'iot:connectattributes';
const WILL_TOPIC = 'iot:lastwilltopic';

/** What only a question can say: a client of which the like is "known" would have said it itself. */
export const withoutConnectKeys = (client: Values): Values =>
  new Map([...client].filter(([key]) => key !== ATTRIBUTES && key !== WILL_TOPIC));

/** Whether a statement names the attribute. */
export type Grant = (attribute: string, question?: Values) => boolean;

export function grantOf(conditions: readonly Condition[], bound: readonly BoundCondition[]): Grant {
  const grants = conditions.flatMap(({ operator, key }, index): readonly Grant[] => {
    const names = bound[index]?.names;
    if (operator.negated || !names) return [];
    if (key === ATTRIBUTES && operator.family === 'String') return [names];
    if (key === WILL_TOPIC && (operator.family === 'String' || operator.family === 'Arn')) {
      return [(attribute) => attribute === 'LastWill'];
    }
    return [];
  });
  return (attribute, question) => grants.some((names) => names(attribute, question));
}

/** The attributes that a CONNECT asks for. */
export const askedFor = (question: Values | undefined): readonly string[] => [question?.get(ATTRIBUTES) ?? []].flat();
