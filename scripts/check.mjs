/**
 * `npm test`: everything that must hold before a change is good, for a person and for CI alike.
 *
 * Rules of this file:
 * - A failing step shows all it printed and does not stop the next one.
 * - Lint, type check and synthesis count as one test each; jest's own counts are added.
 * - The last line is `N passed, N failed, N skipped` and nothing else.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

const help = `Usage: npm test -- [--only STEP,...] [arguments for jest]

Steps: lint    style and mistakes (biome); npm run format mends most of it
       types   the type check (tsc)
       jest    the tests
       synth   the CloudFormation template (cdk synth)

Examples: npm test
          npm test -- --only lint,types
          npm test -- --only jest test/mqtt -t 'PUBACK'`;

/** Each step's program, run by this Node from the root of the repository. */
const programs = {
  lint: () => ['node_modules/@biomejs/biome/bin/biome', 'check', '--max-diagnostics=none', '.'],
  types: () => ['node_modules/typescript/bin/tsc', '--noEmit'],
  jest: ({ jestArgs, scratch }) => [
    'node_modules/jest/bin/jest.js',
    '--ci',
    '--maxWorkers=2',
    '--json',
    `--outputFile=${join(scratch, 'jest.json')}`,
    ...jestArgs,
  ],
  synth: ({ scratch }) => [
    'node_modules/aws-cdk/bin/cdk',
    'synth',
    '--quiet',
    '--context',
    'authentication=password',
    '--output',
    join(scratch, 'cdk.out'),
  ],
};
const stepNames = Object.keys(programs);

const readArguments = (argv) => {
  const left = [...argv];
  const jestArgs = [];
  let only = stepNames;
  while (left.length > 0) {
    const arg = left.shift();
    if (arg === '--help' || arg === '-h') return { wantsHelp: true };
    if (arg === '--only') only = (left.shift() ?? '').split(',');
    else if (arg.startsWith('--only=')) only = arg.slice('--only='.length).split(',');
    else jestArgs.push(arg);
  }
  const unknown = only.filter((name) => !stepNames.includes(name));
  return { steps: stepNames.filter((name) => only.includes(name)), jestArgs, unknown };
};

/** @returns {Promise<{ ok: boolean, output: string }>} all it printed, both streams as they came */
const run = (args, onLine) =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let unfinished = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        output += text;
        const lines = (unfinished + text).split('\n');
        unfinished = lines.pop();
        lines.forEach(onLine);
      });
    }
    child.on('error', (error) => resolve({ ok: false, output: `${output}${error.message}\n` }));
    child.on('close', (code, signal) => {
      if (signal !== null) output += `ended by ${signal}\n`;
      resolve({ ok: code === 0, output });
    });
  });

/** A suite that could not run is a failed test: nobody knows how many it holds. */
const jestCounts = (file, ok) => {
  try {
    const result = JSON.parse(readFileSync(file, 'utf8'));
    const failed = result.numFailedTests + result.numRuntimeErrorTestSuites;
    return {
      passed: result.numPassedTests,
      failed: ok ? failed : Math.max(failed, 1),
      skipped: result.numPendingTests + result.numTodoTests,
    };
  } catch {
    return { passed: 0, failed: 1, skipped: 0 };
  }
};

const inWords = ({ passed, failed, skipped }) => `${passed} passed, ${failed} failed, ${skipped} skipped`;

const check = async ({ steps, jestArgs }) => {
  const scratch = mkdtempSync(join(tmpdir(), 'serverless-mqtt-check-'));
  const total = { passed: 0, failed: 0, skipped: 0 };
  try {
    for (const [index, name] of steps.entries()) {
      console.log(`[${index + 1}/${steps.length}] ${name}`);
      const started = Date.now();
      const { ok, output } = await run(programs[name]({ jestArgs, scratch }), (line) => {
        if (name === 'jest' && /^(PASS|FAIL) /.test(line)) console.log(`      ${line}`);
      });
      const counts =
        name === 'jest'
          ? jestCounts(join(scratch, 'jest.json'), ok)
          : { passed: Number(ok), failed: Number(!ok), skipped: 0 };
      if (counts.failed > 0) console.log(`\n${output.trimEnd()}\n`);
      const seconds = ((Date.now() - started) / 1000).toFixed(1);
      console.log(`      ${counts.failed > 0 ? 'FAILED' : 'ok'}: ${inWords(counts)} in ${seconds} s`);
      for (const kind of Object.keys(total)) total[kind] += counts[kind];
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  console.log(`\n${inWords(total)}`);
  return total.failed > 0 ? 1 : 0;
};

const given = readArguments(process.argv.slice(2));
if (given.wantsHelp) {
  console.log(help);
} else if (given.unknown.length > 0) {
  console.error(`There is no step "${given.unknown.join('", "')}": the steps are ${stepNames.join(', ')}.`);
  process.exitCode = 2;
} else {
  process.exitCode = await check(given);
}
