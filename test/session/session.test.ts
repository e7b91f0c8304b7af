import fc from 'fast-check';
import { apply, holds } from '../../src/session/change.ts';
import type { ConnectionId, Generation, GrantId, MessageId, WillId } from '../../src/session/ids.ts';
import {
  deadSessions,
  isAlive,
  isExpired,
  packetIdOf,
  type Session,
  storedBytes,
  writeDead,
} from '../../src/session/session.ts';
import { begin, mayHeal, resume } from '../../src/session/transitions.ts';
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

const sessions: fc.Arbitrary<Session> = fc.record({
  generation: fc.constantFrom('a', 'b').map((each) => each as Generation),
  epoch: fc.nat(),
  status: fc.constantFrom('connecting', 'online', 'offline', 'ended'),
  mode: fc.constantFrom('direct', 'queued'),
  connectionId: fc.constantFrom('', 'c=').map((each) => each as ConnectionId),
  connectedAt: fc.nat(),
  version: fc.nat(),
  resumption: fc.string(),
  will: fc.constantFrom('', 'c=').map((each) => each as WillId),
  grant: fc.constantFrom('', 'g=').map((each) => each as GrantId),
  persistent: fc.boolean(),
  expiresAt: fc.nat(),
  expiryPart: fc.nat(),
  sequence: fc.nat(),
  pushed: fc.nat(),
  windowLeft: fc.integer(),
  backlog: fc.nat(),
  backlogBytes: fc.nat(),
  tick: fc.nat(),
  tickDueAt: fc.nat(),
  leaseUntil: fc.nat(),
  quietSince: fc.nat(),
  leakSeenAt: fc.nat(),
  postAllowedAt: fc.nat(),
  storesMessages: fc.boolean(),
  queueReady: fc.boolean(),
  predecessors: fc.constantFrom('', 'x@1', 'x@1 y@2'),
  refreshedAt: fc.nat(),
});
const created = fc.record({
  generation: fc.constantFrom('new', 'newer').map((each) => each as Generation),
  connectionId: fc.constant('new=' as ConnectionId),
  resumption: fc.string(),
  will: fc.constantFrom('' as WillId, 'new=' as WillId),
  grant: fc.constantFrom('' as GrantId, 'new=' as GrantId),
  persistent: fc.boolean(),
  windowLeft: fc.nat(),
});

describe('begin', () => {
  it('makes a record with every attribute, and nothing of the former session but its epoch and its dead', () => {
    fc.assert(
      fc.property(created, fc.option(sessions, { nil: undefined }), fc.nat(), (session, former, now) => {
        const change = begin(session, former, now);
        expect(holds(change.if, former)).toBe(true);
        const made = apply(change, former);
        expect(Object.keys(made).sort()).toEqual(Object.keys(everyAttribute).sort());
        expect(Object.values(made)).not.toContain(undefined);
        const { epoch, version, predecessors, ...rest } = made;
        expect(version).toBe(epoch);
        expect({ ...apply(begin(session, undefined, now), undefined), epoch, version, predecessors }).toEqual(made);
        expect(rest).toMatchObject({
          ...session,
          status: 'online',
          mode: 'direct',
          backlog: 0,
          sequence: 0,
          pushed: 0,
        });
      }),
    );
  });

  it('gives an epoch above all former ones, also where the former record is gone, as long as the clock goes on', () => {
    fc.assert(
      fc.property(created, sessions, fc.nat(), (session, former, now) => {
        expect(apply(begin(session, former, now), former).epoch).toBeGreaterThan(former.epoch);
      }),
    );
    expect(apply(begin({ ...direct }, undefined, NOW), undefined).epoch).toBeGreaterThanOrEqual(NOW);
  });

  it.each([
    ['a living session, which ends by this', { ...offline, predecessors: '' }, `${GENERATION}@${NOW}`],
    ['a living one with dead before it', { ...direct, predecessors: 'x@1 y@2' }, `x@1 y@2 ${GENERATION}@${NOW}`],
    ['one that ended before', { ...ended, predecessors: 'x@1', expiresAt: NOW - 9 }, `x@1 ${GENERATION}@${NOW - 9}`],
  ])('remembers whom to clean up, and since when: %s', (_what, former, predecessors) => {
    const session = { ...nextConnect, generation: 'new' as Generation, persistent: true };
    const made = apply(begin(session, former, NOW), former);
    expect(made.predecessors).toBe(predecessors);
    expect(writeDead(deadSessions(made))).toBe(predecessors);
  });

  it('is refused where another client came first', () => {
    const session = { ...direct, generation: 'new' as Generation };
    expect(holds(begin(session, undefined, NOW).if, offline)).toBe(false);
    expect(holds(begin(session, undefined, NOW).if, undefined)).toBe(true);
  });
});

