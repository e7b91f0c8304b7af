/** What `$connect` keeps, by the authentication that is on, with the real SDK on the stand-ins. */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { ConnectEvent, GatewayResult } from '../../lambda/events.ts';
import { type LambdaEnvironment, tables } from '../../lib/resources.ts';
import { systemClock } from '../../local/clock.ts';
import { type DynamoDb, openDynamoDb } from '../../local/dynamodb/dynamodb.ts';
import { createFaults } from '../../local/faults.ts';
import { type HttpServer, listen } from '../../local/http-server.ts';
import { queueUrlBase } from '../../local/lambda-environment.ts';
import { silentLog } from '../../local/log.ts';
import { openSqs, type Sqs } from '../../local/sqs/sqs.ts';
import { systemClock as brokerClock } from '../../src/aws/clock.ts';
import { createConnections } from '../../src/aws/stores.ts';
import { createTable } from '../../src/aws/table.ts';
import type { Connections } from '../../src/broker/ports.ts';
import type { ConnectionId } from '../../src/session/ids.ts';
import '../local/fixtures/quiet-sdk.ts';

const USER = 'arn:aws:iam::123456789012:user/ann';

let http: HttpServer;
let dynamodb: DynamoDb;
let sqs: Sqs;
let client: DynamoDBClient;
let connections: Connections;
let environment: LambdaEnvironment;
/** AWS calls, in their order. */
let operations: string[];
let lines: string[];
let sockets = 0;

beforeAll(async () => {
  http = await listen(0);
  const endpoint = `http://127.0.0.1:${http.port}`;
  const faults = createFaults();
  dynamodb = await openDynamoDb({ clock: systemClock, faults, tables, sweepEveryMs: 3_600_000 });
  sqs = openSqs({ clock: systemClock, faults, log: silentLog, urlBase: queueUrlBase(endpoint) });
  sqs.queues.provide('timers', {});
  const unused = (): never => {
    throw new Error('not part of this test');
  };
  http.open({
    gate: {
      pass: (_caller, operation, _need, call) => {
        operations.push(operation);
        return call();
      },
      counts: () => ({}),
    },
    faults,
    dynamodb: dynamodb.handle,
    sqs: sqs.handle,
    lambda: unused,
    connections: unused,
    upgrade: unused,
  });
  client = new DynamoDBClient({
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'any', secretAccessKey: 'any' },
  });
  connections = createConnections(createTable({ client, name: 'sessions', clock: brokerClock }));
  environment = {
    STACK_NAME: 'a',
    SETTINGS: '',
    SESSIONS_TABLE: 'sessions',
    SUBSCRIPTIONS_TABLE: 'subscriptions',
    IDENTITY_TABLE: 'identity',
    POLICY_ARN_BASE: 'arn:aws:iot:us-east-1:123456789012:',
    RETAINED_TABLE: 'retained',
    REDELIVERY_QUEUE_URL: `${queueUrlBase(endpoint)}redelivery`,
    TIMERS_QUEUE_URL: `${queueUrlBase(endpoint)}timers`,
    CLIENT_QUEUE_PREFIX: 'a_session_',
    QUEUE_URL_BASE: queueUrlBase(endpoint),
    CALLBACK_URL: 'http://127.0.0.1:1/mqtt',
  };
  Object.assign(process.env, environment, {
    AWS_ENDPOINT_URL: endpoint,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'any',
    AWS_SECRET_ACCESS_KEY: 'any',
  });
});

afterAll(async () => {
  client.destroy();
  sqs.close();
  await dynamodb.close();
  await http.close();
});

beforeEach(() => {
  operations = [];
  lines = [];
  jest.spyOn(process.stdout, 'write').mockImplementation((line) => {
    lines.push(String(line));
    return true;
  });
});
afterEach(() => jest.restoreAllMocks());

/** The answer to a handshake, and what is kept of it. */
const shake = async (authentication: string, event: Partial<ConnectEvent> = {}) => {
  process.env.SETTINGS = JSON.stringify({ authentication });
  let handler: (event: ConnectEvent) => Promise<GatewayResult> = async () => ({ statusCode: 0 });
  await jest.isolateModulesAsync(async () => {
    ({ handler } = await import('../../lambda/connect.ts'));
  });
  const connectionId = `c${++sockets}=` as ConnectionId;
  const answer = await handler({
    ...event,
    headers: { 'Sec-WebSocket-Protocol': 'mqtt.base64', ...event.headers },
    requestContext: {
      eventType: 'CONNECT',
      connectionId,
      requestId: 'r',
      identity: { sourceIp: '192.0.2.7', userArn: USER, caller: 'AIDA1' },
    },
  });
  const calls = [...operations];
  return { answer, calls, kept: await connections.readHandshake(connectionId) };
};

const withToken: Partial<ConnectEvent> = {
  headers: { Authorization: 'Bearer secret' },
  multiValueQueryStringParameters: { token: ['secret'] },
};

it.each(['none', 'password', 'jwt,password'])(
  'authentication %s: nothing, and the database is not asked',
  async (authentication) => {
    const { answer, calls, kept } = await shake(authentication, withToken);
    expect(answer.statusCode).toBe(200);
    expect(calls).toEqual(['SendMessage']);
    expect(kept).toBeUndefined();
  },
);

it.each(['iam', 'password,iam'])('authentication %s: who has signed it, and nothing else', async (authentication) => {
  const { answer, calls, kept } = await shake(authentication, withToken);
  expect(answer.statusCode).toBe(200);
  expect(calls.sort()).toEqual(['PutItem', 'SendMessage']);
  expect(kept).toEqual({ callerArn: USER, callerId: 'AIDA1', headers: {}, queryString: '' });
});

it('authentication custom: headers and query string, too', async () => {
  const { kept } = await shake('custom', withToken);
  expect(kept).toEqual({
    callerArn: USER,
    callerId: 'AIDA1',
    headers: { authorization: 'Bearer secret' },
    queryString: '?token=secret',
  });
});

describe('headers and query string together', () => {
  const event = (bytes: number): Partial<ConnectEvent> => ({
    headers: { a: 'x'.repeat(4_000) },
    multiValueQueryStringParameters: { b: ['x'.repeat(bytes - 4_000 - 'a'.length - '?b='.length)] },
  });

  it('of 8,192 bytes are kept', async () => {
    expect((await shake('custom', event(8_192))).answer.statusCode).toBe(200);
  });

  it('of one byte more are refused with 431, and one line that says why and holds nothing of them', async () => {
    const { answer, calls, kept } = await shake('custom', event(8_193));
    expect(answer).toEqual({ statusCode: 431 });
    expect(calls).toEqual([]);
    expect(kept).toBeUndefined();
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      event: 'handshake-refused',
      detail: expect.stringContaining('8193'),
    });
    expect(lines[0]).not.toContain('xxx');
  });

  it('of any size do not matter where they are not kept', async () => {
    expect((await shake('iam', event(20_000))).answer.statusCode).toBe(200);
  });
});

it('a handshake that cannot be kept is not accepted', async () => {
  process.env.SESSIONS_TABLE = 'gone';
  try {
    await expect(shake('iam')).rejects.toThrow();
  } finally {
    process.env.SESSIONS_TABLE = environment.SESSIONS_TABLE;
  }
});
