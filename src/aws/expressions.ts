/** Changes and conditions (`src/session/change.ts`) as DynamoDB expressions. Pure. */

import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import { marshall } from '@aws-sdk/util-dynamodb';
import type { Change, Condition } from '../session/change.ts';

/** Every attribute is named by a placeholder, because many of their names are DynamoDB's reserved words. */
export interface Expressions {
  readonly ConditionExpression?: string;
  readonly UpdateExpression?: string;
  readonly ExpressionAttributeNames?: Record<string, string>;
  readonly ExpressionAttributeValues?: Record<string, AttributeValue>;
}

export function conditionExpression<R>(conditions: readonly Condition<R>[]): Expressions {
  const terms = createTerms();
  return { ...terms.conditions(conditions as readonly Condition<Item>[]), ...terms.placeholders() };
}

/** Attributes of an item that are the table's own, set by every write. */
export interface Bookkeeping {
  /** Epoch seconds after which DynamoDB may collect the item; absent: never. */
  readonly ttl?: number;
  /** Names the write, so that one the SDK sends twice is carried out once. */
  readonly lastWrite: string;
}

export function changeExpressions<R>(change: Change<R>, bookkeeping: Bookkeeping): Expressions {
  const terms = createTerms();
  const sets = Object.entries({ ...change.set, ...bookkeeping }).map(
    ([name, value]) => `${terms.name(name)} = ${terms.value(value)}`,
  );
  const adds = Object.entries(change.add ?? {}).map(([name, value]) => `${terms.name(name)} ${terms.value(value)}`);
  // What is to stay must not keep the time to live of what was there before.
  const removes = bookkeeping.ttl === undefined ? [`REMOVE ${terms.name('ttl')}`] : [];
  const { ConditionExpression } = terms.conditions(change.if as readonly Condition<Item>[]);
  // DynamoDB finds an absent attribute unequal to any value: this holds of a new item, and of any other write's.
  const notYet = `${terms.name('lastWrite')} <> ${terms.value(bookkeeping.lastWrite)}`;
  return {
    UpdateExpression: [
      `SET ${sets.join(', ')}`,
      ...removes,
      ...(adds.length > 0 ? [`ADD ${adds.join(', ')}`] : []),
    ].join(' '),
    ConditionExpression: ConditionExpression ? `${ConditionExpression} AND ${notYet}` : notYet,
    ...terms.placeholders(),
  };
}

type Item = Record<string, string>;

/** Collects the placeholders of one command. */
const createTerms = () => {
  const names = new Map<string, string>();
  const values: Record<string, unknown> = {};

  const nameOf = (name: string): string => {
    const placeholder = names.get(name) ?? `#n${names.size}`;
    names.set(name, placeholder);
    return placeholder;
  };

  const placeholderOf = (value: unknown): string => {
    const placeholder = `:v${Object.keys(values).length}`;
    values[placeholder] = value;
    return placeholder;
  };

  const one = (condition: Condition<Item>): string => {
    if (condition[0] === 'absent') return `attribute_not_exists(${nameOf('pk')})`;
    if (condition[0] === 'any') return `(${condition[1].map(one).join(' OR ')})`;
    const [comparison, name, value] = condition;
    // DynamoDB finds an absent attribute unequal to any value; a comparison with what is absent must not hold.
    const present = comparison === '<>' ? `attribute_exists(${nameOf(name)}) AND ` : '';
    return `(${present}${nameOf(name)} ${comparison} ${placeholderOf(value)})`;
  };

  return {
    name: nameOf,
    value: placeholderOf,
    conditions: (conditions: readonly Condition<Item>[]): Expressions =>
      conditions.length === 0 ? {} : { ConditionExpression: conditions.map(one).join(' AND ') },
    placeholders: (): Expressions => ({
      ...(names.size > 0 && {
        ExpressionAttributeNames: Object.fromEntries([...names].map(([name, placeholder]) => [placeholder, name])),
      }),
      ...(Object.keys(values).length > 0 && { ExpressionAttributeValues: marshall(values) }),
    }),
  };
};
