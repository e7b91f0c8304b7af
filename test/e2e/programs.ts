/** Programs that are not of this project: a client of somebody else's, in a process of its own. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';

export interface Program {
  readonly child: ChildProcess;
  /** Resolves with the exit code; rejects where the program cannot be run. */
  readonly exit: Promise<number | null>;
  /** What it has printed on standard output. */
  output(): string;
  /** What it has printed on standard error. */
  errors(): string;
  /** Resolves when it has printed this. */
  until(text: string): Promise<void>;
  /** Resolves when it has printed so many lines. */
  lines(count: number): Promise<readonly string[]>;
}

/** That of CI is one with packages of its own. */
export const python = process.env.PYTHON ?? 'python3';

/** Whether a program is there, and does this without an error. */
export const isThere = (program: string, ...args: string[]): boolean => {
  const { error, status } = spawnSync(program, args, { stdio: 'ignore' });
  return error === undefined && status === 0;
};

export function runProgram(program: string, args: readonly string[], input?: string): Program {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  let output = '';
  let errors = '';
  const waiting = new Set<() => void>();
  child.stdout.on('data', (chunk: Buffer) => {
    output += String(chunk);
    for (const look of [...waiting]) look();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    errors += String(chunk);
  });
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const exit = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  exit.catch(() => {});

  const untilTrue = (isTrue: () => boolean, what: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (!isTrue()) return;
        waiting.delete(look);
        resolve();
      };
      waiting.add(look);
      look();
      const fail = (): void => reject(new Error(`${program} ended without ${what}:\n${output}${errors}`));
      exit.then(fail, fail);
    });
  const lines = (): string[] => output.split('\n').slice(0, -1);

  return {
    child,
    exit,
    output: () => output,
    errors: () => errors,
    until: (text) => untilTrue(() => output.includes(text), `printing ${text}`),
    async lines(count) {
      await untilTrue(() => lines().length >= count, `printing ${count} lines`);
      return lines();
    },
  };
}
