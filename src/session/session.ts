/**
 * What a session is. Times are milliseconds since 1970.
 *
 * Rules of this file: no clock, no randomness, no store. Every attribute is always present.
 */
import type { Qos } from '../mqtt/packets.ts';
import { utf8Length } from '../mqtt/topic.ts';
import type { ClientId, ConnectionId, Generation, GrantId, MessageId, WillId } from './ids.ts';

export interface Session {
  /** Identity of this session. A record of the same client with another generation is another session. */
  readonly generation: Generation;
  /**
   * Counts the session's connections. The first epoch of a session is taken from the clock, so that epochs of one client
   * id go on rising even where the record of an ended session was removed in between.
   */
  readonly epoch: number;
  /** `connecting`: its CONNACK has not been accepted yet, nothing may be posted. `ended`: dead, waiting to be cleaned up. */
  readonly status: 'connecting' | 'online' | 'offline' | 'ended';
  /** `direct`: messages with QoS 1 and 2 are posted. `queued`: they go behind the backlog, into the client's queue. */
  readonly mode: 'direct' | 'queued';
  /** The connection of this epoch, or `NO_CONNECTION` while offline. */
  readonly connectionId: ConnectionId;
  /** When that connection became the session's. */
  readonly connectedAt: number;
  /** The epoch of the last CONNECT: what its presence events are numbered with, however often the session moves after it. */
  readonly version: number;
  /** Hash of the token that moves the session to another connection (wire §8): a new one for each epoch. */
  readonly resumption: string;
  /** The will of the last CONNECT, `NO_WILL` if it brought none. */
  readonly will: WillId;
  /** What the client of the last CONNECT has proved to be. */
  readonly grant: GrantId;
  /** CONNECT had cleanSession 0. */
  readonly persistent: boolean;
  /** When the session expires; 0 while it is online. Once it has ended: when that was. */
  readonly expiresAt: number;
  /** Which part of the index on `expiresAt` the session is in: 0 … `EXPIRY_PARTS` - 1. Never changes. */
  readonly expiryPart: number;
  /** Sequence number of the last message with QoS 1 or 2 that was given one: order and packet ids come from it. Never goes back. */
  readonly sequence: number;
  /** The last number that was given to a PUBLISH in a push (wire §5). Goes back where nothing was posted under it. */
  readonly pushed: number;
  /** So many messages more may be sent on this connection before its in-flight window is full. Never more than is true. */
  readonly windowLeft: number;
  /** Messages counted for the queue and not yet counted as deleted from it. Never less than the queue holds. */
  readonly backlog: number;
  readonly backlogBytes: number;
  /** Number of the redelivery tick that is due. */
  readonly tick: number;
  readonly tickDueAt: number;
  /** Until when the tick that is due has a worker; 0: nobody has claimed it. */
  readonly leaseUntil: number;
  /** Since when nobody counted, connected, or took over a tick: what the healing of a leaked backlog waits for. */
  readonly quietSince: number;
  /** Since when ticks have seen the window full, and not of messages; 0: it has changed since, or is not. */
  readonly leakSeenAt: number;
  /** Before this, no stored message may be posted: keeps the rate across ticks and epochs. */
  readonly postAllowedAt: number;
  /** A filter with QoS 1 or 2 was subscribed: messages may have to be stored. */
  readonly storesMessages: boolean;
  /** The session's queue has been created. */
  readonly queueReady: boolean;
  /** Earlier sessions of this client that still have to be cleaned up (`deadSessions`). */
  readonly predecessors: string;
  /** When the job that sets the time to live of the session's subscriptions anew was last sent. */
  readonly refreshedAt: number;
}

/** A session and the client it belongs to: where a message has to go. */
export interface SessionAddress {
  readonly clientId: ClientId;
  readonly generation: Generation;
}

/** A session as one of its connections knows it. */
export interface SessionEpoch extends SessionAddress {
  readonly epoch: number;
  readonly persistent: boolean;
  readonly will: WillId;
  readonly grant: GrantId;
  readonly connectedAt: number;
}

export const epochOf = (
  clientId: ClientId,
  { generation, epoch, persistent, will, grant, connectedAt }: Session,
): SessionEpoch => ({ clientId, generation, epoch, persistent, will, grant, connectedAt });