it('two connections that resume one session never share an epoch', () => {
  fc.assert(
    fc.property(sessions, (session) => {
      const [one, two] = (['one=', 'two='] as ConnectionId[]).map((each) =>
        resume(session, { ...nextConnect, connectionId: each, refreshedAt: NOW }, NOW),
      );
      if (!one || !two) throw new Error('there are two');
      const after = apply(one, session);
      expect(holds(two.if, after)).toBe(false);
      expect(after.epoch).toBe(session.epoch + 1);
    }),
  );
});

it.each([
  [1, 1],
  [2, 2],
  [65_535, 65_535],
  [65_536, 1],
  [131_071, 1],
  [131_070, 65_535],
])('[MQTT-2.3.1-1] the packet identifier of sequence %i is %i, never 0', (sequence, packetId) => {
  expect(packetIdOf(sequence)).toBe(packetId);
});

it.each([
  ['online', direct, true],
  ['offline', offline, true],
  ['connecting', connecting, true],
  ['ended', ended, false],
  ['another one', { ...direct, generation: 'other' as Generation }, false],
  ['none', undefined, false],
] as const)('isAlive: %s', (_what, session, expected) => {
  expect(isAlive(session, GENERATION)).toBe(expected);
});

it.each([
  ['offline, a moment too early', offline, offline.expiresAt - 1, false],
  ['offline, at its time', offline, offline.expiresAt, true],
  ['online, however late', { ...direct, expiresAt: 1 }, NOW, false],
  ['connecting, however late', { ...connecting, expiresAt: 1 }, NOW, false],
  ['ended already', { ...ended, expiresAt: 1 }, NOW, false],
])('isExpired: %s', (_what, session, now, expected) => {
  expect(isExpired(session, now)).toBe(expected);
});

it.each([
  ['nobody', direct, []],
  ['itself, since it ended', { ...ended, expiresAt: 7 }, [{ generation: GENERATION, endedAt: 7 }]],
  [
    'those before it',
    { ...offline, predecessors: 'x@1 y@2' },
    [
      { generation: 'x', endedAt: 1 },
      { generation: 'y', endedAt: 2 },
    ],
  ],
  [
    'those before it, and itself',
    { ...ended, predecessors: 'x@1', expiresAt: 7 },
    [
      { generation: 'x', endedAt: 1 },
      { generation: GENERATION, endedAt: 7 },
    ],
  ],
])('deadSessions: %s', (_what, session, expected) => {
  expect(deadSessions(session)).toEqual(expected);
});

it('a stored message counts with its payload and its topic', () => {
  const message = { id: 'm' as MessageId, qos: 1, retain: false } as const;
  expect(storedBytes({ ...message, topic: 'a/b', payload: new Uint8Array(10) })).toBe(13);
  expect(storedBytes({ ...message, topic: 'a', payload: new Uint8Array(0) })).toBe(1);
});

it('mayHeal: only when every Lambda has died and every message has become visible again', () => {
  const timing = { lambdaTimeout: 25_000, queueVisibility: 10_000, clockMargin: 5_000, postTimeout: 2_000 };
  const quiet = { ...queued, quietSince: NOW };
  expect(mayHeal(quiet, timing, NOW + 40_000)).toBe(false);
  expect(mayHeal(quiet, timing, NOW + 40_001)).toBe(true);
});
