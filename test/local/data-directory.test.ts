/** The lock of a data directory. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DataDirectoryTakenError, openDataDirectory } from '../../local/data-directory.ts';
import { silentLog } from '../../local/log.ts';
import { collectLines } from './fixtures/lines.ts';
import { temporaryDirectory } from './fixtures/temporary-directory.ts';

let directory: ReturnType<typeof temporaryDirectory>;
let lock: string;
beforeEach(() => {
  directory = temporaryDirectory();
  lock = join(directory.path, 'lock');
});
afterEach(() => directory.remove());

test('the directory is made where it is missing', () => {
  const path = join(directory.path, 'a', 'b');
  openDataDirectory(path, silentLog).release();
  expect(existsSync(path)).toBe(true);
});

test('keeps out a second stack of the same process, until it is given back', () => {
  const first = openDataDirectory(directory.path, silentLog);
  expect(() => openDataDirectory(directory.path, silentLog)).toThrow(DataDirectoryTakenError);
  expect(() => openDataDirectory(directory.path, silentLog)).toThrow(`process ${process.pid}`);
  first.release();
  expect(existsSync(lock)).toBe(false);
  openDataDirectory(directory.path, silentLog).release();
});

test('keeps out a second stack where another process lives', () => {
  writeFileSync(lock, JSON.stringify({ pid: process.ppid, started: null }));
  expect(() => openDataDirectory(directory.path, silentLog)).toThrow(`process ${process.ppid}`);
});

test.each([
  ['of a process that is gone', { pid: 2 ** 22 + 1, started: null }],
  ['of an earlier process that had this one’s id', { pid: process.pid, started: '1' }],
  ['that was torn', undefined],
])('a stale lock is taken over: %s', (_what, owner) => {
  writeFileSync(lock, owner === undefined ? '{"pi' : JSON.stringify(owner));
  const lines = collectLines();
  openDataDirectory(directory.path, lines.sink).release();
  expect(lines.all).toEqual([{ text: expect.stringContaining('taken over'), from: 'local' }]);
});

const tellsStarts = existsSync('/proc/self/stat') ? test : test.skip;

tellsStarts('a stale lock is taken over: of an earlier process that had the id of one that lives', () => {
  writeFileSync(lock, JSON.stringify({ pid: process.ppid, started: '1' }));
  openDataDirectory(directory.path, silentLog).release();
});

test('giving back twice does not free the lock of the next', () => {
  const first = openDataDirectory(directory.path, silentLog);
  first.release();
  openDataDirectory(directory.path, silentLog);
  first.release();
  expect(existsSync(lock)).toBe(true);
});
