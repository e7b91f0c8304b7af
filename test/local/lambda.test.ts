/** The Lambda runner inside a whole local stack, with the fixture handlers. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DynamoDBClient, GetItemCommand } from '@aws-sdk/client-dynamodb';
import type { LocalStack } from '../../local/stack.ts';
import { eventIn, isEventOf, type Lines } from './fixtures/lines.ts';
import type { Script } from './fixtures/message.ts';
import { fixture, startFixtureStack, stopFixtureStacks } from './fixtures/stack-of-fixtures.ts';
import { temporaryDirectory } from './fixtures/temporary-directory.ts';
import { openClient, type WebSocketClient } from './fixtures/web-socket-client.ts';

afterAll(stopFixtureStacks);

let stack: LocalStack & { readonly lines: Lines };
let client: WebSocketClient;

const ask = (script: Script): void => client.socket.send(JSON.stringify(script));
const answer = async (): Promise<Record<string, unknown>> => JSON.parse((await client.next()).text);

const INTERNAL_ERROR = {
  message: 'Internal server error',
  connectionId: expect.any(String),
  requestId: expect.any(String),
};

describe('environments', () => {
  beforeAll(async () => {
    stack = await startFixtureStack({ lambdaConcurrency: 2 });
    client = await openClient(stack.url);
  });

  test('have the variables of lib/resources.ts, and what the SDK needs', async () => {
    ask({ env: true });
    const environment = await answer();
    expect(environment).toMatchObject({
      ...stack.environment,
      AWS_REGION: 'us-east-1',
      AWS_ENDPOINT_URL: stack.endpoint,
      AWS_LAMBDA_FUNCTION_NAME: 'message',
      AWS_SDK_UA_APP_ID: expect.stringMatching(/^message\.\d+$/),
    });
    expect(stack.environment).toMatchObject({
      CALLBACK_URL: `${stack.endpoint}/mqtt`,
      QUEUE_URL_BASE: `${stack.endpoint}/000000000000/`,
      REDELIVERY_QUEUE_URL: `${stack.endpoint}/000000000000/redelivery`,
      TIMERS_QUEUE_URL: `${stack.endpoint}/000000000000/timers`,
      CLIENT_QUEUE_PREFIX: expect.stringMatching(/^serverless-mqtt/),
    });
    expect(JSON.parse(stack.environment.SETTINGS)).toMatchObject({ redeliveryRate: 10 });
    expect(environment).not.toHaveProperty('PATH');
  });

  test('one is warm at start, and handles one invocation after the other', async () => {
    ask({});
    const first = await answer();
    ask({});
    const second = await answer();
    expect(second.invocations).toBe(Number(first.invocations) + 1);
    expect(second.requestId).not.toBe(first.requestId);
  });

  test('concurrent invocations have environments of their own, up to the limit; the rest waits', async () => {
    for (let n = 0; n < 3; n += 1) ask({ sleep: 50, env: true });
    const ids = [await answer(), await answer(), await answer()].map(({ AWS_SDK_UA_APP_ID }) => AWS_SDK_UA_APP_ID);
    expect(new Set(ids).size).toBe(2);
  });

  test('context: request id, and the time that is left', async () => {
    ask({});
    const { requestId, remaining } = await answer();
    expect(requestId).toMatch(/^[0-9a-f-]{36}$/);
    expect(remaining).toBeGreaterThan(0);
    expect(remaining).toBeLessThanOrEqual(25_000);
    expect(stack.invocations('message').at(-1)).toMatchObject({ requestId, outcome: 'returned' });
  });

  test('console output reaches the sink as lines', async () => {
    ask({ print: ['one', 'two\nthree', ''] });
    await answer();
    const printed = stack.lines.all.filter(({ from, text }) => from === 'message' && !text.startsWith('event '));
    expect(printed.map(({ text }) => text).slice(-4)).toEqual(['one', 'two', 'three', '']);
  });

  test('work that a handler does not wait for is frozen when it returns', async () => {
    await stack.quiet();
    ask({ later: 'from a timer', env: true });
    const { AWS_SDK_UA_APP_ID } = await answer();
    const fromTimer = ({ text }: { readonly text: string }) => text === 'from a timer';
    ask({ sleep: 30, env: true });
    const second = await answer();
    // Only an environment that is used again goes on with it.
    expect(stack.lines.all.some(fromTimer)).toBe(second.AWS_SDK_UA_APP_ID === AWS_SDK_UA_APP_ID);
  });

  test('a handler that throws is printed, and used again', async () => {
    ask({ throw: 'a bug' });
    expect(await answer()).toEqual(INTERNAL_ERROR);
    expect((await stack.lines.find(({ text }) => text.includes('Error: a bug'))).from).toBe('message');
    expect(stack.lines.all.some(({ text }) => text.includes('test/local/fixtures/message.ts:'))).toBe(true);
    ask({});
    expect(await answer()).toHaveProperty('invocations');
  });

  test('an environment that exits is replaced', async () => {
    ask({ exit: 3 });
    expect(await answer()).toEqual(INTERNAL_ERROR);
    expect(stack.invocations('message').at(-1)?.outcome).toBe('crashed');
    ask({});
    expect(await answer()).toHaveProperty('invocations');
  });

  test('called directly', async () => {
    const outcome = await stack.invoke('message', { body: 'hello', requestContext: { connectionId: 'x' } });
    expect(outcome).toEqual({ kind: 'returned', result: { statusCode: 200, body: 'hello' } });
  });
});

test('timeout: the environment is ended, the client told, the next invocation gets another', async () => {
  stack = await startFixtureStack({ lambdaTimeoutMs: 300 });
  client = await openClient(stack.url);
  ask({ sleep: 60_000 });
  expect(await answer()).toEqual(INTERNAL_ERROR);
  expect(stack.invocations('message')).toMatchObject([{ outcome: 'timeout' }]);
  await stack.lines.find(({ text }) => text.includes('Task timed out after 0.30 seconds'));
  ask({});
  expect(await answer()).toMatchObject({ invocations: 1 });
  await stack.stop();
});

test('a module that does not load fails each invocation, and says why', async () => {
  stack = await startFixtureStack({
    entries: {
      connect: fixture('connect'),
      message: fixture('broken'),
      disconnect: fixture('disconnect'),
      redeliver: fixture('queue'),
      timer: fixture('queue'),
    },
  });
  client = await openClient(stack.url);
  ask({});
  expect(await answer()).toEqual(INTERNAL_ERROR);
  await stack.lines.find(({ text, from }) => from === 'message' && text.includes('cannot start'));
  await stack.stop();
});

test('a Lambda without a source is said by name', async () => {
  await expect(startFixtureStack({ entries: { message: 'lambda/nowhere.ts' } })).rejects.toThrow(
    /the Lambda message has no source: .*lambda\/nowhere\.ts does not exist/,
  );
});

test('a Lambda that does not compile is said with its place', async () => {
  const directory = temporaryDirectory();
  const source = join(directory.path, 'bad.ts');
  writeFileSync(source, 'export const handler = (;');
  await expect(startFixtureStack({ entries: { message: source } })).rejects.toThrow(/bad\.ts:1:24: ERROR/);
  directory.remove();
});

describe('faults', () => {
  let dynamodb: DynamoDBClient;
  beforeAll(async () => {
    stack = await startFixtureStack();
    dynamodb = new DynamoDBClient({
      endpoint: stack.endpoint,
      region: 'us-east-1',
      credentials: { accessKeyId: 'any', secretAccessKey: 'any' },
    });
  });
  beforeEach(async () => {
    client = await openClient(stack.url);
  });
  afterEach(() => {
    stack.faults.clear();
    client.socket.close();
  });
  afterAll(async () => {
    dynamodb.destroy();
    await stack.stop();
  });

  const connectionId = (): string => stack.connections().at(-1) ?? '';
  const wrote = async (sk: string): Promise<boolean> => {
    const Key = { pk: { S: connectionId() }, sk: { S: sk } };
    return (await dynamodb.send(new GetItemCommand({ TableName: 'sessions', Key }))).Item !== undefined;
  };
  const lastMessage = () => stack.invocations('message').at(-1);

  test('kill before the Nth call: it is not carried out', async () => {
    stack.faults.set({ lambda: { kill: [{ function: 'message', when: 'before', call: 2 }] } });
    ask({ calls: ['put', 'update', 'send'] });
    expect(await answer()).toEqual(INTERNAL_ERROR);
    expect(lastMessage()).toMatchObject({ outcome: 'killed', calls: ['PutItem', 'UpdateItem'] });
    expect([await wrote('put-0'), await wrote('update-1')]).toEqual([true, false]);
  });

  test('kill after the Nth call: it is carried out, and nothing after it', async () => {
    stack.faults.set({ lambda: { kill: [{ function: 'message', when: 'after', call: 2 }] } });
    ask({ calls: ['put', 'update', 'put'] });
    expect(await answer()).toEqual(INTERNAL_ERROR);
    expect(lastMessage()).toMatchObject({ outcome: 'killed', calls: ['PutItem', 'UpdateItem'] });
    expect([await wrote('put-0'), await wrote('update-1'), await wrote('put-2')]).toEqual([true, true, false]);
  });

  test('kill before the Nth call of one operation', async () => {
    const kill = { function: 'message', when: 'before', call: 2, operation: 'PutItem' } as const;
    stack.faults.set({ lambda: { kill: [kill] } });
    ask({ calls: ['put', 'update', 'put', 'update'] });
    expect(await answer()).toEqual(INTERNAL_ERROR);
    expect(lastMessage()?.calls).toEqual(['PutItem', 'UpdateItem', 'PutItem']);
    expect([await wrote('put-0'), await wrote('update-1'), await wrote('put-2')]).toEqual([true, true, false]);
  });

  test('kill after a SendMessage: the message is in the queue', async () => {
    stack.faults.set({ lambda: { kill: [{ function: 'message', when: 'after', operation: 'SendMessage' }] } });
    const id = connectionId();
    ask({ calls: ['send', 'put'] });
    expect(await answer()).toEqual(INTERNAL_ERROR);
    const line = await stack.lines.find((one) => isEventOf('redeliver')(one) && one.text.includes(id));
    expect(eventIn<{ Records: object[] }>(line).Records).toHaveLength(1);
    expect(await wrote('put-1')).toBe(false);
  });

  test('kill after a PostToConnection: the client has it', async () => {
    stack.faults.set({ lambda: { kill: [{ function: 'message', when: 'after', operation: 'PostToConnection' }] } });
    ask({ calls: ['post'] });
    expect((await client.next()).text).toBe('post 0');
    expect(await answer()).toEqual(INTERNAL_ERROR);
  });

  test('kill so many invocations, then no more; other functions live', async () => {
    stack.faults.set({ lambda: { kill: [{ function: 'message', when: 'before', times: 2 }] } });
    for (const expected of [INTERNAL_ERROR, INTERNAL_ERROR, { invocations: expect.any(Number) }]) {
      ask({ calls: ['put'] });
      expect(await answer()).toMatchObject(expected);
    }
    expect(stack.faults.current().lambda.kill).toEqual([]);
    stack.faults.set({ lambda: { kill: [{ function: 'timer', when: 'before' }] } });
    ask({ calls: ['put'] });
    expect(await answer()).toHaveProperty('invocations');
  });

  test('slow: an invocation starts late, and another overtakes it', async () => {
    stack.faults.set({ lambda: { slow: [{ function: 'message', leastMs: 2_000, mostMs: 2_000 }] } });
    ask({ reply: 'first' });
    await new Promise((resolve) => setImmediate(resolve));
    while (stack.invocations('message').at(-1)?.outcome !== 'running') await new Promise(setImmediate);
    stack.faults.clear();
    ask({ reply: 'second' });
    expect([(await client.next()).text, (await client.next()).text]).toEqual(['second', 'first']);
  });

  test('reordered completions', async () => {
    // Two environments that are warm.
    for (let n = 0; n < 2; n += 1) ask({ sleep: 50 });
    for (let n = 0; n < 2; n += 1) await answer();
    stack.faults.set({ lambda: { reorder: 2 } });
    ask({ reply: 'first' });
    ask({ reply: 'second', sleep: 20 });
    expect([(await client.next()).text, (await client.next()).text]).toEqual(['second', 'first']);
  });

  test('adversarial delays: concurrent frames of one connection finish in any order', async () => {
    stack.faults.set({ lambda: { slow: [{ function: '*', leastMs: 0, mostMs: 30 }] } });
    const sent = Array.from({ length: 12 }, (_, n) => `frame ${n}`);
    for (const reply of sent) ask({ reply });
    const got: string[] = [];
    for (const _ of sent) got.push((await client.next()).text);
    expect([...got].sort()).toEqual([...sent].sort());
  });
});
