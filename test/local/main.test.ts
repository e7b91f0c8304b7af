/** What `npm start` runs. */
import { spawn } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { listenForStop } from '../../client/bridge/stop-signal.ts';
import { readCommandLine } from '../../local/command-line.ts';
import { main } from '../../local/main.ts';
import { temporaryDirectory } from './fixtures/temporary-directory.ts';

const run = async (...argv: string[]) => {
  const out: string[] = [];
  const errors: string[] = [];
  const code = await main(argv, { print: (text) => out.push(text), printError: (text) => errors.push(text) });
  return { code, out: out.join('\n'), errors: errors.join('\n') };
};

test('--help', async () => {
  const { code, out } = await run('--help');
  expect(code).toBe(0);
  for (const option of ['--port', '--data', '--setting', '--authorizer', '--quiet']) expect(out).toContain(option);
});

test.each([
  [['--prot', '1'], '--prot'],
  [['--port', 'http'], '--port is http'],
  [['--port', '65536'], '--port is 65536'],
  [['--setting', 'redeliveryRate'], 'NAME=VALUE'],
  [['--setting', 'lambdaMemoryMb=512'], 'lambdaMemoryMb means something on AWS only'],
  [
    ['--authorizer', 'a.mjs', '--setting', 'authentication=password'],
    'nobody would ask it, as authentication is password',
  ],
  [
    ['--authorizer', 'a.mjs', '--setting', 'customAuthorizerArn=arn:aws:lambda:us-east-1:123456789012:function:a'],
    'customAuthorizerArn means something on AWS only',
  ],
  [['extra'], 'extra'],
  [['--tcp', 'localhost'], '--tcp is localhost: it must be HOST:PORT'],
  [['--ws', '1:65536'], '--ws is 1:65536'],
])('a command line that makes no sense is exit code 2 and a clear line: %j', async (argv, text) => {
  const { code, errors } = await run(...argv);
  expect(code).toBe(2);
  expect(errors).toContain(text);
  expect(errors).not.toMatch(/^ {4}at /m);
});

test.each([
  ['redeliveryRate=0', 'setting redeliveryRate is "0": it must be at least 1'],
  ['authentication=custom', 'setting customAuthorizerArn is "": authentication custom needs the ARN'],
  ['colour=red', 'there is no setting named colour'],
])('a setting that makes no sense is exit code 1 and a clear line: %s', async (pair, text) => {
  const { code, errors } = await run('--setting', pair);
  expect(code).toBe(1);
  expect(errors).toContain(text);
});

test('options are read', () => {
  const argv = ['--port', '0', '--data', 'd', '--quiet', '--setting', 'redeliveryRate=5', '--setting', 'stageName=x'];
  expect(readCommandLine(argv)).toEqual({
    kind: 'start',
    port: 0,
    dataDir: 'd',
    quiet: true,
    settings: { redeliveryRate: '5' },
    stageName: 'x',
    bridge: expect.anything(),
  });
  expect(readCommandLine([])).toMatchObject({ kind: 'start', port: 4800, quiet: false, settings: {} });
});

test('an authorizer is what says who may connect', () => {
  const argv = ['--authorizer', 'a.mjs'];
  expect(readCommandLine(argv)).toMatchObject({ authorizer: 'a.mjs', settings: {} });
  const several = [...argv, '--setting', 'authentication=custom,password'];
  expect(readCommandLine(several)).toMatchObject({ settings: { authentication: 'custom,password' } });
});

test('an authorizer that is not there is one line that says where it was looked for', async () => {
  const { code, errors } = await run('--port', '0', '--no-bridge', '--authorizer', 'no-such-directory/a.mjs');
  expect({ code, errors }).toEqual({
    code: 1,
    errors: `the Lambda authorizer has no source: ${process.cwd()}/no-such-directory/a.mjs does not exist`,
  });
});

