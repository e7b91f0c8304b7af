/**
 * Ctrl-C, and its like from other programs: the first one asks to stop, a second one ends the process at once.
 *
 * Rules of this file: npm passes on the Ctrl-C that the terminal has sent to everybody already, so two within half a
 * second are one.
 */
import type { EventEmitter } from 'node:events';

const SAME_SIGNAL_MS = 500;
const signals = ['SIGINT', 'SIGTERM'] as const;
const EXIT_CODE_OF_SIGINT = 130;

export interface StopSignal {
  /** Resolves at the first signal. */
  readonly given: Promise<void>;
  /** Hears no more signals. */
  ignore(): void;
}

export const listenForStop = (
  source: EventEmitter = process,
  exit: (code: number) => void = process.exit,
  now: () => number = Date.now,
): StopSignal => {
  let first: number | undefined;
  let give: () => void = () => {};
  const given = new Promise<void>((resolve) => {
    give = resolve;
  });
  const hear = (): void => {
    if (first === undefined) {
      first = now();
      give();
    } else if (now() - first > SAME_SIGNAL_MS) exit(EXIT_CODE_OF_SIGINT);
  };
  for (const signal of signals) source.on(signal, hear);
  return {
    given,
    ignore: () => {
      for (const signal of signals) source.off(signal, hear);
    },
  };
};
