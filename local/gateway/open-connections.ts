/**
 * Which connections are open, remembered across a crash: AWS would still say `$disconnect` for them.
 *
 * Rules of this file: a connection is entered when its `$connect` has succeeded, and struck out when its `$disconnect` was
 * delivered or dropped.
 */
import { forgetfulJournal, openJournal } from '../journal.ts';
import type { LogSink } from '../log.ts';
import type { ConnectionFacts } from './events.ts';

type Entry = { readonly opened: ConnectionFacts } | { readonly ended: string };

export interface OpenConnections {
  /** Those of an earlier run that nobody has been told of. */
  readonly left: readonly ConnectionFacts[];
  opened(facts: ConnectionFacts): void;
  ended(connectionId: string): void;
  close(): void;
}

/** @param file where to remember them; nothing is remembered without it */
export const openOpenConnections = (file: string | undefined, log: LogSink): OpenConnections => {
  const { entries, journal } =
    file === undefined ? { entries: [], journal: forgetfulJournal<Entry>() } : openJournal<Entry>(file, log);
  const left = new Map<string, ConnectionFacts>();
  for (const entry of entries) {
    if ('opened' in entry) left.set(entry.opened.connectionId, entry.opened);
    else left.delete(entry.ended);
  }
  journal.rewrite(Array.from(left.values(), (opened) => ({ opened })));

  return {
    left: [...left.values()],
    opened: (facts) => journal.append({ opened: facts }),
    ended: (connectionId) => journal.append({ ended: connectionId }),
    close: journal.close,
  };
};
