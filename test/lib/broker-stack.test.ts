/** The CloudFormation template: what it has, and what each setting changes in it. */
import { Template as Assertions, Match } from 'aws-cdk-lib/assertions';
import { clientQueuePrefix } from '../../lib/client-queues.ts';
import { functions, LAMBDA_TIMEOUT_SECONDS } from '../../lib/resources.ts';
import { brokerPart, readDeploymentSettings } from '../../lib/settings.ts';
import { named, ofType, synthesised } from './synthesised.ts';

const { template } = synthesised();
const stack = Assertions.fromJSON(template);
const lambdas = ofType(template, 'AWS::Lambda::Function');
const queues = ofType(template, 'AWS::SQS::Queue');

const ids = (type: string) => [...ofType(template, type).keys()].sort();

test('what holds data, an address or a queue keeps its logical id for ever', () => {
  // Another id makes CloudFormation create a new one and forget, or delete, the old: change nothing here lightly.
  expect(ids('AWS::DynamoDB::Table')).toEqual([
    'TablesIdentityC4B603FE',
    'TablesRetainedFC0689EE',
    'TablesSessions486350CB',
    'TablesSubscriptionsEF5802C5',
  ]);
  expect(ids('AWS::SQS::Queue')).toEqual([
    'QueuesRedelivery690ED472',
    'QueuesRedeliveryDeadLettersD3665D86',
    'QueuesTimers07861ADA',
    'QueuesTimersDeadLettersA245BF3C',
  ]);
  expect(ids('AWS::ApiGatewayV2::Api')).toEqual(['GatewayApi4EDF2151']);
  expect(ids('AWS::ApiGatewayV2::Stage')).toEqual(['GatewayStage04E5B0D6']);
  expect(ids('AWS::Logs::LogGroup')).toEqual([
    'ConnectLogsBFE5438A',
    'DisconnectLogs2C7FFE97',
    'MessageLogsC5E00DA1',
    'RedeliverLogs9C97C92E',
    'TimerLogs14D53A30',
  ]);
});

describe('tables', () => {
  test('are billed on demand, forget by ttl, can be restored, and outlive the stack', () => {
    stack.resourceCountIs('AWS::DynamoDB::Table', 4);
    stack.allResources('AWS::DynamoDB::Table', {
      DeletionPolicy: 'Retain',
      UpdateReplacePolicy: 'Retain',
      Properties: {
        BillingMode: 'PAY_PER_REQUEST',
        KeySchema: [
          { AttributeName: 'pk', KeyType: 'HASH' },
          { AttributeName: 'sk', KeyType: 'RANGE' },
        ],
        AttributeDefinitions: Match.arrayWith([
          { AttributeName: 'pk', AttributeType: 'S' },
          { AttributeName: 'sk', AttributeType: 'S' },
        ]),
        TimeToLiveSpecification: { AttributeName: 'ttl', Enabled: true },
        PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
      },
    });
  });

  test('sessions are found by the time they expire, through an index of keys', () => {
    const [, { Properties }] = named(ofType(template, 'AWS::DynamoDB::Table'), 'TablesSessions');
    expect(Properties.GlobalSecondaryIndexes).toEqual([
      {
        IndexName: 'expiry',
        KeySchema: [
          { AttributeName: 'expiryPart', KeyType: 'HASH' },
          { AttributeName: 'expiresAt', KeyType: 'RANGE' },
        ],
        Projection: { ProjectionType: 'KEYS_ONLY' },
      },
    ]);
    expect(Properties.AttributeDefinitions.slice(2)).toEqual([
      { AttributeName: 'expiryPart', AttributeType: 'N' },
      { AttributeName: 'expiresAt', AttributeType: 'N' },
    ]);
    const [, subscriptions] = named(ofType(template, 'AWS::DynamoDB::Table'), 'TablesSubscriptions');
    expect(subscriptions.Properties).not.toHaveProperty('GlobalSecondaryIndexes');
  });

  test('have no name of their own, which a stack deployed again would find taken', () => {
    for (const table of ofType(template, 'AWS::DynamoDB::Table').values()) {
      expect(table.Properties).not.toHaveProperty('TableName');
    }
  });
});

