/** For each step of a session: when it may be taken, what refuses it, and what does not matter. */
import { apply, type Change, holds } from '../../src/session/change.ts';
import type { ConnectionId, Generation, GrantId, WillId } from '../../src/session/ids.ts';
import { expiryPartOf, type Session } from '../../src/session/session.ts';
import * as transitions from '../../src/session/transitions.ts';
import {
  connecting,
  direct,
  ended,
  everyAttribute,
  GENERATION,
  NOW,
  nextConnect,
  offline,
  queued,
} from './sessions.ts';

const OTHER = 'other' as Generation;
const NEW_CONNECTION = 'new=' as ConnectionId;
const { epoch } = direct;
const tick = { generation: GENERATION, epoch, number: 3 };
const claimed = { ...queued, leaseUntil: NOW + 30_000 };
const next = {
  ...nextConnect,
  connectionId: NEW_CONNECTION,
  resumption: 'next hash',
  will: 'next=' as WillId,
  grant: 'next' as GrantId,
};
const created = { ...next, generation: OTHER, persistent: false, windowLeft: 7 };
const bounds = { maxStoredMessages: 10, maxStoredBytes: 100 };
const result = { deleted: 2, deletedBytes: 20, postAllowedAt: NOW + 1_000, dueAt: NOW + 1_000, leakSeenAt: 0 };

interface Row {
  readonly change: Change<Session>;
  readonly given: Session;
  /** Each of these, put into `given`, refuses the change. */
  readonly refusedBy: readonly Partial<Session>[];
  /** And each of these does not, though it is about an attribute of `refusedBy`. */
  readonly allowedBy?: readonly Partial<Session>[];
  /** What becomes of `given`; all else stays. */
  readonly after: Partial<Session>;
}

/** What a new connection changes, whichever way it came. */
const connectedAnew = {
  connectionId: NEW_CONNECTION,
  connectedAt: NOW,
  resumption: 'next hash',
  epoch: epoch + 1,
  mode: 'queued',
  tick: 1,
  tickDueAt: NOW,
  leaseUntil: 0,
  quietSince: NOW,
} as const;
const connectedByConnect = {
  ...connectedAnew,
  status: 'connecting',
  will: 'next=' as WillId,
  grant: 'next' as GrantId,
  version: epoch + 1,
} as const;

const otherSession = { generation: OTHER };
const otherEpochs = [{ epoch: epoch - 1 }, { epoch: epoch + 1 }];
const otherTicks = [{ tick: 2 }, { tick: 4 }];
const notConnected = [{ status: 'offline' }, { status: 'ended' }] as const;
const ofTick = [...otherEpochs, ...otherTicks];
const otherClaims = [...otherEpochs, { leaseUntil: 0 }, { leaseUntil: claimed.leaseUntil + 1 }];
const noLonger = { connectionId: '' as ConnectionId, mode: 'queued' } as const;

