/**
 * Policies, clients and questions about few names, so that they meet often.
 *
 * Rules of this file: only what IAM and this broker answer alike. Each thing that is left out has its reason beside it.
 */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are the variables of policies
import fc from 'fast-check';
import { actions } from '../../src/policy/permit.ts';
import { arnBase, type WrittenStatement } from './policies.ts';

type Written = Readonly<Record<string, string | readonly string[]>>;

/** Absent or one of these. */
const maybe = <T>(...all: readonly T[]) => fc.option(fc.constantFrom(...all), { nil: undefined, freq: 4 });

/** In any order, few or none. */
const some = (...all: readonly string[]) => fc.shuffledSubarray([...all]);

const present = (values: Readonly<Record<string, string | readonly string[] | undefined>>): Written =>
  Object.fromEntries(
    Object.entries(values).filter((entry): entry is [string, string | string[]] => entry[1] !== undefined),
  );

/** Each is one plain level: what others do is in `variables.test.ts`, and IAM allows more of it. */
const clientId = fc.constantFrom('a', 'b', 'pump-7');

export const clientValues: fc.Arbitrary<Written> = fc
  .record({
    'iot:ClientId': clientId,
    'aws:SourceIp': fc.constantFrom('10.1.2.3', '192.0.2.1', '2001:db8::1', '2001:db9:0:0:0:0:0:1'),
    'app:name': maybe('a', 'b', 'A', 'pump-7'),
    'app:level': maybe('4', '5', '5.0', '10', '-1'),
    'app:since': maybe('2030-01-31T12:00:00Z', '2030-01-31', '2031-01-01T00:00:00+01:00'),
    'app:flag': maybe('true', 'false', 'TRUE'),
    // As a variable: not one of the groups, for a list of one is here a list all the same.
    'app:pair': maybe(['a', 'b']),
    'app:groups': fc.oneof(fc.constant(undefined), some('a', 'b', 'c')),
  })
  .map(present);

/** What the question brings for `iot:Connect`. */
export const connectValues: fc.Arbitrary<Written> = fc
  .record({
    'iot:ConnectAttributes': some('PersistentConnect', 'LastWill'),
    'iot:LastWillTopic': maybe(`${arnBase}topic/will/a`, `${arnBase}topic/will/b`, `${arnBase}topic/a:b`),
  })
  .map(present);

const name = fc.constantFrom(
  'a',
  'b',
  'a/b',
  'b/a',
  'pump-7',
  'a/pump-7/x',
  'ab',
  'a:b',
  '$a',
  '+/b',
  'a/#',
  '?',
  '${a}',
  'A',
  '',
);

export interface AskedFor {
  readonly action: (typeof actions)[number];
  readonly resource: string;
  readonly values: Written;
}

/** Without `*`: there the simulator takes a resource for a pattern of its own. */
export const question: fc.Arbitrary<AskedFor> = fc
  .tuple(fc.constantFrom(...actions), name, connectValues)
  .map(([action, each, values]) => {
    const kind = action === 'iot:Connect' ? 'client' : action === 'iot:Subscribe' ? 'topicfilter' : 'topic';
    return { action, resource: `${kind}/${each}`, values: action === 'iot:Connect' ? values : {} };
  });

const actionPattern = fc.constantFrom(
  '*',
  'iot:*',
  ...actions,
  'iot:*ublish',
  'iot:R*',
  'iot:connect',
  'iot:?ubscribe',
);

const head = fc.constantFrom(
  'arn:aws:iot:us-east-1:123456789012:',
  'arn:aws:iot:*:123456789012:',
  'arn:*:iot:us-east-?:*:',
  'arn:aws:iot:us-west-2:123456789012:',
);

