/**
 * Every step a session may take, each one conditional write on its record: the state machine that docs/delivery.md explains.
 *
 * Rules of this file:
 * - Pure: time is an argument. No promises.
 * - Every change of an existing session names the generation it means: a step of an ended session does nothing.
 * - A condition stands here only if leaving it out breaks a promise; the comment beside it says which.
 */
import type { Change } from './change.ts';
import { type ConnectionId, type Generation, NO_CONNECTION } from './ids.ts';
import { deadGenerations, type Session } from './session.ts';

type SessionChange = Change<Session>;

/** A lease outlives any Lambda: nobody works under a number whose lease has run out. */
export interface Timing {
  /** Longest run of a Lambda, ms. */
  readonly lambdaTimeout: number;
  /** How long a received message stays hidden in a client's queue, ms. */
  readonly queueVisibility: number;
  /** Most that two clocks differ, ms. */
  readonly clockMargin: number;
  /** A post is given up after this, ms. */
  readonly postTimeout: number;
}

// ── CONNECT ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** What a new session is given. `windowLeft` is the size of the in-flight window. */
export interface NewSession {
  readonly generation: Generation;
  readonly connectionId: ConnectionId;
  readonly persistent: boolean;
  readonly windowLeft: number;
}

/**
 * A new session takes the client's place: where there was none, or after `former`, which ends by the same write. It has no
 * subscriptions, so it may be online and direct at once.
 */
export const begin = (created: NewSession, former: Session | undefined, now: number): SessionChange => ({
  // as it was read: of two clients with one id, one wins and the other decides again
  name: 'begin',
  if: former
    ? [
        ['=', 'generation', former.generation],
        ['=', 'epoch', former.epoch],
        ['=', 'status', former.status],
      ]
    : [['absent']],
  set: {
    ...created,
    epoch: Math.max(now, (former?.epoch ?? 0) + 1),
    status: 'online',
    mode: 'direct',
    expiresAt: 0,
    sequence: 0,
    backlog: 0,
    backlogBytes: 0,
    tick: 0,
    tickDueAt: now,
    leaseUntil: 0,
    quietSince: now,
    postAllowedAt: 0,
    storesMessages: false,
    queueReady: false,
    predecessors: former ? deadGenerations({ ...former, status: 'ended' }).join(' ') : '',
    refreshedAt: now,
  },
});

/** The session goes on with a new connection. Queued, so that nothing overtakes what is stored. */
export const resume = (session: Session, connectionId: ConnectionId, now: number): SessionChange => ({
  name: 'resume',
  if: [
    ['=', 'generation', session.generation],
    ['=', 'epoch', session.epoch], // else two connections share one epoch
    ['=', 'status', session.status], // else a session that a reader found expired comes back
  ],
  set: {
    status: 'connecting',
    mode: 'queued',
    connectionId,
    expiresAt: 0,
    tick: 1,
    tickDueAt: now,
    leaseUntil: 0,
    quietSince: now,
  },
  add: { epoch: 1 },
});

/** The time to live of everything the session owns is being set anew. */
export const refreshed = (generation: Generation, now: number): SessionChange => ({
  name: 'refreshed',
  if: [
    ['=', 'generation', generation],
    ['<>', 'status', 'ended'],
  ],
  set: { refreshedAt: now },
});

// ── The end of a connection, and of a session ──────────────────────────────────────────────────────────────────────

const connectedOn = (generation: Generation, epoch: number) =>
  [
    ['=', 'generation', generation],
    ['=', 'epoch', epoch], // the loser of a takeover, or a late $disconnect, must not touch the winner
    [
      'any',
      [
        ['=', 'status', 'online'],
        ['=', 'status', 'connecting'],
      ],
    ], // else a doubled $disconnect prolongs the session
  ] as const;

/** The connection of `epoch` is gone; the persistent session waits for the next one. */
export const goOffline = (generation: Generation, epoch: number, expiresAt: number): SessionChange => ({
  name: 'goOffline',
  if: connectedOn(generation, epoch),
  set: { status: 'offline', mode: 'queued', connectionId: NO_CONNECTION, expiresAt },
});

/** The connection of `epoch` is gone, and with it a session that is not persistent [MQTT-3.1.2-6]. */
export const endWithConnection = (generation: Generation, epoch: number): SessionChange => ({
  name: 'endWithConnection',
  if: connectedOn(generation, epoch),
  set: { status: 'ended', mode: 'queued', connectionId: NO_CONNECTION },
});

