/** Policies for tests: statements as objects, clients with what is known of them, and questions in a line. */
import { bindPolicies } from '../../src/policy/bind-policies.ts';
import type { ConnectAttributeMode, Decision, Permit, Question, Values } from '../../src/policy/permit.ts';
import { readPolicy } from '../../src/policy/read-policy.ts';

export const arnBase = 'arn:aws:iot:us-east-1:123456789012:';

export type WrittenStatement = Readonly<Record<string, unknown>>;

export const documentOf = (...statements: readonly WrittenStatement[]): string =>
  JSON.stringify({ Version: '2012-10-17', Statement: statements });

export const allow = (action: string | readonly string[], resource: string | readonly string[], more = {}) => ({
  Effect: 'Allow',
  Action: action,
  Resource: resource,
  ...more,
});

export const deny = (action: string | readonly string[], resource: string | readonly string[], more = {}) => ({
  ...allow(action, resource, more),
  Effect: 'Deny',
});

export interface Client {
  readonly values?: Readonly<Record<string, string | readonly string[]>>;
  readonly connectAttributes?: ConnectAttributeMode;
}

/** What a client may do that has these policies. Its values by key, in any case. */
export const permitOf = (
  documents: readonly string[],
  { values = {}, connectAttributes = 'strict' }: Client = {},
): Permit =>
  bindPolicies(
    documents.map((document, index) => readPolicy({ name: `policy ${index + 1}`, document })),
    { values: valuesOf(values), arnBase, connectAttributes },
  );

export const valuesOf = (values: Readonly<Record<string, string | readonly string[]>>): Values =>
  new Map(Object.entries(values).map(([key, value]) => [key.toLowerCase(), value]));

/** `decide(permit, 'iot:Publish topic/a')` */
export function decide(permit: Permit, question: string, values?: Values): Decision {
  const [action = '', ...resource] = question.split(' ');
  return permit.decide({
    action: action as Question['action'],
    resource: resource.join(' '),
    ...(values && { values }),
  });
}

export const may = (
  statements: readonly WrittenStatement[],
  question: string,
  client: Client = {},
  values?: Values,
): boolean => decide(permitOf([documentOf(...statements)], client), question, values).allowed;
