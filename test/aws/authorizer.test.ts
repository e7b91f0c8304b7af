/** The operator's function as the broker asks it: through the real SDK, in the local stack, and where Lambda fails. */
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { LambdaClient } from '@aws-sdk/client-lambda';
import { functionArn } from '../../local/lambda/invoke-api.ts';
import { createAuthorizer } from '../../src/aws/authorizer.ts';
import { createAwsClients } from '../../src/aws/ports.ts';
import type { Script } from '../local/fixtures/authorizer.ts';
import { startFixtureStack, stopFixtureStacks } from '../local/fixtures/stack-of-fixtures.ts';

const SECRET = 'not for the log';

const clientOf = (endpoint: string): LambdaClient =>
  new LambdaClient({
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'any', secretAccessKey: 'any' },
    maxAttempts: 1,
  });

describe('a function', () => {
  let stack: Awaited<ReturnType<typeof startFixtureStack>>;
  beforeAll(async () => {
    stack = await startFixtureStack({ authorizer: `${process.cwd()}/test/local/fixtures/authorizer.ts` });
  });
  afterAll(stopFixtureStacks);

  const ask = (script: Script, patience?: number) =>
    createAuthorizer(clientOf(stack.endpoint), functionArn('authorizer'), patience).ask(
      JSON.stringify({ script, password: SECRET }),
    );

  it('is handed the request, and its answer handed on', async () => {
    expect(await ask({})).toEqual({ answered: true, answer: { script: {}, password: SECRET } });
    expect(stack.invocations('authorizer')).toHaveLength(1);
  });

  it.each([null, false, 0, '', [], { isAuthenticated: true }])('may answer with any JSON: %j', async (answer) => {
    expect(await ask({ answer })).toEqual({ answered: true, answer });
  });

  it.each<readonly [string, Script]>([
    ['throws', { throw: SECRET }],
    ['ends its process', { exit: 1 }],
    ['answers with more than Lambda carries', { characters: 7 * 1024 * 1024 }],
  ])('that %s has not answered, and what it was told stays out of the log', async (_what, script) => {
    const before = stack.invocations('authorizer').length;
    expect(await ask(script)).toEqual({
      answered: false,
      problem: 'the function failed (Unhandled): its own log says why',
    });
    expect(stack.invocations('authorizer')).toHaveLength(before + 1); // asked once
  });

  it('that answers with more than any answer has to say has not answered', async () => {
    expect(await ask({ characters: 131_070 })).toMatchObject({ answered: true });
    expect(await ask({ characters: 131_071 })).toEqual({
      answered: false,
      problem: 'its answer has 131073 bytes, 131072 at most',
    });
  });

  it('that hangs is given up', async () => {
    expect(await ask({ hang: true }, 200)).toEqual({ answered: false, problem: 'no answer within 200 ms' });
  });

  it('that is not there has not answered', async () => {
    const authorizer = createAuthorizer(clientOf(stack.endpoint), functionArn('nobody'));
    expect(await authorizer.ask('{}')).toEqual({
      answered: false,
      problem: 'Lambda did not take the call: ResourceNotFoundException',
    });
  });
});

describe('Lambda', () => {
  const former = { ...process.env };
  beforeAll(() => {
    Object.assign(process.env, { AWS_REGION: 'us-east-1', AWS_ACCESS_KEY_ID: 'any', AWS_SECRET_ACCESS_KEY: 'any' });
  });
  afterAll(() => {
    process.env = former;
  });

  /** What the authorizer says while all requests are answered so, and how often one came. */
  const answeredBy = async (listener: RequestListener, patience?: number) => {
    let requests = 0;
    const server = createServer((request, response) => {
      requests++;
      request.resume();
      listener(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    // As a Lambda finds it.
    process.env.AWS_ENDPOINT_URL = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { lambda } = createAwsClients('http://127.0.0.1:1');
    const said = await createAuthorizer(lambda, functionArn('authorizer'), patience).ask('{}');
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    return { said, requests };
  };

  it.each([
    ['TooManyRequestsException', 429],
    ['ServiceException', 500],
    ['AccessDeniedException', 403],
  ])('that answers %s is asked once', async (type, status) => {
    const { said, requests } = await answeredBy((_request, response) => {
      response.writeHead(status, { 'content-type': 'application/json', 'x-amzn-errortype': type });
      response.end(JSON.stringify({ message: SECRET }));
    });
    expect(said).toEqual({ answered: false, problem: `Lambda did not take the call: ${type}` });
    expect(requests).toBe(1);
  });

  it('that answers no JSON', async () => {
    const { said } = await answeredBy((_request, response) => response.end(`{"password": ${SECRET}`));
    expect(said).toEqual({ answered: false, problem: 'its answer is no JSON' });
  });

  it('that answers nothing at all', async () => {
    const { said } = await answeredBy((_request, response) => response.end());
    expect(said).toEqual({ answered: false, problem: 'its answer is no JSON' });
  });

  it('that does not answer is given up', async () => {
    const { said } = await answeredBy(() => {}, 200);
    expect(said).toEqual({ answered: false, problem: 'no answer within 200 ms' });
  });

  it('that begins to answer and does not end is given up, too', async () => {
    const { said } = await answeredBy((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write('{"isAuthenticated": true');
    }, 200);
    expect(said).toEqual({ answered: false, problem: 'no answer within 200 ms' });
  });

  it('that cannot be reached', async () => {
    const said = await createAuthorizer(clientOf('http://127.0.0.1:1'), functionArn('authorizer')).ask('{}');
    expect(said).toMatchObject({
      answered: false,
      problem: expect.stringMatching(/^Lambda did not take the call: \w+$/),
    });
  });
});
