/** Variables: what a value may do to a policy, and what a client that chooses its own name may not. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are the variables of policies
import fc from 'fast-check';
import { allow, arnBase, type Client, deny, documentOf, may, permitOf, valuesOf } from './policies.ts';

const topic = (rest: string) => `${arnBase}topic/${rest}`;
const topicFilter = (rest: string) => `${arnBase}topicfilter/${rest}`;
const named = (clientId: string): Client => ({ values: { 'iot:ClientId': clientId } });

/** Names that a client might choose to get more than its own, none of them one plain level. */
const notOneLevel = ['+', '#', 'a/b', 'a/', '/', '../b', 'a/+', 'a/#', '+/+', 'x#', '', 'other/#'];

/** Names that look as if they meant something, each one plain level. */
const plain = [
  '*',
  '?',
  'pump-7',
  '${iot:ClientId}',
  '${*}',
  '${?}',
  '..',
  '.',
  ' ',
  'ä',
  '漢字',
  '\u00e9',
  '😀',
  'A',
  'a:b',
  'a\nb',
  '${',
  '}',
  '\\',
];

describe('a variable', () => {
  it.each(plain)('stands for the name %j as it is, and for nothing else', (clientId) => {
    const statements = [allow('*', [topic('dev/${iot:ClientId}/*'), topicFilter('dev/${iot:ClientId}')])];
    const client = named(clientId);
    expect(may(statements, `iot:Publish topic/dev/${clientId}/up`, client)).toBe(true);
    expect(may(statements, `iot:Subscribe topicfilter/dev/${clientId}`, client)).toBe(true);
    for (const other of ['other', 'b', 'pump-8', 'a', '+', '#', '', '$', 'aa', 'PUMP-7', 'e\u0301'].filter(
      (each) => each !== clientId,
    )) {
      expect(may(statements, `iot:Publish topic/dev/${other}/up`, client)).toBe(false);
      expect(may(statements, `iot:Subscribe topicfilter/dev/${other}`, client)).toBe(false);
    }
  });

  it.each<readonly [string, string, string, boolean]>([
    // resource | what the client is | topic | whether it may publish to it
    ['${iot:ClientId}', 'a', 'a', true],
    ['${IOT:clientid}', 'a', 'a', true],
    ['x${iot:ClientId}y', 'a', 'xay', true],
    ['${iot:ClientId}/${iot:ClientId}', 'a', 'a/a', true],
    ['${iot:ClientId}?', 'a', 'ab', true],
    ['*/${iot:ClientId}', 'a', 'x/y/a', true],
    ["${app:none, 'd'}", 'a', 'd', true],
    ["${app:none,'d/e'}", 'a', 'd/e', true],
    ["${app:none, ''}", 'a', '', true],
    ["${iot:ClientId, 'd'}", 'a', 'd', false],
    ["${app:none, '*'}", 'a', 'b', false],
    ['${app:none}', 'a', '', false],
    ['${app:none}', 'a', '${app:none}', false],
    ['${app:list}', 'a', 'one', false],
    ["${app:list, 'd'}", 'a', 'd', false],
    ['${*}', 'a', '*', true],
    ['${*}', 'a', 'a', false],
    ['${?}', 'a', '?', true],
    ['${?}', 'a', 'a', false],
    ['${$}{iot:ClientId}', 'a', '${iot:ClientId}', true],
    ['${$}{iot:ClientId}', 'a', 'a', false],
    ['$(iot:ClientId)', 'a', '$(iot:ClientId)', true],
  ])('%s of the client %s, topic %s: %s', (resource, clientId, name, expected) => {
    const client = { values: { 'iot:ClientId': clientId, 'app:list': ['one', 'two'] } };
    expect(may([allow('*', topic(resource))], `iot:Publish topic/${name}`, client)).toBe(expected);
  });

  it('may be what the question brings, which never replaces what is known of the client', () => {
    const permit = permitOf([documentOf(allow('*', topic('${app:a}/${app:b}')))], { values: { 'app:a': '1' } });
    const publish = (name: string, values: Readonly<Record<string, string>>) =>
      permit.decide({ action: 'iot:Publish', resource: `topic/${name}`, values: valuesOf(values) }).allowed;
    expect(publish('1/2', { 'app:b': '2' })).toBe(true);
    expect(publish('1/3', { 'app:b': '3' })).toBe(true);
    expect(publish('9/2', { 'app:a': '9', 'app:b': '2' })).toBe(false);
    expect(publish('1/2', {})).toBe(false);
  });

  it('is bounded, however often and long', () => {
    const statements = [deny('*', topic('${iot:ClientId}'.repeat(1_000))), allow('*', topic('*'))];
    expect(may(statements, 'iot:Publish topic/a', named('x'.repeat(100_000)))).toBe(true);
    expect(may(statements, `iot:Publish topic/${'x'.repeat(50_000)}`, named('x'.repeat(50)))).toBe(false);
  });
});

