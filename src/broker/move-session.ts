/**
 * A client end moves its session to a new socket, before the gateway cuts the old one off, or because a push was lost (wire §8).
 *
 * Rules of this file:
 * - To the session it is a new epoch without a CONNECT: everything that is in flight is sent again, and the will stays.
 * - The secret is good for one epoch, so it is good once.
 */
import { encodeResumeToken, parseResumeToken } from '../mqtt/resume-token.ts';
import { announce, type Connection, isUnauthorized, open } from '../session/connection.ts';
import type { ClientId, ConnectionId } from '../session/ids.ts';
import { epochOf, type Session } from '../session/session.ts';
import { move } from '../session/transitions.ts';
import type { Origin } from './connect.ts';
import type { Context } from './context.ts';
import { together } from './in-parallel.ts';
import { loseConnection } from './lose-connection.ts';
import { movedGrant } from './moved-grant.ts';
import { NotConnected } from './not-connected.ts';
import { refreshIfDue } from './refresh.ts';

/** Seconds in which the client end still reads what the old socket has to say. */
const DRAIN = 5;

export interface Moved {
  /** For the next time. */
  readonly token: string;
  /** The first number expected of the pushes on the new socket. */
  readonly next: number;
}

/** @throws NotConnected where the token is wrong, was used, or its connection is over */
export async function moveSession(context: Context, origin: Origin, token: string): Promise<Moved> {
  const { connectionId } = origin;
  const { clientId, session } = await sessionOf(context, token);
  const former = await context.connections.read(session.connectionId);
  if (former?.state !== 'connected') throw new NotConnected(WRONG_TOKEN);
  // The connection's own, which is as new as its `reauthorizeAt`: the session that was read may be older than that.
  const grant = await movedGrant(context, clientId, { ...session, grant: former.grant }, origin);
  const now = context.clock.now();
  if (isUnauthorized(former, now)) throw new NotConnected('what the client has proved to be has run out');
  const announced = await context.connections.change(connectionId, announce(clientId, now));
  if (!announced.done) throw new NotConnected();
  // Before the session is there: whoever looks at it there may have to ask at once.
  await carryRequest(context, session.connectionId, connectionId, former);

  const secret = context.secrets.create();
  const next = {
    connectionId,
    grant,
    resumption: context.secrets.hash(secret),
    windowLeft: context.settings.maxInFlight,
    refreshedAt: await refreshIfDue(context, clientId, session, now),
  };
  const moved = await context.sessions.change(clientId, move(session, next, now));
  if (!moved.done) throw new NotConnected(WRONG_TOKEN);
  const here = epochOf(clientId, moved.record);
  const opened = await context.connections.change(connectionId, open(here, former, now));
  if (!opened.done) {
    await loseConnection(context, here, 'CONNECTION_LOST');
    throw new NotConnected();
  }
  const { generation, epoch } = here;
  await together([
    context.redelivery.send({ clientId, generation, epoch, number: moved.record.tick }, 0),
    context.connections.close(session.connectionId, now),
    context.timers.send({ job: 'close', connectionId: session.connectionId }, DRAIN),
  ]);
  context.log('moved', { clientId, connectionId, from: session.connectionId });
  return { token: encodeResumeToken(clientId, secret), next: moved.record.pushed + 1 };
}

/** What the operator's authorizer was asked, if it is to be asked again. */
const carryRequest = async (
  context: Context,
  from: ConnectionId,
  to: ConnectionId,
  { reauthorizeAt }: Connection,
): Promise<void> => {
  const request = reauthorizeAt > 0 ? await context.connections.readRequest(from) : undefined;
  if (request !== undefined) await context.connections.keepRequest(to, request);
};

const WRONG_TOKEN = 'the token is wrong, was used, or is of a connection that is over';

const sessionOf = async (
  context: Context,
  token: string,
): Promise<{ readonly clientId: ClientId; readonly session: Session }> => {
  const parsed = parseResumeToken(token);
  if (!parsed) throw new NotConnected(WRONG_TOKEN);
  const clientId = parsed.clientId as ClientId;
  const session = await context.sessions.read(clientId);
  const fits =
    session !== undefined && session.status === 'online' && context.secrets.matches(parsed.secret, session.resumption);
  if (!fits) throw new NotConnected(WRONG_TOKEN);
  return { clientId, session };
};
