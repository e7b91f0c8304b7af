/** The command `serverless-mqtt`: which program it runs, and with what. The programs are stand-ins here. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { symlinkSync } from 'node:fs';
import { resolve } from 'node:path';
import { type CopiedScript, copiedScript } from './copied-script.ts';

let script: CopiedScript;

beforeEach(() => {
  script = copiedScript('bin/serverless-mqtt.mjs');
  script.put('package.json', { version: '1.2.3', type: 'module' });
  symlinkSync(resolve('node_modules'), script.path('node_modules'));
});

afterEach(() => script.remove());

test.each([
  ['start', 'local/main.ts'],
  ['demo', 'local/demo.ts'],
  ['bridge', 'client/bridge/main.ts'],
  ['principals', 'admin/principals.ts'],
  ['policies', 'admin/policies.ts'],
])('%s gets the rest of the line, and decides the exit code', (command, file) => {
  script.put(
    file,
    `export const main = async (argv: readonly string[]): Promise<number> => (console.log('${command}', argv), 3);`,
  );
  expect(script.run([command, '--port', '5000', '--help'])).toEqual({
    status: 3,
    stdout: `${command} [ '--port', '5000', '--help' ]\n`,
    stderr: '',
  });
});

test('the bridge of an installed package is compiled, and the others are not there', () => {
  script.put('dist/client/bridge/main.js', "export const main = async (argv) => (console.log('compiled', argv), 3);");
  expect(script.run(['bridge', '--to', 'x'])).toEqual({
    status: 3,
    stdout: "compiled [ '--to', 'x' ]\n",
    stderr: '',
  });
  expect(script.run(['start'])).toEqual({
    status: 2,
    stdout: '',
    stderr: '"start" runs in a clone of the repository only; in the installed package there is "bridge".\n',
  });
});

test('in a clone the sources go before what is compiled: that may be old', () => {
  script.put('dist/client/bridge/main.js', 'export const main = async () => 4;');
  script.put('client/bridge/main.ts', 'export const main = async (): Promise<number> => 3;');
  expect(script.run(['bridge']).status).toBe(3);
});

test('a signal reaches the program itself', async () => {
  script.put(
    'local/main.ts',
    `export const main = (): Promise<number> => new Promise((resolve) => {
       const running = setInterval(() => {}, 1000);
       process.once('SIGTERM', () => { clearInterval(running); console.log('closed'); resolve(0); });
       console.log('running');
     });`,
  );
  const child = spawn(process.execPath, [script.path('bin/serverless-mqtt.mjs'), 'start']);
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    if (text.includes('running')) child.kill('SIGTERM');
  });
  expect(await once(child, 'close')).toEqual([0, null]);
  expect(output).toBe('running\nclosed\n');
});

test('--version', () => {
  expect(script.run(['--version'])).toEqual({ status: 0, stdout: '1.2.3\n', stderr: '' });
});

test.each([[['--help']], [['-h']], [[]]])('%j explains', (args) => {
  const { status, stdout, stderr } = script.run(args);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toMatch(/^Usage: serverless-mqtt COMMAND \[options\]\n/);
});

test.each(['stat', 'constructor'])('%s is no command', (command) => {
  expect(script.run([command])).toEqual({
    status: 2,
    stdout: '',
    stderr: `There is no command "${command}": try serverless-mqtt --help.\n`,
  });
});
