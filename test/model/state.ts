/**
 * What the model knows of the world: one session of one client, and everything that is at work on it.
 *
 * Rules of this file:
 * - Records are those of the code (`Session`, `InFlight`, `Tick`), so that its steps can be applied to them.
 * - Values are never changed in place: a step makes a new state that shares what it did not touch.
 * - Whatever is not here is not modelled: bytes, topics, the rate, the time of day.
 */
import { type ConnectionId, type Generation, type MessageId, NO_GRANT, NO_WILL } from '../../src/session/ids.ts';
import type { InFlight, Session } from '../../src/session/session.ts';
import type { Tick } from '../../src/session/transitions.ts';

export interface State {
  /** The record, if there is one. */
  readonly session: Session | undefined;
  /** Messages with a packet id, by sequence. */
  readonly inFlight: readonly Record[];
  /** The FIFO queues of all generations. */
  readonly queue: readonly Stored[];
  /** Messages in the redelivery queue. */
  readonly ticks: readonly Tick[];
  /** Clean-up jobs that wait. */
  readonly cleanUps: number;
  /** The client's one subscription. */
  readonly subscription: Subscription | undefined;
  /** Lambdas at work. */
  readonly lambdas: readonly Lambda[];
  readonly connections: readonly Connection[];
  readonly client: Client;
  readonly publishers: readonly Publisher[];
  /** Payloads that the session's client has got, one bit each. */
  readonly delivered: number;
  /** Payloads whose publisher has its PUBACK and that are owed to the session that lives now, one bit each. */
  readonly owed: number;
  /** Faults that may still happen. */
  readonly left: Faults;
  /** What this step has broken: for the properties that a single step can break. */
  readonly broken?: string;
}

export interface Faults {
  /** Lambdas that die between two calls. */
  readonly deaths: number;
  /** Times that the client vanishes without a word. */
  readonly leaves: number;
  /** Tick messages that are delivered twice. */
  readonly doubles: number;
  /** Publishers that lose their connection while their Lambda works on. */
  readonly stalls: number;
  /** Posts that are refused with 429. */
  readonly throttles: number;
  /** Posts without a clear answer. */
  readonly unclear: number;
  /** Times that the client connects with cleanSession 1. */
  readonly cleanStarts: number;
  /** Times that somebody finds the session expired. */
  readonly expiries: number;
  /** Times that the client moves to a second connection while the first stands. */
  readonly rebinds: number;
}

/** A record in flight. */
export interface Record extends InFlight {
  readonly generation: Generation;
}

/** A message in a client's queue. `hidden`: somebody has received it. */
export interface Stored {
  readonly id: MessageId;
  readonly generation: Generation;
  readonly hidden: boolean;
}

export interface Subscription {
  readonly generation: Generation;
  readonly epoch: number;
}

/**
 * A socket. `abandoned`: its client is gone and the gateway has not noticed, so it still accepts posts. `books`: what the
 * connection's record says; `none` before CONNECT has written it. `notice`: a `$disconnect` is on its way.
 */
export interface Connection {
  readonly id: ConnectionId;
  readonly socket: 'up' | 'abandoned' | 'closed';
  readonly books: 'none' | 'open' | 'closed';
  readonly notice: boolean;
  readonly generation: Generation;
  readonly epoch: number;
  readonly persistent: boolean;
}

/** The subscriber's client end. */
export interface Client {
  /** The connection it last opened, or none. */
  readonly connection: ConnectionId;
  readonly phase: 'off' | 'connecting' | 'ready';
  /** The connection before, which it still listens to while it moves. */
  readonly former: ConnectionId;
  /** The last push number that was handed on. */
  readonly handed: number;
  /** Pushes ahead of it, by number. */
  readonly waiting: readonly Push[];
  /** What it has got and not yet acknowledged. */
  readonly unacknowledged: readonly Packet[];
  readonly subscribed: boolean;
}

export interface Push {
  readonly generation: Generation;
  readonly first: number;
  readonly packets: readonly Packet[];
}

/** A PUBLISH with QoS 1. */
export interface Packet {
  readonly packetId: number;
  readonly id: MessageId;
}

/** `next`: the first of its messages without PUBACK. `waits`: it has sent a frame and waits for the reply. */
export interface Publisher {
  readonly next: number;
  readonly waits: boolean;
}

