/** The operators of conditions, one by one. What holds in an Allow and not in a Deny says so. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are the variables of policies
import { allow, deny, may } from './policies.ts';

type Value = string | readonly string[] | undefined;

/** Whether a condition on `app:k` holds, in an Allow and in a Deny, by what they come to. */
const holds = (operator: string, wanted: unknown, found: Value, more: Readonly<Record<string, string>> = {}) => {
  const condition = { Condition: { [operator]: { 'app:k': wanted } } };
  const client = { values: { ...(found !== undefined && { 'app:k': found }), ...more } };
  const inAllow = may([allow('*', '*', condition)], 'iot:Publish topic/a', client);
  const inDeny = !may([allow('*', '*'), deny('*', '*', condition)], 'iot:Publish topic/a', client);
  return { inAllow, inDeny };
};

const both = (expected: boolean) => ({ inAllow: expected, inDeny: expected });

/** For an operator and the one that negates it. */
type Row = readonly [wanted: unknown, found: string, equal: boolean];

const families: Readonly<
  Record<string, { readonly positive: string; readonly negated: string; readonly rows: readonly Row[] }>
> = {
  exact: {
    positive: 'StringEquals',
    negated: 'StringNotEquals',
    rows: [
      ['a', 'a', true],
      ['a', 'A', false],
      ['a', 'ab', false],
      ['', '', true],
      [['a', 'b'], 'b', true],
      [['a', 'b'], 'c', false],
      [[], 'a', false],
      ['*', 'a', false],
      ['*', '*', true],
      ['?', 'a', false],
      ['${*}', '*', true],
      ['${$}{a}', '${a}', true],
      ["${app:none, 'd'}", 'd', true],
    ],
  },
  'in any case': {
    positive: 'StringEqualsIgnoreCase',
    negated: 'StringNotEqualsIgnoreCase',
    rows: [
      ['Ab', 'aB', true],
      ['Ä', 'ä', true],
      ['Ab', 'abc', false],
      ['A*', 'ab', false],
    ],
  },
  like: {
    positive: 'StringLike',
    negated: 'StringNotLike',
    rows: [
      ['a*', 'a', true],
      ['a*', 'a/b', true],
      ['a?', 'ab', true],
      ['A*', 'ab', false],
      ['${*}', 'a', false],
      ['${*}', '*', true],
      ['${?}', 'a', false],
      [['x', '*b'], 'ab', true],
    ],
  },
  number: {
    positive: 'NumericEquals',
    negated: 'NumericNotEquals',
    rows: [
      ['5', '5', true],
      [5, '5.0', true],
      ['-1.50', '-1.5', true],
      ['5', '6', false],
      [['4', 5], '5', true],
    ],
  },
  date: {
    positive: 'DateEquals',
    negated: 'DateNotEquals',
    rows: [
      ['2030-01-31T12:00:00Z', '2030-01-31T13:00:00+01:00', true],
      ['2030-01-31', '2030-01-31T00:00:00.000Z', true],
      ['2030-02', '2030-02-01', true],
      [1_900_000_000, '2030-03-17T17:46:40Z', true],
      ['1900000000', '1900000001', false],
    ],
  },
  address: {
    positive: 'IpAddress',
    negated: 'NotIpAddress',
    rows: [
      ['10.0.0.0/8', '10.1.2.3', true],
      ['10.0.0.0/8', '11.1.2.3', false],
      ['10.0.0.1', '10.0.0.1', true],
      ['10.0.0.1', '10.0.0.2', false],
      ['0.0.0.0/0', '203.0.113.9', true],
      ['10.0.0.0/8', '::ffff:10.1.2.3', true],
      ['10.0.0.0/8', '::ffff:a01:203', true],
      ['2001:db8::/32', '2001:db8:1::5', true],
      ['2001:db8::/32', '2001:db9::5', false],
      ['::/0', '10.1.2.3', false],
      ['0.0.0.0/0', '2001:db8::1', false],
      [['10.0.0.0/8', '2001:db8::/32'], '2001:db8::1', true],
    ],
  },
  arn: {
    positive: 'ArnEquals',
    negated: 'ArnNotEquals',
    rows: [
      ['arn:aws:iot:us-east-1:1:topic/a', 'arn:aws:iot:us-east-1:1:topic/a', true],
      ['arn:aws:iot:us-east-1:1:topic/a', 'arn:aws:iot:us-east-1:1:topic/A', false],
      ['arn:aws:iot:*:1:topic/*', 'arn:aws:iot:us-east-1:1:topic/a/b:c', true],
      ['arn:aws:iot:us-east-?:1:topic/a', 'arn:aws:iot:us-east-1:1:topic/a', true],
      // AWS's own example: a wildcard does not reach over a colon.
      ['arn:aws:iot:*:1:topic/*', 'arn:aws:iot:us-east-1:9:x:1:topic/a', false],
      ['arn:aws:iot:*:*:*', 'arn:aws:sqs:us-east-1:1:queue', false],
    ],
  },
  'arn like': { positive: 'ArnLike', negated: 'ArnNotLike', rows: [['arn:*:*:*:*:a*', 'arn:aws:iot:r:1:ab', true]] },
};

