/**
 * Every step a session may take, each one conditional write on its record: the state machine that docs/delivery.md explains.
 *
 * Rules of this file:
 * - Pure: time is an argument. No promises.
 * - Every change of an existing session names the epoch it means, or the generation where any epoch will do. Epochs of one client
 *   rise even across its sessions, so an epoch names the session as well.
 * - A condition stands here only if leaving it out breaks a promise; the comment beside it says which. The simulation leaves out
 *   each in turn (test/simulation/mutants.ts).
 */
import type { Change } from './change.ts';
import { type ConnectionId, type Generation, type GrantId, NO_CONNECTION, type WillId } from './ids.ts';
import { type DeadSession, deadSessions, expiryPartOf, type Session, writeDead } from './session.ts';

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

/** What a session is given with a new connection, on which nothing has been sent yet: `windowLeft` is the whole in-flight window. */
export interface NextConnection {
  readonly connectionId: ConnectionId;
  readonly resumption: string;
  readonly windowLeft: number;
}

/** What it is given by a CONNECT. */
export interface NextConnect extends NextConnection {
  readonly will: WillId;
  readonly grant: GrantId;
}

/** What a new session is given. */
export interface NewSession extends NextConnect {
  readonly generation: Generation;
  readonly persistent: boolean;
}

/**
 * A new session takes the client's place: where there was none, or after `former`, which ends by the same write. It has no
 * subscriptions, so it may be online and direct at once.
 */
export const begin = (created: NewSession, former: Session | undefined, now: number): SessionChange => {
  const epoch = Math.max(now, (former?.epoch ?? 0) + 1);
  return {
    // of two clients with one id, one wins and the other decides again
    name: 'begin',
    if: former ? [['=', 'epoch', former.epoch]] : [['absent']],
    set: {
      ...created,
      epoch,
      version: epoch,
      connectedAt: now,
      status: 'online',
      mode: 'direct',
      expiresAt: 0,
      expiryPart: expiryPartOf(created.generation),
      sequence: 0,
      pushed: 0,
      backlog: 0,
      backlogBytes: 0,
      tick: 0,
      tickDueAt: now,
      leaseUntil: 0,
      quietSince: now,
      leakSeenAt: 0,
      postAllowedAt: 0,
      storesMessages: false,
      queueReady: false,
      predecessors: former ? writeDead(deadSessions({ ...former, ...endedAt(former, now) })) : '',
      refreshedAt: now,
    },
  };
};

/** A session that ended before keeps the time of that. */
const endedAt = (session: Session, now: number) =>
  session.status === 'ended' ? {} : ({ status: 'ended', expiresAt: now } as const);

/** The session goes on with the connection of a new CONNECT. Queued, so that nothing overtakes what is stored. */
export const resume = (
  session: Session,
  next: NextConnect & Pick<Session, 'refreshedAt'>,
  now: number,
): SessionChange => ({
  name: 'resume',
  if: [
    ['=', 'epoch', session.epoch], // of two clients with one id, one wins and the other decides again
    ['=', 'status', session.status], // else a session that a reader found expired comes back
  ],
  set: { ...onNewConnection(now), ...next, status: 'connecting', expiresAt: 0, version: session.epoch + 1 },
  add: { epoch: 1 },
});

/** The session moves to another connection of the same client, without a CONNECT (wire §8). Queued, as above. */
export const move = (
  session: Session,
  next: NextConnection & Pick<Session, 'refreshedAt' | 'grant'>,
  now: number,
): SessionChange => ({
  name: 'move',
  if: [
    ['=', 'epoch', session.epoch], // else a token that was used, or is of an older connection, takes the session away
    ['=', 'status', 'online'], // else a session that was given up lives on, and its will is published all the same
  ],
  set: { ...onNewConnection(now), ...next },
  add: { epoch: 1 },
});

const onNewConnection = (now: number) =>
  ({
    mode: 'queued',
    connectedAt: now,
    tick: 1,
    tickDueAt: now,
    leaseUntil: 0,
    quietSince: now,
    leakSeenAt: 0,
  }) as const;

/** The client of `epoch` has been asked for anew: from here on it is this that it may do. */
export const regrant = (epoch: number, grant: GrantId): SessionChange => ({
  name: 'regrant',
  if: [['=', 'epoch', epoch]], // else one that stalled gives the client's next connection what this one may do
  set: { grant },
});

// ── The end of a connection, and of a session ──────────────────────────────────────────────────────────────────────

