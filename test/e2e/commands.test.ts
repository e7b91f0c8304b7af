/** The commands as a person types them, in processes of their own. */
import type { ChildProcess } from 'node:child_process';
import { createServer } from 'node:net';
import { command, run } from './command.ts';

describe('npm start, npm run demo and the example', () => {
  const children: ChildProcess[] = [];
  const start = (...args: string[]) => {
    const process = run([command, 'start', '--port', '0', '--quiet', '--no-bridge', ...args]);
    children.push(process.child);
    return process;
  };
  afterAll(() => {
    for (const child of children) child.kill('SIGKILL');
  });

  it('start says where clients connect and what to type next, demo proves redelivery, Ctrl-C stops cleanly', async () => {
    const stack = start();
    const [url = ''] = await stack.until(/ws:\/\/127\.0\.0\.1:\d+\/mqtt/);
    expect(stack.output()).toContain('npm run demo');

    const demo = run([command, 'demo', '--url', url]);
    expect({ code: await demo.exit, output: demo.output() }).toMatchObject({ code: 0 });
    expect(demo.output()).toContain('35 of 35 messages arrived, in order');

    stack.child.kill('SIGINT');
    expect(await stack.exit).toBe(0);
  });

  it('the examples of the README work as they stand', async () => {
    const build = run(['node_modules/typescript/bin/tsc', '-p', 'client']);
    expect(await build.exit).toBe(0);
    const stack = start();
    const [url = ''] = await stack.until(/ws:\/\/127\.0\.0\.1:\d+\/mqtt/);
    for (const [file, output] of [
      ['examples/hello.mjs', 'plant/7/temperature: 21.5\n'],
      ['examples/paho.mjs', 'plant/8/temperature: 21.5\n'],
    ] as const) {
      const example = run([file, url]);
      expect({ code: await example.exit, output: example.output() }).toEqual({ code: 0, output });
    }
  });

  it('a taken port is one clear line', async () => {
    const other = createServer();
    const port = await new Promise<number>((resolve) =>
      other.listen(0, '127.0.0.1', () => resolve((other.address() as { port: number }).port)),
    );
    const stack = run([command, 'start', '--port', String(port)]);
    expect(await stack.exit).toBe(1);
    expect(stack.output().trim().split('\n')).toHaveLength(1);
    expect(stack.output()).toContain(`${port}`);
    other.close();
  });

  it('demo without a stack says what to do', async () => {
    const demo = run([command, 'demo', '--url', 'ws://127.0.0.1:9/mqtt']);
    expect(await demo.exit).toBe(1);
    expect(demo.output()).toContain('npm start');
  });

  it('demo --help and unknown options', async () => {
    const help = run([command, 'demo', '--help']);
    expect([await help.exit, help.output()]).toEqual([0, expect.stringContaining('Usage')]);
    const unknown = run([command, 'demo', '--nonsense']);
    expect(await unknown.exit).toBe(2);
  });
});
