/**
 * What the broker needs from the world, by access pattern. `src/memory` and `src/aws` implement it; `test/contracts` says
 * what both must do.
 *
 * Rules of this file:
 * - One method call is one atomic access, unless its comment says otherwise. A Lambda may die between any two.
 * - What is normal in a cloud is a returned value. Outages and throttling that lasts are thrown.
 * - Reads see every write that was finished before them.
 * - A write is carried out once and its outcome is told truly, however often it had to be sent.
 */

import type { FilterShape } from '../mqtt/filter-shape.ts';
import type { Qos } from '../mqtt/packets.ts';
import type { Look } from '../mqtt/topic-search.ts';
import type { Change, Condition, Outcome } from '../session/change.ts';
import type { Connection } from '../session/connection.ts';
import type { ClientId, ConnectionId, Generation, GrantId, MessageId, WillId } from '../session/ids.ts';
import type { RetainedMessage } from '../session/retained.ts';
import type { ChosenCopy, Incoming, InFlight, Message, Session, SessionAddress } from '../session/session.ts';
import type { Tick } from '../session/transitions.ts';

// ── Sessions ───────────────────────────────────────────────────────────────────────────────────────────────────────

export interface Sessions {
  read(clientId: ClientId): Promise<Session | undefined>;
  /** One conditional write (`transitions.ts`). */
  change(clientId: ClientId, change: Change<Session>): Promise<Outcome<Session>>;
  /** Removes the record if the conditions hold. */
  remove(clientId: ClientId, conditions: readonly Condition<Session>[]): Promise<void>;
  /**
   * Whose sessions of one part of the index (`expiryPart`) have an `expiresAt` of 1 … `before`, the earliest first: one page.
   * From an index that lags: a hint, to be judged by the session itself.
   * @param after `next` of the page before; undefined for the first
   */
  expired(part: number, before: number, after: string | undefined): Promise<Page<ClientId>>;
}

/** A part of a list that is too long for one call. `next`: what to ask for the rest with, undefined at the end. */
export interface Page<T> {
  readonly found: readonly T[];
  readonly next: string | undefined;
}

/** Messages that were given a packet id, by session and packet id. */
export interface InFlightMessages {
  /** False: this packet id is in use. */
  put(session: SessionAddress, message: InFlight): Promise<boolean>;
  /** In order of sequence. */
  list(session: SessionAddress): Promise<readonly InFlight[]>;
  change(session: SessionAddress, packetId: number, change: Change<InFlight>): Promise<Outcome<InFlight>>;
  /** Removes the message if the conditions hold. True: it is gone by this call. */
  remove(session: SessionAddress, packetId: number, conditions: readonly Condition<InFlight>[]): Promise<boolean>;
}

/** Of every QoS 2 message that a session gets, by message id (`choose-copy.ts`). Collected by their time to live alone. */
export interface ChosenCopies {
  change(session: SessionAddress, id: MessageId, change: Change<ChosenCopy>): Promise<Outcome<ChosenCopy>>;
}

/** QoS 2 messages that a session's client has sent, by packet id (`receive-once.ts`). Collected by their time to live alone. */
export interface IncomingMessages {
  change(session: SessionAddress, packetId: number, change: Change<Incoming>): Promise<Outcome<Incoming>>;
}

/** A client's Last Will, apart from the session so that its payload weighs on no write but its own. */
export interface Will extends Message {
  /** Until when somebody is publishing it; 0: nobody has begun to. */
  readonly leaseUntil: number;
  /** What its client had proved to be. */
  readonly grant: GrantId;
}

export interface Wills {
  put(clientId: ClientId, id: WillId, will: Will): Promise<void>;
  read(clientId: ClientId, id: WillId): Promise<Will | undefined>;
  change(clientId: ClientId, id: WillId, change: Change<Will>): Promise<Outcome<Will>>;
  /** True: it is gone by this call. */
  remove(clientId: ClientId, id: WillId): Promise<boolean>;
}

