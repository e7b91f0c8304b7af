/** The code that `cdk deploy` uploads: each Lambda's file, bundled as for AWS, in a Node of its own. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { runApp } from '../../lib/app.ts';
import { functions, type LambdaEnvironment } from '../../lib/resources.ts';
import { ofType, withoutTraces } from './synthesised.ts';

const environment: LambdaEnvironment = {
  STACK_NAME: 'a',
  SETTINGS: '{"authentication":"none"}',
  SESSIONS_TABLE: 'sessions',
  SUBSCRIPTIONS_TABLE: 'subscriptions',
  IDENTITY_TABLE: 'identity',
  POLICY_ARN_BASE: 'arn:aws:iot:us-east-1:123456789012:',
  RETAINED_TABLE: 'retained',
  REDELIVERY_QUEUE_URL: 'http://127.0.0.1:1/0/redelivery',
  TIMERS_QUEUE_URL: 'http://127.0.0.1:1/0/timers',
  CLIENT_QUEUE_PREFIX: 'a_session_',
  QUEUE_URL_BASE: 'http://127.0.0.1:1/0/',
  CALLBACK_URL: 'http://127.0.0.1:1/mqtt',
};

/** As Lambda sets it. */
const ofLambda = { AWS_REGION: 'eu-central-1', AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE', AWS_SECRET_ACCESS_KEY: 'secret' };

const LARGEST_BUNDLE = 600_000;

let outdir: string;

beforeAll(() => {
  outdir = mkdtempSync(join(tmpdir(), 'serverless-mqtt-bundles-'));
  const exitCode = runApp({
    root: process.cwd(),
    outdir,
    context: { ...withoutTraces, authentication: 'none' },
    say: (line) => console.error(line),
  });
  expect(exitCode).toBe(0);
}, 120_000);

afterAll(() => rmSync(outdir, { recursive: true, force: true }));

const bundleOf = (name: string): string => {
  const template = JSON.parse(readFileSync(join(outdir, 'serverless-mqtt.template.json'), 'utf8'));
  const lambda = [...ofType(template, 'AWS::Lambda::Function').values()].find(({ Properties }) =>
    Properties.Description.endsWith(`: ${name}`),
  );
  return join(outdir, `asset.${lambda?.Properties.Code.S3Key.replace(/\.zip$/, '')}`, 'index.mjs');
};

/** What `script` prints. It finds the Lambda's module as `lambda()`. */
const inNode = (name: string, script: string): string => {
  const lambda = `const lambda = () => import(${JSON.stringify(pathToFileURL(bundleOf(name)))});`;
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '--eval', lambda + script], {
    cwd: outdir, // no node_modules above: what is not in the file is missing
    env: { ...environment, ...ofLambda },
    encoding: 'utf8',
    timeout: 20_000,
  });
  if (status !== 0) throw new Error(stderr);
  return stdout.trim();
};

describe.each(Object.keys(functions))('%s', (name) => {
  test('exports a handler', () => {
    expect(inNode(name, 'console.log(typeof (await lambda()).handler)')).toBe('function');
  });

  test(`is smaller than ${LARGEST_BUNDLE} bytes`, () => {
    expect(statSync(bundleOf(name)).size).toBeLessThan(LARGEST_BUNDLE);
  });
});

test('what is left out of the bundle is not missed: message reads a CONNECT, and its calls are signed', () => {
  const connect = Buffer.from('\x10\x13\x00\x04MQTT\x04\x02\x00\x3c\x00\x07Bundled').toString('base64');
  const requests = inNode(
    'message',
    `import { createServer } from 'node:http';
     const aws = createServer(async (request, response) => {
       const body = await new Response(request).text();
       console.log('request ' + request.headers.authorization + ' ' + body);
       response.writeHead(200, { 'content-type': 'application/x-amz-json-1.0' }).end('{}');
     });
     await new Promise((resolve) => aws.listen(0, '127.0.0.1', resolve));
     process.env.AWS_ENDPOINT_URL = 'http://127.0.0.1:' + aws.address().port;
     const { handler } = await lambda();
     const event = { body: '${connect}', requestContext: { connectionId: 'c=', eventType: 'MESSAGE' } };
     await handler(event, { getRemainingTimeInMillis: () => 20_000 });
     process.exit(0);`,
  )
    .split('\n')
    .filter((line) => line.startsWith('request ')); // else it is the Lambda's own log

  for (const request of requests) {
    expect(request).toMatch(/^request AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/\d+\/eu-central-1\//);
  }
  // This AWS has nothing to say, so it ends there: but the client id was read, and a session looked for.
  expect(requests.filter((request) => request.includes('Bundled'))).not.toHaveLength(0);
});