const rows: Readonly<Record<string, Row>> = {
  'begin, after a former session': {
    change: transitions.begin(created, offline, NOW),
    given: offline,
    refusedBy: otherEpochs,
    after: {
      ...created,
      epoch: NOW,
      version: NOW,
      connectedAt: NOW,
      expiryPart: expiryPartOf(OTHER),
      status: 'online',
      mode: 'direct',
      expiresAt: 0,
      backlog: 0,
      backlogBytes: 0,
      tick: 0,
      quietSince: NOW,
      predecessors: `${GENERATION}@${NOW}`,
      refreshedAt: NOW,
    },
  },
  resume: {
    change: transitions.resume({ ...offline, windowLeft: 2 }, { ...next, windowLeft: 9, refreshedAt: NOW - 7 }, NOW),
    given: { ...offline, windowLeft: 2 },
    refusedBy: [...otherEpochs, { status: 'ended' }, { status: 'online' }, { status: 'connecting' }],
    after: { ...connectedByConnect, expiresAt: 0, windowLeft: 9, refreshedAt: NOW - 7 },
  },
  'resume, while connected': {
    change: transitions.resume({ ...direct, leaseUntil: NOW + 1 }, { ...next, refreshedAt: direct.refreshedAt }, NOW),
    given: { ...direct, leaseUntil: NOW + 1 },
    refusedBy: [...otherEpochs, { status: 'offline' }],
    after: connectedByConnect,
  },
  move: {
    change: transitions.move(
      { ...direct, leaseUntil: NOW + 1, will: 'first=' as WillId },
      {
        connectionId: NEW_CONNECTION,
        resumption: 'next hash',
        grant: 'moved' as GrantId,
        windowLeft: 9,
        refreshedAt: NOW - 7,
      },
      NOW,
    ),
    given: { ...direct, leaseUntil: NOW + 1, will: 'first=' as WillId },
    refusedBy: [...otherEpochs, ...notConnected, { status: 'connecting' }],
    after: { ...connectedAnew, grant: 'moved' as GrantId, windowLeft: 9, refreshedAt: NOW - 7 },
  },
  regrant: {
    change: transitions.regrant(epoch, 'anew' as GrantId),
    given: direct,
    refusedBy: otherEpochs,
    after: { grant: 'anew' as GrantId },
  },
  goOffline: {
    change: transitions.goOffline(epoch, NOW + 5),
    given: direct,
    refusedBy: [...otherEpochs, ...notConnected],
    allowedBy: [{ status: 'connecting' }],
    after: { ...noLonger, status: 'offline', expiresAt: NOW + 5 },
  },
  endWithConnection: {
    change: transitions.endWithConnection(epoch, NOW + 5),
    given: direct,
    refusedBy: otherEpochs,
    after: { ...noLonger, status: 'ended', expiresAt: NOW + 5 },
  },
  end: {
    change: transitions.end(offline, NOW + 60_001),
    given: offline,
    refusedBy: otherEpochs,
    after: { status: 'ended', expiresAt: NOW + 60_001 },
  },
  predecessorsGone: {
    change: transitions.predecessorsGone({ ...direct, predecessors: 'a@1 b@2' }, []),
    given: { ...direct, predecessors: 'a@1 b@2' },
    refusedBy: [{ predecessors: 'a@1 b@2 c@3' }, { predecessors: '' }],
    after: { predecessors: '' },
  },
  'predecessorsGone, but for those that ended a moment ago': {
    change: transitions.predecessorsGone({ ...direct, predecessors: 'a@1 b@2' }, [
      { generation: 'b' as Generation, endedAt: 2 },
    ]),
    given: { ...direct, predecessors: 'a@1 b@2' },
    refusedBy: [{ predecessors: 'b@2' }],
    after: { predecessors: 'b@2' },
  },
  storesMessages: {
    change: transitions.storesMessages(GENERATION),
    given: direct,
    refusedBy: [otherSession],
    after: { storesMessages: true },
  },
  queueCreated: {
    change: transitions.queueCreated(GENERATION),
    given: offline,
    refusedBy: [otherSession],
    after: { queueReady: true },
  },
  'allocate, ordered': {
    change: transitions.allocate(GENERATION, 3, 'ordered', undefined),
    given: direct,
    refusedBy: [otherSession, { status: 'connecting' }, ...notConnected, { mode: 'queued' }, { windowLeft: 2 }],
    allowedBy: [{ windowLeft: 3 }],
    after: { sequence: 3, pushed: 3, windowLeft: 7, leakSeenAt: 0 },
  },
  'allocate, interleaved': {
    change: transitions.allocate(GENERATION, 3, 'interleaved', undefined),
    given: queued,
    refusedBy: [otherSession, { status: 'connecting' }, ...notConnected, { windowLeft: 2 }],
    after: { sequence: 3, pushed: 3, windowLeft: 7, leakSeenAt: 0 },
  },
  'allocate, for whoever has a grant': {
    change: transitions.allocate(GENERATION, 3, 'ordered', 'shown' as GrantId),
    given: { ...direct, grant: 'shown' as GrantId },
    refusedBy: [
      otherSession,
      { status: 'connecting' },
      ...notConnected,
      { mode: 'queued' },
      { windowLeft: 2 },
      { grant: 'another' as GrantId },
    ],
    after: { sequence: 3, pushed: 3, windowLeft: 7, leakSeenAt: 0 },
  },
  unallocate: {
    change: transitions.unallocate({ ...direct, pushed: 8 }, 3, 2),
    given: { ...direct, pushed: 8, windowLeft: 5 },
    refusedBy: [...otherEpochs, { pushed: 9 }],
    after: { pushed: 5, windowLeft: 7 },
  },
  credit: {
    change: transitions.credit(epoch, 3),
    given: { ...direct, windowLeft: 5 },
    refusedBy: otherEpochs,
    after: { windowLeft: 8 },
  },
  park: {
    change: transitions.park({ ...direct, tick: 3 }, NOW),
    given: { ...direct, tick: 3 },
    refusedBy: ofTick,
    after: { mode: 'queued', tick: 4, tickDueAt: NOW, leaseUntil: 0, quietSince: NOW },
  },
  count: {
    change: transitions.count(GENERATION, 5, 50, bounds, NOW),
    given: offline,
    refusedBy: [otherSession, { status: 'online', mode: 'direct' }, { backlog: 6 }, { backlogBytes: 51 }],
    allowedBy: [{ status: 'online' }, { status: 'connecting' }, { mode: 'direct' }, { backlog: 4 }],
    after: { backlog: 10, backlogBytes: 100, quietSince: NOW },
  },
  nudge: {
    change: transitions.nudge(queued, NOW + 9),
    given: queued,
    refusedBy: [...otherEpochs, { tickDueAt: NOW + 1 }],
    after: { tickDueAt: NOW + 9 },
  },
  'claim, of a free tick': {
    change: transitions.claim(tick, 0, NOW + 30_000, NOW),
    given: queued,
    refusedBy: [...ofTick, ...notConnected, { mode: 'direct' }, { leaseUntil: 1 }, { postAllowedAt: NOW + 1 }],
    allowedBy: [{ postAllowedAt: NOW }],
    after: { leaseUntil: NOW + 30_000 },
  },
  'claim, by the first tick after CONNACK': {
    change: transitions.claim({ ...tick, number: 1 }, 0, NOW + 30_000, NOW),
    given: connecting,
    refusedBy: [
      ...otherEpochs,
      ...notConnected,
      { tick: 2 },
      { mode: 'direct' },
      { leaseUntil: 1 },
      { postAllowedAt: NOW + 1 },
    ],
    after: { status: 'online', leaseUntil: NOW + 30_000 },
  },
  'claim, of a lease that has run out': {
    change: transitions.claim(tick, claimed.leaseUntil, NOW + 60_000, NOW + 30_001),
    given: claimed,
    refusedBy: [
      ...ofTick,
      ...notConnected,
      { mode: 'direct' },
      { leaseUntil: 0 },
      { leaseUntil: NOW + 60_000 },
      { postAllowedAt: NOW + 30_002 },
    ],
    after: { leaseUntil: NOW + 60_000, quietSince: NOW + 30_001 },
  },
  allocateForTick: {
    change: transitions.allocateForTick(tick, { count: 6, fresh: 3, used: 4 }, NOW + 5_000),
    given: claimed,
    refusedBy: [...otherEpochs, { windowLeft: 3 }],
    allowedBy: [{ windowLeft: 4 }],
    after: { sequence: 3, pushed: 6, windowLeft: 6, postAllowedAt: NOW + 5_000, leakSeenAt: 0 },
  },
  turnDirect: {
    change: transitions.turnDirect(tick, claimed.leaseUntil, 5, NOW + 1_000),
    given: claimed,
    refusedBy: [...otherClaims, { backlog: 6 }, { backlog: 4 }],
    after: { mode: 'direct', backlog: 0, backlogBytes: 0, leaseUntil: 0, postAllowedAt: NOW + 1_000 },
  },
  heal: {
    change: transitions.heal(claimed.quietSince),
    given: claimed,
    refusedBy: [{ quietSince: NOW }],
    after: { mode: 'direct', backlog: 0, backlogBytes: 0, leaseUntil: 0 },
  },
  endTick: {
    change: transitions.endTick(tick, claimed.leaseUntil, 4, result),
    given: claimed,
    refusedBy: otherClaims,
    after: { tick: 4, tickDueAt: NOW + 1_000, leaseUntil: 0, postAllowedAt: NOW + 1_000, backlog: 3, backlogBytes: 30 },
  },
  'endTick, messages left hidden': {
    change: transitions.endTick(tick, claimed.leaseUntil, 4, {
      ...result,
      deleted: 0,
      deletedBytes: 0,
      quietSince: NOW,
    }),
    given: claimed,
    refusedBy: otherClaims,
    after: { tick: 4, tickDueAt: NOW + 1_000, leaseUntil: 0, postAllowedAt: NOW + 1_000, quietSince: NOW },
  },
  'endTick, to be done again': {
    change: transitions.endTick(tick, claimed.leaseUntil, 3, result),
    given: claimed,
    refusedBy: otherClaims,
    after: { leaseUntil: 0, tickDueAt: NOW + 1_000, postAllowedAt: NOW + 1_000, backlog: 3, backlogBytes: 30 },
  },
};

