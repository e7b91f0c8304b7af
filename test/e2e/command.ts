/** A command of this project in a process of its own, and what it prints. */
import { spawn } from 'node:child_process';

export const command = 'bin/serverless-mqtt.mjs';

/** @param env instead of that of this process */
export const run = (args: readonly string[], env = process.env) => {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
  let output = '';
  const waiting: { pattern: RegExp; resolve: (match: RegExpExecArray) => void }[] = [];
  const take = (chunk: Buffer) => {
    output += String(chunk);
    for (const { pattern, resolve } of waiting) {
      const match = pattern.exec(output);
      if (match) resolve(match);
    }
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  const exit = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)));
  return {
    child,
    exit,
    output: () => output,
    until: (pattern: RegExp) =>
      new Promise<RegExpExecArray>((resolve, reject) => {
        const match = pattern.exec(output);
        if (match) resolve(match);
        else waiting.push({ pattern, resolve });
        void exit.then(() => reject(new Error(`it ended without printing ${pattern}:\n${output}`)));
      }),
  };
};