describe.each(Object.entries(families))('%s', (_, { positive, negated, rows }) => {
  it.each(rows)(`${positive} %j with %j: %s; ${negated} the other way round`, (wanted, found, equal) => {
    expect(holds(positive, wanted, found)).toEqual(both(equal));
    expect(holds(negated, wanted, found)).toEqual(both(!equal));
    expect(holds(`ForAnyValue:${positive}`, wanted, [found])).toEqual(both(equal));
    expect(holds(`ForAllValues:${positive}`, wanted, [found])).toEqual(both(equal));
    expect(holds(`${positive}IfExists`, wanted, found)).toEqual(both(equal));
  });

  it('an absent key, and one without values: only what is negated, IfExists or ForAllValues', () => {
    const wanted = rows[0]?.[0];
    for (const found of [undefined, []]) {
      expect(holds(positive, wanted, found)).toEqual(both(false));
      expect(holds(negated, wanted, found)).toEqual(both(true));
      expect(holds(`${positive}IfExists`, wanted, found)).toEqual(both(true));
      expect(holds(`${negated}IfExists`, wanted, found)).toEqual(both(true));
      expect(holds(`ForAllValues:${positive}`, wanted, found)).toEqual(both(true));
      expect(holds(`ForAllValues:${negated}`, wanted, found)).toEqual(both(true));
      expect(holds(`ForAnyValue:${positive}`, wanted, found)).toEqual(both(false));
      expect(holds(`ForAnyValue:${negated}`, wanted, found)).toEqual(both(false));
      expect(holds(`ForAnyValue:${positive}IfExists`, wanted, found)).toEqual(both(true));
    }
  });
});

it.each<readonly [string, string, readonly ['below', boolean, 'equal', boolean, 'above', boolean]]>([
  ['NumericLessThan', '5', ['below', true, 'equal', false, 'above', false]],
  ['NumericLessThanEquals', '5', ['below', true, 'equal', true, 'above', false]],
  ['NumericGreaterThan', '5', ['below', false, 'equal', false, 'above', true]],
  ['NumericGreaterThanEquals', '5', ['below', false, 'equal', true, 'above', true]],
  ['DateLessThan', '1970-01-01T00:00:05Z', ['below', true, 'equal', false, 'above', false]],
  ['DateLessThanEquals', '1970-01-01T00:00:05Z', ['below', true, 'equal', true, 'above', false]],
  ['DateGreaterThan', '1970-01-01T00:00:05Z', ['below', false, 'equal', false, 'above', true]],
  ['DateGreaterThanEquals', '1970-01-01T00:00:05Z', ['below', false, 'equal', true, 'above', true]],
])('%s %s: %j', (operator, wanted, [, below, , equal, , above]) => {
  expect(holds(operator, wanted, '4')).toEqual(both(below));
  expect(holds(operator, wanted, '5')).toEqual(both(equal));
  expect(holds(operator, wanted, '10')).toEqual(both(above));
});

it.each([
  ['true', 'true', true],
  ['True', 'TRUE', true],
  [true, 'true', true],
  [false, 'false', true],
  ['true', 'false', false],
  ['${app:flag}', 'true', true],
  ['${app:flag}', 'false', false],
])('Bool %j with %j: %s', (wanted, found, expected) => {
  expect(holds('Bool', wanted, found, { 'app:flag': 'true' })).toEqual(both(expected));
});

it.each<readonly [unknown, Value, boolean]>([
  ['true', undefined, true],
  ['true', [], true],
  ['true', 'x', false],
  ['true', '', false],
  ['false', undefined, false],
  ['false', ['x', 'y'], true],
  [['true', false], undefined, true],
])('Null %j with %j: %s', (wanted, found, expected) => {
  expect(holds('Null', wanted, found)).toEqual(both(expected));
});

