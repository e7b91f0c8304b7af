/** `npm test` itself: what it counts, what it shows, how it ends. The four programs are stand-ins here. */
import { type CopiedScript, copiedScript } from './copied-script.ts';

const programs = {
  lint: 'node_modules/@biomejs/biome/bin/biome',
  types: 'node_modules/typescript/bin/tsc',
  jest: 'node_modules/jest/bin/jest.js',
  synth: 'node_modules/aws-cdk/bin/cdk',
};

const counts = {
  numPassedTests: 40,
  numFailedTests: 0,
  numPendingTests: 2,
  numTodoTests: 1,
  numRuntimeErrorTestSuites: 0,
};

let script: CopiedScript;

const program = (name: keyof typeof programs, code: string) =>
  script.put(programs[name], `console.log("${name} said this", ...process.argv.slice(2)); ${code}`);

const jestWith = (result: object, code = '') =>
  program(
    'jest',
    `const at = process.argv.find((arg) => arg.startsWith('--outputFile=')).slice('--outputFile='.length);
     require('node:fs').writeFileSync(at, ${JSON.stringify(JSON.stringify(result))});
     console.error("PASS test/a.test.ts"); ${code}`,
  );

const lastLine = (stdout: string) => stdout.trimEnd().split('\n').at(-1);

beforeEach(() => {
  script = copiedScript('scripts/check.mjs');
  for (const name of ['lint', 'types', 'synth'] as const) program(name, '');
  jestWith(counts);
});

afterEach(() => script.remove());

test('counts jest’s tests and one for each other step', () => {
  const { status, stdout, stderr } = script.run();
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(lastLine(stdout)).toBe('43 passed, 0 failed, 3 skipped');
  expect(stdout).toContain('PASS test/a.test.ts');
  expect(stdout).not.toContain('said this');
});

test.each(['lint', 'types', 'synth'] as const)('%s fails: it shows all, goes on, and ends with code 1', (name) => {
  program(name, 'console.error("wrong here"); process.exitCode = 3');
  const { status, stdout } = script.run();
  expect(status).toBe(1);
  expect(lastLine(stdout)).toBe('42 passed, 1 failed, 3 skipped');
  expect(stdout).toContain(`${name} said this`);
  expect(stdout).toContain('wrong here');
  expect(stdout).toContain('[4/4] synth');
});

test.each<[string, object, string, string]>([
  ['tests fail', { numPassedTests: 38, numFailedTests: 2 }, '', '41 passed, 2 failed, 3 skipped'],
  ['a suite does not run', { numRuntimeErrorTestSuites: 1 }, '', '43 passed, 1 failed, 3 skipped'],
  ['jest is unhappy for another reason', {}, 'process.exitCode = 1', '43 passed, 1 failed, 3 skipped'],
  ['jest is killed', {}, 'process.kill(process.pid)', '43 passed, 1 failed, 3 skipped'],
])('%s', (_, result, code, line) => {
  jestWith({ ...counts, ...result }, code);
  const { status, stdout } = script.run();
  expect(status).toBe(1);
  expect(lastLine(stdout)).toBe(line);
  expect(stdout).toContain('jest said this');
});

test('jest leaves no result: one failed test', () => {
  program('jest', '');
  expect(lastLine(script.run().stdout)).toBe('3 passed, 1 failed, 0 skipped');
});

test('--only picks steps; what is left goes to jest', () => {
  jestWith(counts, 'process.exitCode = 1');
  const { stdout } = script.run(['--only', 'jest,lint', 'test/mqtt', '-t', 'PUBACK']);
  expect(stdout).toMatch(/^\[1\/2\] lint\n/);
  expect(stdout).toMatch(/^jest said this --ci .* test\/mqtt -t PUBACK$/m);
  expect(lastLine(stdout)).toBe('41 passed, 1 failed, 3 skipped');
});

test('an unknown step is refused', () => {
  expect(script.run(['--only=tests'])).toEqual({
    status: 2,
    stdout: '',
    stderr: 'There is no step "tests": the steps are lint, types, jest, synth.\n',
  });
});

test('--help explains and runs nothing', () => {
  const { status, stdout } = script.run(['--help']);
  expect(status).toBe(0);
  expect(stdout).toMatch(/^Usage: npm test -- /);
  expect(stdout).not.toContain('[1/');
});
