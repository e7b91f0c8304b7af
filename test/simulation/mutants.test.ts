import { caught } from './caught.ts';
import { type Mutant, mutantOf, otherMutants } from './mutants.ts';
import { Broken, run } from './run.ts';

/** Tried in turn where the noted seed does not catch the mutant any more: any change of the broker shifts them. */
const MOST_SEEDS = 3_000;

const breaks = async (seed: number, { spoil, trouble }: Mutant, isSpoilt: boolean): Promise<boolean> => {
  try {
    await run({ seed, trouble, ...(isSpoilt && { spoil: spoil() }) });
    return false;
  } catch (error) {
    if (error instanceof Broken) return true;
    throw error;
  }
};

/** The seed that showed the mutant, or nothing. */
const catching = async (mutant: Mutant, noted: number | null | undefined): Promise<number | undefined> => {
  if (noted != null && (await breaks(noted, mutant, true))) return noted;
  for (let seed = 1; seed <= MOST_SEEDS; seed++) if (await breaks(seed, mutant, true)) return seed;
  return undefined;
};

describe('a broker that is spoilt on purpose is caught, and it is not caught unspoilt', () => {
  const names = new Set([...Object.keys(caught), ...otherMutants.map(({ name }) => name)]);
  for (const [name, seed] of Object.entries(caught)) if (seed === null) names.delete(name);
  it.each([...names])(
    '%s',
    async (name) => {
      const mutant = mutantOf(name);
      const seed = await catching(mutant, caught[name]);
      expect(seed).toBeDefined();
      expect(await breaks(seed ?? 0, mutant, false)).toBe(false);
    },
    300_000,
  );
});