describe('several values', () => {
  it.each<readonly [string, unknown, readonly string[], boolean]>([
    ['ForAnyValue:StringEquals', ['a', 'b'], ['b', 'c'], true],
    ['ForAnyValue:StringEquals', ['a', 'b'], ['c', 'd'], false],
    ['ForAnyValue:StringNotEquals', ['a', 'b'], ['b', 'c'], true],
    ['ForAnyValue:StringNotEquals', ['a', 'b'], ['b', 'a'], false],
    ['ForAllValues:StringEquals', ['a', 'b'], ['b', 'a'], true],
    ['ForAllValues:StringEquals', ['a', 'b'], ['b', 'c'], false],
    ['ForAllValues:StringNotEquals', ['a', 'b'], ['c', 'd'], true],
    ['ForAllValues:StringNotEquals', ['a', 'b'], ['c', 'b'], false],
    ['ForAllValues:StringLikeIfExists', 'a*', ['a', 'ab'], true],
    ['ForAnyValue:IpAddress', '10.0.0.0/8', ['11.0.0.1', '10.0.0.1'], true],
  ])('%s %j with %j: %s', (operator, wanted, found, expected) => {
    expect(holds(operator, wanted, found)).toEqual(both(expected));
  });

  it('need a qualifier: without one no Allow applies, and a Deny if any of them meets it', () => {
    expect(holds('StringEquals', 'a', ['a', 'b'])).toEqual({ inAllow: false, inDeny: true });
    expect(holds('StringEquals', ['a', 'b'], ['a', 'b'])).toEqual({ inAllow: false, inDeny: true });
    expect(holds('StringNotEquals', 'a', ['a', 'b'])).toEqual({ inAllow: false, inDeny: true });
    expect(holds('StringEqualsIfExists', 'c', ['a', 'b'])).toEqual(both(false));
  });
});

describe('what cannot be compared', () => {
  it.each([
    ['NumericEquals', 'NumericNotEquals', '5', 'five'],
    ['DateEquals', 'DateNotEquals', '2030-01-31', 'today'],
    ['IpAddress', 'NotIpAddress', '10.0.0.0/8', '10.1'],
    ['IpAddress', 'NotIpAddress', '10.0.0.0/8', '010.0.0.1'],
    ['ArnEquals', 'ArnNotEquals', 'arn:aws:iot:r:1:a', 'topic/a'],
    ['StringEquals', 'StringNotEquals', '${app:none}', 'a'],
    ['StringLike', 'StringNotLike', '*${app:none}*', 'a'],
    ['ArnLike', 'ArnNotLike', 'arn:aws:iot:r:1:topic/${app:none}', 'arn:aws:iot:r:1:topic/a'],
  ])('%s %#: an Allow does not apply, and neither does a Deny; with %s it does', (positive, negated, wanted, found) => {
    expect(holds(positive, wanted, found)).toEqual({ inAllow: false, inDeny: false });
    expect(holds(negated, wanted, found)).toEqual({ inAllow: false, inDeny: true });
  });

  it('does not keep the other values of the policy from being compared', () => {
    expect(holds('StringEquals', ['${app:none}', 'a'], 'a')).toEqual(both(true));
    expect(holds('StringNotEquals', ['${app:none}', 'a'], 'a')).toEqual(both(false));
    expect(holds('NumericLessThan', '5', 'five')).toEqual(both(false));
    expect(holds('Bool', 'true', 'yes')).toEqual(both(false));
    expect(holds('Bool', '${app:none}', 'true')).toEqual(both(false));
  });
});

it('all operators and all keys have to hold', () => {
  const condition = (level: string, name: string) => ({
    Condition: { NumericLessThan: { 'app:level': '5' }, StringEquals: { 'app:name': 'n', 'app:level': ['1', '2'] } },
    values: { 'app:level': level, 'app:name': name },
  });
  const isAllowed = ({ Condition, values }: ReturnType<typeof condition>) =>
    may([allow('*', '*', { Condition })], 'iot:Publish topic/a', { values });
  expect(isAllowed(condition('1', 'n'))).toBe(true);
  expect(isAllowed(condition('1', 'm'))).toBe(false);
  expect(isAllowed(condition('3', 'n'))).toBe(false);
});

it('keys are compared without case', () => {
  const statements = [allow('*', '*', { Condition: { StringEquals: { 'APP:Key': '${App:OTHER}' } } })];
  expect(may(statements, 'iot:Publish topic/a', { values: { 'app:key': 'v', 'app:other': 'v' } })).toBe(true);
});
