/**
 * A file of JSON lines that says what happened, one line each: what a stand-in remembers across a restart.
 *
 * Rules of this file:
 * - A line is written before the call that caused it is answered, and synchronously: what was answered survives
 *   `kill -9` of this process. (Not a power cut: nothing is flushed to the disk.)
 * - A crash may tear the last line. It was never answered, so it is left out, with a warning.
 * - Any other line that cannot be read is damage, and opening fails.
 */
import { closeSync, existsSync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import type { LogSink } from './log.ts';

export interface Journal<Entry> {
  append(entry: Entry): void;
  /** Replaces everything by `entries`, which must amount to the same. */
  rewrite(entries: Iterable<Entry>): void;
  /** Size of the file in bytes. */
  size(): number;
  close(): void;
}

/** A line that cannot be read, other than the last. The message says where, and what to do. */
export class DamagedJournalError extends Error {
  override readonly name = 'DamagedJournalError';
}

/** What was written before, and the journal to go on with. @throws DamagedJournalError */
export const openJournal = <Entry>(
  file: string,
  log: LogSink,
): { readonly entries: readonly Entry[]; readonly journal: Journal<Entry> } => {
  const entries = existsSync(file) ? readEntries<Entry>(file, log) : [];
  let size = 0;
  let descriptor: number | undefined;

  const rewrite = (rewritten: Iterable<Entry>): void => {
    const text = [...rewritten].map((entry) => `${JSON.stringify(entry)}\n`).join('');
    // Renamed into place, so that a crash leaves the old file or the new one.
    writeFileSync(`${file}.new`, text);
    if (descriptor !== undefined) closeSync(descriptor);
    renameSync(`${file}.new`, file);
    descriptor = openSync(file, 'a');
    size = Buffer.byteLength(text);
  };
  rewrite(entries);

  return {
    entries,
    journal: {
      append: (entry) => {
        if (descriptor === undefined) throw new Error(`the journal ${file} is closed`);
        size += writeSync(descriptor, `${JSON.stringify(entry)}\n`);
      },
      rewrite,
      size: () => size,
      close: () => {
        if (descriptor !== undefined) closeSync(descriptor);
        descriptor = undefined;
      },
    },
  };
};

/** Remembers nothing: for a stack without a data directory. */
export const forgetfulJournal = <Entry>(): Journal<Entry> => ({
  append: () => {},
  rewrite: () => {},
  size: () => 0,
  close: () => {},
});

const readEntries = <Entry>(file: string, log: LogSink): Entry[] => {
  const lines = readFileSync(file, 'utf8').split('\n');
  const torn = lines.pop() ?? '';
  if (torn !== '') log(`${file}: the last line is torn, and left out: a crash cut it off`, 'local');
  return lines.map((line, index) => {
    try {
      return JSON.parse(line) as Entry;
    } catch {
      throw new DamagedJournalError(
        `${file}: line ${index + 1} is damaged: move the data directory away to start afresh`,
      );
    }
  });
};
