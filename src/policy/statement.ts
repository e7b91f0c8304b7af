/** What a policy document says, once it has been read. */
import type { ArnPattern } from './arn.ts';
import type { Condition } from './condition.ts';
import type { Action } from './permit.ts';
import type { Effect } from './stance.ts';

export interface Statement {
  /** Its place in the document, from 1. */
  readonly number: number;
  readonly sid?: string;
  readonly effect: Effect;
  /** With NotAction, all the others. */
  readonly actions: ReadonlySet<Action>;
  readonly resources: readonly ('*' | ArnPattern)[];
  /** NotResource: it is about all resources but these. */
  readonly negated: boolean;
  /** All of them have to hold. */
  readonly conditions: readonly Condition[];
}
