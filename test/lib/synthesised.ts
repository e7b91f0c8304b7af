/** Runs the CDK app in this process and hands back what it wrote. For tests. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runApp } from '../../lib/app.ts';

export interface Resource {
  readonly Type: string;
  // biome-ignore lint/suspicious/noExplicitAny: a template is any JSON; the tests say what they expect of it
  readonly Properties: Readonly<Record<string, any>>;
  readonly DeletionPolicy?: string;
  readonly UpdateReplacePolicy?: string;
}

export interface Template {
  readonly Resources: Readonly<Record<string, Resource>>;
  readonly Outputs: Readonly<Record<string, { readonly Value: unknown }>>;
}

export interface Synthesised {
  readonly exitCode: number;
  readonly said: readonly string[];
  /** @throws Error when nothing was synthesised */
  readonly template: Template;
}

/** CDK notes where each construct was made, which under jest, with its source maps, takes longer than all the rest. */
export const withoutTraces = { 'aws:cdk:disable-stack-trace': true };

/** Without bundling, which takes seconds: the code of each Lambda is then a placeholder. */
export const synthesised = (context: Readonly<Record<string, unknown>> = {}): Synthesised => {
  const outdir = mkdtempSync(join(tmpdir(), 'serverless-mqtt-synth-'));
  try {
    const said: string[] = [];
    const exitCode = runApp({
      root: process.cwd(),
      outdir,
      context: { ...withoutTraces, 'aws:cdk:bundling-stacks': [], authentication: 'none', ...context },
      say: (line) => said.push(line),
    });
    const file = join(outdir, `${context.stackName ?? 'serverless-mqtt'}.template.json`);
    const json = exitCode === 0 ? readFileSync(file, 'utf8') : undefined;
    return {
      exitCode,
      said,
      get template(): Template {
        if (json === undefined) throw new Error(`nothing was synthesised: ${said.join('; ')}`);
        return JSON.parse(json);
      },
    };
  } finally {
    rmSync(outdir, { recursive: true, force: true });
  }
};

/** Its resources of one type, by logical id. */
export const ofType = (template: Template, type: string): ReadonlyMap<string, Resource> =>
  new Map(Object.entries(template.Resources).filter(([, resource]) => resource.Type === type));

/** The one with this logical id, the hash at its end left out. */
export const named = (resources: ReadonlyMap<string, Resource>, name: string): [logicalId: string, Resource] => {
  const found = [...resources].find(([id]) => id.slice(0, -8) === name);
  if (found === undefined) throw new Error(`there is no ${name} among ${[...resources.keys()].join(', ')}`);
  return found;
};