// ── Subscriptions ──────────────────────────────────────────────────────────────────────────────────────────────────

export interface Subscription {
  readonly qos: Qos;
  readonly generation: Generation;
  /** The epoch that wrote it: of two writers the younger wins. */
  readonly epoch: number;
  /** False: unsubscribed, kept a while so that a stalled SUBSCRIBE of an older epoch loses against it. */
  readonly active: boolean;
}

export interface Subscriber extends SessionAddress {
  readonly topicFilter: string;
  readonly qos: Qos;
}

export interface Subscriptions {
  /** One conditional write on the subscription of one client to one filter. */
  change(topicFilter: string, clientId: ClientId, change: Change<Subscription>): Promise<Outcome<Subscription>>;
  /** Removes it if the conditions hold. */
  remove(topicFilter: string, clientId: ClientId, conditions: readonly Condition<Subscription>[]): Promise<void>;
  /** Active subscriptions to exactly this filter. May take several calls for large audiences. */
  to(topicFilter: string): Promise<readonly Subscriber[]>;
  /** The shapes of all filters in use. */
  shapes(): Promise<ReadonlySet<FilterShape>>;
  /** Adds a shape unless there are `most` already. False: there are. Several calls, one after the other. */
  addShape(shape: FilterShape, most: number): Promise<boolean>;
}

/** A filter of a session, noted for counting and for cleaning up. */
export interface NotedFilter {
  /** The epoch that noted it last. */
  readonly epoch: number;
}

export interface Filters {
  change(session: SessionAddress, topicFilter: string, change: Change<NotedFilter>): Promise<Outcome<NotedFilter>>;
  list(session: SessionAddress): Promise<readonly (NotedFilter & { readonly topicFilter: string })[]>;
  /** Removes the note if the conditions hold. */
  remove(session: SessionAddress, topicFilter: string, conditions: readonly Condition<NotedFilter>[]): Promise<void>;
}

// ── Retained messages ──────────────────────────────────────────────────────────────────────────────────────────────

/** What is retained, by topic; and for a while what was removed. */
export interface RetainedMessages {
  read(topic: string): Promise<RetainedMessage | undefined>;
  /** One conditional write. Before it the topic's first level is noted, so that whoever looks through `firstLevels` finds it. */
  change(topic: string, change: Change<RetainedMessage>): Promise<Outcome<RetainedMessage>>;
  /** Under topics that have the first level of `prefix` and begin with it, in order, from the first behind the topic `after`. */
  under(prefix: string, after: string | undefined): Promise<Page<RetainedMessage>>;
  /** First levels under which something is, or was, retained, each once. */
  firstLevels(after: string | undefined): Promise<Page<string>>;
}

// ── Connections ────────────────────────────────────────────────────────────────────────────────────────────────────

/** A part of a packet above one frame (wire §4). */
export interface Piece {
  readonly index: number;
  readonly count: number;
  readonly text: string;
  readonly receivedAt: number;
}

export interface Connections {
  read(connectionId: ConnectionId): Promise<Connection | undefined>;
  /** One conditional write (`connection.ts`). */
  change(connectionId: ConnectionId, change: Change<Connection>): Promise<Outcome<Connection>>;
  /** Closed for good, known or not. Returns what it was before. */
  close(connectionId: ConnectionId, now: number): Promise<Connection | undefined>;
  /** False: there was one in its place, which is replaced. */
  putPiece(connectionId: ConnectionId, piece: Piece): Promise<boolean>;
  /** The connection together with its pieces, in order of index. */
  readWithPieces(
    connectionId: ConnectionId,
  ): Promise<{ readonly connection: Connection | undefined; readonly pieces: readonly Piece[] }>;
  /** May take one call per piece. */
  removePieces(connectionId: ConnectionId, pieces: readonly Piece[]): Promise<void>;
  keepHandshake(connectionId: ConnectionId, handshake: Handshake): Promise<void>;
  readHandshake(connectionId: ConnectionId): Promise<Handshake | undefined>;
  /** What the operator's authorizer was asked when the client connected, to ask it again: JSON, with the client's credentials. */
  keepRequest(connectionId: ConnectionId, request: string): Promise<void>;
  readRequest(connectionId: ConnectionId): Promise<string | undefined>;
  forgetRequest(connectionId: ConnectionId): Promise<void>;
}

