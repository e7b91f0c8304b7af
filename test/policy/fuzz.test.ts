/** Whatever is stored as a policy, asked as a question or known of a client: a `PolicyError` at most, and an answer. */
import fc from 'fast-check';
import { bindPolicies } from '../../src/policy/bind-policies.ts';
import { readDocument } from '../../src/policy/document.ts';
import { MAX_CHARACTERS } from '../../src/policy/json.ts';
import { actions, type Values } from '../../src/policy/permit.ts';
import { PolicyError } from '../../src/policy/policy-error.ts';
import { readPolicy } from '../../src/policy/read-policy.ts';
import { allow, arnBase, deny, documentOf, permitOf } from './policies.ts';

const word = fc.constantFrom(
  ...[
    'Version',
    '2012-10-17',
    'Statement',
    'Effect',
    'Allow',
    'Deny',
    'Action',
    'NotAction',
    'Resource',
    'NotResource',
  ],
  ...['Condition', 'Sid', 'iot:*', 'iot:Connect', '*', `${arnBase}topic/a`, `${arnBase}topic/\${iot:ClientId}/*`, 'a'],
  ...[
    'StringLike',
    'ForAllValues:StringNotEquals',
    'NumericLessThanIfExists',
    'NotIpAddress',
    'Bool',
    'Null',
    'ArnLike',
  ],
  ...[
    'DateEquals',
    'iot:ClientId',
    '10.0.0.0/8',
    'true',
    '5',
    '}',
    `\${`,
    `\${a, 'b'}`,
    '__proto__',
    'constructor',
    '',
  ],
);

/** Anything that JSON can say in the words of policies. */
const { value: jsonish } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 7 },
    { weight: 4, arbitrary: word },
    fc.constantFrom(null, true, false, 0, 5, -1.5e300),
    { weight: 2, arbitrary: fc.array(tie('value'), { maxLength: 3 }) },
    { weight: 5, arbitrary: fc.dictionary(word, tie('value'), { maxKeys: 6 }) },
  ),
}));

const hostileText = fc.oneof(
  word,
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.constantFrom('x'.repeat(5_000), '+', '\u0000'),
);

/** A document that is nearly one: with what may be anything in a place of it. */
const nearlyDocument = fc
  .record({
    Effect: fc.oneof({ weight: 9, arbitrary: fc.constantFrom('Allow', 'Deny') }, jsonish),
    Action: fc.oneof({ weight: 9, arbitrary: fc.constantFrom('*', 'iot:*', ['iot:Publish', 'iot:R*']) }, jsonish),
    Resource: fc.oneof(
      { weight: 5, arbitrary: fc.constantFrom('*', `${arnBase}topic/*`, [`${arnBase}topic/\${iot:ClientId}`]) },
      jsonish,
      hostileText.map((text) => `${arnBase}topic/${text}`),
    ),
    Condition: fc
      .oneof(
        {
          weight: 5,
          arbitrary: fc.constantFrom('StringLike', 'ArnNotEquals', 'NotIpAddress', 'Bool', 'ForAnyValue:DateEquals'),
        },
        jsonish,
      )
      .chain((operator) =>
        typeof operator === 'string'
          ? fc
              .oneof(hostileText, fc.array(hostileText, { maxLength: 3 }), jsonish)
              .map((value) => ({ [operator]: { 'iot:ClientId': value } }))
          : fc.constant(operator),
      ),
  })
  .map((statement) => documentOf(statement));

const damaged = fc
  .tuple(nearlyDocument, fc.nat(), fc.nat({ max: 20 }), fc.string({ unit: 'binary', maxLength: 3 }))
  .map(([document, at, length, put]) => {
    const index = at % (document.length + 1);
    return document.slice(0, index) + put + document.slice(index + length);
  });

const anyText = fc.oneof(
  { weight: 4, arbitrary: nearlyDocument },
  { weight: 2, arbitrary: damaged },
  jsonish.map((value) => JSON.stringify(value)),
  fc.string({ unit: 'binary' }),
);

const anyValues: fc.Arbitrary<Values> = fc
  .array(
    fc.tuple(
      fc.oneof(word, hostileText).map((key) => key.toLowerCase()),
      fc.oneof(hostileText, fc.array(hostileText, { maxLength: 3 })),
    ),
  )
  .map((entries) => new Map(entries));

