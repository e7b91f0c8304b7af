import type { Change } from '../../src/session/change.ts';
import type { Session } from '../../src/session/session.ts';
import { Broken, run } from './run.ts';

describe('the broker under a seeded scheduler', () => {
  it('loses nothing, reorders nothing and comes to rest, whatever races and dies', async () => {
    for (let seed = 1; seed <= 1_500; seed++) {
      await run({ seed }).catch((error: Error) => {
        throw new Error(`seed ${seed}: ${error.message}; replay it with: npm run simulate -- --seed ${seed} --trace`);
      });
    }
  });
});

type Mutant = (change: Change<Session>) => Change<Session>;

const turningDirectAnyway: Mutant = (change) =>
  change.set?.mode === 'direct'
    ? { ...change, if: change.if.filter(([, attribute]) => attribute !== 'backlog') }
    : change;

const allocatingWhileQueued: Mutant = (change) =>
  change.add?.windowLeft && !change.set
    ? { ...change, if: change.if.filter(([, attribute]) => attribute !== 'mode') }
    : change;

const countingWhileDirect: Mutant = (change) =>
  (change.add?.backlog ?? 0) > 0 ? { ...change, if: change.if.filter(([kind]) => kind !== 'any') } : change;

describe('a broker that is spoilt on purpose is caught', () => {
  it.each<readonly [string, Mutant]>([
    ['turning direct without looking at the backlog', turningDirectAnyway],
    ['posting past what is stored', allocatingWhileQueued],
    ['storing for a session that nobody drains', countingWhileDirect],
  ])('%s', async (_, mutate) => {
    const caught = async () => {
      for (let seed = 1; seed <= 2_000; seed++) {
        try {
          await run({ seed, mutate });
        } catch (error) {
          if (error instanceof Broken) return error.message;
          throw error;
        }
      }
      return undefined;
    };
    expect(await caught()).toBeDefined();
  });
});
