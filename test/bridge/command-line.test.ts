/** The command line of `serverless-mqtt bridge`, and what it says where it cannot start. */
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { readCommandLine } from '../../client/bridge/command-line.ts';
import { main } from '../../client/bridge/main.ts';
import { temporaryDirectory } from '../local/fixtures/temporary-directory.ts';

const TO = ['--to', 'wss://broker.example/mqtt'];

const run = async (...argv: string[]) => {
  const out: string[] = [];
  const errors: string[] = [];
  const code = await main(argv, { print: (text) => out.push(text), printError: (text) => errors.push(text) });
  return { code, out: out.join('\n'), errors: errors.join('\n') };
};

const listenersOf = (...argv: string[]): string[] => {
  const command = readCommandLine([...TO, ...argv]);
  if (command.kind !== 'bridge') throw new Error('it asks for help');
  return command.listeners.map(({ kind, at }) => `${kind} ${at.host} ${at.port}`);
};

test('--help names every option', async () => {
  const { code, out } = await run('--help');
  expect(code).toBe(0);
  const options = ['to', 'ca', 'tcp', 'ws', 'tls', 'wss', 'cert', 'key', 'max-clients', 'max-packet', 'max-client'];
  for (const option of [...options, 'max-total', 'connect-seconds', 'finish-seconds']) {
    expect(out).toMatch(new RegExp(`^ {2}--${option} `, 'm'));
  }
});

test('it listens where it is told, or else on the two usual ports of this machine', () => {
  expect(listenersOf()).toEqual(['tcp 127.0.0.1 1883', 'ws 127.0.0.1 8083']);
  expect(listenersOf('--tcp', '1884')).toEqual(['tcp 127.0.0.1 1884']);
  expect(listenersOf('--ws', '0.0.0.0:80', '--ws', '[::1]:8083')).toEqual(['ws 0.0.0.0 80', 'ws ::1 8083']);
  const certificate = ['--cert', 'c', '--key', 'k'];
  expect(listenersOf('--tls', 'mqtt.local:8883', '--wss', '0', ...certificate)).toEqual([
    'tls mqtt.local 8883',
    'wss 127.0.0.1 0',
  ]);
});

test('limits are read, and the others stay', () => {
  const argv = [...TO, '--max-clients', '5', '--max-packet', '1000', '--finish-seconds', '2'];
  expect(readCommandLine(argv)).toMatchObject({
    limits: { clients: 5, packetBytes: 1000, clientBytes: 1_048_576, finishMs: 2_000, connectMs: 10_000 },
  });
});

test.each([
  [[], '--to is missing'],
  [['--to', 'mqtt://user:secret@x'], '--to must be a URL, wss://… or ws://…'],
  [['--to', 'nonsense secret'], '--to must be a URL'],
  [['--to', 'wss://x#y'], 'fragment'],
  [[...TO, '--tcp', 'localhost'], '--tcp is localhost: it must be HOST:PORT'],
  [[...TO, '--ws', '::1:1883'], '--ws is ::1:1883'],
  [[...TO, '--tcp', '65536'], '--tcp is 65536'],
  [[...TO, '--tls', '8883'], '--tls and --wss need --cert FILE and --key FILE'],
  [[...TO, '--tls', '8883', '--cert', 'c'], '--tls and --wss need'],
  [[...TO, '--cert', 'c', '--key', 'k'], '--cert and --key are for --tls and --wss'],
  [[...TO, '--max-clients', '0'], '--max-clients is 0: it must be a whole number above 0'],
  [[...TO, '--max-packet', '1e3'], '--max-packet is 1e3'],
  [[...TO, '--max-packet', '1000000'], 'a client needs room for 2131072 bytes with packets of 1000000'],
  [[...TO, '--max-total', '1000'], 'all clients together need room for one at least'],
  [[...TO, '--nonsense'], '--nonsense'],
  [[...TO, 'extra'], 'extra'],
])('a command line that makes no sense is exit code 2 and a clear line: %j', async (argv, text) => {
  const { code, out, errors } = await run(...argv);
  expect([code, out]).toEqual([2, '']);
  expect(errors).toContain(text);
  expect(errors).toContain('Try --help.');
  expect(errors).not.toContain('secret');
  expect(errors).not.toMatch(/^ {4}at /m);
});

test('a taken port is exit code 1 and one line that says what to do', async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { port } = other.address() as { port: number };
  const { code, errors } = await run(...TO, '--tcp', String(port));
  expect({ code, errors }).toEqual({
    code: 1,
    errors: `--tcp 127.0.0.1:${port} is taken: stop the program that uses it, or choose another port.`,
  });
  await new Promise((resolve) => other.close(resolve));
});

test('files that are missing, or are not what they should be, are exit code 1 and one line', async () => {
  const directory = temporaryDirectory();
  const file = join(directory.path, 'file.pem');
  writeFileSync(file, 'nonsense');
  const missing = join(directory.path, 'missing');
  for (const [argv, text] of [
    [['--ca', missing], /^--ca: ENOENT/],
    [['--ca', file], /is no certificate in PEM/],
    [['--tls', '0', '--cert', missing, '--key', file], /^--cert: ENOENT/],
    [['--tls', '0', '--cert', file, '--key', file], /^--cert .* and --key .* cannot be used: /],
  ] as const) {
    const { code, errors } = await run(...TO, ...argv);
    expect([code, errors.split('\n')]).toEqual([1, [expect.stringMatching(text)]]);
  }
  directory.remove();
});
