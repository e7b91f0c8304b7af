/**
 * The policies of one client, made ready for its questions.
 *
 * Rules of this file:
 * - A Deny wins over any Allow, and what no statement allows is not allowed.
 * - A policy that cannot be read may hold a Deny: with one such policy nothing is allowed.
 * - Variables and conditions that need only what is known of the client are settled here, and not with each question.
 */
import { bindRest, headMatches, splitArn } from './arn.ts';
import { bindOnce } from './bind-once.ts';
import { bindCondition } from './condition.ts';
import { askedFor, type Grant, grantOf, withoutConnectKeys } from './connect-attributes.ts';
import {
  type Action,
  actions,
  type ConnectAttributeMode,
  type Decision,
  type Permit,
  type Question,
  type StatementPlace,
  type Values,
} from './permit.ts';
import type { ReadPolicy } from './read-policy.ts';
import { stanceOf } from './stance.ts';
import type { Statement } from './statement.ts';
import { variablesOf } from './template.ts';

export interface PermitOptions {
  /** What is known of the client. A question's own values add to it. */
  readonly values: Values;
  /** What an ARN of this broker begins with: `arn:aws:iot:us-east-1:123456789012:`. */
  readonly arnBase: string;
  readonly connectAttributes: ConnectAttributeMode;
}

interface BoundStatement {
  readonly applies: (question: Question) => boolean;
  readonly grants: Grant;
  /** The answer where this statement gives it. */
  readonly decision: Decision;
}

const NOT_ALLOWED: Decision = { allowed: false, because: 'not allowed' };
const NOT_GRANTED: Decision = { allowed: false, because: 'attribute not granted' };

export function bindPolicies(policies: readonly ReadPolicy[], options: PermitOptions): Permit {
  const malformed = policies.find((policy) => 'problem' in policy);
  if (malformed) {
    const decision: Decision = {
      allowed: false,
      because: 'malformed',
      policy: malformed.name,
      problem: malformed.problem,
    };
    return { decide: () => decision };
  }
  const statementsOf = (action: Action, effect: Statement['effect']): readonly BoundStatement[] =>
    bound.filter(({ statement }) => statement.effect === effect && statement.actions.has(action));
  const client = { ...options, values: withoutConnectKeys(options.values) };
  const bound = policies.flatMap((policy) =>
    'problem' in policy ? [] : policy.statements.map((statement) => bindStatement(policy.name, statement, client)),
  );
  const byAction = new Map(
    actions.map((action) => [action, { denies: statementsOf(action, 'Deny'), allows: statementsOf(action, 'Allow') }]),
  );

  const decide = (question: Question): Decision => {
    const { denies = [], allows = [] } = byAction.get(question.action) ?? {};
    const applies = (statement: BoundStatement): boolean => statement.applies(question);
    const deny = denies.find(applies);
    if (deny) return deny.decision;
    if (question.action === 'iot:Connect' && options.connectAttributes === 'strict') {
      return decideStrictly(question, allows.filter(applies));
    }
    return allows.find(applies)?.decision ?? NOT_ALLOWED;
  };
  return { decide };
}

/** `allows`: those that apply. */
function decideStrictly({ values }: Question, allows: readonly BoundStatement[]): Decision {
  const [first] = allows;
  if (!first) return NOT_ALLOWED;
  const isGranted = (attribute: string) => allows.some(({ grants }) => grants(attribute, values));
  return askedFor(values).every(isGranted) ? first.decision : NOT_GRANTED;
}

function bindStatement(
  policy: string,
  statement: Statement,
  { values, arnBase }: PermitOptions,
): BoundStatement & { readonly statement: Statement } {
  const { number, sid, effect } = statement;
  const by: StatementPlace = { policy, statement: number, ...(sid !== undefined && { sid }) };
  const conditions = statement.conditions.map((condition) => bindCondition(condition, effect, values));
  const isAbout = bindResources(statement, values, arnBase);
  return {
    statement,
    applies: (question) => isAbout(question) && conditions.every((condition) => condition.holds(question.values)),
    grants: grantOf(statement.conditions, conditions),
    decision: effect === 'Allow' ? { allowed: true, by } : { allowed: false, because: 'denied', by },
  };
}

function bindResources(
  { effect, negated, resources }: Statement,
  client: Values,
  arnBase: string,
): (question: Question) => boolean {
  const stance = stanceOf(effect, negated);
  const head = splitArn(arnBase)?.head ?? [];
  const bound = resources
    .filter((pattern) => pattern === '*' || headMatches(pattern, head))
    .map((pattern) => {
      if (pattern === '*') return () => true;
      const matcher = bindOnce(variablesOf(pattern.rest), client, (lookup) => bindRest(pattern, lookup, stance));
      return ({ resource, values }: Question) => matcher(values)?.(resource) ?? stance.inDoubt;
    });
  return (question) => bound.some((matches) => matches(question)) !== negated;
}
