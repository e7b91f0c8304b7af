/** How long wrong passwords lock a name, and the steps of what is kept of them. */
import { claimAttempt, countFailure, forgetFailures, isLocked } from '../../src/broker/failed-logins.ts';
import { apply, holds } from '../../src/session/change.ts';

describe('a name', () => {
  it.each([
    [1, 0],
    [4, 0],
    [5, 2_000],
    [6, 4_000],
    [7, 8_000],
    [13, 512_000],
    [14, 900_000],
    [15, 900_000],
    [10_000, 900_000],
  ])('is locked after %d failures for %d ms', (failures, milliseconds) => {
    const failed = { failures, failedAt: 1_000 };
    expect(isLocked(failed, 1_000)).toBe(milliseconds > 0);
    expect(isLocked(failed, 1_000 + milliseconds - 1)).toBe(milliseconds > 0);
    expect(isLocked(failed, 1_000 + milliseconds)).toBe(false);
  });

  it('is not locked after its failures were forgotten', () => {
    expect(isLocked(apply(forgetFailures, { failures: 9, failedAt: 1_000 }), 1_000)).toBe(false);
  });
});

describe('an attempt', () => {
  const seen = { failures: 5, failedAt: 1_000 };

  it('is claimed as one failure more', () => {
    const claim = claimAttempt(seen, 9_000);
    expect(holds(claim.if, seen)).toBe(true);
    expect(apply(claim, seen)).toEqual({ failures: 6, failedAt: 9_000 });
  });

  it.each([
    ['another was claimed, be it in the same millisecond', { failures: 6, failedAt: 1_000 }],
    ['as many failures have come since the former were forgotten', { failures: 5, failedAt: 8_999 }],
    ['the failures were forgotten', { failures: 0, failedAt: 0 }],
    ['the name was unlocked', undefined],
  ])('is not claimed where %s', (_, record) => {
    expect(holds(claimAttempt(seen, 9_000).if, record)).toBe(false);
  });
});

describe('a failure', () => {
  it.each([
    ['the first', undefined, 1],
    ['the first since they were forgotten', { failures: 0, failedAt: 0 }, 1],
    ['one beside others', { failures: 7, failedAt: 1_000 }, 8],
  ])('is counted: %s', (_, record, failures) => {
    const change = countFailure(9_000);
    expect(holds(change.if, record)).toBe(true);
    expect(apply(change, record)).toEqual({ failures, failedAt: 9_000 });
  });
});