/** What only `$connect` is told of a client, kept until its CONNECT. */
export interface Handshake {
  /** ARN of whoever has signed it; empty where nobody has. */
  readonly callerArn: string;
  /** What IAM calls `aws:userid`: `AIDA…`, or `AROA…:sessionName`. */
  readonly callerId?: string;
  /** Which identity of a Cognito identity pool it is. All of them have one ARN. */
  readonly cognitoIdentityId?: string;
  readonly headers: Readonly<Record<string, string>>;
  /** With its `?`, or empty. */
  readonly queryString: string;
}

// ── Who clients are ────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * What a client has proved to be when it connected, and what came with it. Kept under a hash of its content, so it never changes;
 * what is attached to its principal may.
 */
export interface Grant {
  /** How it was proved, a colon, and the name: `password:pump-7`. */
  readonly principal: string;
  /** Names under which it may have a record, to which policies are attached: the first that there is counts, now and not at CONNECT. */
  readonly records: readonly string[];
  /** Names of more policies. */
  readonly policies: readonly string[];
  /** Policies that came with it: JSON. */
  readonly documents: readonly string[];
  /** Names the password that it was proved by, to be compared where the session moves; absent where it was none. */
  readonly proof?: string;
  /** For policy variables and conditions, by lower-case key (`src/policy/permit.ts`). */
  readonly values: Readonly<Record<string, string | readonly string[]>>;
}

/** Somebody the operator has entered. */
export interface Principal {
  /** As `Passwords` makes it; empty where no password is right. */
  readonly passwordHash: string;
  readonly policies: readonly string[];
  /** For policy variables: `${principal:name}`. */
  readonly attributes: Readonly<Record<string, string>>;
}

/** Logins with a wrong password under one name, known or not, since the last with the right one (`failed-logins.ts`). */
export interface FailedLogins {
  readonly failures: number;
  /** When the last of them was, ms since 1970; 0: never. */
  readonly failedAt: number;
}

export interface Identity {
  /** Counts the changes of principals and policies. */
  version(): Promise<number>;
  principal(name: string): Promise<Principal | undefined>;
  /** JSON. */
  policy(name: string): Promise<string | undefined>;
  grant(id: GrantId): Promise<Grant | undefined>;
  /** Lives as long as a session that is not refreshed. */
  keepGrant(id: GrantId, grant: Grant): Promise<void>;
  failedLogins(name: string): Promise<FailedLogins | undefined>;
  /** One conditional write. Forgotten after a day without another. */
  changeFailedLogins(name: string, change: Change<FailedLogins>): Promise<Outcome<FailedLogins>>;
}

/**
 * What the operator's commands do, apart from what a Lambda may. Every call that changes what clients may do counts the version
 * up behind it: one that dies in between has to be made again.
 */
export interface IdentityAdministration {
  /** False: there is one of this name already, and it stays as it is. */
  addPrincipal(name: string, principal: Principal): Promise<boolean>;
  /**
   * Puts what `edit` makes of the principal in its place, and returns it; undefined: there is no such principal. Two accesses: where
   * somebody else was faster, both are made again.
   */
  editPrincipal(name: string, edit: (principal: Principal) => Principal): Promise<Principal | undefined>;
  /** True: it was there. */
  removePrincipal(name: string): Promise<boolean>;
  /** In any order. A page may be empty and not the last. */
  listPrincipals(after: string | undefined): Promise<Page<readonly [name: string, principal: Principal]>>;
  /** Forgets wrong passwords. True: there were some. */
  unlock(name: string): Promise<boolean>;
  putPolicy(name: string, document: string): Promise<void>;
  /** True: it was there. */
  removePolicy(name: string): Promise<boolean>;
  listPolicies(after: string | undefined): Promise<Page<readonly [name: string, document: string]>>;
}

