/**
 * Runs before `npm start`, `npm test` and `npm run demo`, so that each of them works on a fresh clone: installs the
 * dependencies when there are none, or others than the lock file says.
 *
 * Rules of this file: no dependencies, and silence when there is nothing to do.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const OLDEST_NODE = 20;

const fail = (...lines) => {
  console.error(lines.join('\n'));
  process.exit(1);
};

/** Packages by path, as a lock file lists them; none when it is missing or broken. */
const packagesIn = (file) => {
  try {
    return JSON.parse(readFileSync(join(root, file), 'utf8')).packages ?? {};
  } catch {
    return {};
  }
};

/**
 * npm writes `node_modules/.package-lock.json` as the last step of an install. A package that is optional may be missing
 * there: it is one for another platform.
 */
const whatIsMissing = () => {
  const installed = packagesIn('node_modules/.package-lock.json');
  if (Object.keys(installed).length === 0) return 'are not installed yet';
  const { '': _project, ...locked } = packagesIn('package-lock.json');
  const fits = Object.entries(locked).every(([path, wanted]) => {
    const found = installed[path];
    if (found === undefined) return wanted.optional === true || wanted.devOptional === true;
    return found.version === wanted.version && found.integrity === wanted.integrity;
  });
  return fits ? undefined : 'are not those of package-lock.json';
};

/** npm itself when npm runs us; else the npm on the PATH, which on Windows is a script that only a shell can start. */
const npm = (...args) => {
  const own = process.env.npm_execpath;
  const options = { cwd: root, encoding: 'utf8' };
  const all = [...args, '--no-audit', '--no-fund', '--loglevel=error'];
  const { status, signal, error, stdout, stderr } = own?.endsWith('npm-cli.js')
    ? spawnSync(process.execPath, [own, ...all], options)
    : spawnSync('npm', all, { ...options, shell: process.platform === 'win32' });
  return { ok: status === 0, output: `${stdout ?? ''}${stderr ?? ''}${error?.message ?? signal ?? ''}`.trim() };
};

/**
 * `npm ci` refuses a lock file that lacks packages of other platforms, which npm writes where its registry lacks them.
 * `npm install --no-save` then takes from the lock file what is there.
 */
const install = () => {
  const strict = npm('ci');
  return strict.ok || npm('install', '--no-save').ok ? { ok: true } : strict;
};

const nodeMajor = Number(process.versions.node.split('.')[0]);
if (nodeMajor < OLDEST_NODE) {
  fail(
    `This project needs Node.js ${OLDEST_NODE} or newer, and this is ${process.versions.node}.`,
    'Install a newer one from https://nodejs.org and try again.',
  );
}

const reason = whatIsMissing();
if (reason !== undefined) {
  console.log(`The dependencies ${reason}: installing them, which takes a minute or so ...`);
  const started = Date.now();
  const { ok, output } = install();
  if (!ok) {
    fail(
      output,
      '',
      'The dependencies could not be installed: see what npm says above.',
      'What to do: check the connection to the npm registry (npm ping), then run npm ci, or npm install, yourself.',
    );
  }
  console.log(`Installed in ${Math.round((Date.now() - started) / 1000)} s.`);
}