/** `isKnown`: only variables that have a value. */
const rest = (isKnown: boolean) =>
  fc.constantFrom(
    ...[
      '*',
      'a',
      'b',
      'a/*',
      '*/b',
      'a?b',
      '?',
      '??',
      '+/b',
      'a/#',
      '*a*',
      '*:*',
      '${*}',
      '${?}',
      '${$}{a}',
      'p*7',
      'A',
    ],
    ...['${iot:ClientId}', '${IOT:clientid}', 'a/${iot:ClientId}/*', "${iot:ClientId, 'b'}", '*${iot:ClientId}*'],
    // An empty default: the simulator takes it for none.
    ...["${app:nobody, 'a'}", "${app:nobody, 'a/b'}", "${app:name, 'a'}"],
    ...(isKnown ? [] : ['${app:name}', 'a/${app:nobody}', '${app:pair}']),
  );

const resourcePattern = (isKnown: boolean) =>
  fc.oneof(
    { weight: 1, arbitrary: fc.constant('*') },
    { weight: 1, arbitrary: head.map((each) => `${each}*`) },
    {
      weight: 8,
      arbitrary: fc
        .tuple(head, fc.constantFrom('client', 'topic', 'topic', 'topicfilter'), rest(isKnown))
        .map(([each, kind, name]) => `${each}${kind}/${name}`),
    },
  );

const oneOrMore = <T>(each: fc.Arbitrary<T>): fc.Arbitrary<T | T[]> =>
  fc.oneof(each, fc.array(each, { minLength: 1, maxLength: 3 }));

const values = <T>(each: fc.Arbitrary<T>): fc.Arbitrary<T | T[]> => fc.oneof(each, fc.array(each, { maxLength: 3 }));

interface Family {
  readonly operators: readonly string[];
  readonly keys: readonly string[];
  readonly values: (isKnown: boolean) => fc.Arbitrary<string>;
}

const texts = [
  'a',
  'b',
  'A',
  'pump-7',
  '${iot:ClientId}',
  "${app:name, 'a'}",
  '${*}',
  'PersistentConnect',
  'LastWill',
  'x',
];
const textKeys = ['iot:ClientId', 'IOT:clientID', 'app:name', 'app:groups', 'app:nobody', 'iot:ConnectAttributes'];
const unknown = (isKnown: boolean) => (isKnown ? [] : ['${app:name}', '${app:nobody}', '${app:pair}']);

const families: readonly Family[] = [
  {
    operators: ['StringEquals', 'StringNotEquals', 'StringEqualsIgnoreCase', 'StringNotEqualsIgnoreCase'],
    keys: textKeys,
    values: (isKnown) => fc.constantFrom(...texts, ...unknown(isKnown)),
  },
  {
    operators: ['StringLike', 'StringNotLike'],
    keys: [...textKeys, 'iot:LastWillTopic'],
    values: (isKnown) => fc.constantFrom(...texts, '*', '?', '*p-?', '*Will', `*:topic/will/*`, ...unknown(isKnown)),
  },
  {
    operators: [
      'NumericEquals',
      'NumericNotEquals',
      'NumericLessThan',
      'NumericLessThanEquals',
      'NumericGreaterThan',
      'NumericGreaterThanEquals',
    ],
    keys: ['app:level', 'app:nobody'],
    values: () => fc.constantFrom('4', '5', '5.00', '-2.5', '10'),
  },
  {
    operators: [
      'DateEquals',
      'DateNotEquals',
      'DateLessThan',
      'DateLessThanEquals',
      'DateGreaterThan',
      'DateGreaterThanEquals',
    ],
    keys: ['app:since', 'app:nobody'],
    // Seconds since 1970: the simulator compares them as milliseconds.
    values: () => fc.constantFrom('2030-01-31T13:00:00+01:00', '2030-01-31', '2030-02', '2031-01-01T00:00:00Z'),
  },
  { operators: ['Bool'], keys: ['app:flag', 'app:nobody'], values: () => fc.constantFrom('true', 'false', 'False') },
  {
    operators: ['IpAddress', 'NotIpAddress'],
    keys: ['aws:SourceIp', 'app:nobody'],
    // Always with a prefix, and never /0: the simulator takes 0.0.0.0/0 for /32, and for a single address NotIpAddress fails with
    // an address of the other kind. IPv4 in IPv6's clothes it does not know.
    values: () =>
      fc.constantFrom(
        '10.0.0.0/8',
        '10.1.2.3/32',
        '192.0.2.0/31',
        '0.0.0.0/1',
        '2001:db8::/32',
        '2001:db8::1/128',
        '2000::/15',
      ),
  },
  {
    operators: ['ArnEquals', 'ArnLike', 'ArnNotEquals', 'ArnNotLike'],
    keys: ['iot:LastWillTopic', 'app:nobody'],
    values: (isKnown) =>
      fc
        .tuple(
          head,
          fc.constantFrom(
            'topic/will/${iot:ClientId}',
            ...(isKnown ? [] : ['topic/will/${app:name}']),
            'topic/will/a',
            'topic/*',
            '*',
            'topic/?:b',
          ),
        )
        .map(([each, name]) => each + name),
  },
  {
    operators: ['Null'],
    keys: [...textKeys, 'app:level', 'iot:LastWillTopic'],
    values: () => fc.constantFrom('true', 'false'),
  },
];