/** Passwords are kept as salted, slow hashes: one that gets out tells little. */
export interface Passwords {
  /** @throws RangeError where the password is empty or too long */
  hash(password: Uint8Array): Promise<string>;
  /** At the same cost whether the password is right or wrong, and where there is no hash. */
  matches(password: Uint8Array, hash: string | undefined): Promise<boolean>;
}

/** JSON Web Tokens of the issuer that the settings name. */
export interface Tokens {
  /**
   * Valid: signed by the issuer, for this broker, and not before or after its time.
   * `problem`: for the log; holds nothing of the token. @throws when the issuer's keys cannot be had
   */
  verify(
    token: string,
  ): Promise<
    | { readonly valid: true; readonly claims: Readonly<Record<string, unknown>> }
    | { readonly valid: false; readonly problem: string }
  >;
}

/** The operator's own Lambda. */
export interface Authorizer {
  /** `problem`: no answer in time, or an error of the function; for the log. */
  ask(
    request: string,
  ): Promise<
    { readonly answered: true; readonly answer: unknown } | { readonly answered: false; readonly problem: string }
  >;
}

/** The other end of a WebSocket. A session that went offline meanwhile has `NO_CONNECTION`, which is gone. */
export interface Gateway {
  /**
   * `accepted`: the gateway took it. `gone`: there is no such connection. `throttled`: not taken, although tried again.
   * `unclear`: no answer within the post timeout; it may have been taken.
   */
  post(connectionId: ConnectionId, frame: string): Promise<'accepted' | 'gone' | 'throttled' | 'unclear'>;
  /** Closes the socket. It may be gone already. */
  close(connectionId: ConnectionId): Promise<void>;
  /** Whether there is such a socket. */
  has(connectionId: ConnectionId): Promise<boolean>;
}

// ── Queues ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** A message in a client's queue. */
export interface StoredMessage extends Message {
  /** It arrived while the client was connected on this epoch: on that epoch it is not throttled. 0: the client was away. */
  readonly liveEpoch: number;
}

export interface ReceivedMessage extends StoredMessage {
  readonly receipt: string;
}

/** A queue of this broker, and for whom it was made; undefined where nobody knows any more. */
export interface ListedQueue {
  readonly name: string;
  readonly owner: SessionAddress | undefined;
}

/** One FIFO queue per session. Received messages stay hidden for the visibility timeout and block those behind them. */
export interface ClientQueues {
  /** Idempotent. A queue may need a moment before it can be used. */
  create(session: SessionAddress): Promise<void>;
  /** In order, one by one, stopping at the first that fails. `missing`: there is no such queue (yet). */
  send(
    session: SessionAddress,
    messages: readonly StoredMessage[],
  ): Promise<{ readonly sent: number; readonly missing: boolean }>;
  /** At most `most` (1 … 10), oldest first; none where the queue is empty, blocked, or missing. */
  receive(session: SessionAddress, most: number): Promise<readonly ReceivedMessage[]>;
  /** Returns those that were really deleted: a receipt expires with the visibility timeout. */
  remove(session: SessionAddress, messages: readonly ReceivedMessage[]): Promise<readonly ReceivedMessage[]>;
  /** Makes received messages visible again at once. Best effort. */
  release(session: SessionAddress, messages: readonly ReceivedMessage[]): Promise<void>;
  /** Deletes the queue, if there is one. */
  destroy(session: SessionAddress): Promise<void>;
  /** Every queue there is, a page at a time, in any order; one that was just made or deleted may be missing or listed. Many calls. */
  list(after: string | undefined): Promise<Page<ListedQueue>>;
  /** Deletes a queue that nobody owns. */
  discard(name: string): Promise<void>;
}

