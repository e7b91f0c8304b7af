/** A script of this project in a folder of its own, where a test decides what is around it. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export interface CopiedScript {
  /** Where a file of this folder is. */
  readonly path: (file: string) => string;
  /** Writes a file; what is no string as JSON. */
  readonly put: (file: string, content: unknown) => void;
  readonly run: (args?: readonly string[], env?: NodeJS.ProcessEnv) => Ended;
  readonly remove: () => void;
}

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export const copiedScript = (script: string): CopiedScript => {
  const folder = mkdtempSync(join(tmpdir(), 'serverless-mqtt-script-'));
  mkdirSync(join(folder, dirname(script)), { recursive: true });
  cpSync(script, join(folder, script));
  return {
    path: (file) => join(folder, file),
    put(file, content) {
      mkdirSync(join(folder, dirname(file)), { recursive: true });
      writeFileSync(join(folder, file), typeof content === 'string' ? content : JSON.stringify(content));
    },
    run(args = [], env = {}) {
      const { status, stdout, stderr } = spawnSync(process.execPath, [join(folder, script), ...args], {
        env: { ...process.env, ...env },
        encoding: 'utf8',
      });
      return { status, stdout: stdout.replaceAll(folder, '.'), stderr: stderr.replaceAll(folder, '.') };
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
};
