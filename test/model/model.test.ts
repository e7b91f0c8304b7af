/**
 * The delivery protocol, explored exhaustively within the small bounds, and spoilt on purpose (docs/model.md).
 *
 * Rules of this file: a bound counts as explored only if nothing was cut off, and if there was something to explore.
 */
import { boundOf, bounds } from './bounds.ts';
import { explore } from './explore.ts';
import { mutants } from './mutants.ts';

/** The calmest bound has more states than this. */
const FLOOR = 400;
/** A counterexample of a mutant comes earlier than this. */
const MOST_STATES = 200_000;

describe('the protocol holds, whatever the order of its steps', () => {
  const small = bounds.filter(({ size }) => size === 'small');

  it.each(small.map((bound) => [bound.name, bound.about, bound] as const))('%s: %s', (_name, _about, bound) => {
    const { broken, trace, complete, states, quiescent } = explore({ bound, mutant: undefined });
    expect({ broken, trace }).toEqual({ broken: undefined, trace: undefined });
    expect(complete).toBe(true);
    expect(states).toBeGreaterThan(FLOOR);
    expect(quiescent).toBeGreaterThan(0);
  });
});

describe('the protocol without one of its rules breaks a promise', () => {
  const soon = mutants.filter(({ isLate }) => !isLate);

  it.each(soon.map((mutant) => [mutant.name, mutant.bound, mutant.breaks, mutant] as const))(
    '%s (%s: %s)',
    (_name, bound, breaks, mutant) => {
      const { broken } = explore({ bound: boundOf(bound), mutant }, { most: MOST_STATES });
      expect(broken?.split(':')[0]).toBe(breaks);
    },
  );
});
