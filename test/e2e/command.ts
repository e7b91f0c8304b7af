/** A command of this project in a process of its own, and what it prints. */
import { spawn } from 'node:child_process';

export const command = 'bin/serverless-mqtt.mjs';

export interface RunOptions {
  /** Standard input, which is empty without it. */
  readonly input?: string;
  /** Besides that of this process; undefined takes a variable away. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

export const run = (args: readonly string[], { input = '', environment }: RunOptions = {}) => {
  const child = spawn(process.execPath, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  });
  child.stdin.on('error', () => {}); // it has ended without reading
  child.stdin.end(input);
  let output = '';
  let printed = '';
  const waiting: { pattern: RegExp; resolve: (match: RegExpExecArray) => void }[] = [];
  const take = (chunk: Buffer) => {
    output += String(chunk);
    for (const { pattern, resolve } of waiting) {
      const match = pattern.exec(output);
      if (match) resolve(match);
    }
  };
  child.stdout.on('data', (chunk: Buffer) => {
    printed += String(chunk);
    take(chunk);
  });
  child.stderr.on('data', take);
  const exit = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)));
  return {
    child,
    exit,
    /** Of both streams. */
    output: () => output,
    /** Standard output alone. */
    printed: () => printed,
    until: (pattern: RegExp) =>
      new Promise<RegExpExecArray>((resolve, reject) => {
        const match = pattern.exec(output);
        if (match) resolve(match);
        else waiting.push({ pattern, resolve });
        void exit.then(() => reject(new Error(`it ended without printing ${pattern}:\n${output}`)));
      }),
  };
};