// ── Lambdas: each with the step that comes next, and what it remembers ─────────────────────────────────────────────

export type Lambda = Deliver | Redeliver | Connect | Acknowledge | Subscribe | CleanUp;

/** src/broker/deliver.ts */
export interface Deliver {
  readonly kind: 'deliver';
  readonly step: DeliverStep;
  readonly publisher: number;
  /** Its publisher still waits for the reply. */
  readonly answers: boolean;
  readonly to: Generation;
  readonly waiting: readonly MessageId[];
  /** How many of them it tries to send at once. */
  readonly most: number;
  /** How many of them it has numbers for. */
  readonly batch: number;
  /** Of the session, as it was last read. */
  readonly epoch: number;
  readonly persistent: boolean;
  readonly connectionId: ConnectionId;
  readonly sequence: number;
  readonly pushed: number;
  readonly tick: number;
  /** Records put in flight, and not taken back. */
  readonly written: number;
  /** The second look at the session, which goes on beside the post. */
  readonly look: (typeof looks)[number];
  /** What became of the batch: it decides what follows when it is taken back. */
  readonly fate: (typeof fates)[number];
  /** Messages that fit into the bounds. */
  readonly fitting: number;
}

export const looks = ['pending', 'same', 'changed'] as const;
/** `taken`: one of its packet ids is in use. `changed`: it was posted to a connection that is replaced. */
export const fates = ['open', 'taken', 'changed', 'gone', 'unclear', 'throttled'] as const;

export const deliverSteps = [
  'allocate',
  'put',
  'post',
  'look',
  'close socket',
  'send clean-up before the loss',
  'lose connection',
  'take back',
  'unallocate',
  'send tick',
  'park',
  'read',
  'count',
  'send',
  'send clean-up before the end',
  'end',
  'remove leftover',
] as const;
export type DeliverStep = (typeof deliverSteps)[number];

/** src/broker/redeliver.ts, one round */
export interface Redeliver {
  readonly kind: 'redeliver';
  readonly step: RedeliverStep;
  readonly tick: Tick;
  readonly connectionId: ConnectionId;
  readonly persistent: boolean;
  readonly healing: boolean;
  readonly quietSince: number;
  /** The backlog and the window when the session was last seen. */
  readonly backlog: number;
  readonly windowLeft: number;
  /** It has asked the queue and got nothing. */
  readonly gotNothing: boolean;
  readonly deleted: number;
  readonly hidden: boolean;
  readonly leftOver: boolean;
  /** What it received and has to delete. */
  readonly batch: readonly MessageId[];
  /** Its receipts are good: what it received is still hidden for it. */
  readonly holds: boolean;
  /** Those of the batch that have to be put in flight. */
  readonly fresh: readonly MessageId[];
  readonly resend: readonly Resend[];
  /** Room in the window that it took for messages that were acknowledged meanwhile. */
  readonly unused: number;
  /** How many of `resend` were looked at. */
  readonly stamped: number;
  /** How many push numbers it allocated, and the last of them. */
  readonly count: number;
  readonly pushed: number;
  /** The last of its sequence numbers: each fresh one has one. */
  readonly sequence: number;
  /** Fresh ones put in flight, and not taken back. */
  readonly written: number;
  /** What was in flight when it looked: only where a mutant looks too early. */
  readonly listed: readonly Record[];
}

/** `takesRoom`: it was sent on an older connection, so it takes room in the window of this one. */
export interface Resend extends Packet {
  readonly takesRoom: boolean;
}

export const redeliverSteps = [
  'receive',
  'list',
  'allocate',
  'stamp',
  'give numbers back',
  'put',
  'post',
  'close socket',
  'lose connection',
  'delete',
  'turn direct',
  'heal',
  'send next',
  'next tick',
  'unallocate',
  'send again',
  'give back',
  'send clean-up',
] as const;
export type RedeliverStep = (typeof redeliverSteps)[number];

/** src/broker/connect.ts */
export interface Connect {
  readonly kind: 'connect';
  readonly step: ConnectStep;
  readonly connectionId: ConnectionId;
  readonly clean: boolean;
  /** The session as it was read, before the write; the session as it was written, after it. */
  readonly generation: Generation;
  readonly epoch: number;
  readonly status: Session['status'] | 'absent';
  readonly persistent: boolean;
  readonly pushed: number;
  readonly predecessors: string;
  /** The session goes on; else a new one begins. */
  readonly resumes: boolean;
}

