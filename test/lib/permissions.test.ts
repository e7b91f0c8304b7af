/**
 * What each Lambda's role allows, read back from the template. The table is written out again, so that a permission more
 * or less, whichever way it came in, is a difference here.
 */
import { ofType, type Resource, synthesised } from './synthesised.ts';

const items = ['dynamodb:DeleteItem', 'dynamodb:GetItem', 'dynamodb:PutItem', 'dynamodb:Query', 'dynamodb:UpdateItem'];
const itemsBut = (...not: string[]) => items.filter((action) => !not.includes(action.replace('dynamodb:', '')));
const send = 'sqs:SendMessage';
const consume = ['sqs:DeleteMessage', 'sqs:GetQueueAttributes', 'sqs:ReceiveMessage'];
const manage = ['execute-api:ManageConnections'];
const logs = ['logs:CreateLogStream', 'logs:PutLogEvents'];

const gateway = 'arn:{AWS::Partition}:execute-api:{AWS::Region}:{AWS::AccountId}:{GatewayApi4EDF2151}/mqtt';
const post = `${gateway}/POST/@connections/*`;
const close = `${gateway}/DELETE/@connections/*`;
const look = `${gateway}/GET/@connections/*`;
const clientQueues = 'arn:{AWS::Partition}:sqs:{AWS::Region}:{AWS::AccountId}:serverless-mqtt_session_*';
const sessions = '{TablesSessions486350CB.Arn}';
const expiry = `${sessions}/index/expiry`;
const subscriptions = '{TablesSubscriptionsEF5802C5.Arn}';
const retained = '{TablesRetainedFC0689EE.Arn}';
const identity = '{TablesIdentityC4B603FE.Arn}';
/** Only under the keys that the broker itself writes. */
const ownIdentity = `${identity} where ForAllValues:StringLike dynamodb:LeadingKeys grant#*, logins#*`;
const redelivery = '{QueuesRedelivery690ED472.Arn}';
const timers = '{QueuesTimers07861ADA.Arn}';

const expected: Record<string, Record<string, string[]>> = {
  ConnectRole: {
    '{ConnectLogs.Arn}': logs,
    [timers]: [send],
    [sessions]: ['dynamodb:PutItem'],
  },
  MessageRole: {
    '{MessageLogs.Arn}': logs,
    [sessions]: items,
    [subscriptions]: itemsBut('PutItem'),
    [retained]: itemsBut('DeleteItem'),
    [identity]: ['dynamodb:GetItem'],
    [ownIdentity]: ['dynamodb:PutItem', 'dynamodb:UpdateItem'],
    [clientQueues]: ['sqs:CreateQueue', send],
    [redelivery]: [send],
    [timers]: [send],
    [post]: manage,
    [close]: manage,
  },
  DisconnectRole: {
    '{DisconnectLogs.Arn}': logs,
    [sessions]: ['dynamodb:GetItem', 'dynamodb:UpdateItem'],
    [identity]: ['dynamodb:GetItem'],
    [timers]: [send],
  },
  RedeliverRole: {
    '{RedeliverLogs.Arn}': logs,
    [sessions]: items,
    [identity]: ['dynamodb:GetItem'],
    [clientQueues]: ['sqs:ChangeMessageVisibility', 'sqs:DeleteMessage', 'sqs:ReceiveMessage'],
    [redelivery]: [...consume, send],
    [timers]: [send],
    [post]: manage,
    [close]: manage,
  },
  TimerRole: {
    '{TimerLogs.Arn}': logs,
    [sessions]: items,
    [subscriptions]: itemsBut('PutItem'),
    [retained]: itemsBut('DeleteItem'),
    [identity]: ['dynamodb:GetItem'],
    [ownIdentity]: ['dynamodb:PutItem'],
    [expiry]: ['dynamodb:Query'],
    [clientQueues]: ['sqs:CreateQueue', 'sqs:DeleteQueue', send],
    '*': ['sqs:ListQueues'], // which knows no resource
    [redelivery]: [send],
    [timers]: [...consume, send],
    [post]: manage,
    [close]: manage,
    [look]: manage,
  },
};

/** `{ 'Fn::GetAtt': ['Table', 'Arn'] }` as `{Table.Arn}`, joins joined. Log groups without the hash of their id. */
const inWords = (value: unknown): string => {
  if (typeof value === 'string') return value;
  const [[key, of] = ['', '']] = Object.entries(value as Record<string, unknown>);
  if (key === 'Ref') return `{${of}}`;
  if (key === 'Fn::GetAtt') return `{${(of as string[]).join('.').replace(/(Logs)[0-9A-F]{8}/, '$1')}}`;
  if (key === 'Fn::Join') return (of as [string, unknown[]])[1].map(inWords).join('');
  throw new Error(`not expected in an ARN: ${JSON.stringify(value)}`);
};

