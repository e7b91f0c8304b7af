/**
 * What a session may receive now: asked before every delivery, of what is stored and of what is sent again, too [iot:Receive].
 *
 * Rules of this file:
 * - The session names the grant that counts. This process remembers the one that it has seen last, so that a delivery needs no
 *   read for it.
 * - Nothing is withheld unless the session, looked at after the policies, has the grant that they were asked about.
 */
import type { Permit } from '../policy/permit.ts';
import type { GrantId } from '../session/ids.ts';
import { isAlive, type Message, type Session, type SessionAddress } from '../session/session.ts';
import type { Context } from './context.ts';

export interface Receivable<M> {
  readonly messages: readonly M[];
  /** By which they may be received; undefined where nobody is asked, or the session is dead. */
  readonly grant: GrantId | undefined;
  /** The session to which something was refused; undefined where nothing was. */
  readonly refusedTo: Session | undefined;
}

type WithTopic = Pick<Message, 'topic'>;

/**
 * Which of `messages` their session may receive.
 * @param seen the grant that it was found with; left out: the one that this process knows
 * @throws when AWS fails
 */
export async function receivable<M extends WithTopic>(
  context: Context,
  to: SessionAddress,
  messages: readonly M[],
  seen: GrantId | undefined = context.authority.lastGrant(to.generation),
): Promise<Receivable<M>> {
  if (context.authority.isOpen) return { messages, grant: undefined, refusedTo: undefined };
  let grant = seen;
  for (;;) {
    const allowed = grant === undefined ? [] : await allowedBy(context, to, grant, messages);
    if (allowed.length === messages.length) return { messages, grant, refusedTo: undefined };
    const session = await context.sessions.read(to.clientId);
    // Nobody is there to receive them, which whoever delivers them will find.
    if (!isAlive(session, to.generation)) return { messages, grant: undefined, refusedTo: undefined };
    if (session.grant === grant) {
      logRefused(context, to, messages.length - allowed.length);
      return { messages: allowed, grant, refusedTo: session };
    }
    grant = session.grant;
    context.authority.noteGrant(to.generation, grant);
  }
}

/** By the grant that its session was just found to have: for what may get lost. @throws when AWS fails */
export async function receivableBy<M extends WithTopic>(
  context: Context,
  to: SessionAddress,
  grant: GrantId,
  messages: readonly M[],
): Promise<readonly M[]> {
  if (context.authority.isOpen) return messages;
  context.authority.noteGrant(to.generation, grant);
  const allowed = await allowedBy(context, to, grant, messages);
  if (allowed.length < messages.length) logRefused(context, to, messages.length - allowed.length);
  return allowed;
}

const logRefused = ({ log }: Context, { clientId }: SessionAddress, messages: number): void =>
  log('receive-refused', { clientId, messages });

const allowedBy = async <M extends WithTopic>(
  context: Context,
  { clientId }: SessionAddress,
  grant: GrantId,
  messages: readonly M[],
): Promise<readonly M[]> => {
  if (messages.length === 0) return messages;
  const permit = await context.authority.permitOf(grant, clientId);
  return messages.filter(({ topic }) => mayReceive(permit, topic));
};

const mayReceive = (permit: Permit, topic: string): boolean =>
  permit.decide({ action: 'iot:Receive', resource: `topic/${topic}` }).allowed;