export const connectSteps = [
  'read',
  'send clean-up',
  'write',
  'open',
  'post CONNACK',
  'send tick',
  'reply',
  'lose connection',
] as const;
export type ConnectStep = (typeof connectSteps)[number];

/** src/broker/acknowledge.ts */
export interface Acknowledge {
  readonly kind: 'acknowledge';
  readonly step: 'remove' | 'credit';
  readonly connectionId: ConnectionId;
  readonly generation: Generation;
  readonly epoch: number;
  readonly packetId: number;
}

/** src/broker/subscribe.ts: the write of one subscription. */
export interface Subscribe {
  readonly kind: 'subscribe';
  readonly step: 'read' | 'write';
  readonly connectionId: ConnectionId;
  readonly generation: Generation;
  readonly epoch: number;
}

/** src/broker/run-job.ts, cleanUp */
export interface CleanUp {
  readonly kind: 'clean-up';
  readonly step: CleanUpStep;
  /** The session as it was read. */
  readonly generation: Generation;
  readonly epoch: number;
  readonly ended: boolean;
  readonly predecessors: string;
  /** Those of its dead generations that nobody can know alive any more: they are removed one after the other. */
  readonly due: readonly Generation[];
  /** The others. */
  readonly remain: readonly Generation[];
}

export const cleanUpSteps = ['remains', 'record'] as const;
export type CleanUpStep = (typeof cleanUpSteps)[number];

// ── Names ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Attempts of one payload that may be around at once. */
const ATTEMPTS = 8;

/** Each attempt to publish a payload makes a message of its own. */
export const messageId = (payload: number, attempt: number): MessageId =>
  String.fromCharCode(64 + payload * ATTEMPTS + attempt) as MessageId;
export const payloadOf = (id: MessageId): number => Math.floor((id.charCodeAt(0) - 64) / ATTEMPTS);
export const attemptOf = (id: MessageId): number => (id.charCodeAt(0) - 64) % ATTEMPTS;

/** Generations and connections are named by small numbers; 0 is none. */
export const generationOf = (number: number): Generation => String.fromCharCode(48 + number) as Generation;
export const connectionOf = (number: number): ConnectionId =>
  (number === 0 ? '' : String.fromCharCode(48 + number)) as ConnectionId;
export const numberOf = (name: string): number => (name === '' ? 0 : name.charCodeAt(0) - 48);
export const NO_GENERATION = generationOf(0);

// ── Parts that do not change ───────────────────────────────────────────────────────────────────────────────────────

/** Messages have a size in the code; here all have none. */
const NO_BYTES = new Uint8Array(0);

/** Of every message the same. */
const CONTENT = { topic: '', payload: NO_BYTES, qos: 1, retain: false } as const;

export const message = (id: MessageId) => ({ id, ...CONTENT, liveEpoch: 0 });

export const inFlightRecord = (
  generation: Generation,
  id: MessageId,
  sequence: number,
  packetId: number,
  epoch: number,
  tick: number,
): Record => ({ generation, id, ...CONTENT, sequence, packetId, epoch, tick, sentAt: SENT_AT, released: false });

/** All was sent at this time; whether that is long ago is said by whoever asks. */
export const SENT_AT = 1;

/** A session with the attributes that the model does not follow. */
export const BLANK: Session = {
  generation: NO_GENERATION,
  epoch: 0,
  status: 'online',
  mode: 'direct',
  connectionId: connectionOf(0),
  connectedAt: 0,
  version: 0,
  resumption: '',
  will: NO_WILL,
  grant: NO_GRANT,
  persistent: true,
  expiresAt: 0,
  expiryPart: 0,
  sequence: 0,
  pushed: 0,
  windowLeft: 0,
  backlog: 0,
  backlogBytes: 0,
  tick: 0,
  tickDueAt: 0,
  leaseUntil: 0,
  quietSince: 0,
  leakSeenAt: 0,
  postAllowedAt: 0,
  storesMessages: true,
  queueReady: true,
  predecessors: '',
  refreshedAt: 0,
};
