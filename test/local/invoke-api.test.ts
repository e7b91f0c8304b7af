/** Lambda's Invoke API in the local stack, through the real SDK: the operator's function beside the broker's. */
import { InvokeCommand, type InvokeCommandInput, LambdaClient } from '@aws-sdk/client-lambda';
import { functionArn, functionNameIn, invokedIn } from '../../local/lambda/invoke-api.ts';
import type { LocalStack } from '../../local/stack.ts';
import type { Script } from './fixtures/authorizer.ts';
import type { Lines } from './fixtures/lines.ts';
import { startFixtureStack, stopFixtureStacks } from './fixtures/stack-of-fixtures.ts';

const file = (name: string): string => `${process.cwd()}/test/local/fixtures/${name}`;

const clientOf = ({ endpoint }: LocalStack): LambdaClient =>
  new LambdaClient({
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'any', secretAccessKey: 'any' },
    maxAttempts: 1,
  });

const invoke = async (client: LambdaClient, input: Partial<InvokeCommandInput>) => {
  const { StatusCode, FunctionError, ExecutedVersion, Payload } = await client.send(
    new InvokeCommand({ FunctionName: functionArn('authorizer'), ...input }),
  );
  const text = new TextDecoder().decode(Payload);
  return { StatusCode, FunctionError, ExecutedVersion, answer: text === '' ? undefined : JSON.parse(text) };
};

afterAll(stopFixtureStacks);

describe('an operator function', () => {
  let stack: LocalStack & { readonly lines: Lines };
  let client: LambdaClient;
  beforeAll(async () => {
    stack = await startFixtureStack({ authorizer: file('authorizer.ts'), stopGraceMs: 0 });
    client = clientOf(stack);
  });

  const run = (script: Script) => invoke(client, { Payload: JSON.stringify({ script }) });

  test.each([
    'authorizer',
    functionArn('authorizer'),
    '000000000000:function:authorizer',
    `${functionArn('authorizer')}:$LATEST`,
  ])('is called by name or ARN: %s', async (FunctionName) => {
    const { StatusCode, ExecutedVersion, FunctionError, answer } = await invoke(client, {
      FunctionName,
      Payload: '{"a":1}',
    });
    expect({ StatusCode, ExecutedVersion, FunctionError, answer }).toEqual({
      StatusCode: 200,
      ExecutedVersion: '$LATEST',
      FunctionError: undefined,
      answer: { a: 1 },
    });
    expect(stack.invocations('authorizer').at(-1)).toMatchObject({ outcome: 'returned', calls: [] });
  });

  test('without a payload gets an empty object', async () => {
    expect((await invoke(client, {})).answer).toEqual({});
  });

  test('that returns nothing answers null', async () => {
    expect((await run({ nothing: true })).answer).toBeNull();
  });

  test('that throws is a function error, with what it has thrown', async () => {
    const { StatusCode, FunctionError, answer } = await run({ throw: 'a bug' });
    expect({ StatusCode, FunctionError }).toEqual({ StatusCode: 200, FunctionError: 'Unhandled' });
    expect(answer).toMatchObject({ errorType: 'TypeError', errorMessage: 'a bug', trace: expect.any(Array) });
  });

  test('that ends its process is a function error', async () => {
    expect(await run({ exit: 1 })).toMatchObject({
      FunctionError: 'Unhandled',
      answer: { errorType: 'Runtime.ExitError' },
    });
  });

  test('that answers with more than Lambda carries is a function error', async () => {
    expect(await run({ characters: 6 * 1024 * 1024 + 99 })).toMatchObject({
      FunctionError: 'Unhandled',
      answer: { errorType: 'Function.ResponseSizeTooLarge' },
    });
    expect((await run({ characters: 6 * 1024 * 1024 + 98 })).FunctionError).toBeUndefined(); // and two quotation marks
  });

  test('has the environment of whoever starts it, and nothing of the broker', async () => {
    const { answer } = await run({ env: true });
    expect(answer).toMatchObject({ PATH: process.env.PATH, AWS_LAMBDA_FUNCTION_NAME: 'authorizer' });
    expect(answer).not.toHaveProperty('SESSIONS_TABLE');
    expect(answer).not.toHaveProperty('SETTINGS');
  });

  test.each<readonly [string, number, Partial<InvokeCommandInput>]>([
    ['ResourceNotFoundException', 404, { FunctionName: 'nobody' }],
    ['ResourceNotFoundException', 404, { FunctionName: 'message' }],
    ['ResourceNotFoundException', 404, { FunctionName: 'arn:aws:lambda:eu-west-1:000000000000:function:authorizer' }],
    ['ResourceNotFoundException', 404, { FunctionName: `${functionArn('authorizer')}:live` }],
    ['ResourceNotFoundException', 404, { Qualifier: 'live' }],
    ['InvalidRequestContentException', 400, { Payload: '{' }],
    ['RequestTooLargeException', 413, { Payload: JSON.stringify('x'.repeat(6 * 1024 * 1024 - 1)) }],
    ['InvalidParameterValueException', 400, { InvocationType: 'Event' }],
  ])('%s (%d)', async (name, httpStatusCode, input) => {
    await expect(invoke(client, input)).rejects.toMatchObject({ name, $metadata: { httpStatusCode } });
  });

  test('takes as much as Lambda carries', async () => {
    const payload = 'x'.repeat(6 * 1024 * 1024 - 2);
    expect((await invoke(client, { Payload: JSON.stringify(payload) })).answer).toBe(payload);
  });

  test('that hangs when the stack stops is a fault of the service', async () => {
    const hangs = expect(run({ hang: true })).rejects.toThrow();
    while (stack.invocations('authorizer').at(-1)?.outcome !== 'running') await new Promise(setImmediate);
    await stack.stop();
    await hangs;
  });
});

