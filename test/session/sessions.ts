/** Sessions to begin a test with. */
import { apply } from '../../src/session/change.ts';
import { type ConnectionId, type Generation, NO_CONNECTION, NO_GRANT, NO_WILL } from '../../src/session/ids.ts';
import type { Session } from '../../src/session/session.ts';
import { begin, type NextConnect } from '../../src/session/transitions.ts';

export const GENERATION = 'generation' as Generation;
export const CONNECTION = 'connection=' as ConnectionId;
export const NOW = 1_800_000_000_000;

/** What every session has. The compiler holds it complete. */
export const everyAttribute: Readonly<Record<keyof Session, true>> = {
  generation: true,
  epoch: true,
  status: true,
  mode: true,
  connectionId: true,
  connectedAt: true,
  version: true,
  resumption: true,
  will: true,
  grant: true,
  persistent: true,
  expiresAt: true,
  expiryPart: true,
  sequence: true,
  pushed: true,
  windowLeft: true,
  backlog: true,
  backlogBytes: true,
  tick: true,
  tickDueAt: true,
  leaseUntil: true,
  quietSince: true,
  leakSeenAt: true,
  postAllowedAt: true,
  storesMessages: true,
  queueReady: true,
  predecessors: true,
  refreshedAt: true,
};

/** What a CONNECT brings. */
export const nextConnect: NextConnect = {
  connectionId: CONNECTION,
  resumption: 'hash',
  will: NO_WILL,
  grant: NO_GRANT,
  windowLeft: 10,
};

export const direct: Session = apply(
  begin({ ...nextConnect, generation: GENERATION, persistent: true }, undefined, NOW - 1_000),
  undefined,
);
export const queued: Session = { ...direct, mode: 'queued', tick: 3, tickDueAt: NOW, backlog: 5, backlogBytes: 50 };
export const connecting: Session = { ...queued, status: 'connecting', tick: 1 };
export const offline: Session = {
  ...queued,
  status: 'offline',
  connectionId: NO_CONNECTION,
  expiresAt: NOW + 60_000,
  leaseUntil: 0,
};
export const ended: Session = { ...offline, status: 'ended' };
