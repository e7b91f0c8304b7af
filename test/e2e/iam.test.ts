/** Clients that sign their handshakes, with MQTT.js, against the local stack: it asks IAM as API Gateway would. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BuildOptions, build } from 'esbuild';
import { skippableClock } from '../../local/clock.ts';
import { type Signing, signedQuery } from '../local/fixtures/signing.ts';
import { run } from './command.ts';
import { type IdentityTable, openIdentityTable } from './identity-table.ts';
import { type Clients, clientsOf, type Stack, startStack } from './stack.ts';

const MINUTE = 60_000;
const ACCOUNT = '000000000000';
const arn = (resource: string) => `arn:aws:iot:us-east-1:${ACCOUNT}:${resource}`;
const allow = (Action: string | string[], Resource: string, more = {}) => ({
  Effect: 'Allow',
  Action,
  Resource,
  ...more,
});
const persistent = {
  Condition: { 'ForAllValues:StringEquals': { 'iot:ConnectAttributes': ['PersistentConnect'] } },
};

describe('signed handshakes', () => {
  let stack: Stack;
  let identities: IdentityTable;
  const opened: Clients[] = [];

  beforeAll(async () => {
    stack = await startStack({ settings: { authentication: 'iam,password', iamPolicies: 'everybody' } });
    identities = openIdentityTable(stack);
    const topics = allow(['iot:Publish', 'iot:Subscribe', 'iot:Receive'], '*');
    await identities.putPolicy('everybody', allow('iot:Connect', arn('client/user-*'), persistent), topics);
    await identities.putPolicy('by-session', allow('iot:Connect', arn(`client/\${sts:RoleSessionName}`)));
    await identities.putPrincipal(`arn:aws:sts::${ACCOUNT}:assumed-role/pump`, { policies: ['by-session'] });
  });
  afterEach(async () => {
    for (const clients of opened.splice(0)) await clients.endAll();
  });
  afterAll(async () => {
    identities.close();
    await stack.stop();
  });

  /** Clients that sign every socket's URL. */
  const signing = (how: Signing = {}, now = () => Date.now()): Clients => {
    const clients = clientsOf(stack.url, async (url) => `${url}${await signedQuery(url, { now: now(), ...how })}`);
    opened.push(clients);
    return clients;
  };

  const eventsOf = async (clients: Clients, clientId: string) => {
    const watcher = await clients.connect(`user-watching-${clientId}`);
    await watcher.mqtt.subscribeAsync(`$aws/events/presence/+/${clientId}`, { qos: 1 });
    return watcher;
  };

  it('are accepted, and the client may do what its policies say', async () => {
    const clients = signing();
    const watcher = await eventsOf(clients, 'user-1');
    const client = await clients.connect('user-1');
    await client.mqtt.subscribeAsync('a/+', { qos: 1 });
    await client.mqtt.publishAsync('a/b', 'hello', { qos: 1 });
    expect(await client.until(1)).toEqual(['hello']);
    const [event = ''] = await watcher.until(1);
    expect(JSON.parse(event)).toMatchObject({
      eventType: 'connected',
      principalIdentifier: `iam:arn:aws:iam::${ACCOUNT}:user/local`,
    });
    await expect(clients.connect('another')).rejects.toThrow(/Not authorized/i);
  });

  it.each<[string, Signing | undefined, string]>([
    ['not signed', undefined, 'it is not signed'],
    ['signed with another secret', { secretAccessKey: 'guessed' }, 'the signature does not match'],
    ['signed six minutes ago', { now: Date.now() - 6 * MINUTE }, 'and a signature is good for 300 s'],
  ])('that are %s are refused, and the log says why', async (_, how, why) => {
    const seen = stack.lines.length;
    const clients = how ? signing(how) : stack;
    const place = `cannot open ${stack.url} (Unexpected server response: 403)`;
    await expect(clients.connect('user-1')).rejects.toThrow(place);
    expect(stack.lines.slice(seen).join()).toContain(why);
    expect(stack.lines.join()).not.toContain('X-Amz-Signature');
  });

  it('by a role have the policies of its record, and values of that session', async () => {
    const clients = signing({ sessionToken: 'assumed-role/pump/boot-17' });
    await clients.connect('boot-17');
    await expect(clients.connect('boot-18')).rejects.toThrow(/Not authorized/i);
    await expect(signing({ sessionToken: 'assumed-role/other/boot-19' }).connect('boot-19')).rejects.toThrow(
      /Not authorized/i,
    );
  });

  it('keep a persistent session from one login of a role to the next, and from another role', async () => {
    const options = { clean: false };
    const as = (sessionToken: string) => signing({ sessionToken }).connect('user-keeper', options);
    await (await as('assumed-role/keeper/login-1')).end();
    const second = await as('assumed-role/keeper/login-2');
    expect(second.sessionPresent).toBe(true);
    await second.end();
    expect((await as('assumed-role/thief/login-3')).sessionPresent).toBe(false);
  });

  it('and a password: the CONNECT that brings one is judged by it', async () => {
    const clients = signing();
    await expect(clients.connect('user-1', { username: 'nobody', password: 'x' })).rejects.toThrow(
      /Bad username or password/i,
    );
  });

  it('are signed anew when a session moves to another socket', async () => {
    const clock = skippableClock();
    const clients = signing({}, clock.now);
    const lasting = await clients.connect('user-lasting', {}, clock);
    const noticed: string[] = [];
    for (const event of ['connect', 'reconnect', 'close', 'offline', 'error'] as const) {
      lasting.mqtt.on(event, () => noticed.push(event));
    }
    await lasting.mqtt.subscribeAsync('lasting', { qos: 1 });
    const seen = stack.lines.length;
    const moves = () => stack.lines.slice(seen).filter((line) => line.includes('"event":"moved"')).length;
    for (let minutes = 0; minutes <= 120; minutes += 5) {
      while (moves() < Math.floor(minutes / 120)) await new Promise((resolve) => setImmediate(resolve));
      await lasting.mqtt.publishAsync('lasting', `after ${minutes} minutes`, { qos: 1 });
      await lasting.until(minutes / 5 + 1);
      await lasting.mqtt.publishAsync('behind its PUBACK', '', { qos: 1 });
      await stack.skip(5 * MINUTE);
      clock.skip(5 * MINUTE);
    }
    expect(moves()).toBe(1);
    expect(noticed).toEqual([]);
  });
});

