/**
 * `npm run model`: explores the delivery protocol exhaustively within its bounds, or spoilt by a mutant, and prints how a
 * promise was broken, if one was (docs/model.md).
 */
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { type Bound, boundOf, bounds } from '../test/model/bounds.ts';
import { described } from '../test/model/described.ts';
import type { Result } from '../test/model/explore.ts';
import { type Mutant, mutantOf, mutants } from '../test/model/mutants.ts';

const MOST_STATES = 8_000_000;

const usage = `Usage: npm run model -- [--bound NAME] [--most N]
       npm run model -- --mutant NAME [--bound NAME] [--most N]
       npm run model -- --mutants [--most N]
       npm run model -- --list

  --bound NAME   only this bound; without it all that can be explored completely, the small ones first
  --mutant NAME  spoil the protocol, within the mutant's own bound or the given one, and print the counterexample
  --mutants      every mutant within its own bound
  --most N       give up beyond so many states (${MOST_STATES})
  --list         the bounds and the mutants

Exits with 1 if a promise was broken, a mutant was not caught or a bound was not explored completely; with 2 if it was
called wrongly.`;

const EXPLORE = fileURLToPath(new URL('../test/model/explore.ts', import.meta.url));
const BUNDLE = fileURLToPath(new URL('../node_modules/.cache/serverless-mqtt/model.mjs', import.meta.url));

type Explore = typeof import('../test/model/explore.ts').explore;

/** Bundled, because that runs twice as fast as what tsx makes of it. */
const fastExplore = async (): Promise<Explore> => {
  await build({ entryPoints: [EXPLORE], bundle: true, platform: 'node', format: 'esm', outfile: BUNDLE });
  return ((await import(pathToFileURL(BUNDLE).href)) as { explore: Explore }).explore;
};

const progress = (states: number, waiting: number, depth: number): void =>
  console.log(`    ${states} states, ${waiting} of them waiting, ${depth} steps deep`);

const saidOf = ({ states, edges, depth, seconds, complete, broken }: Result): string => {
  const outcome = broken ?? (complete ? 'holds' : 'NOT EXPLORED COMPLETELY, as far as seen it holds');
  return `${states} states, ${edges} steps, ${depth} deep, ${seconds.toFixed(1)} s: ${outcome}`;
};

const printTrace = ({ trace, last }: Result): void => {
  for (const [index, line] of (trace ?? []).entries()) console.log(`  ${index + 1}. ${line}`);
  if (last) for (const line of described(last)) console.log(`  = ${line}`);
};

const runBounds = (explore: Explore, chosen: readonly Bound[], most: number): boolean => {
  let holds = true;
  for (const bound of chosen) {
    console.log(`${bound.name}: ${bound.about}`);
    const result = explore({ bound, mutant: undefined }, { most, progress });
    console.log(`  ${saidOf(result)}`);
    printTrace(result);
    holds &&= result.complete && result.broken === undefined;
  }
  return holds;
};

const runMutants = (explore: Explore, most: number): boolean => {
  let survivors = 0;
  for (const mutant of mutants) {
    const result = explore({ bound: boundOf(mutant.bound), mutant }, { most, progress });
    if (result.broken === undefined) survivors++;
    console.log(
      `${mutant.name} (${mutant.bound}): ${result.broken === undefined ? 'SURVIVES, ' : ''}${saidOf(result)}`,
    );
  }
  console.log(`${mutants.length} mutants, ${survivors} survive`);
  return survivors === 0;
};

/** True: it was not caught. */
const runMutant = (explore: Explore, mutant: Mutant, bound: Bound, most: number): boolean => {
  console.log(`${mutant.name}, within ${bound.name}: ${bound.about}`);
  const result = explore({ bound, mutant }, { most, progress });
  console.log(`  ${saidOf(result)}`);
  printTrace(result);
  return result.broken === undefined;
};

const printList = (): void => {
  for (const size of ['small', 'full', 'open'] as const) {
    console.log(`Bounds: ${size}`);
    for (const each of bounds) if (each.size === size) console.log(`  ${each.name}: ${each.about}`);
  }
  console.log('Mutants');
  for (const { name, bound, breaks } of mutants) console.log(`  ${name} (${bound}: ${breaks})`);
};

const main = async (): Promise<number> => {
  const { values } = parseArgs({
    options: {
      bound: { type: 'string' },
      mutant: { type: 'string' },
      mutants: { type: 'boolean', default: false },
      most: { type: 'string', default: String(MOST_STATES) },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help || values.list) {
    if (values.list) printList();
    else console.log(usage);
    return 0;
  }
  const most = Number(values.most);
  if (!Number.isInteger(most) || most < 1) throw new Error('--most takes a whole number above 0');
  if (values.mutants && (values.bound !== undefined || values.mutant !== undefined)) {
    throw new Error('--mutants runs each mutant within its own bound: use it without --bound and --mutant');
  }
  const mutant = values.mutant === undefined ? undefined : mutantOf(values.mutant);
  const bound = values.bound === undefined ? undefined : boundOf(values.bound);
  const explore = await fastExplore();
  if (values.mutants) return runMutants(explore, most) ? 0 : 1;
  if (mutant) return runMutant(explore, mutant, bound ?? boundOf(mutant.bound), most) ? 0 : 1;
  return runBounds(explore, bound ? [bound] : bounds.filter(({ size }) => size !== 'open'), most) ? 0 : 1;
};

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`${(error as Error).message}\n\n${usage}`);
  process.exitCode = 2;
}
