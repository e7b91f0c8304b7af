/**
 * Bundles the Lambdas as they are bundled for AWS: one ES module each, the AWS SDK inside.
 *
 * Rules of this file: not minified, and with source maps, so that stack traces name the source. Everything goes into one
 * temporary directory, which the caller removes.
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';

/** CommonJS dependencies call `require`, which an ES module does not have. */
const requireForCommonJs =
  'import{createRequire as __createRequire}from"node:module";const require=__createRequire(import.meta.url);';

/** A Lambda's source is missing or does not compile. The message says which, and where. */
export class BundleError extends Error {
  override readonly name = 'BundleError';
}

export interface Bundles {
  /** The program that a worker thread runs. */
  readonly worker: string;
  /** By function name. */
  readonly functions: Readonly<Record<string, string>>;
}

/**
 * @param root of the repository
 * @param entries by function name, relative to `root` or absolute
 * @throws BundleError
 */
export const bundleFunctions = async (
  root: string,
  entries: Readonly<Record<string, string>>,
  outdir: string,
): Promise<Bundles> => {
  const sources = Object.fromEntries(Object.entries(entries).map(([name, entry]) => [name, resolve(root, entry)]));
  for (const [name, source] of Object.entries(sources)) {
    if (!existsSync(source)) throw new BundleError(`the Lambda ${name} has no source: ${source} does not exist`);
  }
  const worker = 'worker';
  const { metafile } = await build({
    entryPoints: {
      ...Object.fromEntries(Object.entries(sources).map(([name, source]) => [`function-${name}`, source])),
      [worker]: join(root, 'local/lambda/worker.ts'),
    },
    absWorkingDir: root,
    outdir,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    mainFields: ['module', 'main'],
    keepNames: true,
    sourcemap: true,
    outExtension: { '.js': '.mjs' },
    banner: { js: requireForCommonJs },
    logLevel: 'silent',
    metafile: true,
  }).catch((error: Error) => {
    throw new BundleError(error.message);
  });
  for (const { entryPoint = '', exports } of Object.values(metafile.outputs)) {
    const source = resolve(root, entryPoint);
    const isFunction = Object.values(sources).includes(source);
    // A CommonJS module has one export, whatever it exports.
    if (isFunction && !exports.includes('handler') && !exports.includes('default'))
      throw new BundleError(`${source} exports no function named handler`);
  }
  return {
    worker: join(outdir, `${worker}.mjs`),
    functions: Object.fromEntries(Object.keys(sources).map((name) => [name, join(outdir, `function-${name}.mjs`)])),
  };
};
