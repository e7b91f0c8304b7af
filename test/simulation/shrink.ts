/**
 * Makes a failing run simpler: sets draws to 0, which is the dull choice, and leaves draws out, as long as it still fails in
 * the same way. What is left is a list of draws to replay.
 */
import { recorded, replayed, seeded } from './choices.ts';
import type { Mutant } from './mutants.ts';
import { Broken, run } from './run.ts';

export interface Shrunk {
  readonly message: string;
  readonly draws: readonly number[];
  /** Steps of the run before and after. */
  readonly before: number;
  readonly after: number;
}

/** @returns nothing where the seed does not fail */
export async function shrink(
  seed: number,
  rights: boolean,
  mutant: Mutant | undefined,
  milliseconds: number,
): Promise<Shrunk | undefined> {
  const spoilt = () => ({ rights, ...(mutant && { spoil: mutant.spoil(), trouble: mutant.trouble }) });
  let length = 0;
  const failure = async (draws: readonly number[]): Promise<string | undefined> => {
    length = 0;
    const count = (line: string) => {
      if (!line.startsWith(' ')) length++;
    };
    try {
      await run({ seed, draw: replayed(draws), trace: count, ...spoilt() });
      return undefined;
    } catch (error) {
      return error instanceof Broken ? error.message : undefined;
    }
  };
  const all: number[] = [];
  await run({ seed, draw: recorded(seeded(seed), all), ...spoilt() }).catch(() => {});
  let draws: readonly number[] = all;
  const message = await failure(draws);
  if (message === undefined) return undefined;
  const [before, kind] = [length, kindOf(message)];
  let after = length;
  const until = Date.now() + milliseconds;
  const accept = async (candidate: readonly number[]): Promise<boolean> => {
    const found = await failure(candidate);
    if (found === undefined || kindOf(found) !== kind || length > after) return false;
    draws = candidate;
    after = length;
    return true;
  };
  for (let size = 1 << 12; size >= 1 && Date.now() < until; size = size >> 1) {
    for (let start = 0; start < draws.length && Date.now() < until; start += size) {
      const without = [...draws.slice(0, start), ...draws.slice(start + size)];
      if (await accept(without)) continue;
      const dull = draws.map((draw, index) => (index >= start && index < start + size ? 0 : draw));
      if (dull.some((draw, index) => draw !== draws[index])) await accept(dull);
    }
  }
  return { message, draws, before, after };
}

/** The message without who and how many. */
export const kindOf = (message: string): string =>
  message
    .replace(/[;:] .*/, '')
    .replace(/\b[a-z]\d+(:\d+)*'?/g, '…')
    .replace(/\d+/g, '…');
