import { caught } from './caught.ts';
import { type Mutant, mutantOf, otherMutants } from './mutants.ts';
import { Broken, run } from './run.ts';

/** What broke, or nothing. */
const breaks = async (
  seed: number,
  { spoil, trouble, rights }: Mutant,
  isSpoilt: boolean,
): Promise<string | undefined> => {
  try {
    await run({ seed, rights, trouble, ...(isSpoilt && { spoil: spoil() }) });
    return undefined;
  } catch (error) {
    if (error instanceof Broken) return error.message;
    throw error;
  }
};

/** Any change of the broker shifts the seeds. */
const huntAgain = (name: string): Error =>
  new Error(
    `caught.json names no seed that catches '${name}'; look for one with: npm run simulate -- --mutants --mutant '${name}'`,
  );

describe('a broker that is spoilt on purpose is caught, and it is not caught unspoilt', () => {
  const names = new Set([...Object.keys(caught), ...otherMutants.map(({ name }) => name)]);
  it.each([...names])(
    '%s',
    async (name) => {
      const mutant = mutantOf(name);
      const seed = caught[name];
      if (seed == null || !(await breaks(seed, mutant, true))) throw huntAgain(name);
      expect(await breaks(seed, mutant, false)).toBeUndefined();
    },
    30_000,
  );
});
