/**
 * What is known of a WebSocket, its steps, and when somebody has to look at it again. Times are milliseconds since 1970.
 *
 * Rules of this file: pure, as `transitions.ts`. A connection is closed once and for all.
 */
import type { Change } from './change.ts';
import type { ClientId, GrantId } from './ids.ts';
import type { SessionEpoch } from './session.ts';

export interface Connection extends SessionEpoch {
  /**
   * `announced`: a CONNECT is under way, and only its client id is known. `connected`: it has a session. `closed`: whatever was
   * known before still is, which may be nothing.
   */
  readonly state: 'announced' | 'connected' | 'closed';
  /** When it came to this state. */
  readonly since: number;
  /** Seconds; 0: none [MQTT-3.1.2-24]. */
  readonly keepAlive: number;
  /** When something was last heard from the client: older than the truth, by half a keep-alive at most. */
  readonly lastSeen: number;
  /** Number of the check that is due (`check-connection.ts`). */
  readonly check: number;
  /** When what the client has proved to be comes to its end, and with it the connection; 0: never. */
  readonly authorizedUntil: number;
  /** When the operator's authorizer is to be asked again; 0: never. */
  readonly reauthorizeAt: number;
}

/** What a connection is given by its CONNECT, and keeps where the session moves. */
export type ConnectionTerms = Pick<Connection, 'keepAlive' | 'authorizedUntil' | 'reauthorizeAt'>;

type ConnectionChange = Change<Connection>;

// ── Steps ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** A CONNECT begins. Noted before its session is written, so that a check finds the session should the CONNECT die. */
export const announce = (clientId: ClientId, now: number): ConnectionChange => ({
  name: 'announce',
  if: [['absent']], // else a socket that is closed, or has its CONNECT, gets another session
  set: { clientId, state: 'announced', since: now, check: 0 },
});

/** Its session is written. */
export const open = (
  session: SessionEpoch,
  { keepAlive, authorizedUntil, reauthorizeAt }: ConnectionTerms,
  now: number,
): ConnectionChange => ({
  name: 'open',
  if: [['=', 'state', 'announced']], // else the session never learns that its socket closed in between
  set: { ...session, keepAlive, authorizedUntil, reauthorizeAt, state: 'connected', since: now, lastSeen: now },
});

/** Something was heard from the client. */
export const seen = (now: number): ConnectionChange => ({
  name: 'seen',
  if: [['<', 'lastSeen', now]], // else a Lambda that stalled makes the client seem silent
  set: { lastSeen: now },
});

/** The check with this `number` has sent the next one. */
export const leaveCheck = (number: number): ConnectionChange => ({
  name: 'leaveCheck',
  if: [['<=', 'check', number]], // else a doubled check makes one due again that is done
  set: { check: number + 1 },
});

/** Somebody asks the operator's authorizer again, and has until `leaseUntil` to bring its answer here. */
export const claimRenewal = ({ reauthorizeAt }: Connection, leaseUntil: number): ConnectionChange => ({
  name: 'claimRenewal',
  if: [['=', 'reauthorizeAt', reauthorizeAt]], // else two ask at the same time, and the answers get mixed up
  set: { reauthorizeAt: leaseUntil },
});

/** It has answered, and the session has the grant already. When the connection comes to its end is not changed by that. */
export const renew = (grant: GrantId, reauthorizeAt: number): ConnectionChange => ({
  name: 'renew',
  if: [['=', 'state', 'connected']], // else the check of one that was closed meanwhile comes too late for its session
  set: { grant, reauthorizeAt },
});

// ── Authorization ──────────────────────────────────────────────────────────────────────────────────────────────────

/** Whether what the client has proved to be has come to its end. */
export const isUnauthorized = ({ authorizedUntil }: Connection, now: number): boolean =>
  authorizedUntil > 0 && now >= authorizedUntil;

/** Whether the operator's authorizer is to be asked again. */
export const isRenewalDue = ({ reauthorizeAt }: Connection, now: number): boolean =>
  reauthorizeAt > 0 && now >= reauthorizeAt;

// ── Keep-alive ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** A socket that has not sent its CONNECT after this time is closed [MQTT-3.1.4]. */
export const CONNECT_WITHIN = 10_000;
/** The gateway closes a socket on which nothing was sent, either way, for this long. */
const GATEWAY_IDLE = 600_000;
/** The gateway closes every socket this long after it was opened … */
const GATEWAY_LIMIT = 7_200_000;
/** … give or take the time between the handshake and its CONNECT, or a close and its notice. */
const AROUND_THE_LIMIT = 60_000;
/** The longest delay of an SQS message. */
const LONGEST_DELAY = 900_000;
const SHORTEST_DELAY = 1_000;

/** Whether it is worth a write that the client was heard now: at most one in half a keep-alive. */
export const isNews = ({ keepAlive, lastSeen }: Connection, now: number): boolean =>
  keepAlive > 0 && now - lastSeen >= keepAlive * 500;

/**
 * Whether the client was silent for one and a half times its keep-alive [MQTT-3.1.2-24]. `lastSeen` may be half a keep-alive
 * too old, which the client must not suffer for.
 */
export const isSilent = ({ keepAlive, lastSeen }: Connection, now: number): boolean =>
  keepAlive > 0 && now - lastSeen >= keepAlive * 2_000;

/** Whether silence does not tell in time that a socket is gone, so that the gateway has to be asked. */
export const isLeftToTheGateway = ({ keepAlive }: Connection): boolean =>
  keepAlive === 0 || keepAlive * 1_000 > GATEWAY_IDLE;

/** When an open connection is to be looked at again, ms from now. */
export const nextLook = (connection: Connection, now: number): number => {
  const { lastSeen, keepAlive, authorizedUntil, reauthorizeAt } = connection;
  const due = [keepAlive > 0 ? lastSeen + keepAlive * 2_000 : 0, authorizedUntil, reauthorizeAt].filter((at) => at > 0);
  const longest = isLeftToTheGateway(connection) ? GATEWAY_IDLE : LONGEST_DELAY;
  return Math.min(Math.max(Math.min(...due) - now, SHORTEST_DELAY), longest);
};

/** Whether a connection that ends now was cut off by the gateway's limit, and not by its client. */
export const isAtItsLimit = (connectedAt: number, now: number): boolean =>
  now - connectedAt >= GATEWAY_LIMIT - AROUND_THE_LIMIT;
