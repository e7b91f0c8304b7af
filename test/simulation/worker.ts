/** A process that runs seeds, or tries them on one mutant, and reports once a second. Started by scripts/simulate.ts. */
import { faultKinds } from './faults.ts';
import { collecting, mutantOf } from './mutants.ts';
import { type RunOptions, run } from './run.ts';

/** `mutant`: until one of the seeds catches it, played as it asks for. `collect`: note the conditions that come by. */
export interface Order {
  readonly from: number;
  readonly to: number;
  readonly every: number;
  readonly rights?: boolean | undefined;
  readonly mutant?: string | undefined;
  readonly collect?: boolean | undefined;
}

export interface BrokenSeed {
  readonly seed: number;
  readonly message: string;
  /** What it breaks without the mutant too: then it is not the mutant that was caught. */
  readonly unspoilt?: string | undefined;
}

export interface Report {
  readonly seeds: number;
  readonly steps: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly deadLetters: number;
  readonly broken: readonly BrokenSeed[];
  readonly conditions: readonly string[];
  /** The order is done. */
  readonly last: boolean;
}

export const emptyReport: Report = {
  seeds: 0,
  steps: 0,
  faults: {},
  deadLetters: 0,
  broken: [],
  conditions: [],
  last: false,
};

export const sum = (a: Report, b: Report): Report => ({
  seeds: a.seeds + b.seeds,
  steps: a.steps + b.steps,
  faults: Object.fromEntries(
    Object.keys(faultKinds).map((kind) => [kind, (a.faults[kind] ?? 0) + (b.faults[kind] ?? 0)]),
  ),
  deadLetters: a.deadLetters + b.deadLetters,
  broken: [...a.broken, ...b.broken],
  conditions: [...new Set([...a.conditions, ...b.conditions])],
  last: b.last,
});

const brokenBy = async (options: RunOptions): Promise<string | undefined> => {
  try {
    await run(options);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
};

const carryOut = async ({ from, to, every, rights: isAsked, mutant: name, collect }: Order): Promise<void> => {
  const mutant = name === undefined ? undefined : mutantOf(name);
  const rights = mutant?.rights ?? isAsked;
  let report = emptyReport;
  let reportedAt = Date.now();
  for (let seed = from; seed < to; seed += every) {
    const conditions = new Set<string>();
    const spoil = collect ? collecting(conditions) : mutant?.spoil();
    try {
      const { steps, faults, deadLetters } = await run({
        seed,
        rights,
        trouble: mutant?.trouble,
        ...(spoil && { spoil }),
      });
      report = sum(report, { ...emptyReport, seeds: 1, steps, faults, deadLetters, conditions: [...conditions] });
    } catch (error) {
      const unspoilt = mutant && (await brokenBy({ seed, rights, trouble: mutant.trouble }));
      report = sum(report, {
        ...emptyReport,
        seeds: 1,
        broken: [{ seed, message: (error as Error).message, unspoilt }],
      });
      if (mutant) break;
    }
    if (Date.now() - reportedAt < 1_000) continue;
    process.send?.(report);
    report = emptyReport;
    reportedAt = Date.now();
    // lets the message go
    await new Promise((resolve) => setImmediate(resolve));
  }
  process.send?.({ ...report, last: true });
};

process.on('message', (order) => void carryOut(order as Order));
