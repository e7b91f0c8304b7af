/** `npm run simulate`: runs seeds of the simulation, as many as asked, or one with its trace. */
import { parseArgs } from 'node:util';
import { run } from '../test/simulation/run.ts';

const usage = `Usage: npm run simulate -- [--seeds N] [--seed FIRST] [--trace]

  --seeds N      how many seeds to run (1000; with --trace 1)
  --seed FIRST   the first of them (1)
  --trace        print what each Lambda did, call by call`;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    seed: { type: 'string', default: '1' },
    trace: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

if (values.help) {
  console.log(usage);
} else {
  const first = Number(values.seed);
  const count = Number(values.seeds ?? (values.trace ? 1 : 1_000));
  if (!Number.isInteger(first) || !Number.isInteger(count) || count < 1) {
    console.error(`--seed and --seeds take whole numbers.\n\n${usage}`);
    process.exit(2);
  }
  let steps = 0;
  let deaths = 0;
  let broken = 0;
  let reported = Date.now();
  for (let seed = first; seed < first + count; seed++) {
    try {
      const result = await run({ seed, ...(values.trace && { trace: (line: string) => console.log(line) }) });
      steps += result.steps;
      deaths += result.deaths;
    } catch (error) {
      broken++;
      console.log(`seed ${seed}: ${(error as Error).message}. Replay: npm run simulate -- --seed ${seed} --trace`);
    }
    if (Date.now() - reported > 2_000) {
      reported = Date.now();
      console.log(`${seed - first + 1} of ${count} seeds, ${broken} broken`);
    }
  }
  console.log(`${count} seeds, ${steps} steps, ${deaths} Lambdas killed, ${broken} broken`);
  process.exitCode = broken > 0 ? 1 : 0;
}
