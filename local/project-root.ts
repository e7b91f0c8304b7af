/**
 * Where the repository is: the bundler starts from there.
 *
 * Rules of this file: looked for from the program that runs, then from the working directory, upwards. (A module cannot
 * say where it is itself: the tests load this code as CommonJS, everything else as ES modules.)
 */
import { existsSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Tells the repository from everything else. */
const MARK = 'local/lambda/worker.ts';

/** @throws Error where it is nowhere */
export const findProjectRoot = (): string => {
  const program = process.argv[1];
  const starts = [...(program !== undefined && existsSync(program) ? [realpathSync(program)] : []), process.cwd()];
  for (const start of starts) {
    for (let directory = start; ; directory = dirname(directory)) {
      if (existsSync(join(directory, MARK))) return directory;
      if (directory === dirname(directory)) break;
    }
  }
  throw new Error('the source of serverless-mqtt was not found: start it from its own directory');
};
