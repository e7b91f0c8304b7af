import { caught } from './caught.ts';
import { faultKinds } from './faults.ts';
import { collecting, directed } from './mutants.ts';
import { run } from './run.ts';

/** Half a minute. `npm run simulate` runs as many as asked, on all cores. */
const SEEDS = 450;
/** Of those in which clients have to say who they are. */
const RIGHTS_SEEDS = 50;

const replay = (seed: number, mode = ''): string =>
  `replay it with: npm run simulate -- ${mode}--seed ${seed} --shrink`;

describe('the broker under a seeded scheduler', () => {
  it(`loses nothing, reorders nothing, leaks nothing and comes to rest in ${SEEDS} seeds, with every fault`, async () => {
    let steps = 0;
    const seen = new Set<string>();
    for (let seed = 1; seed <= SEEDS; seed++) {
      const result = await run({ seed }).catch((error: Error) => {
        throw new Error(`seed ${seed}: ${error.message}; ${replay(seed)}`);
      });
      steps += result.steps;
      for (const [kind, count] of Object.entries(result.faults)) if (count > 0) seen.add(kind);
    }
    expect(steps).toBeGreaterThan(SEEDS * 100);
    expect([...seen].sort()).toEqual(Object.keys(faultKinds).sort());
  }, 900_000);

  it(`posts nothing that is forbidden, and loses nothing that is allowed, in ${RIGHTS_SEEDS} seeds`, async () => {
    for (let seed = 1; seed <= RIGHTS_SEEDS; seed++) {
      await run({ seed, rights: true }).catch((error: Error) => {
        throw new Error(`seed ${seed} with rights: ${error.message}; ${replay(seed, '--rights ')}`);
      });
    }
  }, 300_000);

  it.each([false, true])('replays a seed to the letter, with rights: %s', async (rights) => {
    const traceOf = async (seed: number) => {
      const lines: string[] = [];
      await run({ seed, rights, trace: (line) => lines.push(line) });
      return lines;
    };
    const first = await traceOf(7);
    expect(first.length).toBeGreaterThan(100);
    expect(await traceOf(7)).toEqual(first);
  });

  it('has a mutant for every condition that comes by', async () => {
    const conditions = new Set<string>();
    for (let seed = 1; seed <= 120; seed++) await run({ seed, spoil: collecting(conditions) });
    for (let seed = 1; seed <= 20; seed++) await run({ seed, rights: true, spoil: collecting(conditions) });
    expect(conditions.size).toBeGreaterThan(30);
    const known = new Set([...Object.keys(caught), ...Object.values(directed)]);
    expect([...conditions].filter((each) => !known.has(`without ${each}`))).toEqual([]);
  }, 180_000);
});
