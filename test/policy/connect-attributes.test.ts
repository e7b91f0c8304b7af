/** What a CONNECT may ask for, statement by statement: plain IAM, and what is left of it where each attribute has to be named. */
import fc from 'fast-check';
import { clientValues, connectStatement, connectValues } from './arbitrary-policies.ts';
import { arnBase, decide, documentOf, may, permitOf, valuesOf, type WrittenStatement } from './policies.ts';

const client = `${arnBase}client/pump-7`;
const key = 'iot:ConnectAttributes';
const P = 'PersistentConnect';
const L = 'LastWill';

const allow = (condition?: object): WrittenStatement => ({
  Effect: 'Allow',
  Action: 'iot:Connect',
  Resource: client,
  ...(condition && { Condition: condition }),
});
const deny = (condition: object): WrittenStatement => ({
  Effect: 'Deny',
  Action: 'iot:Connect',
  Resource: '*',
  Condition: condition,
});
const all = (...attributes: readonly string[]) => ({ 'ForAllValues:StringEquals': { [key]: attributes } });
const allNot = (...attributes: readonly string[]) => ({ 'ForAllValues:StringNotEquals': { [key]: attributes } });
const any = (...attributes: readonly string[]) => ({ 'ForAnyValue:StringEquals': { [key]: attributes } });
const ownWill = { ArnEquals: { 'iot:LastWillTopic': `${arnBase}topic/my/will` } };

/** What is asked for, as columns: nothing, P, L, both. */
const columns = [[], [P], [L], [P, L]];

/** `y` for each column that is allowed. */
const answers = (
  statements: readonly WrittenStatement[],
  connectAttributes: 'iam' | 'strict',
  willTopic = 'my/will',
): string => {
  const permit = permitOf([documentOf(...statements)], {
    connectAttributes,
    values: { 'iot:ClientId': 'pump-7', 'app:may': P },
  });
  return columns
    .map((asked) => {
      const will = asked.includes(L) ? { 'iot:LastWillTopic': `${arnBase}topic/${willTopic}` } : {};
      const values = valuesOf({ [key]: asked, ...will });
      return decide(permit, 'iot:Connect client/pump-7', values).allowed ? 'y' : '-';
    })
    .join('');
};

const rows: readonly (readonly [string, readonly WrittenStatement[], string, string])[] = [
  // what | statements | iam: ∅ P L PL | strict
  ['1 persistent allowed', [allow(all(P))], 'yy--', 'yy--'],
  ['2 all but persistent', [allow(allNot(P))], 'y-y-', 'y---'],
  ['3 the same, by a Deny', [allow(), deny(any(P))], 'y-y-', 'y---'],
  ['4 both', [allow(all(P, L))], 'yyyy', 'yyyy'],
  // AWS's own page says that the first is allowed too: its evaluation of an absent key says that it is not.
  ['5 StringEquals without a qualifier', [allow({ StringEquals: { [key]: L } })], '--y-', '--y-'],
  ['6 nothing special', [allow(all())], 'y---', 'y---'],
  ['7 must be persistent', [allow(any(P))], '-y-y', '-y--'],
  ['8 must have both', [allow(all(P, L)), deny(all(P)), deny(all(L)), deny(all())], '---y', '---y'],
  ['9 will optional, never persistent', [deny(any(P)), allow(all(L))], 'y-y-', 'y-y-'],
  ['10 one will topic', [allow(ownWill)], '--yy', '--y-'],
  ['11 one will topic, never persistent', [allow(ownWill), deny(any(P))], '--y-', '--y-'],
];