export interface RedeliveryTick extends Tick {
  readonly clientId: ClientId;
}

/** The redelivery queue: at least once, in any order. */
export interface RedeliveryQueue {
  send(tick: RedeliveryTick, delaySeconds: number): Promise<void>;
}

/** What is done in the background, at least once. */
export type Job =
  | ({ readonly job: 'create-queue' } & SessionAddress)
  | ({ readonly job: 'refresh' } & SessionAddress)
  | { readonly job: 'clean-up'; readonly clientId: ClientId }
  | { readonly job: 'close'; readonly connectionId: ConnectionId }
  | ConnectionCheck
  | WillJob
  | RetainedJob
  | { readonly job: 'announce'; readonly topic: string; readonly payload: string }
  | { readonly job: 'sweep' }
  | { readonly job: 'sweep-part'; readonly part: number; readonly before: number; readonly after: string }
  | { readonly job: 'collect-queues'; readonly after?: string };

/** The one pending look at a connection (`check-connection.ts`). */
export interface ConnectionCheck {
  readonly job: 'check';
  readonly connectionId: ConnectionId;
  readonly number: number;
}

/** Somebody is about to end the connection that this will belongs to (`publish-will.ts`). */
export interface WillJob {
  readonly job: 'will';
  readonly clientId: ClientId;
  readonly will: WillId;
  /** The last epoch of the connection that ends, and when that is: what its publication, if it is retained, counts as. */
  readonly epoch: number;
  readonly endedAt: number;
  /** Until then whoever sent this may still be about to. */
  readonly until: number;
  /** Set where the platform's limit has cut the connection off: a connection after this epoch makes up for it. */
  readonly unlessAfter?: number;
}

/** What a SUBSCRIBE has not sent yet of what is retained (`send-retained.ts`). */
export interface RetainedJob extends SessionAddress {
  readonly job: 'retained';
  readonly topicFilter: string;
  /** As granted. */
  readonly qos: Qos;
  /** Names the SUBSCRIBE: a copy that is sent again has the same id, and one for the next SUBSCRIBE has another. */
  readonly run: string;
  readonly looks: readonly Look[];
}

export interface Timers {
  send(job: Job, delaySeconds: number): Promise<void>;
}

// ── The rest of the world ──────────────────────────────────────────────────────────────────────────────────────────

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  pause(milliseconds: number): Promise<void>;
}

export interface Ids {
  generation(): Generation;
  message(): MessageId;
  /** For a client that brought none [MQTT-3.1.3-6]. */
  client(): ClientId;
  /** Names one push in parts (wire §5). */
  unit(): string;
}

/** Secrets that are handed to a client and remembered as a hash only. */
export interface Secrets {
  /** 256 random bits, as letters, digits, `-` and `_`. */
  create(): string;
  hash(secret: string): string;
  /** Compares in constant time. */
  matches(secret: string, hash: string): boolean;
}

/** One structured line. Fields hold identities, counts and reasons; never payloads, user names or passwords. */
export type Log = (event: string, fields: Readonly<Record<string, string | number | boolean | undefined>>) => void;

export interface Ports {
  readonly sessions: Sessions;
  readonly wills: Wills;
  readonly inFlight: InFlightMessages;
  readonly copies: ChosenCopies;
  readonly incoming: IncomingMessages;
  readonly subscriptions: Subscriptions;
  readonly filters: Filters;
  readonly retained: RetainedMessages;
  readonly connections: Connections;
  readonly identity: Identity;
  readonly passwords: Passwords;
  readonly tokens: Tokens;
  readonly authorizer: Authorizer;
  readonly gateway: Gateway;
  readonly queues: ClientQueues;
  readonly redelivery: RedeliveryQueue;
  readonly timers: Timers;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly secrets: Secrets;
  readonly log: Log;
}