/** Another value of the attribute than `session` has. */
const otherValue = (session: Session, attribute: keyof Session) => {
  const value = session[attribute];
  if (typeof value === 'number') return value + 1;
  return typeof value === 'boolean' ? !value : `${value} other`;
};

describe.each(Object.entries(rows))('%s', (_name, { change, given, refusedBy, allowedBy = [], after }) => {
  it('does what it says, and nothing else', () => {
    expect(holds(change.if, given)).toBe(true);
    expect(apply(change, given)).toEqual({ ...given, ...after });
  });

  it.each(refusedBy)('is refused by %j', (different) => {
    expect(holds(change.if, { ...given, ...different })).toBe(false);
  });

  it('is refused where there is no session', () => {
    expect(holds(change.if, undefined)).toBe(false);
  });

  for (const different of allowedBy) {
    it(`is not refused by ${JSON.stringify(different)}`, () => {
      expect(holds(change.if, { ...given, ...different })).toBe(true);
    });
  }

  it('does not look at anything else', () => {
    const named = new Set(refusedBy.flatMap((each) => Object.keys(each)));
    for (const attribute of Object.keys(everyAttribute) as (keyof Session)[]) {
      if (named.has(attribute)) continue;
      const changed = { ...given, [attribute]: otherValue(given, attribute) };
      expect({ attribute, holds: holds(change.if, changed) }).toEqual({ attribute, holds: true });
    }
  });
});

it('every step is in the table above', () => {
  const { mayHeal: _, ...steps } = transitions;
  const names = new Set(Object.keys(rows).map((name) => name.split(',')[0]));
  expect([...names].sort()).toEqual(Object.keys(steps).sort());
});

it.each(Object.entries(rows))('%s brings no ended session back', (_name, { change }) => {
  for (const given of [ended, { ...ended, tick: 1 }, { ...ended, leaseUntil: NOW + 30_000 }]) {
    if (!holds(change.if, given)) continue;
    const after = apply(change, given);
    expect(after.generation !== given.generation || after.status === 'ended').toBe(true);
  }
});
