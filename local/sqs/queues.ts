/**
 * All queues of the account: made, found, deleted, waited for, and remembered in the journal.
 *
 * Rules of this file:
 * - The name of a deleted queue is blocked for 60 s. Assumption: the queue is gone at once, not within 60 s. Making a queue again with the same attributes is no error.
 * - Waiting costs nothing: who waits sleeps until a message comes, becomes visible, or a group is unblocked.
 * - The journal is written before anything is answered, and made anew when it has grown to twice its size.
 */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../clock.ts';
import type { FaultSource } from '../faults.ts';
import { forgetfulJournal, openJournal } from '../journal.ts';
import type { LogSink } from '../log.ts';
import { SqsError } from './errors.ts';
import { createQueue, type Queue } from './queue.ts';
import { differingAttribute, type RawAttributes, readAttributes } from './queue-attributes.ts';
import type { QueueChange, ReceivedMessage } from './queue-changes.ts';

export const ACCOUNT = '000000000000';
const NAME_BLOCKED_MS = 60_000;
const SMALLEST_JOURNAL_TO_COMPACT = 64 * 1024 * 1024;

export interface QueueEntry {
  readonly name: string;
  readonly uid: string;
  readonly raw: RawAttributes;
  readonly createdAt: number;
  /** From when on others than CreateQueue find it. */
  readonly usableAt: number;
  readonly queue: Queue;
  purgedAt?: number;
}

export interface ReceiveRequest {
  readonly most: number;
  /** Seconds. */
  readonly visibilityTimeout?: number | undefined;
  /** How long to wait for a first message. May be infinite. */
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

export interface Queues {
  /** @throws SqsError */
  create(name: string, raw: RawAttributes): QueueEntry;
  /** Makes the queue, or gives the one there is these attributes: what CloudFormation does. @throws SqsError */
  provide(name: string, raw: RawAttributes): void;
  /** @throws SqsError QueueDoesNotExist */
  find(name: string): QueueEntry;
  drop(name: string): void;
  names(): readonly string[];
  /** @throws SqsError */
  receive(name: string, request: ReceiveRequest): Promise<readonly ReceivedMessage[]>;
  close(): void;
}

export interface QueuesOptions {
  readonly clock: Clock;
  readonly log: LogSink;
  readonly faults: FaultSource;
  /** Where to remember everything; nothing is remembered without it. */
  readonly journalFile?: string | undefined;
}

type JournalEntry =
  | {
      readonly kind: 'created';
      readonly uid: string;
      readonly name: string;
      readonly raw: RawAttributes;
      readonly at: number;
    }
  | { readonly kind: 'configured'; readonly name: string; readonly raw: RawAttributes }
  | { readonly kind: 'dropped'; readonly name: string; readonly at: number }
  | { readonly kind: 'changed'; readonly uid: string; readonly change: QueueChange };

export const queueArn = (name: string): string => `arn:aws:sqs:us-east-1:${ACCOUNT}:${name}`;

export const openQueues = ({ clock, log, faults, journalFile }: QueuesOptions): Queues => {
  const entries = new Map<string, QueueEntry>();
  const byUid = new Map<string, QueueEntry>();
  const droppedAt = new Map<string, number>();
  /** Who waits, by name of the queue. */
  const waiting = new Map<string, Set<() => void>>();
  let closed = false;

  const opened =
    journalFile === undefined
      ? { entries: [], journal: forgetfulJournal<JournalEntry>() }
      : openJournal<JournalEntry>(journalFile, log);
  const { journal } = opened;
  let compactAt = SMALLEST_JOURNAL_TO_COMPACT;

  const wake = (name: string): void => {
    for (const resolve of [...(waiting.get(name) ?? [])]) resolve();
  };

  const add = (uid: string, name: string, raw: RawAttributes, createdAt: number, usableAt: number): QueueEntry => {
    const queue = createQueue({
      uid,
      attributes: readAttributes(name, raw),
      random: faults.random,
      record: (change) => {
        journal.append({ kind: 'changed', uid, change });
        // A receive makes nothing available to others.
        if (change.kind !== 'received' && change.kind !== 'remembered') wake(name);
      },
      deadLetter: (targetArn, message, now) => {
        const target = entries.get(targetArn.slice(targetArn.lastIndexOf(':') + 1));
        target?.queue.adopt(message, queueArn(name), now);
        return target !== undefined;
      },
    });
    const entry: QueueEntry = { name, uid, raw, createdAt, usableAt, queue };
    entries.set(name, entry);
    byUid.set(uid, entry);
    return entry;
  };

  const configure = (name: string, raw: RawAttributes): void => {
    const old = entries.get(name);
    if (old === undefined) return;
    const changes = [...old.queue.snapshot(clock.now())];
    const { queue } = add(old.uid, name, raw, old.createdAt, old.usableAt);
    for (const change of changes) queue.apply(change);
  };

  const remove = (name: string, at: number): void => {
    const entry = entries.get(name);
    if (entry !== undefined) byUid.delete(entry.uid);
    entries.delete(name);
    droppedAt.set(name, at);
    wake(name);
  };

  const forgetDropped = (now: number): void => {
    for (const [name, at] of droppedAt) if (at + NAME_BLOCKED_MS <= now) droppedAt.delete(name);
  };

  const snapshot = function* (now: number): Iterable<JournalEntry> {
    forgetDropped(now);
    for (const [name, at] of droppedAt) yield { kind: 'dropped', name, at };
    for (const { uid, name, raw, createdAt, queue } of entries.values()) {
      yield { kind: 'created', uid, name, raw, at: createdAt };
      for (const change of queue.snapshot(now)) yield { kind: 'changed', uid, change };
    }
  };

  const compact = (): void => {
    // Collected first: making the snapshot expires messages, which appends to the journal being replaced.
    journal.rewrite([...snapshot(clock.now())]);
    compactAt = Math.max(SMALLEST_JOURNAL_TO_COMPACT, 2 * journal.size());
  };

  for (const entry of opened.entries) {
    if (entry.kind === 'created') add(entry.uid, entry.name, entry.raw, entry.at, entry.at);
    else if (entry.kind === 'configured') configure(entry.name, entry.raw);
    else if (entry.kind === 'dropped') remove(entry.name, entry.at);
    else byUid.get(entry.uid)?.queue.apply(entry.change);
  }
  if (opened.entries.length > 0) compact();

  const find = (name: string): QueueEntry => {
    const entry = entries.get(name);
    if (entry === undefined || entry.usableAt > clock.now()) {
      throw new SqsError('QueueDoesNotExist', 'The specified queue does not exist.');
    }
    return entry;
  };

  /** Resolves when something happened in the queue, at the latest after `milliseconds`. */
  const change = (name: string, milliseconds: number, signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      const waiters = waiting.get(name) ?? new Set();
      waiting.set(name, waiters);
      const finish = (): void => {
        cancel();
        signal.removeEventListener('abort', finish);
        waiters.delete(finish);
        if (waiters.size === 0 && waiting.get(name) === waiters) waiting.delete(name);
        resolve();
      };
      const cancel = Number.isFinite(milliseconds) ? clock.after(milliseconds, finish) : () => {};
      waiters.add(finish);
      signal.addEventListener('abort', finish);
    });

