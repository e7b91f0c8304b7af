/**
 * docs/wire-protocol.md is enough to write another client end: client/python was written from it alone and shares no
 * code with client/. Its own tests run here, those that need a broker against the local stack.
 *
 * PYTHON names the interpreter. Where there is none, or none that has the package `websockets`, all of this is skipped.
 */
import { spawn, spawnSync } from 'node:child_process';
import { type Stack, startStack } from './stack.ts';

const python = process.env.PYTHON ?? 'python3';
const looked = spawnSync(python, ['-c', 'import websockets.asyncio.client'], { encoding: 'utf8' });
const missing =
  looked.error !== undefined
    ? `no ${python}: install Python 3.9 or newer, or name it in PYTHON`
    : looked.status !== 0
      ? `${python} cannot import websockets: ${python} -m pip install websockets`
      : undefined;

/** @returns all it printed; throws that where it fails */
const run = (args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = spawn(python, args, {
      cwd: 'client/python',
      env: { ...process.env, BROKER_URL: '', PYTHONDONTWRITEBYTECODE: '1', ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text) => (output += text));
    child.once('error', reject);
    child.once('close', (code) => (code === 0 ? resolve(output) : reject(new Error(`exit code ${code}\n${output}`))));
  });

if (missing !== undefined) {
  it.skip(`the Python client: ${missing}`, () => {});
} else {
  describe('the Python client', () => {
    it('reads and writes the frames of the test vectors, and keeps the rules of the client end in a time of its own', async () => {
      const output = await run(['-m', 'unittest', 'test_wire', 'test_conversation', 'test_client']);
      expect(output).toMatch(/^Ran \d\d+ tests[\s\S]*\nOK\n$/m);
    });

    describe('against the local stack', () => {
      let stack: Stack;
      beforeAll(async () => {
        stack = await startStack();
      });
      afterAll(() => stack.stop());

      it('publishes and subscribes, gets what it missed, and goes on after a lost push and a lost connection', async () => {
        const output = await run(['-m', 'unittest', 'test_end_to_end'], { BROKER_URL: stack.url });
        expect(output).toMatch(/^Ran \d+ tests[\s\S]*\nOK\n$/m); // OK alone: none was skipped
        expect(stack.faults.struck('posts.lose')).toBe(1);
        expect(stack.lines.filter((line) => line.includes('"moved"'))).toHaveLength(1);
      }, 60_000);

      it('says hello, which MQTT.js understands', async () => {
        const listener = await stack.connect('listener');
        await listener.mqtt.subscribeAsync('plant/#', { qos: 1 });
        expect(await run(['hello.py', stack.url])).toBe('plant/8/temperature: 21.5\n');
        expect(await listener.until(1)).toEqual(['21.5']);
      });
    });
  });
}
