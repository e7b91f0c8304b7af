/**
 * `npm run simulate`: runs seeds of the simulation on all cores, replays one with its trace, or looks for the seeds that
 * catch each mutant.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { caught, caughtFile } from '../test/simulation/caught.ts';
import { replayed } from '../test/simulation/choices.ts';
import { faultKinds } from '../test/simulation/faults.ts';
import { directed, type Mutant, mutantOf, otherMutants, UnknownMutant } from '../test/simulation/mutants.ts';
import { run } from '../test/simulation/run.ts';
import { shrink } from '../test/simulation/shrink.ts';
import { emptyReport, type Order, type Report, sum } from '../test/simulation/worker.ts';

const usage = `Usage: npm run simulate -- [--rights] [--seeds N] [--seed FIRST]
       npm run simulate -- [--rights] --seed S --trace | --shrink [--mutant NAME]
       npm run simulate -- --mutants [--seeds N] [--mutant NAME]

  --seeds N      how many seeds to run (1000); for mutants: how many to try at most (20000)
  --seed FIRST   the first of them (1)
  --rights       clients have to say who they are, and what they may receive changes at any time
  --trace        run one seed and print what everyone did, in order
  --shrink       make a failing seed simpler for a minute, then print that
  --mutants      find for every mutant a seed that catches it, and note it in test/simulation/caught.json
  --mutant NAME  only those whose name contains NAME; with --trace or --shrink, the one with exactly this name

Exits with 1 if a promise was broken, or a mutant was not caught; with 2 if it was called wrongly.`;

const SHRINK_TIME = 60_000;
/** Seeds after which every condition has come by, as far as it ever does. */
const COLLECTING = 4_000;
const WORKER = fileURLToPath(new URL('../test/simulation/worker.ts', import.meta.url));
const BUNDLE = fileURLToPath(new URL('../node_modules/.cache/serverless-mqtt/simulation.mjs', import.meta.url));

interface Crew {
  readonly size: number;
  /** Gives the order to a worker that is free, and comes back when it is done. */
  work(order: Order, onReport?: (part: Report) => void): Promise<Report>;
  dismiss(): void;
}

/** One process for each core. Bundled, because that runs twice as fast as what tsx makes of it. */
const hireCrew = async (): Promise<Crew> => {
  await build({
    entryPoints: [WORKER],
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    outfile: BUNDLE,
  });
  const size = availableParallelism();
  const all = Array.from({ length: size }, () => fork(BUNDLE, { execArgv: [] }));
  const free: ChildProcess[] = [...all];
  const waiting: ((worker: ChildProcess) => void)[] = [];
  const release = (worker: ChildProcess): void => {
    const next = waiting.shift();
    if (next) next(worker);
    else free.push(worker);
  };
  return {
    size,
    work: async (order, onReport) => {
      const worker = free.pop() ?? (await new Promise<ChildProcess>((resolve) => waiting.push(resolve)));
      return new Promise<Report>((resolve, reject) => {
        let total = emptyReport;
        const onExit = (code: number | null): void => reject(new Error(`a worker ended with ${code}`));
        const onMessage = (message: unknown): void => {
          const part = message as Report;
          total = sum(total, part);
          onReport?.(part);
          if (!part.last) return;
          worker.off('message', onMessage);
          worker.off('exit', onExit);
          release(worker);
          resolve(total);
        };
        worker.on('message', onMessage);
        worker.on('exit', onExit);
        worker.send(order);
      });
    },
    dismiss: () => {
      for (const worker of all) if (worker.connected) worker.disconnect();
    },
  };
};

const runSeeds = async (crew: Crew, first: number, count: number, rights: boolean): Promise<Report> => {
  const startedAt = Date.now();
  let total = emptyReport;
  let printedAt = startedAt;
  const onReport = (part: Report): void => {
    total = sum(total, part);
    for (const { seed, message } of part.broken) {
      const mode = rights ? '--rights ' : '';
      console.log(`seed ${seed}: ${message}\n  replay: npm run simulate -- ${mode}--seed ${seed} --shrink`);
    }
    if (Date.now() - printedAt < 2_000) return;
    printedAt = Date.now();
    const rate = Math.round(total.seeds / ((printedAt - startedAt) / 1_000));
    console.log(
      `${total.seeds} of ${count} seeds, ${total.steps} steps, ${rate} seeds/s, ${total.broken.length} broken`,
    );
  };
  const shares = Array.from({ length: crew.size }, (_, index) =>
    crew.work({ from: first + index, to: first + count, every: crew.size, rights }, onReport),
  );
  await Promise.all(shares);
  const seconds = Math.round((Date.now() - startedAt) / 1_000);
  console.log(`${total.seeds} seeds, ${total.steps} steps, ${seconds} s, ${total.broken.length} broken`);
  for (const [kind, about] of Object.entries(faultKinds)) console.log(`  ${total.faults[kind] ?? 0} × ${about}`);
  console.log(`  ${total.deadLetters} messages in a dead-letter queue`);
  return total;
};

