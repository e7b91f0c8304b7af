/**
 * What somebody else made of IAM's documentation: a simulator that knows nothing of this broker. In mode `iam` the two agree.
 *
 * What is left out of the comparison, and why, is in `arbitrary-policies.ts`.
 */
import { runUnsafeSimulation } from '@cloud-copilot/iam-simulate';
import fc from 'fast-check';
import { type AskedFor, clientValues, question, statement } from './arbitrary-policies.ts';
import { arnBase, permitOf, valuesOf, type WrittenStatement } from './policies.ts';

type Written = AskedFor['values'];

/** A key without values is an absent one, and one value is no list: for the simulator each would be something of its own. */
const simplified = (values: Written): Record<string, string | string[]> =>
  Object.fromEntries(
    Object.entries(values).flatMap(([key, value]) => {
      const all = [value].flat();
      const [only] = all;
      return only === undefined ? [] : [[key, all.length === 1 ? only : all]];
    }),
  );

const simulated = (
  documents: readonly object[],
  values: Written,
  { action, resource, values: more }: AskedFor,
): string =>
  runUnsafeSimulation(
    {
      request: {
        principal: 'arn:aws:iam::123456789012:user/client',
        action,
        resource: { resource: `${arnBase}${resource}`, accountId: '123456789012' },
        contextVariables: simplified({ ...values, ...more }),
      },
      identityPolicies: documents.map((policy, index) => ({ name: `${index}`, policy })),
      serviceControlPolicies: [],
      resourceControlPolicies: [],
    },
    {},
  );

const decided = (
  documents: readonly object[],
  values: Written,
  { action, resource, values: more }: AskedFor,
): string => {
  const permit = permitOf(
    documents.map((document) => JSON.stringify(document)),
    { values, connectAttributes: 'iam' },
  );
  const decision = permit.decide({ action, resource, values: valuesOf(more) });
  if (decision.allowed) return 'Allowed';
  if (decision.because === 'malformed') throw new Error(decision.problem);
  return decision.because === 'denied' ? 'ExplicitlyDenied' : 'ImplicitlyDenied';
};

const documentWith = (statements: readonly WrittenStatement[]) => ({
  Version: '2012-10-17',
  Statement: statements.length === 1 ? statements[0] : statements,
});

const policies = fc.array(fc.array(statement, { minLength: 1, maxLength: 3 }).map(documentWith), { maxLength: 3 });

it('answers as the simulator does', () => {
  const answers = new Map<string, number>();
  fc.assert(
    fc.property(policies, clientValues, question, (documents, values, asked) => {
      const expected = simulated(documents, values, asked);
      answers.set(expected, (answers.get(expected) ?? 0) + 1);
      expect(decided(documents, values, asked)).toBe(expected);
    }),
    { numRuns: 400 },
  );
  expect(
    Math.min(...['Allowed', 'ExplicitlyDenied', 'ImplicitlyDenied'].map((each) => answers.get(each) ?? 0)),
  ).toBeGreaterThan(20);
});

it('answers as the simulator does, statement by statement', () => {
  let applied = 0;
  fc.assert(
    fc.property(statement, clientValues, question, (only, values, asked) => {
      // With everything allowed, a statement that denies shows as well as one that allows.
      const all = { Effect: 'Allow', Action: '*', Resource: '*' };
      const documents = [documentWith(only.Effect === 'Deny' ? [only, all] : [only])];
      const expected = simulated(documents, values, asked);
      if (expected !== (only.Effect === 'Deny' ? 'Allowed' : 'ImplicitlyDenied')) applied++;
      expect(decided(documents, values, asked)).toBe(expected);
    }),
    { numRuns: 1_000 },
  );
  expect(applied).toBeGreaterThan(100);
});