it('no text makes reading throw anything but a PolicyError', () => {
  const seen = { read: 0, refused: 0 };
  fc.assert(
    fc.property(anyText, (text) => {
      try {
        readDocument(text);
        seen.read++;
      } catch (error) {
        if (!(error instanceof PolicyError)) throw error;
        seen.refused++;
        expect(error.message.length).toBeLessThan(600);
        expect(error.message).toBe(`${error.place}: ${error.reason}`);
      }
    }),
    { numRuns: 1_500 },
  );
  expect(Math.min(seen.read, seen.refused)).toBeGreaterThan(50);
});

/** Random documents hardly ever allow or deny what is asked. */
const someDecide = fc.oneof(
  { weight: 4, arbitrary: anyText },
  fc.constantFrom(documentOf(allow('*', '*')), documentOf(deny('*', '*'))),
);

it('every question is answered', () => {
  const answers = new Set<string>();
  fc.assert(
    fc.property(
      fc.array(someDecide, { maxLength: 2 }),
      anyValues,
      fc.constantFrom(...actions),
      hostileText.map((text) => `topic/${text}`),
      fc.option(anyValues, { nil: undefined }),
      fc.constantFrom('iam', 'strict'),
      (documents, values, action, resource, questionValues, connectAttributes) => {
        const policies = documents.map((document, index) => readPolicy({ name: `${index}`, document }));
        const permit = bindPolicies(policies, { values, arnBase, connectAttributes });
        const decision = permit.decide({ action, resource, ...(questionValues && { values: questionValues }) });
        answers.add(decision.allowed ? 'allowed' : decision.because);
        expect(permit.decide({ action, resource, ...(questionValues && { values: questionValues }) })).toEqual(
          decision,
        );
      },
    ),
    { numRuns: 1_500 },
  );
  expect([...answers].sort()).toEqual(expect.arrayContaining(['allowed', 'denied', 'malformed', 'not allowed']));
});

/** As long as a document may be. What takes more than a few steps for each of its characters does not come to an end here. */
describe('a document that is made to take long', () => {
  const fill = (unit: string, rest: string): string =>
    unit.repeat(Math.floor((MAX_CHARACTERS - rest.length - 200) / unit.length)) + rest;
  const client = { values: { 'iot:ClientId': 'a'.repeat(256) } };

  it.each<readonly [string, string]>([
    ['wildcards', documentOf(allow('*', `${arnBase}topic/${fill('*a', '*b')}`))],
    ['single wildcards', documentOf(allow('*', `${arnBase}topic/${fill('*?', '*b')}`))],
    [
      'wildcards of a condition',
      documentOf(allow('*', '*', { Condition: { StringLike: { 'iot:ClientId': fill('*a', '*b') } } })),
    ],
    ['wildcards of an action', documentOf(allow(`iot:${fill('*t', '*b')}`, '*'))],
    ['variables', documentOf(deny('*', `${arnBase}topic/${fill(`\${iot:ClientId}`, '')}`))],
    ['escapes', documentOf(allow('*', `${arnBase}topic/${fill(`\${*}`, '')}`))],
    ['open variables', documentOf(allow('*', `${arnBase}topic/${fill(`\${`, '')}`))],
    ['a default that does not end', documentOf(allow('*', `${arnBase}topic/\${a${fill(' ', ',')}}`))],
    ['colons', documentOf(allow('*', fill(':', '')))],
    ['a long operator', documentOf(allow('*', '*', { Condition: { [fill('IfExists', 'x')]: {} } }))],
    [
      'many keys',
      documentOf(
        allow('*', '*', {
          Condition: { StringLike: Object.fromEntries(Array.from({ length: 900 }, (_, i) => [`a:${i}`, '*a*'])) },
        }),
      ),
    ],
    [
      'many resources',
      documentOf(
        allow(
          '*',
          Array.from({ length: 400 }, (_, i) => `${arnBase}topic/*${i}`),
        ),
      ),
    ],
    ['numbers', fill('1', '')],
    ['brackets', fill('[', '')],
    ['blanks', fill(' ', '{}')],
    ['backslashes', `"${fill('\\\\', '"')}`],
  ])('%s', (_, document) => {
    expect(document.length).toBeLessThanOrEqual(MAX_CHARACTERS);
    const permit = permitOf([document], client);
    for (const action of actions) {
      expect(permit.decide({ action, resource: `topic/${'a'.repeat(900)}` }).allowed).toBe(false);
    }
  });
});