const connected = [
  'any',
  [
    ['=', 'status', 'online'],
    ['=', 'status', 'connecting'],
  ],
] as const;

/** The connection of `epoch` is gone; the persistent session waits for the next one. */
export const goOffline = (epoch: number, expiresAt: number): SessionChange => ({
  name: 'goOffline',
  if: [
    ['=', 'epoch', epoch], // the loser of a takeover, or a late $disconnect, must not touch the winner
    connected, // else a doubled $disconnect prolongs the session, or brings an ended one back
  ],
  set: { status: 'offline', mode: 'queued', connectionId: NO_CONNECTION, expiresAt },
});

/** The connection of `epoch` is gone, and with it a session that is not persistent [MQTT-3.1.2-6]. */
export const endWithConnection = (epoch: number, now: number): SessionChange => ({
  name: 'endWithConnection',
  if: [['=', 'epoch', epoch]], // else a late $disconnect ends the client's next session
  set: { status: 'ended', mode: 'queued', connectionId: NO_CONNECTION, expiresAt: now },
});

/** The session ends, as it was read. It is dead from here on; cleaning up may come later. */
export const end = (session: Session, now: number): SessionChange => ({
  name: 'end',
  if: [['=', 'epoch', session.epoch]], // a client that came back meanwhile keeps its session
  set: { status: 'ended', mode: 'queued', connectionId: NO_CONNECTION, expiresAt: now },
});

/** The sessions before this one are cleaned up, but for those that `remain`. */
export const predecessorsGone = (session: Session, remain: readonly DeadSession[]): SessionChange => ({
  name: 'predecessorsGone',
  if: [['=', 'predecessors', session.predecessors]], // else one that was added meanwhile is forgotten
  set: { predecessors: writeDead(remain) },
});

// ── What the session owns ──────────────────────────────────────────────────────────────────────────────────────────

export const storesMessages = (generation: Generation): SessionChange => ({
  name: 'storesMessages',
  if: [['=', 'generation', generation]],
  set: { storesMessages: true },
});

export const queueCreated = (generation: Generation): SessionChange => ({
  name: 'queueCreated',
  if: [['=', 'generation', generation]],
  set: { queueReady: true },
});

// ── A publisher ────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * Sequence and push numbers for `count` messages that the publisher itself sends on the session's connection.
 * @param grant by which they may be received; undefined where nobody is asked
 */
export const allocate = (
  generation: Generation,
  count: number,
  liveTraffic: LiveTraffic,
  grant: GrantId | undefined,
): SessionChange => ({
  name: 'allocate',
  if: [
    ['=', 'generation', generation],
    ...(grant === undefined ? [] : [['=', 'grant', grant] as const]), // else it is posted what it may not receive any more
    ['=', 'status', 'online'],
    ...(liveTraffic === 'ordered' ? [['=', 'mode', 'direct'] as const] : []), // else it overtakes what is stored
    ['>=', 'windowLeft', count], // else more is in flight than the window allows
  ],
  set: { leakSeenAt: 0 },
  add: { sequence: count, pushed: count, windowLeft: -count },
});

export type LiveTraffic = 'ordered' | 'interleaved';

/**
 * The `count` push numbers that `session` gave out last come back, since nothing was posted under them, and with them `room` for
 * messages that are not in flight after all. Sequence numbers do not: messages may be in flight under them.
 */
export const unallocate = (session: Session, count: number, room: number): SessionChange => ({
  name: 'unallocate',
  if: [
    ['=', 'epoch', session.epoch], // else the next connection's window gets too wide
    ['=', 'pushed', session.pushed], // else they are no longer the last
  ],
  set: { pushed: session.pushed - count },
  add: { windowLeft: room },
});

/** `count` messages that were sent on the connection of `epoch` are no longer in flight on it. */
export const credit = (epoch: number, count: number): SessionChange => ({
  name: 'credit',
  if: [['=', 'epoch', epoch]], // else the next connection's window gets too wide
  set: { leakSeenAt: 0 },
  add: { windowLeft: count },
});

/**
 * The direct session turns to queued: its window is full, or a post was refused. The caller has sent the tick that becomes
 * due by this.
 */
export const park = (session: Session, now: number): SessionChange => ({
  name: 'park',
  if: [
    ['=', 'epoch', session.epoch], // else the tick that becomes due was never sent
    ['=', 'tick', session.tick], // else it breeds a second tick, or makes one due again that is done
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
    ['=', 'epoch', session.epoch], // else it sends the next connection's first tick before its CONNACK
    ['=', 'tickDueAt', session.tickDueAt], // else every publisher sends one
  ],
  set: { tickDueAt: now },
});