  const create = (name: string, raw: RawAttributes): QueueEntry => {
    const now = clock.now();
    const existing = entries.get(name);
    if (existing !== undefined) {
      readAttributes(name, raw);
      const differing = differingAttribute(existing.raw, raw, existing.queue.attributes.fifo);
      if (differing === undefined) return existing;
      throw new SqsError(
        'QueueNameExists',
        `A queue already exists with the same name and a different value for attribute ${differing}`,
      );
    }
    forgetDropped(now);
    if (droppedAt.has(name)) {
      throw new SqsError(
        'QueueDeletedRecently',
        'You must wait 60 seconds after deleting a queue before you can create another with the same name.',
      );
    }
    readAttributes(name, raw);
    const uid = randomUUID();
    journal.append({ kind: 'created', uid, name, raw, at: now });
    const { newQueueDelayMs } = faults.live.sqs;
    if (newQueueDelayMs > 0) faults.strike('sqs.newQueueDelayMs');
    return add(uid, name, raw, now, now + newQueueDelayMs);
  };

  return {
    create,

    provide: (name, raw) => {
      const existing = entries.get(name);
      if (existing === undefined) return void create(name, raw);
      readAttributes(name, raw);
      if (differingAttribute(existing.raw, raw, existing.queue.attributes.fifo) === undefined) return;
      journal.append({ kind: 'configured', name, raw });
      configure(name, raw);
    },

    find,

    drop: (name) => {
      find(name);
      const at = clock.now();
      journal.append({ kind: 'dropped', name, at });
      remove(name, at);
    },

    names: () => [...entries.keys()].sort(),

    receive: async (name, { most, visibilityTimeout, waitMs, signal }) => {
      const deadline = clock.now() + waitMs;
      for (;;) {
        // Before taking anything: what a caller that is gone receives would stay hidden for nothing.
        if (signal.aborted || closed) return [];
        const { queue } = find(name);
        const now = clock.now();
        const received = queue.receive({
          now,
          most,
          visibilityTimeout,
          doubles: () => faults.strikes('sqs.double', faults.live.sqs.double),
        });
        if (journal.size() > compactAt) compact();
        if (received.length > 0 || now >= deadline) return received;
        const next = queue.nextVisibleAt(now) ?? Number.POSITIVE_INFINITY;
        await change(name, Math.min(deadline, next) - now, signal);
      }
    },

    close: () => {
      closed = true;
      for (const name of [...waiting.keys()]) wake(name);
      journal.close();
    },
  };
};