test.each([
  [[], ['tcp 127.0.0.1:1883', 'ws 127.0.0.1:8083']],
  [
    ['--tcp', '1884', '--ws', '[::1]:0'],
    ['asked: tcp 127.0.0.1:1884', 'asked: ws ::1:0'],
  ],
  [['--tcp', 'off'], ['ws 127.0.0.1:8083']],
  [['--no-bridge', '--tcp', '1884'], []],
])('the ports of the bridge: %j', (argv, ports) => {
  const command = readCommandLine(argv);
  if (command.kind !== 'start') throw new Error('it is no start');
  const found = command.bridge.map(
    ({ kind, at, isAsked }) => `${isAsked ? 'asked: ' : ''}${kind} ${at.host}:${at.port}`,
  );
  expect(found).toEqual(ports);
});

test('a taken port is one line that names it and says what to do', async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { port } = other.address() as { port: number };
  const { code, out, errors } = await run('--port', String(port));
  expect({ code, out, errors }).toEqual({
    code: 1,
    out: '',
    errors: `Port ${port} is taken: stop the program that uses it, or choose another one with --port ${port + 1}.`,
  });
  await new Promise((resolve) => other.close(resolve));
});

test('a damaged data directory is one line that says where and what to do', async () => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory.path, 'sqs.jsonl'), 'nonsense\n');
  const { code, errors } = await run('--port', '0', '--data', directory.path);
  expect({ code, errors }).toEqual({
    code: 1,
    errors: `${directory.path}/sqs.jsonl: line 1 is damaged: move the data directory away to start afresh`,
  });
  directory.remove();
});

test('the first signal asks to stop, its echo is no second one, a later one exits at once', async () => {
  const source = new EventEmitter();
  const exits: number[] = [];
  let now = 0;
  const { given, ignore } = listenForStop(
    source,
    (code) => exits.push(code),
    () => now,
  );
  source.emit('SIGINT');
  await given;
  now = 500;
  source.emit('SIGINT');
  expect(exits).toEqual([]);
  now = 501;
  source.emit('SIGTERM');
  expect(exits).toEqual([130]);
  ignore();
  expect(source.listenerCount('SIGINT') + source.listenerCount('SIGTERM')).toBe(0);
});

describe('in a process of its own', () => {
  const start = (...argv: string[]) => {
    const child = spawn(process.execPath, ['bin/serverless-mqtt.mjs', 'start', '--port', '0', ...argv, '--no-bridge']);
    let out = '';
    let errors = '';
    const waiting = new Set<() => void>();
    const hear = (): void => {
      for (const look of [...waiting]) look();
    };
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString();
      hear();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      errors += chunk.toString();
    });
    const exited = new Promise<number | null>((resolve) => {
      child.on('exit', (code) => {
        resolve(code);
        hear();
      });
    });
    const shows = (pattern: RegExp): Promise<string> =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = pattern.exec(out);
          if (found) resolve(found[1] ?? found[0]);
          else if (child.exitCode !== null) reject(new Error(`exited: ${out}${errors}`));
          else return;
          waiting.delete(look);
        };
        waiting.add(look);
        look();
      });
    return { child, exited, shows, errors: () => errors };
  };

  test.each(['SIGINT', 'SIGTERM'] as const)(
    'says where clients connect and what to type next; %s stops it, exit code 0',
    async (signal) => {
      const { child, exited, shows, errors } = start();
      await shows(/ws:\/\/127\.0\.0\.1:\d+\/mqtt, sub-protocol mqtt\.base64/);
      await shows(/Anybody may do anything here: authentication is none/);
      await shows(/npm run demo/);
      child.kill(signal);
      expect(await exited).toBe(0);
      expect(errors()).toBe('');
    },
  );

  test('with an authorizer clients have to say who they are', async () => {
    const { child, exited, shows } = start('--authorizer', 'test/local/fixtures/authorizer.ts');
    await shows(/Clients have to say who they are: authentication is custom/);
    await shows(/principals add pump-7 --policy NAME --local \d+/);
    child.kill('SIGTERM');
    expect(await exited).toBe(0);
  });

  test('npm passes the Ctrl-C of the terminal on: two at once are one', async () => {
    const { child, exited, shows } = start();
    await shows(/Ctrl-C stops the broker/);
    child.kill('SIGINT');
    child.kill('SIGINT');
    expect(await exited).toBe(0);
  });
});
