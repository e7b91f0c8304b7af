/**
 * What a client is known as where its session has moved: where it comes from is part of that, and policies may ask for it.
 *
 * Rules of this file: a session may move from socket to socket for years. What a CONNECT would be refused for now ends that: the way
 * it was proved is switched off, the password is another one, policies do not allow it any more. Who is known by the signature of its
 * handshakes signs that of the new socket, too.
 */
import { type ClientId, type GrantId, NO_WILL } from '../session/ids.ts';
import type { Session } from '../session/session.ts';
import { isSignedBy } from './authenticate-by-handshake.ts';
import { isStillProved } from './authenticate-by-password.ts';
import { isOn } from './authentication.ts';
import { keepGrant, problemOf } from './authorize-connect.ts';
import type { Origin } from './connect.ts';
import type { Context } from './context.ts';
import { NotConnected } from './not-connected.ts';
import type { Grant } from './ports.ts';

/** @throws NotConnected where it may not connect, or not from there */
export async function movedGrant(
  context: Context,
  clientId: ClientId,
  session: Session,
  { connectionId, sourceIp }: Origin,
): Promise<GrantId> {
  if (context.authority.isOpen) return session.grant;
  const former = await context.identity.grant(session.grant);
  if (!former) throw new NotConnected('what its client has proved to be is not known any more');
  if (!(await isSignedBy(context, connectionId, former.principal))) {
    throw new NotConnected(`the handshake of the socket that it moves to is not signed by ${former.principal}`);
  }
  if (!isOn(methodOf(former), context) || !(await isStillProved(context, former))) {
    throw new NotConnected(
      `what ${former.principal} has proved does not count any more: its client has to connect anew`,
    );
  }
  const isSamePlace = former.values['aws:sourceip'] === sourceIp;
  const { 'aws:sourceip': _, ...values } = former.values;
  const grant = { ...former, values: { ...values, ...(sourceIp !== undefined && { 'aws:sourceip': sourceIp }) } };
  const will = session.will === NO_WILL ? undefined : await context.wills.read(clientId, session.will);
  const problem = await problemOf(context, grant, clientId, { persistent: session.persistent, will });
  if (problem) throw new NotConnected(`${grant.principal}: ${problem}`);
  return isSamePlace ? session.grant : keepGrant(context, grant);
}

const methodOf = ({ principal }: Grant): string => principal.slice(0, principal.indexOf(':'));
