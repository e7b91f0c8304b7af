/**
 * The operator's authorizer is asked again what a client may do that has been connected for a while.
 *
 * Rules of this file:
 * - One at a time: whoever claims it is alone until a lease has run out that outlives any Lambda. One that dies before the end leaves
 *   the connection due again.
 * - The session has the new grant before the connection is no longer due. The other way round, a Lambda that dies in between, or a
 *   session that moves there, would go on with the old one until the next time.
 * - A client stays who it is: its session is its principal's.
 */
import { type Connection, claimRenewal, renew } from '../session/connection.ts';
import type { ConnectionId } from '../session/ids.ts';
import type { Session } from '../session/session.ts';
import { regrant } from '../session/transitions.ts';
import { askAuthorizer } from './ask-authorizer.ts';
import { principalOf } from './authenticate-by-authorizer.ts';
import { keepGrant } from './authorize-connect.ts';
import { type Context, stillAtWork } from './context.ts';
import type { Grant } from './ports.ts';

/** A connection, and the session that is on it. */
export interface Living {
  readonly connection: Connection;
  readonly session: Session;
}

/** `given-up`: somebody else is at it, or the connection is over. */
export type Renewal =
  | ({ readonly kind: 'renewed' } & Living)
  | { readonly kind: 'refused'; readonly detail: string }
  | { readonly kind: 'given-up' };

/** @param connection whose renewal is due. @throws when AWS fails */
export async function reauthorize(
  context: Context,
  connectionId: ConnectionId,
  connection: Connection,
): Promise<Renewal> {
  const { clientId, epoch, authorizedUntil } = connection;
  const leaseUntil = context.clock.now() + stillAtWork(context);
  const claimed = await context.connections.change(connectionId, claimRenewal(connection, leaseUntil));
  if (!claimed.done) return { kind: 'given-up' };
  const answer = await askAgain(context, connectionId, connection);
  if ('problem' in answer) return { kind: 'refused', detail: answer.problem };
  const next = context.clock.now() + answer.refreshAfter * 1_000;
  const grant = await keepGrant(context, answer.grant);
  const session = await context.sessions.change(clientId, regrant(epoch, grant));
  if (!session.done) return { kind: 'given-up' };
  const renewed = await context.connections.change(connectionId, renew(grant, next < authorizedUntil ? next : 0));
  if (!renewed.done) return { kind: 'given-up' };
  return { kind: 'renewed', connection: renewed.record, session: session.record };
}

/** What the client may do from now on, and for how many seconds; or why it may nothing any more. */
const askAgain = async (
  context: Context,
  connectionId: ConnectionId,
  { grant: id }: Connection,
): Promise<{ readonly grant: Grant; readonly refreshAfter: number } | { readonly problem: string }> => {
  const [request, grant] = await Promise.all([
    context.connections.readRequest(connectionId),
    context.identity.grant(id),
  ]);
  if (request === undefined || grant === undefined) return { problem: 'what the authorizer was asked is not kept' };
  const verdict = await askAuthorizer(context, request);
  if (!verdict.accepted) return verdict;
  if (principalOf(verdict.principalId) !== grant.principal)
    return { problem: `the authorizer's answer: principalId is not the one of ${grant.principal} any more` };
  return { grant: { ...grant, documents: verdict.documents }, refreshAfter: verdict.refreshAfter };
};