test('that takes too long is a function error', async () => {
  const stack = await startFixtureStack({ authorizer: file('authorizer.ts'), lambdaTimeoutMs: 100 });
  const input = { Payload: JSON.stringify({ script: { hang: true } }) };
  expect(await invoke(clientOf(stack), input)).toMatchObject({
    FunctionError: 'Unhandled',
    answer: { errorType: 'Sandbox.Timedout' },
  });
});

test('may be a CommonJS module', async () => {
  const stack = await startFixtureStack({ authorizer: file('authorizer.cjs') });
  expect((await invoke(clientOf(stack), {})).answer).toEqual({ from: 'CommonJS' });
});

test.each([
  ['no-handler.mjs', /no-handler\.mjs exports no function named handler/],
  ['nowhere.ts', /the Lambda authorizer has no source: .*nowhere\.ts does not exist/],
])('is refused at start: %s', async (name, text) => {
  await expect(startFixtureStack({ authorizer: file(name) })).rejects.toThrow(text);
});

test('where there is none, nothing can be called', async () => {
  const stack = await startFixtureStack();
  await expect(invoke(clientOf(stack), {})).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
});

describe('the path of a call', () => {
  test.each([
    ['/2015-03-31/functions/authorizer/invocations', 'authorizer'],
    [
      `/2015-03-31/functions/${encodeURIComponent(functionArn('authorizer'))}/invocations?Qualifier=1`,
      `${functionArn('authorizer')}:1`,
    ],
    ['/2015-03-31/functions/%/invocations', '%'],
    ['/2015-03-31/functions/authorizer', undefined],
    ['/2015-03-31/functions/authorizer/invocations/more', undefined],
  ])('%s', (path, expected) => {
    expect(invokedIn(path)).toBe(expected);
  });

  test('a name that is none of ours stays as it is', () => {
    expect(functionNameIn('arn:aws:lambda:us-east-1:111111111111:function:authorizer')).not.toBe('authorizer');
  });
});