const listed = (value: unknown): unknown[] => (Array.isArray(value) ? value : [value]);

const where = (condition: Record<string, Record<string, string[]>> | undefined): string =>
  Object.entries(condition ?? {})
    .flatMap(([operator, keys]) =>
      Object.entries(keys).map(([key, values]) => ` where ${operator} ${key} ${values.join(', ')}`),
    )
    .join('');

const allowedBy = (role: Resource): Record<string, string[]> => {
  const allowed: Record<string, string[]> = {};
  for (const policy of role.Properties.Policies) {
    for (const statement of policy.PolicyDocument.Statement) {
      expect(statement.Effect).toBe('Allow');
      const { Condition, ...rest } = statement;
      expect(Object.keys(rest).sort()).toEqual(['Action', 'Effect', 'Resource', 'Sid']);
      for (const resource of listed(statement.Resource).map((each) => `${inWords(each)}${where(Condition)}`)) {
        allowed[resource] = [...(allowed[resource] ?? []), ...(listed(statement.Action) as string[])].sort();
      }
    }
  }
  return allowed;
};

const { template } = synthesised();
const roles = new Map([...ofType(template, 'AWS::IAM::Role')].map(([id, role]) => [id.slice(0, -8), role]));

test('there is one role per Lambda', () => {
  expect([...roles.keys()].sort()).toEqual(Object.keys(expected).sort());
});

test.each(Object.keys(expected))('%s allows exactly this', (name) => {
  const role = roles.get(name);
  expect(role && allowedBy(role)).toEqual(expected[name]);
});

test('where authentication is custom, those that ask the authorizer may call it, and nothing else of Lambda', () => {
  const customAuthorizerArn = 'arn:aws:lambda:eu-west-1:123456789012:function:mine:live';
  const custom = synthesised({ authentication: 'password,custom', customAuthorizerArn }).template;
  for (const [id, role] of ofType(custom, 'AWS::IAM::Role')) {
    const name = id.slice(0, -8);
    const asks = name === 'MessageRole' || name === 'TimerRole';
    expect({ name, allowed: allowedBy(role) }).toEqual({
      name,
      allowed: { ...expected[name], ...(asks && { [customAuthorizerArn]: ['lambda:InvokeFunction'] }) },
    });
  }
});

test('where it is not, nobody may, whatever is set', () => {
  const customAuthorizerArn = 'arn:aws:lambda:eu-west-1:123456789012:function:mine';
  const { Resources } = synthesised({ authentication: 'password', customAuthorizerArn }).template;
  expect(JSON.stringify(Object.values(Resources).filter(({ Type }) => Type === 'AWS::IAM::Role'))).not.toContain(
    'lambda:InvokeFunction',
  );
});

test('nothing reaches a role from elsewhere', () => {
  for (const type of ['AWS::IAM::Policy', 'AWS::IAM::RolePolicy', 'AWS::IAM::User']) {
    expect(ofType(template, type).size).toBe(0);
  }
  for (const policy of ofType(template, 'AWS::IAM::ManagedPolicy').values()) {
    for (const holder of ['Roles', 'Users', 'Groups']) expect(policy.Properties).not.toHaveProperty(holder);
  }
  for (const role of roles.values()) {
    expect(Object.keys(role.Properties).sort()).toEqual(['AssumeRolePolicyDocument', 'Description', 'Policies']);
    expect(role.Properties.AssumeRolePolicyDocument.Statement).toEqual([
      { Action: 'sts:AssumeRole', Effect: 'Allow', Principal: { Service: 'lambda.amazonaws.com' } },
    ]);
  }
});

test('no action has a wildcard', () => {
  for (const actions of Object.values(expected).flatMap((of) => Object.values(of))) {
    expect(actions.join()).not.toContain('*');
  }
});

test('the stage in the ARN is the one of the setting', () => {
  const other = synthesised({ stageName: 'other' }).template;
  const [, role] = [...ofType(other, 'AWS::IAM::Role')].find(([id]) => id.startsWith('MessageRole')) ?? [];
  expect(Object.keys(role ? allowedBy(role) : {})).toContain(post.replace('/mqtt/', '/other/'));
});
