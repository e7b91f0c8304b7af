/** Which statement decides: the shapes of AWS's example policies, and what comes of several. */
import {
  arnBase as A,
  allow,
  type Client,
  decide,
  deny,
  documentOf,
  may,
  permitOf,
  type WrittenStatement,
} from './policies.ts';

const thing = (name: string, isAttached = 'true'): Client => ({
  values: { 'iot:Connection.Thing.ThingName': name, 'iot:Connection.Thing.IsAttached': isAttached },
});

/** Statements, a client, what it may do and what not. */
type Example = readonly [string, readonly WrittenStatement[], Client, readonly string[], readonly string[]];

const examples: readonly Example[] = [
  [
    '1 one client',
    [allow('iot:Connect', `${A}client/pump-7`)],
    {},
    ['iot:Connect client/pump-7'],
    ['iot:Connect client/pump-8', 'iot:Connect client/pump-77', 'iot:Connect client/', 'iot:Publish topic/pump-7'],
  ],
  [
    '2 things only, two of them banned',
    [
      deny('iot:Connect', [`${A}client/bad-1`, `${A}client/bad-2`]),
      allow('iot:Connect', `${A}client/\${iot:Connection.Thing.ThingName}`, {
        Condition: { Bool: { 'iot:Connection.Thing.IsAttached': 'true' } },
      }),
    ],
    thing('good'),
    ['iot:Connect client/good'],
    ['iot:Connect client/other', 'iot:Connect client/bad-1'],
  ],
  [
    '3 its own branch, up and down',
    [
      allow('iot:Publish', `${A}topic/up/\${iot:Connection.Thing.ThingName}`),
      allow('iot:Subscribe', `${A}topicfilter/down/\${iot:Connection.Thing.ThingName}`),
      allow('iot:Receive', `${A}topic/down/\${iot:Connection.Thing.ThingName}`),
    ],
    thing('t'),
    ['iot:Publish topic/up/t', 'iot:Subscribe topicfilter/down/t', 'iot:Receive topic/down/t'],
    [
      'iot:Publish topic/down/t',
      'iot:Publish topic/up/u',
      'iot:Subscribe topicfilter/down/+',
      'iot:Receive topic/up/t',
    ],
  ],
  [
    '4 a branch but for one topic',
    [allow('iot:Publish', `${A}topic/plant/*`), deny('iot:Publish', `${A}topic/plant/admin`)],
    {},
    ['iot:Publish topic/plant/a', 'iot:Publish topic/plant/a/b', 'iot:Publish topic/plant/admin/a'],
    ['iot:Publish topic/plant/admin', 'iot:Publish topic/plant', 'iot:RetainPublish topic/plant/a'],
  ],
  [
    '5 subscribes widely, receives all but some',
    [
      allow('iot:Subscribe', `${A}topicfilter/plant/*`),
      { Effect: 'Allow', Action: 'iot:Receive', NotResource: `${A}topic/plant/secret/*` },
    ],
    {},
    ['iot:Subscribe topicfilter/plant/#', 'iot:Receive topic/plant/a', 'iot:Receive topic/plant/secret'],
    ['iot:Receive topic/plant/secret/a', 'iot:Subscribe topicfilter/#'],
  ],
  [
    "6 MQTT's wildcards are literal",
    [
      allow('iot:Subscribe', [`${A}topicfilter/plant/+/temp`, `${A}topicfilter/site/#`]),
      allow('iot:Receive', `${A}topic/*`),
    ],
    {},
    ['iot:Subscribe topicfilter/plant/+/temp', 'iot:Subscribe topicfilter/site/#', 'iot:Receive topic/x'],
    ['iot:Subscribe topicfilter/plant/1/temp', 'iot:Subscribe topicfilter/site/a', 'iot:Subscribe topicfilter/site/+'],
  ],
  [
    '7 a will that is retained',
    [allow(['iot:Publish', 'iot:RetainPublish'], `${A}topic/gone`)],
    {},
    ['iot:Publish topic/gone', 'iot:RetainPublish topic/gone'],
    ['iot:Publish topic/gone/a', 'iot:Receive topic/gone'],
  ],
  [
    '9 an identity limited to its own id',
    [allow('iot:Connect', `${A}client/\${cognito-identity.amazonaws.com:sub}`)],
    { values: { 'cognito-identity.amazonaws.com:sub': 'eu:1-2' } },
    ['iot:Connect client/eu:1-2'],
    ['iot:Connect client/eu:1-3'],
  ],
];