/** The session ends, as it was read. It is dead from here on; cleaning up may come later. */
export const end = (session: Session): SessionChange => ({
  name: 'end',
  if: [
    ['=', 'generation', session.generation],
    ['=', 'epoch', session.epoch], // a client that came back meanwhile keeps its session
    ['=', 'status', session.status],
    ['=', 'expiresAt', session.expiresAt],
  ],
  set: { status: 'ended', mode: 'queued', connectionId: NO_CONNECTION },
});

/** The sessions before this one are cleaned up. */
export const predecessorsGone = (session: Session): SessionChange => ({
  name: 'predecessorsGone',
  if: [
    ['=', 'generation', session.generation],
    ['=', 'predecessors', session.predecessors], // else one that was added meanwhile is forgotten
  ],
  set: { predecessors: '' },
});

// ── What the session owns ──────────────────────────────────────────────────────────────────────────────────────────

export const storesMessages = (generation: Generation): SessionChange => ({
  name: 'storesMessages',
  if: [
    ['=', 'generation', generation],
    ['=', 'storesMessages', false],
  ],
  set: { storesMessages: true },
});

export const queueCreated = (generation: Generation): SessionChange => ({
  name: 'queueCreated',
  if: [['=', 'generation', generation]],
  set: { queueReady: true },
});

// ── A publisher ────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * `count` sequence numbers for messages that the publisher itself sends on the session's connection.
 * Fails as well while the in-flight window may be full: `widen` looks.
 */
export const allocate = (generation: Generation, count: number, liveTraffic: LiveTraffic): SessionChange => ({
  name: 'allocate',
  if: [
    ['=', 'generation', generation],
    ['=', 'status', 'online'],
    ...(liveTraffic === 'ordered' ? [['=', 'mode', 'direct'] as const] : []), // else it overtakes what is stored
    ['>=', 'windowLeft', count],
  ],
  add: { sequence: count, windowLeft: -count },
});

export type LiveTraffic = 'ordered' | 'interleaved';

/**
 * The `count` numbers that `session` gave out last come back, and with them room for `inFlight` messages: nothing was
 * delivered under them, and nothing is in flight under them.
 */
export const unallocate = (session: Session, count: number, inFlight: number): SessionChange => ({
  name: 'unallocate',
  if: [
    ['=', 'generation', session.generation],
    ['=', 'epoch', session.epoch],
    ['=', 'sequence', session.sequence], // else they are no longer the last
  ],
  set: { sequence: session.sequence - count },
  add: { windowLeft: inFlight },
});

/** `free` more messages may be sent, counted after `session` was read. */
export const widen = (session: Session, free: number): SessionChange => ({
  name: 'widen',
  if: [
    ['=', 'generation', session.generation],
    ['=', 'sequence', session.sequence], // what was allocated since was not counted
  ],
  set: { windowLeft: free },
});

/**
 * The direct session turns to queued: its window is full, or a post was refused. The caller has sent the tick that becomes
 * due by this.
 */
export const park = (session: Session, now: number): SessionChange => ({
  name: 'park',
  if: [
    ['=', 'generation', session.generation],
    ['=', 'epoch', session.epoch], // else a tick of an epoch that has one already
    ['=', 'status', 'online'],
    ['=', 'mode', 'direct'], // else it breeds a second tick
  ],
  set: { mode: 'queued', tick: session.tick + 1, tickDueAt: now, leaseUntil: 0, quietSince: now },
});

/** What `count` may not exceed. */
export interface StorageBounds {
  readonly maxStoredMessages: number;
  readonly maxStoredBytes: number;
}

/** Messages are about to be sent to the queue. Counted before they are sent, so that the backlog is never too low. */
export const count = (
  generation: Generation,
  messages: number,
  bytes: number,
  bounds: StorageBounds,
  now: number,
): SessionChange => ({
  name: 'count',
  if: [
    ['=', 'generation', generation],
    ['<>', 'status', 'ended'],
    [
      'any',
      [
        ['<>', 'status', 'online'],
        ['<>', 'mode', 'direct'],
      ],
    ], // else they wait in a queue nobody drains
    ['<=', 'backlog', bounds.maxStoredMessages - messages],
    ['<=', 'backlogBytes', bounds.maxStoredBytes - bytes],
  ],
  set: { quietSince: now },
  add: { backlog: messages, backlogBytes: bytes },
});

/** The tick that is due was not claimed for too long: the caller sends it again. One of many callers wins. */
export const nudge = (session: Session, now: number): SessionChange => ({
  name: 'nudge',
  if: [
    ['=', 'generation', session.generation],
    ['=', 'epoch', session.epoch],
    ['=', 'tick', session.tick],
    ['=', 'tickDueAt', session.tickDueAt],
  ],
  set: { tickDueAt: now },
});

// ── A redelivery tick ──────────────────────────────────────────────────────────────────────────────────────────────

