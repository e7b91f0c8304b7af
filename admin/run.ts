/**
 * How each command runs: what it is given, and what becomes of its failures.
 *
 * Rules of this file: what the user can mend is one line and exit code 1 (2 for the command line itself), without a stack trace.
 */
import { UsageError } from '../client/bridge/usage-error.ts';
import { type IdentityPlace, type OpenIdentity, openIdentity } from '../src/aws/identity-place.ts';
import { scryptPasswords } from '../src/aws/passwords.ts';
import type { Page, Passwords } from '../src/broker/ports.ts';
import { CommandError } from './command-error.ts';
import { explain } from './explain.ts';
import { startProgress } from './progress.ts';
import { createTerminal, type Terminal } from './terminal.ts';

/** What a command finds around it. */
export interface World {
  readonly terminal: Terminal;
  readonly passwords: Passwords;
  open(place: IdentityPlace): Promise<OpenIdentity>;
}

export const realWorld = (): World => ({
  terminal: createTerminal({ input: process.stdin, output: process.stdout, error: process.stderr }),
  passwords: scryptPasswords,
  open: openIdentity,
});

/** @returns the exit code: that of `work`, or 1 or 2 */
export const conclude = async (help: string, { say }: Terminal, work: () => Promise<number>): Promise<number> => {
  try {
    return await work();
  } catch (error) {
    if (error instanceof UsageError) {
      say(`${error.message}\nTry ${help}.`);
      return 2;
    }
    if (error instanceof CommandError) say(error.message);
    else say(error instanceof Error ? (error.stack ?? error.message) : String(error));
    return 1;
  }
};

/** A place while a command uses it. */
export interface Opened extends Omit<OpenIdentity, 'close'> {
  /** What is being done now; undefined: it waits for the user. */
  step(text: string | undefined): void;
}

/** @throws CommandError for what the user can mend */
export const withIdentity = async <T>(
  { terminal, open }: World,
  place: IdentityPlace,
  use: (opened: Opened) => Promise<T>,
): Promise<T> => {
  const progress = startProgress(terminal.say);
  try {
    progress.step('Looking for the identity table');
    const opened = await open(place);
    try {
      progress.step('Waiting for the identity table');
      return await use({ ...opened, step: progress.step });
    } finally {
      opened.close();
    }
  } catch (error) {
    const explanation = explain(error, place);
    throw explanation === undefined ? error : new CommandError(explanation);
  } finally {
    progress.end();
  }
};

/** All that a list of several pages has, by name. */
export const everything = async <T>(
  what: string,
  page: (after: string | undefined) => Promise<Page<readonly [string, T]>>,
  step: Opened['step'],
): Promise<readonly (readonly [name: string, entry: T])[]> => {
  const entries: (readonly [string, T])[] = [];
  let after: string | undefined;
  do {
    step(`Reading the ${what}: ${entries.length} so far`);
    const { found, next } = await page(after);
    entries.push(...found);
    after = next;
  } while (after !== undefined);
  return entries.sort(([a], [b]) => (a < b ? -1 : 1));
};