describe('queues', () => {
  test.each(['Redelivery', 'Timers'])(
    '%s hides a message longer than its Lambda runs, and gives up after 20 times',
    (name) => {
      const [, queue] = named(queues, `Queues${name}`);
      const [deadLettersId, deadLetters] = named(queues, `Queues${name}DeadLetters`);
      expect(queue.Properties.VisibilityTimeout).toBeGreaterThan(LAMBDA_TIMEOUT_SECONDS);
      expect(queue.Properties.RedrivePolicy).toEqual({
        deadLetterTargetArn: { 'Fn::GetAtt': [deadLettersId, 'Arn'] },
        maxReceiveCount: 20,
      });
      expect(queue.Properties.MessageRetentionPeriod).toBeLessThan(deadLetters.Properties.MessageRetentionPeriod);
    },
  );

  test('are standard, encrypted and refuse plain HTTP', () => {
    for (const [id, queue] of queues) {
      expect(queue.Properties).toMatchObject({ SqsManagedSseEnabled: true });
      expect(queue.Properties).not.toHaveProperty('FifoQueue');
      stack.hasResourceProperties('AWS::SQS::QueuePolicy', {
        Queues: [{ Ref: id }],
        PolicyDocument: {
          Statement: Match.arrayWith([
            Match.objectLike({
              Effect: 'Deny',
              Condition: { Bool: { 'aws:SecureTransport': 'false' } },
              Principal: { AWS: '*' },
            }),
          ]),
        },
      });
    }
  });

  test('let the rules of this stack send to the timers, and nobody else', () => {
    const allowed = [...ofType(template, 'AWS::SQS::QueuePolicy').values()].flatMap(({ Properties }) =>
      Properties.PolicyDocument.Statement.filter(({ Effect }: { Effect: string }) => Effect === 'Allow'),
    );
    const rules = ofType(template, 'AWS::Events::Rule');
    expect(allowed).toEqual(
      ['SchedulesSweep', 'SchedulesCollectQueues'].map((name) => ({
        Effect: 'Allow',
        Principal: { Service: 'events.amazonaws.com' },
        Action: ['sqs:SendMessage', 'sqs:GetQueueAttributes', 'sqs:GetQueueUrl'],
        Resource: { 'Fn::GetAtt': ['QueuesTimers07861ADA', 'Arn'] },
        Condition: { ArnEquals: { 'aws:SourceArn': { 'Fn::GetAtt': [named(rules, name)[0], 'Arn'] } } },
      })),
    );
  });
});

describe('schedules', () => {
  test.each([
    ['Sweep', 'rate(1 minute)', '{"job":"sweep"}'],
    ['CollectQueues', 'rate(1 day)', '{"job":"collect-queues"}'],
  ])('%s, at a %s, sends %s to the timers', (name, rate, Input) => {
    expect(named(ofType(template, 'AWS::Events::Rule'), `Schedules${name}`)[1].Properties).toMatchObject({
      ScheduleExpression: rate,
      State: 'ENABLED',
      Targets: [{ Arn: { 'Fn::GetAtt': ['QueuesTimers07861ADA', 'Arn'] }, Input }],
    });
  });

  test('are these and no others', () => {
    stack.resourceCountIs('AWS::Events::Rule', 2);
  });
});

describe('gateway', () => {
  test('sends every frame to $default, whatever it holds', () => {
    stack.hasResourceProperties('AWS::ApiGatewayV2::Api', {
      ProtocolType: 'WEBSOCKET',
      RouteSelectionExpression: '\\$default',
    });
  });

  test.each(Object.entries(functions).flatMap(([name, of]) => ('route' in of ? [[of.route, name] as const] : [])))(
    '%s calls the Lambda %s',
    (routeKey, name) => {
      const [functionId] = named(lambdas, `${name.charAt(0).toUpperCase()}${name.slice(1)}Function`);
      const [, route] =
        [...ofType(template, 'AWS::ApiGatewayV2::Route')].find(
          ([, { Properties }]) => Properties.RouteKey === routeKey,
        ) ?? [];
      const integrationId = route?.Properties.Target['Fn::Join'][1][1].Ref;
      expect(template.Resources[integrationId]).toMatchObject({
        Type: 'AWS::ApiGatewayV2::Integration',
        Properties: { IntegrationType: 'AWS_PROXY' },
      });
      expect(JSON.stringify(template.Resources[integrationId]?.Properties.IntegrationUri)).toContain(functionId);
      stack.hasResourceProperties('AWS::Lambda::Permission', {
        FunctionName: { 'Fn::GetAtt': [functionId, 'Arn'] },
        Principal: 'apigateway.amazonaws.com',
      });
    },
  );

  test('only $default answers', () => {
    stack.resourceCountIs('AWS::ApiGatewayV2::Route', 3);
    stack.resourceCountIs('AWS::ApiGatewayV2::RouteResponse', 1);
    stack.hasResourceProperties('AWS::ApiGatewayV2::Route', {
      RouteKey: '$default',
      RouteResponseSelectionExpression: '$default',
    });
    const [[routeId]] = [...ofType(template, 'AWS::ApiGatewayV2::Route')].filter(
      ([, { Properties }]) => Properties.RouteKey === '$default',
    ) as [[string, unknown]];
    stack.hasResourceProperties('AWS::ApiGatewayV2::RouteResponse', {
      RouteId: { Ref: routeId },
      RouteResponseKey: '$default',
    });
  });

  test('publishes changes by itself', () => {
    stack.hasResourceProperties('AWS::ApiGatewayV2::Stage', { StageName: 'mqtt', AutoDeploy: true });
  });
});

