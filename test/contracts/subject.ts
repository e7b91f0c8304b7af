/** What the contract suites run on: the ports, and the power over their world. */
import type { IdentityAdministration, Job, Ports, RedeliveryTick } from '../../src/broker/ports.ts';
import {
  type ClientId,
  type ConnectionId,
  type Generation,
  type MessageId,
  NO_GRANT,
  NO_WILL,
} from '../../src/session/ids.ts';
import type { InFlight, Session, SessionAddress } from '../../src/session/session.ts';

export interface Subject {
  readonly ports: Ports;
  readonly administration: IdentityAdministration;
  /** Lets time pass for the queues: visibility timeouts run off. */
  passTime(milliseconds: number): void;
  /** A WebSocket that is open, and what arrives on it. */
  openSocket(): Promise<Socket>;
  /** What was sent to the work queues and is due. */
  ticks(): Promise<readonly RedeliveryTick[]>;
  jobs(): Promise<readonly Job[]>;
  stop(): Promise<void>;
}

export interface Socket {
  readonly connectionId: ConnectionId;
  /** Resolves with the next text frame. */
  next(): Promise<string>;
  /** Resolves when the socket is closed. */
  closed(): Promise<void>;
  close(): Promise<void>;
}

let counter = 0;
/** A session nobody else uses: suites share one world and must not meet. */
export const freshAddress = (): SessionAddress => ({
  clientId: `client-${process.pid}-${++counter}` as ClientId,
  generation: `generation-${counter}` as Generation,
});

export const freshConnection = (): ConnectionId => `connection-${process.pid}-${++counter}=` as ConnectionId;

export const sessionOf = (address: SessionAddress, changes: Partial<Session> = {}): Session => ({
  generation: address.generation,
  epoch: 1,
  status: 'online',
  mode: 'direct',
  connectionId: 'c=' as ConnectionId,
  connectedAt: 0,
  version: 1,
  resumption: '',
  will: NO_WILL,
  grant: NO_GRANT,
  persistent: true,
  expiresAt: 0,
  expiryPart: 0,
  sequence: 0,
  pushed: 0,
  windowLeft: 100,
  backlog: 0,
  backlogBytes: 0,
  tick: 0,
  tickDueAt: 0,
  leaseUntil: 0,
  quietSince: 0,
  leakSeenAt: 0,
  postAllowedAt: 0,
  storesMessages: false,
  queueReady: false,
  predecessors: '',
  refreshedAt: 0,
  ...changes,
});

export const messageOf = (sequence: number, changes: Partial<InFlight> = {}): InFlight => ({
  id: `message-${sequence}` as MessageId,
  topic: 'a/b',
  payload: new Uint8Array([0, 1, 255, sequence % 256]),
  qos: 1,
  retain: false,
  packetId: sequence,
  sequence,
  epoch: 1,
  tick: 0,
  sentAt: 0,
  released: false,
  ...changes,
});

/** Bytes as plain arrays, so that a Buffer equals a Uint8Array. */
export const plain = <T extends { readonly payload: Uint8Array }>(message: T) => ({
  ...message,
  payload: [...message.payload],
});