/** The names of all mutants: one for each condition that comes by, and those that are written down. */
const allMutants = async (crew: Crew): Promise<readonly string[]> => {
  console.log(`looking for conditions in ${COLLECTING} seeds`);
  const shares = [false, true].flatMap((rights) =>
    Array.from({ length: crew.size }, (_, index) =>
      crew.work({ from: 1 + index, to: COLLECTING, every: crew.size, rights, collect: true }),
    ),
  );
  const conditions = new Set((await Promise.all(shares)).flatMap((report) => report.conditions));
  return [...[...conditions].sort().map((each) => `without ${each}`), ...otherMutants.map(({ name }) => name)];
};

const huntMutants = async (crew: Crew, most: number, chosen: string | undefined): Promise<number> => {
  const byHand: readonly string[] = Object.values(directed);
  const all = (await allMutants(crew)).filter((name) => !byHand.includes(name));
  const names = all.filter((name) => chosen === undefined || name.includes(chosen));
  const found = new Map<string, number | null>();
  let survivors = 0;
  let done = 0;
  await Promise.all(
    names.map(async (mutant) => {
      const [first] = (await crew.work({ from: 1, to: most + 1, every: 1, mutant })).broken;
      const isCaught = first !== undefined && first.unspoilt === undefined;
      found.set(mutant, isCaught ? first.seed : null);
      if (!isCaught) survivors++;
      const fate = first ? `seed ${first.seed}: ${first.message.slice(0, 100)}` : 'SURVIVES';
      if (first?.unspoilt !== undefined) console.log(`  BROKEN WITHOUT THE MUTANT TOO: ${first.unspoilt}`);
      console.log(`${++done}/${names.length} ${mutant}: ${fate}`);
    }),
  );
  const seeds = { ...caught, ...Object.fromEntries(found) };
  const noted = Object.fromEntries(all.filter((name) => name in seeds).map((name) => [name, seeds[name]]));
  writeFileSync(caughtFile, `${JSON.stringify(noted, null, 2)}\n`);
  console.log(`${names.length} mutants, ${survivors} survive ${most} seeds each`);
  return survivors;
};

const printTrace = async (
  seed: number,
  rights: boolean,
  mutant: Mutant | undefined,
  shrinking: boolean,
): Promise<number> => {
  const small = shrinking ? await shrink(seed, rights, mutant, SHRINK_TIME) : undefined;
  try {
    await run({
      seed,
      rights,
      trace: (line) => console.log(line),
      trouble: mutant?.trouble,
      ...(mutant && { spoil: mutant.spoil() }),
      ...(small && { draw: replayed(small.draws) }),
    });
    console.log(`seed ${seed} keeps every promise`);
    return 0;
  } catch (error) {
    console.log((error as Error).message);
    if (small) console.log(`made simpler: ${small.before} lines of trace became ${small.after}`);
    return 1;
  }
};

const withCrew = async (task: (crew: Crew) => Promise<boolean>): Promise<number> => {
  const crew = await hireCrew();
  try {
    return (await task(crew)) ? 0 : 1;
  } finally {
    crew.dismiss();
  }
};

/** Called wrongly. */
class Misused extends Error {}

const isMisused = (error: unknown): error is Error =>
  error instanceof Misused ||
  error instanceof UnknownMutant ||
  String((error as { code?: unknown }).code).startsWith('ERR_PARSE_ARGS');

const main = async (): Promise<number> => {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string' },
      seed: { type: 'string', default: '1' },
      trace: { type: 'boolean', default: false },
      shrink: { type: 'boolean', default: false },
      rights: { type: 'boolean', default: false },
      mutants: { type: 'boolean', default: false },
      mutant: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const { mutant } = values;
  const first = Number(values.seed);
  const count = Number(values.seeds ?? (values.mutants ? 20_000 : 1_000));
  if (values.help) {
    console.log(usage);
    return 0;
  }
  if (!Number.isInteger(first) || !Number.isInteger(count) || count < 1) {
    throw new Misused('--seed and --seeds take whole numbers');
  }
  if (values.mutants) return withCrew(async (crew) => (await huntMutants(crew, count, mutant)) === 0);
  if (values.trace || values.shrink) {
    const known = mutant === undefined ? undefined : mutantOf(mutant);
    return printTrace(first, known?.rights ?? values.rights, known, values.shrink);
  }
  return withCrew(async (crew) => (await runSeeds(crew, first, count, values.rights)).broken.length === 0);
};

try {
  process.exitCode = await main();
} catch (error) {
  if (!isMisused(error)) throw error;
  console.error(`${error.message}\n\n${usage}`);
  process.exitCode = 2;
}