/**
 * A message on its way: the PUBLISH without what belongs to one connection. From its publisher it has the QoS and the RETAIN flag
 * that it was published with; on its way to one subscriber those that it is sent with.
 */
export interface Message {
  readonly id: MessageId;
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: Qos;
  readonly retain: boolean;
}

/** A message with QoS 1 or 2 that was given a packet id and is not yet acknowledged to the end: by PUBACK, or by PUBCOMP. */
export interface InFlight extends Message {
  readonly packetId: number;
  /** Order among the session's messages. */
  readonly sequence: number;
  /** The epoch it was last sent on, or is about to be. */
  readonly epoch: number;
  /** The tick that sends it on that epoch; 0: a publisher does, directly; `NEXT_TICK`: nobody has yet (QoS 2). */
  readonly tick: number;
  /** When whoever sends it was about to. */
  readonly sentAt: number;
  /** Its PUBREC has come: from now on PUBREL is sent in its place, and its payload is gone (QoS 2). */
  readonly released: boolean;
}

/** In place of a tick: surely not sent on this epoch, and left to whichever tick looks next. */
export const NEXT_TICK = -1;

/** Which of its copies a session gets of a QoS 2 message: the one with this sequence number, and no other. */
export interface ChosenCopy {
  readonly sequence: number;
}

/** A QoS 2 PUBLISH that a client has sent, by its packet id, until that is used anew. */
export interface Incoming {
  /** The id it was given when it came first: each attempt to deliver it is made under this one. */
  readonly id: MessageId;
  /** Tells one message from another. */
  readonly digest: string;
  /** The epoch that wrote this last. */
  readonly epoch: number;
  /** Its PUBREL has come: the next PUBLISH under this packet id is a new message. */
  readonly released: boolean;
}

/** Packet ids roll through 1 … 65,535 with the sequence [MQTT-2.3.1-1]. */
export const packetIdOf = (sequence: number): number => ((sequence - 1) % 65_535) + 1;

/** What a stored message counts for against the bound on bytes. */
export const storedBytes = (message: Message): number => message.payload.byteLength + utf8Length(message.topic);

/** Whether `session` is still the one with this generation, and has not ended. */
export const isAlive = (session: Session | undefined, generation: Generation): session is Session =>
  session !== undefined && session.generation === generation && session.status !== 'ended';

/** Whether the session's time has run out. Only a conditional end makes it dead (`transitions.end`). */
export const isExpired = (session: Session, now: number): boolean =>
  session.status === 'offline' && session.expiresAt <= now;

/** Whether the session has a connection, as far as it knows. */
export const isConnected = ({ status }: Session): boolean => status === 'online' || status === 'connecting';

/** The index on the time of expiry has so many parts: each takes about 1,000 writes in a second. */
export const EXPIRY_PARTS = 8;

/** Generations are random, so any of their characters will do. */
export const expiryPartOf = (generation: Generation): number =>
  [...generation].reduce((sum, character) => sum + (character.codePointAt(0) ?? 0), 0) % EXPIRY_PARTS;

/** A session that has ended and is not yet cleaned up. */
export interface DeadSession {
  readonly generation: Generation;
  readonly endedAt: number;
}

/** The dead sessions of this client: its predecessors, and itself. */
export const deadSessions = ({ predecessors, status, generation, expiresAt }: Session): readonly DeadSession[] => [
  ...predecessors
    .split(' ')
    .filter((each) => each !== '')
    .map((each) => {
      const [dead = '', endedAt] = each.split('@');
      return { generation: dead as Generation, endedAt: Number(endedAt) };
    }),
  ...(status === 'ended' ? [{ generation, endedAt: expiresAt }] : []),
];

/** Whether this generation is dead and nobody will clean up after it any more. */
export const isForgotten = (session: Session | undefined, generation: Generation): boolean =>
  session === undefined ||
  (session.generation !== generation && !deadSessions(session).some((dead) => dead.generation === generation));

/** As `predecessors` holds them. */
export const writeDead = (dead: readonly DeadSession[]): string =>
  dead.map(({ generation, endedAt }) => `${generation}@${endedAt}`).join(' ');