describe('a name that is not one plain level', () => {
  it.each(notOneLevel)('%j gets nothing by an Allow', (clientId) => {
    const statements = [
      allow('*', [topic('dev/${iot:ClientId}'), topicFilter('dev/${iot:ClientId}'), topic('dev/x${iot:ClientId}/*')]),
    ];
    for (const name of [`dev/${clientId}`, `dev/x${clientId}/a`, 'dev/b', 'dev/a/b', 'dev/a', 'dev/', 'dev/x/a']) {
      expect(may(statements, `iot:Publish topic/${name}`, named(clientId))).toBe(false);
      expect(may(statements, `iot:Subscribe topicfilter/${name}`, named(clientId))).toBe(false);
    }
  });

  it.each(notOneLevel)('%j does not get out of a Deny', (clientId) => {
    const own = [topic('dev/${iot:ClientId}'), topicFilter('dev/${iot:ClientId}')];
    const except = [allow('*', '*'), { Effect: 'Deny', Action: '*', NotResource: own }];
    const own2 = [allow('*', '*'), deny('*', own)];
    for (const question of [`iot:Publish topic/dev/${clientId}`, `iot:Subscribe topicfilter/dev/${clientId}`]) {
      expect(may(own2, question, named(clientId))).toBe(false);
      // The exception is for the client's own level, and this is none.
      expect(may(except, question, named(clientId))).toBe(false);
    }
  });

  it.each(notOneLevel)('%j does not get past a NotResource', (clientId) => {
    const statements = [{ Effect: 'Allow', Action: '*', NotResource: topic('locked/${iot:ClientId}') }];
    expect(may(statements, 'iot:Publish topic/locked/b', named(clientId))).toBe(false);
    expect(may(statements, 'iot:Publish topic/free', named(clientId))).toBe(false);
    expect(may(statements, 'iot:Publish topic/free', named('b'))).toBe(true);
  });

  it.each(notOneLevel)('%j may connect under its own name, and no other', (clientId) => {
    const statements = [allow('iot:Connect', `${arnBase}client/\${iot:ClientId}`)];
    expect(may(statements, `iot:Connect client/${clientId}`, named(clientId))).toBe(true);
    expect(may(statements, 'iot:Connect client/other', named(clientId))).toBe(false);
  });

  it.each(notOneLevel)('%j gets no will on what is not its own level', (clientId) => {
    const own = topic('will/${iot:ClientId}');
    const onlyOwn = [allow('iot:Connect', '*', { Condition: { ArnEquals: { 'iot:LastWillTopic': own } } })];
    const noOther = [
      allow('iot:Connect', '*', { Condition: { StringLike: { 'iot:LastWillTopic': '*' } } }),
      deny('iot:Connect', '*', { Condition: { ArnNotEquals: { 'iot:LastWillTopic': own } } }),
    ];
    const asks = (name: string) =>
      valuesOf({ 'iot:ConnectAttributes': ['LastWill'], 'iot:LastWillTopic': topic(`will/${name}`) });
    for (const statements of [onlyOwn, noOther]) {
      expect(may(statements, 'iot:Connect client/c', named(clientId), asks(clientId))).toBe(false);
      expect(may(statements, 'iot:Connect client/c', named('b'), asks('b'))).toBe(true);
      expect(may(statements, 'iot:Connect client/c', named('b'), asks('c'))).toBe(false);
    }
  });

  it.each(['$share', '$SYS', '$aws', '$'])('%s does not begin a topic', (clientId) => {
    const statements = [allow('*', [topic('${iot:ClientId}/*'), topicFilter("${app:none, ''}${iot:ClientId}/*")])];
    expect(may(statements, `iot:Publish topic/${clientId}/a`, named(clientId))).toBe(false);
    expect(may(statements, `iot:Subscribe topicfilter/${clientId}/group/secret/#`, named(clientId))).toBe(false);
    const inside = [allow('*', topic('dev/${iot:ClientId}'))];
    expect(may(inside, `iot:Publish topic/dev/${clientId}`, named(clientId))).toBe(true);
  });
});

describe('a variable without a value', () => {
  const unknown = topic('dev/${app:none}');
  it.each<readonly [string, readonly object[], boolean]>([
    ['Allow, Resource: does not apply', [allow('*', unknown)], false],
    ['Allow, NotResource: does not apply', [{ Effect: 'Allow', Action: '*', NotResource: unknown }], false],
    ['Deny, Resource: does not apply, as in IAM', [allow('*', '*'), deny('*', unknown)], true],
    ['Deny, NotResource: applies', [allow('*', '*'), { Effect: 'Deny', Action: '*', NotResource: unknown }], false],
    ['the other resources of the statement count', [allow('*', [unknown, topic('a')])], true],
    [
      '… and those that are not meant',
      [allow('*', '*'), { Effect: 'Deny', Action: '*', NotResource: [unknown, topic('a')] }],
      true,
    ],
    [
      'that of another region does not matter',
      [{ Effect: 'Allow', Action: '*', NotResource: unknown.replace('east', 'west') }],
      true,
    ],
  ])('%s', (_, statements, expected) => {
    expect(may(statements as never, 'iot:Publish topic/a')).toBe(expected);
  });
});

it('a client that chooses its name reaches no more than by its own level', () => {
  const statements = [
    allow('*', [topic('dev/${iot:ClientId}'), topic('dev/${iot:ClientId}/*'), topicFilter('dev/${iot:ClientId}/#')]),
  ];
  const character = fc.constantFrom('a', 'b', '/', '+', '#', '*', '?', '$', '{', '}', ':', '😀');
  const text = fc.array(character, { maxLength: 6 }).map((all) => all.join(''));
  let allowed = 0;
  fc.assert(
    fc.property(text, fc.oneof(text, fc.constant(undefined)), (clientId, other) => {
      const name = `dev/${other ?? clientId}/x`;
      const may = permit(clientId).decide({ action: 'iot:Publish', resource: `topic/${name}` }).allowed;
      if (!may) return;
      allowed++;
      expect(name.split('/')[1]).toBe(clientId);
    }),
    { numRuns: 2_000 },
  );
  expect(allowed).toBeGreaterThan(50);

  function permit(clientId: string) {
    return permitOf([documentOf(...statements)], named(clientId));
  }
});
