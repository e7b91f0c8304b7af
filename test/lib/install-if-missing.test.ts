/** When `npm start` and `npm test` install the dependencies first. npm is a stand-in here that
 * writes down what it was told. */
import { readFileSync } from 'node:fs';
import { type CopiedScript, copiedScript } from './copied-script.ts';

const locked = {
  '': { name: 'project' },
  'node_modules/a': { version: '1.0.0', integrity: 'sha512-a' },
  'node_modules/b': { version: '2.0.0', integrity: 'sha512-b', dev: true },
  'node_modules/for-windows': { version: '1.0.0', integrity: 'sha512-w', optional: true },
};
const { 'node_modules/a': a, 'node_modules/b': b } = locked;

let script: CopiedScript;
let npm: NodeJS.ProcessEnv;

/** Fails the commands that NPM_FAILS names. */
const npmStandIn = `
  require('node:fs').appendFileSync(__dirname + '/npm.log', process.argv.slice(2).join(' ') + '\\n');
  console.error('npm ' + process.argv[2] + ' said this');
  process.exitCode = process.env.NPM_FAILS.split(',').includes(process.argv[2]) ? 1 : 0;`;

beforeEach(() => {
  script = copiedScript('scripts/install-if-missing.mjs');
  script.put('package-lock.json', { packages: locked });
  script.put('npm-cli.js', npmStandIn);
  script.put('npm.log', '');
  npm = { npm_execpath: script.path('npm-cli.js'), NPM_FAILS: '' };
});

afterEach(() => script.remove());

const installed = (packages: Record<string, unknown>) => script.put('node_modules/.package-lock.json', { packages });

const npmWasTold = () => readFileSync(script.path('npm.log'), 'utf8').split('\n').slice(0, -1);
const quietly = '--no-audit --no-fund --loglevel=error';

test('installs where there is nothing', () => {
  const { status, stdout, stderr } = script.run([], npm);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout.split('\n')).toEqual([
    'The dependencies are not installed yet: installing them, which takes a minute or so ...',
    expect.stringMatching(/^Installed in \d+ s\.$/),
    '',
  ]);
  expect(npmWasTold()).toEqual([`ci ${quietly}`]);
});

test('takes what the lock file has when npm ci refuses it', () => {
  const { status, stdout, stderr } = script.run([], { ...npm, NPM_FAILS: 'ci' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toMatch(/^Installed in \d+ s\.$/m);
  expect(npmWasTold()).toEqual([`ci ${quietly}`, `install --no-save ${quietly}`]);
});

test('is silent where all is there, an optional package of another platform aside', () => {
  installed({ 'node_modules/a': a, 'node_modules/b': b });
  expect(script.run([], npm)).toEqual({ status: 0, stdout: '', stderr: '' });
});

test.each<[string, Record<string, unknown>]>([
  ['one is missing', { 'node_modules/a': a }],
  ['one has another version', { 'node_modules/a': a, 'node_modules/b': { ...b, version: '2.0.1' } }],
  ['one has other contents', { 'node_modules/a': a, 'node_modules/b': { ...b, integrity: 'sha512-c' } }],
])('installs again where %s', (_, packages) => {
  installed(packages);
  expect(script.run([], npm).stdout).toMatch(
    /^The dependencies are not those of package-lock\.json: installing them, /,
  );
});

test('installs again where an install was broken off', () => {
  script.put('node_modules/.package-lock.json', '{"packages":{"node_mod');
  expect(script.run([], npm).stdout).toMatch(/^The dependencies are not installed yet/);
});

test('shows what npm says and what to do when npm fails', () => {
  const { status, stderr } = script.run([], { ...npm, NPM_FAILS: 'ci,install' });
  expect(status).toBe(1);
  expect(stderr.split('\n')).toEqual([
    'npm ci said this',
    '',
    'The dependencies could not be installed: see what npm says above.',
    'What to do: check the connection to the npm registry (npm ping), then run npm ci, or npm install, yourself.',
    '',
  ]);
});

test('says what to do when Node is too old', () => {
  script.put('old-node.cjs', 'Object.defineProperty(process.versions, "node", { value: "18.20.1" });');
  const { status, stdout, stderr } = script.run([], {
    ...npm,
    NODE_OPTIONS: `--require ${script.path('old-node.cjs')}`,
  });
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
  expect(stderr).toMatch(/^This project needs Node\.js 20 or newer, and this is 18\.20\.1\.\nInstall a newer one /);
});