describe('the example', () => {
  it.each(examples)('%s', (_, statements, client, allowed, refused) => {
    const permit = permitOf([documentOf(...statements)], client);
    expect(allowed.filter((question) => !decide(permit, question).allowed)).toEqual([]);
    expect(refused.filter((question) => decide(permit, question).allowed)).toEqual([]);
  });

  it('2 with a client that is no thing, and with one that is banned', () => {
    const statements = examples[1]?.[1] ?? [];
    expect(may(statements, 'iot:Connect client/good', thing('good', 'false'))).toBe(false);
    expect(may(statements, 'iot:Connect client/good')).toBe(false);
    expect(may(statements, 'iot:Connect client/bad-1', thing('bad-1'))).toBe(false);
  });
});

describe('a resource', () => {
  it.each([
    ['*', true],
    [`${A}*`, true],
    ['arn:aws:iot:*:*:topic/a', true],
    ['arn:*:iot:us-east-?:1234567890*:topic/a', true],
    ['arn:aws:iot:us-west-2:123456789012:topic/a', false],
    ['arn:aws:iot:us-east-1:999999999999:topic/a', false],
    ['arn:aws-cn:iot:us-east-1:123456789012:topic/a', false],
    [`${A}topicfilter/a`, false],
    [`${A}client/a`, false],
    [`${A}topic/A`, false],
  ])('%s and the topic a: %s', (resource, expected) => {
    expect(may([allow('iot:Publish', resource)], 'iot:Publish topic/a')).toBe(expected);
    expect(may([allow('*', '*'), deny('iot:Publish', resource)], 'iot:Publish topic/a')).toBe(!expected);
    expect(may([{ Effect: 'Allow', Action: '*', NotResource: resource }], 'iot:Publish topic/a')).toBe(!expected);
  });
});

describe('the answer', () => {
  const all = documentOf(allow('*', '*', { Sid: 'All' }));
  const none = documentOf(allow('iot:Publish', '*'), deny('iot:P*', `${A}topic/a`), deny('*', '*', { Sid: 'None' }));

  it('names the statement that decides, and a Deny wins wherever it is', () => {
    const allowed = { allowed: true, by: { policy: 'policy 1', statement: 1, sid: 'All' } };
    expect(decide(permitOf([all]), 'iot:Publish topic/a')).toEqual(allowed);
    const denied = { allowed: false, because: 'denied' };
    expect(decide(permitOf([all, none]), 'iot:Publish topic/a')).toEqual({
      ...denied,
      by: { policy: 'policy 2', statement: 2 },
    });
    expect(decide(permitOf([none, all]), 'iot:Receive topic/a')).toEqual({
      ...denied,
      by: { policy: 'policy 1', statement: 3, sid: 'None' },
    });
  });

  it('is no where nothing allows it', () => {
    const notAllowed = { allowed: false, because: 'not allowed' };
    expect(decide(permitOf([]), 'iot:Publish topic/a')).toEqual(notAllowed);
    expect(decide(permitOf([documentOf(allow('iot:Receive', '*'))]), 'iot:Publish topic/a')).toEqual(notAllowed);
    expect(decide(permitOf([all]), 'iot:DeleteConnection client/a')).toEqual(notAllowed);
  });

  it('is no to everything while one policy cannot be read: it may deny just this', () => {
    const permit = permitOf([all, '{"Version": "2012-10-17"}', '{']);
    for (const question of ['iot:Publish topic/a', 'iot:Connect client/a', 'iot:Receive topic/a']) {
      expect(decide(permit, question)).toEqual({
        allowed: false,
        because: 'malformed',
        policy: 'policy 2',
        problem: 'Statement: there is none',
      });
    }
  });
});