describe('the examples', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'serverless-mqtt-examples-'));
  let stack: Stack;
  let identities: IdentityTable;

  beforeAll(async () => {
    stack = await startStack({ settings: { authentication: 'iam', iamPolicies: 'all' } });
    identities = openIdentityTable(stack);
    await identities.putPolicy('all', allow('iot:*', '*'));
  });
  afterAll(async () => {
    identities.close();
    await stack.stop();
    rmSync(scratch, { recursive: true, force: true });
  });

  /** One file of it, as an application has it that has installed this package. */
  const bundle = async (entry: string, options: BuildOptions): Promise<string> => {
    const outfile = join(scratch, entry.replaceAll('/', '-'));
    await build({
      entryPoints: [entry],
      bundle: true,
      format: 'esm',
      alias: { 'serverless-mqtt/client': './client/transport.ts' },
      outfile,
      logLevel: 'silent',
      ...options,
    });
    return outfile;
  };
  const requireForCommonJs =
    'import{createRequire as __createRequire}from"node:module";const require=__createRequire(import.meta.url);';

  const withSecret = (secret: string) => ({
    environment: {
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: secret,
      AWS_SESSION_TOKEN: undefined,
      AWS_PROFILE: undefined,
    },
  });

  it('in Node works as it stands', async () => {
    const file = await bundle('examples/iam/hello.mjs', { platform: 'node', banner: { js: requireForCommonJs } });
    const example = run([file, stack.url], withSecret('local'));
    expect({ code: await example.exit, output: example.output() }).toEqual({
      code: 0,
      output: 'plant/7/temperature: 21.5\n',
    });
  });

  it('in Node says why not, with other credentials', async () => {
    const file = await bundle('examples/iam/hello.mjs', { platform: 'node', banner: { js: requireForCommonJs } });
    const example = run([file, stack.url], withSecret('guessed'));
    await example.until(/cannot open ws:\/\/\S+ \(Unexpected server response: 403\)/);
    example.child.kill('SIGKILL');
    expect(example.output()).not.toContain('X-Amz');
  });

  it('for a page works as a browser bundles it, with what it needs of a browser stood in for', async () => {
    const file = await bundle('examples/iam/browser.mjs', { platform: 'browser', define: { global: 'globalThis' } });
    const page = join(scratch, 'page.mjs');
    await build({
      stdin: {
        contents: `
          import { WebSocket } from 'ws';
          const standIns = {
            WebSocket,
            location: { search: '?url=' + encodeURIComponent(process.argv[2]) },
            navigator: globalThis.navigator ?? { language: 'en' },
            document: { querySelector: () => ({ append: (text) => process.stdout.write(text) }) },
          };
          for (const [name, value] of Object.entries(standIns)) Object.defineProperty(globalThis, name, { value });
          await import(${JSON.stringify(file)});
        `,
        resolveDir: process.cwd(),
      },
      bundle: true,
      format: 'esm',
      platform: 'node',
      external: [file],
      banner: { js: requireForCommonJs },
      outfile: page,
      logLevel: 'silent',
    });
    const example = run([page, stack.url]);
    await example.until(/^plant\/7\/temperature: 21\.5$/m);
    example.child.kill('SIGKILL');
  });
});
