/** `serverless-mqtt bridge` as a person types it, in the repository and in a package that is installed somewhere else. */
import { type ChildProcess, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import mqtt from 'mqtt';
import { command, run } from './command.ts';
import { type Stack, startStack } from './stack.ts';

let stack: Stack;
const children: ChildProcess[] = [];
beforeAll(async () => {
  stack = await startStack({ settings: { lifecycleEvents: 'off' } });
});
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await stack?.stop();
});

/** Starts the bridge with this program, has a message go through it, and stops it. */
const works = async (program: string): Promise<void> => {
  const bridge = run([program, 'bridge', '--to', stack.url, '--tcp', '0', '--ws', '0']);
  children.push(bridge.child);
  const [, port] = await bridge.until(/"bridge-listening","listener":"tcp","host":"127\.0\.0\.1","port":(\d+)/);
  await bridge.until(/"listener":"ws"/);
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`);
  const arrived = new Promise((resolve) => client.once('message', (_topic, payload) => resolve(String(payload))));
  await client.subscribeAsync('bridge', { qos: 1 });
  await client.publishAsync('bridge', 'through', { qos: 1 });
  expect(await arrived).toBe('through');
  bridge.child.kill('SIGTERM');
  expect(await bridge.exit).toBe(0);
  await client.endAsync(true);
  const events = bridge
    .output()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).event);
  expect(events).toEqual([
    ...[
      'bridge-listening',
      'bridge-listening',
      'client-connected',
      'bridge-stopping',
      'client-ended',
      'bridge-stopped',
    ],
  ]);
};

it('works in a clone of the repository, without a build', async () => {
  await works(command);
});

it('is in the package, and needs nothing there but ws', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'serverless-mqtt-package-'));
  try {
    const shell = process.platform === 'win32';
    execFileSync('npm', ['pack', '--silent', '--pack-destination', folder], { stdio: 'ignore', shell });
    const [tarball = ''] = readdirSync(folder);
    mkdirSync(join(folder, 'node_modules'));
    execFileSync('tar', ['-xzf', tarball, '-C', 'node_modules'], { cwd: folder });
    symlinkSync(resolve('node_modules/ws'), join(folder, 'node_modules/ws'));
    const installed = join(folder, 'node_modules/package');
    expect(readdirSync(installed).sort()).toEqual(['LICENSE', 'README.md', 'bin', 'dist', 'package.json']);

    const program = join(installed, 'bin/serverless-mqtt.mjs');
    const help = run([program, 'bridge', '--help']);
    expect([await help.exit, help.output()]).toEqual([0, expect.stringContaining('Usage: serverless-mqtt bridge')]);
    const demo = run([program, 'demo']);
    expect([await demo.exit, demo.output()]).toEqual([2, expect.stringContaining('in a clone of the repository only')]);
    await works(program);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 120_000);

it('npm start brings it with it, and says how to use it', async () => {
  const started = run([command, 'start', '--port', '0', '--quiet', '--tcp', '0', '--ws', '0']);
  children.push(started.child);
  await started.until(/Ctrl-C stops the broker/);
  const [, port] = await started.until(/mosquitto_pub -p (\d+) -t hello\/world -m hi/);
  expect(started.output()).toMatch(
    `For any MQTT client there is the bridge: mqtt://127.0.0.1:${port} and ws://127.0.0.1:`,
  );
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`);
  await client.publishAsync('hello/world', 'hi', { qos: 1 });
  started.child.kill('SIGINT');
  expect(await started.exit).toBe(0);
  await client.endAsync(true);
});
