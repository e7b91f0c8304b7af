/**
 * What a session owns is not written again as long as nothing happens to it: so that DynamoDB does not collect it, its time to
 * live is set anew every 13 days, by a job, when its client connects or its session moves.
 */
import { type ClientId, NO_GRANT, NO_WILL } from '../session/ids.ts';
import { isAlive, type Session, type SessionAddress } from '../session/session.ts';
import type { Context } from './context.ts';
import { SESSION_REFRESH } from './time-to-live.ts';

/** To be called before the write that the session goes on by. Sends the job, if it is time; returns when that was last done. */
export async function refreshIfDue(
  context: Context,
  clientId: ClientId,
  { generation, refreshedAt }: Session,
  now: number,
): Promise<number> {
  if (now - refreshedAt < SESSION_REFRESH) return refreshedAt;
  await context.timers.send({ job: 'refresh', clientId, generation }, 0);
  return now;
}

/** The job. */
export async function refresh(context: Context, session: SessionAddress): Promise<void> {
  // Of a session that has ended everything may have been cleaned up, and nobody would come again.
  const current = await context.sessions.read(session.clientId);
  if (!isAlive(current, session.generation)) return;
  for (const { topicFilter, epoch } of await context.filters.list(session)) {
    await context.filters.change(session, topicFilter, {
      name: 'keepNote',
      if: [['=', 'epoch', epoch]], // else one that was unsubscribed meanwhile counts for as long as the session lives
    });
    await context.subscriptions.change(topicFilter, session.clientId, {
      name: 'keep',
      if: [['=', 'active', true]], // else the trace of an UNSUBSCRIBE stays for weeks
    });
  }
  const grant = current.grant === NO_GRANT ? undefined : await context.identity.grant(current.grant);
  if (grant) await context.identity.keepGrant(current.grant, grant);
  if (current.will !== NO_WILL) {
    await context.wills.change(session.clientId, current.will, {
      name: 'keepWill',
      if: [['>=', 'leaseUntil', 0]], // else a will that was removed leaves an empty record behind
    });
  }
}