describe('the attributes of a CONNECT', () => {
  it.each(rows)('%s, as IAM has it', (_, statements, expected) => {
    expect(answers(statements, 'iam')).toBe(expected);
  });

  it.each(rows)('%s, each attribute named', (_, statements, __, expected) => {
    expect(answers(statements, 'strict')).toBe(expected);
  });

  it.each(['iam', 'strict'] as const)('%s: another will topic than the one that is allowed', (mode) => {
    expect(answers([allow(ownWill)], mode, 'other')).toBe('----');
    expect(answers([allow(ownWill), deny(any(P))], mode, 'other')).toBe('----');
  });

  it.each<readonly [string, readonly WrittenStatement[], string]>([
    ['no condition names nothing', [allow()], 'y---'],
    ['what several statements name adds up', [allow(), allow(any(P)), allow(any(L))], 'yyyy'],
    ['a pattern names what it matches', [allow({ 'ForAllValues:StringLike': { [key]: '*' } })], 'yyyy'],
    ['… and no more', [allow({ 'ForAllValues:StringLike': { [key]: ['P*'] } }), allow()], 'yy--'],
    ['in any case', [allow({ 'ForAllValues:StringEqualsIgnoreCase': { [key]: 'lastwill' } })], 'y-y-'],
    ['IfExists names as well', [allow({ StringEqualsIfExists: { [key]: P } })], 'yy--'],
    ['a variable names what its value is', [allow({ 'ForAllValues:StringEquals': { [key]: `\${app:may}` } })], 'yy--'],
    ['a negated operator names nothing', [allow({ StringNotEquals: { [key]: 'x' } })], 'y---'],
    ['a Null names nothing', [allow({ Null: { [key]: 'false' } }), allow()], 'y---'],
    ['another key names nothing', [allow({ StringLike: { 'iot:ClientId': '*' } })], 'y---'],
    ['a String operator on the will topic', [allow({ StringLikeIfExists: { 'iot:LastWillTopic': '*' } })], 'y-y-'],
    ['a negated one names no will', [allow({ ArnNotLike: { 'iot:LastWillTopic': `${arnBase}topic/x` } })], 'y---'],
    // The statement that names P says too that there must be nothing else.
    ['a statement that does not apply grants nothing', [allow(all(P)), allow(any(L))], 'yyy-'],
  ])('strict: %s', (_, statements, expected) => {
    expect(answers(statements, 'strict')).toBe(expected);
  });

  it('says which of the two it was', () => {
    const permit = permitOf([documentOf(allow(), deny({ StringEquals: { 'iot:LastWillTopic': 'x' } }))]);
    const ask = (values: Readonly<Record<string, string | readonly string[]>>) =>
      decide(permit, 'iot:Connect client/pump-7', valuesOf(values));
    expect(ask({ [key]: [P] })).toEqual({ allowed: false, because: 'attribute not granted' });
    expect(ask({ [key]: P })).toEqual({ allowed: false, because: 'attribute not granted' });
    expect(ask({ [key]: [L], 'iot:LastWillTopic': 'x' })).toMatchObject({ because: 'denied' });
    expect(decide(permit, 'iot:Connect client/other', valuesOf({ [key]: [P] }))).toMatchObject({
      because: 'not allowed',
    });
  });

  it('strict allows nothing that iam does not, and all that asks for nothing', () => {
    let less = 0;
    fc.assert(
      fc.property(
        fc.array(connectStatement, { minLength: 1, maxLength: 3 }),
        clientValues,
        connectValues,
        (statements, values, asked) => {
          const isAllowed = (connectAttributes: 'iam' | 'strict') =>
            may(statements, 'iot:Connect client/a', { values, connectAttributes }, valuesOf(asked));
          const [iam, strict] = [isAllowed('iam'), isAllowed('strict')];
          if (iam && !strict) less++;
          expect(strict && !iam).toBe(false);
          if (asked[key]?.length === 0) expect(strict).toBe(iam);
        },
      ),
      { numRuns: 2_000 },
    );
    expect(less).toBeGreaterThan(100);
  });

  it.each(['iam', 'strict'] as const)('%s: what a client has said of itself does not count', (connectAttributes) => {
    const statements = [allow(all(P, L)), deny(any(P)), deny({ StringLike: { 'iot:LastWillTopic': '*/forbidden' } })];
    const client = { connectAttributes, values: { [key]: [L], 'iot:LastWillTopic': `${arnBase}topic/a` } };
    const ask = (values: Readonly<Record<string, string | readonly string[]>>) =>
      may(statements, 'iot:Connect client/pump-7', client, valuesOf(values));
    expect(ask({ [key]: [P] })).toBe(false);
    expect(ask({ [key]: [L], 'iot:LastWillTopic': `${arnBase}topic/forbidden` })).toBe(false);
    expect(ask({ [key]: [L], 'iot:LastWillTopic': `${arnBase}topic/b` })).toBe(true);
    expect(may([allow(any(L))], 'iot:Connect client/pump-7', client)).toBe(false);
  });

  it('is asked of CONNECT alone', () => {
    const permit = permitOf([documentOf({ Effect: 'Allow', Action: 'iot:*', Resource: '*' })]);
    expect(decide(permit, 'iot:Publish topic/a', valuesOf({ [key]: [P] })).allowed).toBe(true);
  });
});