describe('Lambdas', () => {
  test('are five of one kind', () => {
    stack.resourceCountIs('AWS::Lambda::Function', Object.keys(functions).length);
    stack.allResourcesProperties('AWS::Lambda::Function', {
      Runtime: 'nodejs24.x',
      Architectures: ['arm64'],
      Handler: 'index.handler',
      MemorySize: 512,
      Timeout: LAMBDA_TIMEOUT_SECONDS,
      LoggingConfig: {
        LogFormat: 'JSON',
        SystemLogLevel: 'WARN',
        ApplicationLogLevel: 'INFO',
        LogGroup: Match.anyValue(),
      },
    });
  });

  test('get the environment of lib/resources.ts and nothing else', () => {
    const queueUrlPart = (index: number) => ({
      'Fn::Select': [index, { 'Fn::Split': ['/', { Ref: 'QueuesTimers07861ADA' }] }],
    });
    for (const lambda of lambdas.values()) {
      expect(lambda.Properties.Environment.Variables).toEqual({
        STACK_NAME: 'serverless-mqtt',
        SETTINGS: JSON.stringify(brokerPart(readDeploymentSettings({ authentication: 'none' }))),
        SESSIONS_TABLE: { Ref: 'TablesSessions486350CB' },
        SUBSCRIPTIONS_TABLE: { Ref: 'TablesSubscriptionsEF5802C5' },
        IDENTITY_TABLE: { Ref: 'TablesIdentityC4B603FE' },
        POLICY_ARN_BASE: {
          'Fn::Join': [
            '',
            ['arn:', { Ref: 'AWS::Partition' }, ':iot:', { Ref: 'AWS::Region' }, ':', { Ref: 'AWS::AccountId' }, ':'],
          ],
        },
        RETAINED_TABLE: { Ref: 'TablesRetainedFC0689EE' },
        REDELIVERY_QUEUE_URL: { Ref: 'QueuesRedelivery690ED472' },
        TIMERS_QUEUE_URL: { Ref: 'QueuesTimers07861ADA' },
        CLIENT_QUEUE_PREFIX: 'serverless-mqtt_session_',
        QUEUE_URL_BASE: { 'Fn::Join': ['/', [0, 1, 2, 3].map(queueUrlPart).concat('' as never)] },
        CALLBACK_URL: {
          'Fn::Join': [
            '',
            [
              'https://',
              { Ref: 'GatewayApi4EDF2151' },
              '.execute-api.',
              { Ref: 'AWS::Region' },
              '.',
              { Ref: 'AWS::URLSuffix' },
              '/mqtt',
            ],
          ],
        },
      });
    }
  });

  test.each(Object.keys(functions))('%s logs to a group of its own, which goes with the stack', (name) => {
    const id = `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
    const [logsId, group] = named(ofType(template, 'AWS::Logs::LogGroup'), `${id}Logs`);
    const [, lambda] = named(lambdas, `${id}Function`);
    expect(lambda.Properties.LoggingConfig.LogGroup).toEqual({ Ref: logsId });
    expect(group).toMatchObject({
      DeletionPolicy: 'Delete',
      Properties: { LogGroupName: `/aws/lambda/serverless-mqtt-${name}`, RetentionInDays: 30 },
    });
  });

  test('of the two queues get single failures back, and may send to their own queue more than 16 times in a row', () => {
    stack.resourceCountIs('AWS::Lambda::EventSourceMapping', 2);
    for (const [lambda, queue, scaling] of [
      ['RedeliverFunction', 'QueuesRedelivery690ED472', { ScalingConfig: { MaximumConcurrency: 50 } }],
      ['TimerFunction', 'QueuesTimers07861ADA', {}],
    ] as const) {
      const [functionId, { Properties }] = named(lambdas, lambda);
      expect(Properties.RecursiveLoop).toBe('Allow');
      stack.hasResourceProperties('AWS::Lambda::EventSourceMapping', {
        FunctionName: { Ref: functionId },
        EventSourceArn: { 'Fn::GetAtt': [queue, 'Arn'] },
        BatchSize: 5,
        FunctionResponseTypes: ['ReportBatchItemFailures'],
        ...scaling,
      });
    }
    for (const route of ['ConnectFunction', 'MessageFunction', 'DisconnectFunction']) {
      expect(named(lambdas, route)[1].Properties).not.toHaveProperty('RecursiveLoop');
    }
  });
});

test('the outputs say where to connect and where the data is', () => {
  expect(Object.keys(template.Outputs)).toEqual([
    'Url',
    'SessionsTableName',
    'SubscriptionsTableName',
    'RetainedTableName',
    'IdentityTableName',
    'AdministratorsPolicyArn',
    'ClientQueuePrefix',
  ]);
  expect(JSON.stringify(template.Outputs.Url?.Value)).toMatch(/"wss:\/\/",.*"\/mqtt"/);
});

describe('a setting changes the template', () => {
  const changed = (context: Record<string, unknown>) => Assertions.fromJSON(synthesised(context).template);

  test('lambdaMemoryMb', () => {
    changed({ lambdaMemoryMb: '1024' }).allResourcesProperties('AWS::Lambda::Function', { MemorySize: 1024 });
  });

  test('logRetentionDays', () => {
    changed({ logRetentionDays: 7 }).allResourcesProperties('AWS::Logs::LogGroup', { RetentionInDays: 7 });
  });

  test('redeliveryConcurrency', () => {
    changed({ redeliveryConcurrency: '3' }).hasResourceProperties('AWS::Lambda::EventSourceMapping', {
      ScalingConfig: { MaximumConcurrency: 3 },
    });
  });

  test('stageName', () => {
    const other = changed({ stageName: 'v2' });
    other.hasResourceProperties('AWS::ApiGatewayV2::Stage', { StageName: 'v2' });
    expect(JSON.stringify(other.findOutputs('Url'))).toContain('"/v2"');
  });

  test('those of the broker travel in SETTINGS', () => {
    const { Properties } = named(
      ofType(synthesised({ redeliveryRate: '25' }).template, 'AWS::Lambda::Function'),
      'MessageFunction',
    )[1];
    expect(JSON.parse(Properties.Environment.Variables.SETTINGS)).toMatchObject({ redeliveryRate: 25 });
    expect(JSON.parse(Properties.Environment.Variables.SETTINGS)).not.toHaveProperty('stackName');
  });

  test('stackName renames, and keeps every logical id', () => {
    const other = synthesised({ stackName: 'other' }).template;
    expect(Object.keys(other.Resources)).toEqual(Object.keys(template.Resources));
    expect(JSON.stringify(other)).not.toContain('serverless-mqtt-');
    expect(JSON.stringify(other)).not.toContain('serverless-mqtt_');
  });
});

describe('names', () => {
  const stackNames = ['a', 'a-session', 'a-s', 'A', 'serverless-mqtt', 'serverless-mqtt-2', 'x'.repeat(32)];

  /** As CloudFormation makes them: stack, logical id, random part. */
  const generated = (stackName: string) => [...queues.keys()].map((id) => `${stackName}-${id}-1A2B3C4D5E6F`);

  test('a client’s queue has room for its name', () => {
    expect(`${clientQueuePrefix('x'.repeat(32))}${'0'.repeat(32)}.fifo`.length).toBeLessThanOrEqual(80);
  });

  test('the prefix of client queues fits no queue of any stack, and no client queue of another', () => {
    for (const mine of stackNames) {
      const prefix = clientQueuePrefix(mine);
      expect(prefix.startsWith(mine)).toBe(true);
      for (const other of stackNames) {
        for (const name of generated(other)) expect(name.startsWith(prefix)).toBe(false);
        if (other !== mine) expect(`${clientQueuePrefix(other)}0123456789abcdef.fifo`.startsWith(prefix)).toBe(false);
      }
    }
  });

  test('two stacks in one account do not collide', () => {
    const fixed = (stackName: string) =>
      Object.values(synthesised({ stackName }).template.Resources).flatMap(({ Properties }) =>
        Object.entries(Properties).flatMap(([key, value]) =>
          // An API's name need not be unique.
          /Name$/.test(key) && key !== 'FunctionName' && key !== 'StageName' && typeof value === 'string'
            ? [value]
            : [],
        ),
      );
    const [mine, other] = [fixed('a'), fixed('a-message')];
    expect(mine).not.toHaveLength(0);
    expect(mine.filter((name) => other.includes(name))).toEqual([]);
  });
});
