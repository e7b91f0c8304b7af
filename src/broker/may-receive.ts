/**
 * What a session may receive now: asked before every delivery, of what is stored and of what is sent again, too [iot:Receive].
 *
 * Rules of this file:
 * - The session names the grant that counts. This process remembers the one that it has seen last, so that a delivery needs no
 *   read for it; but nothing is withheld for a grant that the session may have replaced meanwhile.
 */
import type { Permit } from '../policy/permit.ts';
import type { GrantId } from '../session/ids.ts';
import { isAlive, type Message, type SessionAddress } from '../session/session.ts';
import type { Context } from './context.ts';

/** Messages that a session may receive by its `grant`; undefined where nobody had to look. */
export interface Receivable<M> {
  readonly messages: readonly M[];
  readonly grant: GrantId | undefined;
}

type WithTopic = Pick<Message, 'topic'>;

/** @throws when AWS fails */
export async function receivable<M extends WithTopic>(
  context: Context,
  to: SessionAddress,
  messages: readonly M[],
): Promise<Receivable<M>> {
  if (context.authority.isOpen) return { messages, grant: undefined };
  const remembered = context.authority.lastGrant(to.generation);
  if (remembered !== undefined) {
    const allowed = await allowedBy(context, to, remembered, messages);
    if (allowed.length === messages.length) return { messages, grant: remembered };
  }
  const session = await context.sessions.read(to.clientId);
  if (!isAlive(session, to.generation)) return { messages, grant: undefined }; // nobody is there to receive them
  return { messages: await receivableBy(context, to, session.grant, messages), grant: session.grant };
}

/** By the grant that its session was just found to have. @throws when AWS fails */
export async function receivableBy<M extends WithTopic>(
  context: Context,
  to: SessionAddress,
  grant: GrantId,
  messages: readonly M[],
): Promise<readonly M[]> {
  if (context.authority.isOpen || messages.length === 0) return messages;
  context.authority.noteGrant(to.generation, grant);
  const allowed = await allowedBy(context, to, grant, messages);
  if (allowed.length < messages.length) {
    context.log('receive-refused', { clientId: to.clientId, messages: messages.length - allowed.length });
  }
  return allowed;
}

const allowedBy = async <M extends WithTopic>(
  context: Context,
  { clientId }: SessionAddress,
  grant: GrantId,
  messages: readonly M[],
): Promise<readonly M[]> => {
  const permit = await context.authority.permitOf(grant, clientId);
  return messages.filter(({ topic }) => mayReceive(permit, topic));
};

const mayReceive = (permit: Permit, topic: string): boolean =>
  permit.decide({ action: 'iot:Receive', resource: `topic/${topic}` }).allowed;