/** Keys that may have several values. */
const isSet = (key: string): boolean => ['app:groups', 'iot:connectattributes'].includes(key.toLowerCase());

const condition = (effect: string) =>
  fc.constantFrom(...families).chain((family) =>
    fc
      .tuple(
        fc.constantFrom(...family.operators),
        fc.constantFrom(...family.keys),
        fc.constantFrom('', 'ForAllValues:', 'ForAnyValue:'),
        fc.boolean(),
      )
      .chain(([operator, key, anyQualifier, isIfExists]) => {
        // Several values without a qualifier: IAM's answer is not documented, and in a Deny ours is stricter than the simulator's.
        const needed = effect === 'Deny' && isSet(key) && anyQualifier === '' ? 'ForAnyValue:' : anyQualifier;
        const qualifier = operator === 'Null' ? '' : needed;
        // ForAnyValue with IfExists and no key: true by the page of the one, false by that of the other, and false in the simulator.
        const suffix = isIfExists && operator !== 'Null' && qualifier !== 'ForAnyValue:' ? 'IfExists' : '';
        // A variable without a value in a negated operator: AWS says that it matches, the simulator that it does not. Here a Deny
        // does and an Allow does not, so that it is left out where the simulator is the laxer one.
        const isKnown = effect === 'Deny' && operator.includes('Not');
        return values(family.values(isKnown)).map((wanted) => ({
          [`${qualifier}${operator}${suffix}`]: { [key]: wanted },
        }));
      }),
  );

/** `ForAnyValue` and more than one condition make most statements fail: half have none. */
const conditions = (effect: string) =>
  fc.oneof(
    fc.constant({}),
    fc
      .array(condition(effect), { minLength: 1, maxLength: 2 })
      .map((all) => ({ Condition: Object.assign({}, ...all) as object })),
  );

export const statement: fc.Arbitrary<WrittenStatement> = fc
  .tuple(fc.constantFrom('Allow', 'Allow', 'Deny'), fc.constantFrom('Resource', 'Resource', 'Resource', 'NotResource'))
  .chain(([effect, resource]) =>
    fc
      .tuple(
        fc.constantFrom('Action', 'Action', 'Action', 'NotAction'),
        oneOrMore(actionPattern),
        // A variable without a value in NotResource: in the simulator the statement does not apply, not even a Deny, unless the
        // question is about another kind of resource. Here an Allow does not and a Deny does.
        oneOrMore(resourcePattern(resource === 'NotResource')),
        conditions(effect),
      )
      .map(([action, named, resources, more]) => ({ Effect: effect, [action]: named, [resource]: resources, ...more })),
  );

/** Of `iot:Connect` alone, with conditions. */
export const connectStatement: fc.Arbitrary<WrittenStatement> = fc
  .constantFrom('Allow', 'Allow', 'Allow', 'Deny')
  .chain((effect) =>
    conditions(effect).map((more) => ({ Effect: effect, Action: 'iot:Connect', Resource: '*', ...more })),
  );