// ── A redelivery tick ──────────────────────────────────────────────────────────────────────────────────────────────

/** The tick that a message in the redelivery queue stands for. */
export interface Tick {
  readonly generation: Generation;
  readonly epoch: number;
  readonly number: number;
  /** Set where it was sent ahead of `park`: until then the write may still come. */
  readonly parkedBy?: number;
}

/**
 * A worker takes the tick: from here to the end of the lease nobody else works on it. That a tick exists proves that the
 * CONNACK was accepted, so a connecting session is online with its first one.
 * @param former the lease as it was read: 0, or one that has run out. What its worker received may still be hidden, so
 *   `quietSince` starts anew.
 */
export const claim = (tick: Tick, former: number, leaseUntil: number, now: number): SessionChange => ({
  name: 'claim',
  if: [
    ['=', 'epoch', tick.epoch], // else an old connection's tick works on the new one
    ['=', 'tick', tick.number], // else a doubled tick does its work again
    connected, // else a session that is offline seems to be online
    ['=', 'mode', 'queued'], // else a doubled tick sends again what was sent
    ['=', 'leaseUntil', former], // else two workers send the same
    ['<=', 'postAllowedAt', now], // else a quick reconnect gets more than the rate
  ],
  set: { leaseUntil, status: 'online', ...(former > 0 && { quietSince: now }) },
});

/** What a tick is about to post. */
export interface TickPush {
  /** Messages. */
  readonly count: number;
  /** How many of them were never in flight. */
  readonly fresh: number;
  /** How many of them take room in the window: what was sent on this connection before has it already. */
  readonly used: number;
}

/**
 * Push numbers for what this tick posts, and sequence numbers for what is fresh. No other post of stored messages until
 * `postAllowedAt`, should this worker die before it can say when it posted.
 */
export const allocateForTick = (
  tick: Tick,
  { count, fresh, used }: TickPush,
  postAllowedAt: number,
): SessionChange => ({
  name: 'allocateForTick',
  if: [
    ['=', 'epoch', tick.epoch], // else a replaced connection's numbers tear a hole into the new one's
    ['>=', 'windowLeft', used], // else more is in flight than the window allows
  ],
  set: { postAllowedAt, leakSeenAt: 0 },
  add: { sequence: fresh, pushed: count, windowLeft: -used },
});

/**
 * The whole backlog is what this tick deleted: nothing waits any more.
 * @param leaseUntil of its claim
 */
export const turnDirect = (tick: Tick, leaseUntil: number, deleted: number, postAllowedAt: number): SessionChange => ({
  name: 'turnDirect',
  if: [
    ['=', 'epoch', tick.epoch], // else what is in flight from older epochs is overtaken
    ['=', 'leaseUntil', leaseUntil], // else, sent twice, it forgets what was stored in between
    ['=', 'backlog', deleted], // else what is on its way to the queue is overtaken
  ],
  set: { mode: 'direct', backlog: 0, backlogBytes: 0, leaseUntil: 0, postAllowedAt },
});

/** The backlog counts messages that never reached the queue (their publisher died): forget it. */
export const heal = (quietSince: number): SessionChange => ({
  name: 'heal',
  if: [['=', 'quietSince', quietSince]], // else a publisher counted, or a client connected, meanwhile
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
  readonly dueAt: number;
  readonly leakSeenAt: number;
  /** Set where received messages were not deleted: they stay hidden for a while, and healing has to wait for them. */
  readonly quietSince?: number;
}

/**
 * The worker that has claimed `tick` is done with it; what it deleted is counted down.
 * @param leaseUntil of its claim
 * @param due the tick that is due now: the next one, or this one again. The caller has sent it.
 */
export const endTick = (tick: Tick, leaseUntil: number, due: number, result: TickResult): SessionChange => ({
  name: 'endTick',
  if: [
    ['=', 'epoch', tick.epoch], // else the next connection loses its first tick
    ['=', 'leaseUntil', leaseUntil], // else, sent twice, it counts down twice, or what `turnDirect` has forgotten
  ],
  set: {
    tick: due,
    tickDueAt: result.dueAt,
    leaseUntil: 0,
    postAllowedAt: result.postAllowedAt,
    leakSeenAt: result.leakSeenAt,
    ...(result.quietSince === undefined ? {} : { quietSince: result.quietSince }),
  },
  add: { backlog: -result.deleted, backlogBytes: -result.deletedBytes },
});
