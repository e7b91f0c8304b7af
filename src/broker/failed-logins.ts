/**
 * How long a name is locked after wrong passwords, and the steps of what is kept of them.
 *
 * Rules of this file:
 * - Pure; each condition stands beside its reason.
 * - A name that nobody has is treated like any other.
 * - Where nobody has failed, nothing is written: a fleet that shares a name is not held up by its own number.
 */
import type { Change } from '../session/change.ts';
import type { FailedLogins } from './ports.ts';

type FailedLoginsChange = Change<FailedLogins>;

/** So many failures lock a name … */
const FIRST_LOCK = 5;
/** … for this long, ms; each one more for twice as long … */
const SHORTEST_LOCK = 2_000;
/** … up to this. */
const LONGEST_LOCK = 900_000;

export const isLocked = ({ failures, failedAt }: FailedLogins, now: number): boolean =>
  failures >= FIRST_LOCK && now < failedAt + Math.min(SHORTEST_LOCK * 2 ** (failures - FIRST_LOCK), LONGEST_LOCK);

/**
 * Somebody is about to try a password under a name with failures: that counts as one more until it turns out to be right, so that
 * nobody tries others meanwhile.
 */
export const claimAttempt = ({ failures, failedAt }: FailedLogins, now: number): FailedLoginsChange => ({
  name: 'claimAttempt',
  if: [
    ['=', 'failures', failures], // else any number of guesses at the same moment are one failure, or none that locks
    ['=', 'failedAt', failedAt], // else one that has not seen the failures were forgotten and came again passes their lock
  ],
  set: { failedAt: now },
  add: { failures: 1 },
});

/** A password was wrong, and nothing was claimed. No condition: of many at the same moment each one counts. */
export const countFailure = (now: number): FailedLoginsChange => ({
  name: 'countFailure',
  if: [],
  set: { failedAt: now },
  add: { failures: 1 },
});

/** The right password. */
export const forgetFailures: FailedLoginsChange = {
  name: 'forgetFailures',
  if: [],
  set: { failures: 0, failedAt: 0 },
};
