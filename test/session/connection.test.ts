/** What is due on a connection, and when somebody has to look; the steps by which its authorization is renewed. */
import { apply, holds } from '../../src/session/change.ts';
import {
  type Connection,
  claimRenewal,
  isRenewalDue,
  isUnauthorized,
  nextLook,
  renew,
} from '../../src/session/connection.ts';
import type { ClientId, GrantId } from '../../src/session/ids.ts';
import { epochOf } from '../../src/session/session.ts';
import { direct, NOW } from './sessions.ts';

const SECOND = 1_000;
const MINUTE = 60_000;
const connection: Connection = {
  ...epochOf('client' as ClientId, direct),
  state: 'connected',
  since: NOW,
  keepAlive: 0,
  lastSeen: NOW,
  check: 3,
  authorizedUntil: 0,
  reauthorizeAt: 0,
};

describe('the next look, ms from now', () => {
  it.each<readonly [string, Partial<Connection>, number]>([
    ['without a keep-alive: soon enough to ask the gateway', {}, 10 * MINUTE],
    ['when the client has been silent for too long', { keepAlive: 60 }, 2 * MINUTE],
    ['counted from when it was heard', { keepAlive: 60, lastSeen: NOW - MINUTE }, MINUTE],
    ['not at once, though the client is overdue', { keepAlive: 60, lastSeen: NOW - 5 * MINUTE }, SECOND],
    ['with a long keep-alive: as far off as a queue can delay', { keepAlive: 600 }, 15 * MINUTE],
    ['with one that the gateway does not wait for', { keepAlive: 601 }, 10 * MINUTE],
    ['when the authorization is over', { authorizedUntil: NOW + 5 * MINUTE }, 5 * MINUTE],
    ['when the authorization is over, before silence tells', { keepAlive: 60, authorizedUntil: NOW + MINUTE }, MINUTE],
    ['when silence tells, before that', { keepAlive: 60, authorizedUntil: NOW + 5 * MINUTE }, 2 * MINUTE],
    ['when the authorizer is to be asked', { reauthorizeAt: NOW + MINUTE, authorizedUntil: NOW + 5 * MINUTE }, MINUTE],
    [
      'when the authorization is over, before that',
      { reauthorizeAt: NOW + 5 * MINUTE, authorizedUntil: NOW + 1 },
      SECOND,
    ],
    ['not at once, though it is over', { authorizedUntil: NOW - MINUTE }, SECOND],
    ['not at once, though the authorizer should have been asked', { reauthorizeAt: NOW - 1 }, SECOND],
    ['not that late', { authorizedUntil: NOW + 24 * 60 * MINUTE, reauthorizeAt: NOW + 60 * MINUTE }, 10 * MINUTE],
    [
      'not that late, with a keep-alive',
      { keepAlive: 600, authorizedUntil: NOW + 24 * 60 * MINUTE, reauthorizeAt: NOW + 60 * MINUTE },
      15 * MINUTE,
    ],
  ])('%s', (_what, changes, expected) => {
    expect(nextLook({ ...connection, ...changes }, NOW)).toBe(expected);
  });
});

describe('what is due', () => {
  it.each([
    [0, false],
    [NOW - 1, true],
    [NOW, true],
    [NOW + 1, false],
  ])('a time of %d: %s', (at, expected) => {
    expect(isUnauthorized({ ...connection, authorizedUntil: at }, NOW)).toBe(expected);
    expect(isRenewalDue({ ...connection, reauthorizeAt: at }, NOW)).toBe(expected);
  });
});

describe('a renewal', () => {
  const due = { ...connection, authorizedUntil: NOW + MINUTE, reauthorizeAt: NOW };

  it('is claimed by one, until its lease runs out', () => {
    const claim = claimRenewal(due, NOW + 30 * SECOND);
    expect(holds(claim.if, due)).toBe(true);
    const claimed = apply(claim, due);
    expect(claimed).toEqual({ ...due, reauthorizeAt: NOW + 30 * SECOND });
    expect(holds(claim.if, claimed)).toBe(false);
    expect(holds(claim.if, undefined)).toBe(false);
    expect(isRenewalDue(claimed, NOW + 29 * SECOND)).toBe(false);
    expect(holds(claimRenewal(claimed, NOW + MINUTE).if, claimed)).toBe(true);
  });

  it('puts the next one off, and not the end', () => {
    const step = renew('anew' as GrantId, NOW + 5 * MINUTE);
    expect(holds(step.if, due)).toBe(true);
    expect(apply(step, due)).toEqual({ ...due, grant: 'anew', reauthorizeAt: NOW + 5 * MINUTE });
  });

  it.each([{ state: 'closed' }, { state: 'announced' }] as const)('is over where the connection is %j', (changes) => {
    expect(holds(renew('anew' as GrantId, NOW).if, { ...due, ...changes })).toBe(false);
  });

  it('brings no connection back that was collected', () => {
    expect(holds(renew('anew' as GrantId, NOW).if, undefined)).toBe(false);
  });
});
