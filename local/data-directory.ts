/**
 * The directory a local stack keeps its data in, and the lock that keeps a second stack out.
 *
 * Rules of this file:
 * - The lock names its owner: process id and, where the system tells it (Linux), when that process started. Ids are used
 *   again, in containers almost at once; the two together are not.
 * - A lock whose owner is gone is stale and taken over, with a line in the log.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { LogSink } from './log.ts';

export interface DataDirectory {
  /** LevelDB's own directory. */
  readonly database: string;
  readonly queuesJournal: string;
  readonly connectionsJournal: string;
  /** For the Lambdas' bundles: means nothing from one run to the next, and a crash leaves it behind. */
  readonly bundles: string;
  release(): void;
}

/** Somebody else uses the directory. The message says who, and what to do. */
export class DataDirectoryTakenError extends Error {
  override readonly name = 'DataDirectoryTakenError';
}

interface Owner {
  readonly pid: number;
  readonly started: string | null;
}

/** Locks of this very process: its id alone cannot tell them from one left behind by a process that had the same. */
const ownLocks = new Set<string>();

/** Makes the directory where it is missing, and locks it. @throws DataDirectoryTakenError */
export const openDataDirectory = (directory: string, log: LogSink): DataDirectory => {
  const root = resolve(directory);
  mkdirSync(root, { recursive: true });
  const lock = join(root, 'lock');

  if (!tryLock(lock)) {
    const owner = readOwner(lock);
    if (owner !== undefined && isAlive(owner, lock)) {
      throw new DataDirectoryTakenError(
        `${root} is in use by another local stack (process ${owner.pid}): stop it, or choose another directory`,
      );
    }
    log(`${lock} was left behind by a stack that died: taken over`, 'local');
    rmSync(lock, { force: true });
    if (!tryLock(lock)) throw new DataDirectoryTakenError(`${root} was taken by another local stack just now`);
  }
  ownLocks.add(lock);
  let released = false;

  return {
    database: join(root, 'dynamodb'),
    queuesJournal: join(root, 'sqs.jsonl'),
    connectionsJournal: join(root, 'connections.jsonl'),
    bundles: join(root, 'bundles'),
    release: () => {
      if (released) return;
      released = true;
      ownLocks.delete(lock);
      rmSync(lock, { force: true });
    },
  };
};

const tryLock = (lock: string): boolean => {
  const owner: Owner = { pid: process.pid, started: startOf(process.pid) };
  try {
    writeFileSync(lock, `${JSON.stringify(owner)}\n`, { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
};

/** Undefined where the lock is unreadable: its owner died while writing it. */
const readOwner = (lock: string): Owner | undefined => {
  try {
    const owner = JSON.parse(readFileSync(lock, 'utf8')) as Partial<Owner>;
    return typeof owner.pid === 'number' ? { pid: owner.pid, started: owner.started ?? null } : undefined;
  } catch {
    return undefined;
  }
};

const isAlive = (owner: Owner, lock: string): boolean => {
  if (owner.pid === process.pid) return ownLocks.has(lock);
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    // EPERM: it lives, and belongs to somebody else.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  return owner.started === null || owner.started === startOf(owner.pid);
};

/** When a process started, in the kernel's ticks since boot; null where the system does not tell. */
const startOf = (pid: number): string | null => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the command in parentheses, and may hold anything; what is wanted is the 22nd field.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
};