/** The tick that a message in the redelivery queue stands for. */
export interface Tick {
  readonly generation: Generation;
  readonly epoch: number;
  readonly number: number;
}

const ofTick = (tick: Tick) =>
  [
    ['=', 'generation', tick.generation],
    ['=', 'epoch', tick.epoch],
    ['=', 'tick', tick.number],
  ] as const;

/**
 * A worker takes the tick: from here to the end of the lease nobody else works on it. That a tick exists proves that the
 * CONNACK was accepted, so a connecting session is online with its first one.
 */
export const claim = (tick: Tick, leaseUntil: number, now: number): SessionChange => ({
  name: 'claim',
  if: [
    ...ofTick(tick),
    [
      'any',
      [
        ['=', 'status', 'online'],
        ['=', 'status', 'connecting'],
      ],
    ],
    ['=', 'mode', 'queued'],
    ['=', 'leaseUntil', 0],
    ['<=', 'postAllowedAt', now], // else a quick reconnect gets more than the rate
  ],
  set: { leaseUntil, status: 'online' },
});

/** The same, from a worker that died. `quietSince` starts anew: what it received may still be hidden. */
export const takeOver = (tick: Tick, leaseUntil: number, now: number): SessionChange => ({
  name: 'takeOver',
  if: [
    ...ofTick(tick),
    ['=', 'status', 'online'],
    ['=', 'mode', 'queued'],
    ['>', 'leaseUntil', 0],
    ['<', 'leaseUntil', now], // else two workers send the same
    ['<=', 'postAllowedAt', now],
  ],
  set: { leaseUntil, quietSince: now },
});

/**
 * `count` sequence numbers for what this tick posts, of which `fresh` are new in flight. No other post of stored messages
 * until `postAllowedAt`, should this worker die before it can say when it posted.
 */
export const allocateForTick = (tick: Tick, count: number, fresh: number, postAllowedAt: number): SessionChange => ({
  name: 'allocateForTick',
  if: ofTick(tick), // else a replaced connection's numbers tear a hole into the new one's
  set: { postAllowedAt },
  add: { sequence: count, windowLeft: -fresh },
});

/** The whole backlog is what this tick deleted: nothing waits any more. */
export const turnDirect = (tick: Tick, deleted: number, postAllowedAt: number): SessionChange => ({
  name: 'turnDirect',
  if: [...ofTick(tick), ['=', 'backlog', deleted]], // else what is on its way to the queue is overtaken
  set: { mode: 'direct', backlog: 0, backlogBytes: 0, leaseUntil: 0, postAllowedAt },
});

/** The backlog counts messages that never reached the queue (their publisher died): forget it. */
export const heal = (tick: Tick, quietSince: number): SessionChange => ({
  name: 'heal',
  if: [...ofTick(tick), ['=', 'quietSince', quietSince]], // else a publisher counted meanwhile and is about to send
  set: { mode: 'direct', backlog: 0, backlogBytes: 0, leaseUntil: 0 },
});

/** Whether every Lambda that could still send has been stopped, and everything received has become visible again. */
export const mayHeal = (session: Session, timing: Timing, now: number): boolean =>
  now - session.quietSince > timing.lambdaTimeout + timing.queueVisibility + timing.clockMargin;

/** What a tick leaves behind for the next one, which the caller has sent already. */
export interface TickResult {
  readonly deleted: number;
  readonly deletedBytes: number;
  readonly postAllowedAt: number;
  readonly nextDueAt: number;
  /** Set where received messages were not deleted: they stay hidden for a while, and healing has to wait for them. */
  readonly quietSince?: number;
}

export const nextTick = (tick: Tick, result: TickResult): SessionChange => ({
  name: 'nextTick',
  if: [...ofTick(tick), ['=', 'mode', 'queued']], // else it counts down once more what `turnDirect` has forgotten
  set: {
    tick: tick.number + 1,
    tickDueAt: result.nextDueAt,
    leaseUntil: 0,
    postAllowedAt: result.postAllowedAt,
    ...(result.quietSince === undefined ? {} : { quietSince: result.quietSince }),
  },
  add: { backlog: -result.deleted, backlogBytes: -result.deletedBytes },
});

/** The worker whose lease this is gives the tick back, to be done again under its number. What it deleted is counted down. */
export const giveBack = (
  tick: Tick,
  leaseUntil: number,
  { deleted, deletedBytes, postAllowedAt, nextDueAt }: TickResult,
): SessionChange => ({
  name: 'giveBack',
  if: [...ofTick(tick), ['=', 'leaseUntil', leaseUntil]], // else it counts down twice
  set: { leaseUntil: 0, tickDueAt: nextDueAt, postAllowedAt },
  add: { backlog: -deleted, backlogBytes: -deletedBytes },
});
