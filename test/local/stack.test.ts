/** The local stack as a whole: its one port, its fault switches, its end. */
import { existsSync, readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { SettingsError } from '../../lib/settings.ts';
import { PortTakenError } from '../../local/http-server.ts';
import { startFixtureStack, stopFixtureStacks } from './fixtures/stack-of-fixtures.ts';
import { temporaryDirectory } from './fixtures/temporary-directory.ts';
import { openClient } from './fixtures/web-socket-client.ts';

afterAll(stopFixtureStacks);

describe('one port', () => {
  let stack: Awaited<ReturnType<typeof startFixtureStack>>;
  beforeAll(async () => {
    stack = await startFixtureStack();
  });

  test('what it is not is 404, with a text that says what it is', async () => {
    const response = await fetch(`${stack.endpoint}/index.html`);
    expect(response.status).toBe(404);
    expect(await response.text()).toContain('local AWS for an MQTT broker');
  });

  test('fault switches through /_local/faults', async () => {
    const url = `${stack.endpoint}/_local/faults`;
    const read = async (init?: RequestInit) => (await fetch(url, init)).json();
    const off = await read();
    expect(off).toMatchObject({ posts: { throttle: { next: 0, share: 0 } }, lambda: { kill: [] } });
    const set = await read({ method: 'PUT', body: '{"posts":{"throttle":{"next":3}}}' });
    expect(set).toMatchObject({ posts: { throttle: { next: 3, share: 0 }, delayMs: 0 } });
    await read({ method: 'PUT', body: '{"posts":{"delayMs":5}}' });
    expect(stack.faults.current().posts).toMatchObject({ throttle: { next: 3 }, delayMs: 5 });
    expect(await read({ method: 'DELETE' })).toEqual(off);
  });

  test.each(['{"posts":{"throtle":{}}}', '{"posts":{"delayMs":-1}}', '[]', 'no JSON'])(
    'a change of the switches that makes no sense is refused: %s',
    async (body) => {
      const response = await fetch(`${stack.endpoint}/_local/faults`, { method: 'PUT', body });
      expect(response.status).toBe(400);
      expect(await response.text()).not.toBe('');
    },
  );

  test('counts calls and frames', async () => {
    const before = stack.counts();
    const client = await openClient(stack.url);
    client.socket.send(JSON.stringify({ calls: ['put', 'post'] }));
    await client.next();
    await client.next();
    const after = stack.counts();
    const grown = (name: string) => (after[name] ?? 0) - (before[name] ?? 0);
    expect(['PutItem', 'PostToConnection', 'framesIn', 'framesOut'].map(grown)).toEqual([1, 1, 1, 2]);
    client.socket.close();
  });
});

test('a setting that makes no sense is refused before anything starts', async () => {
  await expect(startFixtureStack({ settings: { redeliveryRate: 'fast' } })).rejects.toThrow(SettingsError);
});

test('a taken port is refused, and nothing is left behind', async () => {
  const directory = temporaryDirectory();
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { port } = other.address() as { port: number };
  await expect(startFixtureStack({ port, dataDir: directory.path })).rejects.toThrow(PortTakenError);
  expect(readdirSync(directory.path)).toEqual([]);
  await new Promise((resolve) => other.close(resolve));
  directory.remove();
});

describe('stop', () => {
  test('closes sockets, ends Lambdas, frees the port, removes temporary files', async () => {
    const stack = await startFixtureStack();
    const outcome = await stack.invoke('message', { body: '{"env":true}', requestContext: { connectionId: 'x' } });
    const { body } = (outcome as { result: { body: string } }).result;
    const bundles = dirname((JSON.parse(body) as { AWS_CONFIG_FILE: string }).AWS_CONFIG_FILE);
    expect(existsSync(bundles)).toBe(true);
    const client = await openClient(stack.url);
    await stack.stop();
    expect((await client.closed).code).toBe(1001);
    expect(existsSync(bundles)).toBe(false);
    await expect(fetch(stack.endpoint)).rejects.toThrow();
    const again = await startFixtureStack({ port: stack.port });
    await again.stop();
  });

  test('twice is once', async () => {
    const stack = await startFixtureStack();
    await Promise.all([stack.stop(), stack.stop()]);
    await stack.stop();
  });

  test('lets a Lambda that runs finish', async () => {
    const stack = await startFixtureStack({ stopGraceMs: 10_000 });
    const client = await openClient(stack.url);
    client.socket.send(JSON.stringify({ sleep: 100, calls: ['put'] }));
    while (stack.invocations('message').length === 0) await new Promise((resolve) => setImmediate(resolve));
    await stack.stop();
    expect(stack.invocations('message')).toMatchObject([{ outcome: 'returned', calls: ['PutItem'] }]);
  });

  test('does not wait longer than its grace for a Lambda that hangs', async () => {
    const stack = await startFixtureStack({ stopGraceMs: 50 });
    const client = await openClient(stack.url);
    client.socket.send(JSON.stringify({ sleep: 60_000 }));
    while (stack.invocations('message').length === 0) await new Promise((resolve) => setImmediate(resolve));
    await stack.stop();
    expect(stack.invocations('message')).toMatchObject([{ outcome: 'killed' }]);
  });

  test('does not wait for a delayed $disconnect or a delayed post', async () => {
    const stack = await startFixtureStack();
    stack.faults.set({ disconnect: { delayMs: 3_600_000 }, posts: { delayMs: 3_600_000 } });
    const [staying, leaving] = [await openClient(stack.url), await openClient(stack.url)];
    leaving.socket.close();
    await leaving.closed;
    staying.socket.send(JSON.stringify({ calls: ['post'] }));
    while ((stack.counts().PostToConnection ?? 0) === 0) await new Promise((resolve) => setImmediate(resolve));
    await stack.stop();
    expect(stack.invocations('disconnect')).toEqual([]);
  });
});
