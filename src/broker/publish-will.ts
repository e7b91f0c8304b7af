/**
 * The job that publishes a Last Will [MQTT-3.1.2-8], if it is due.
 *
 * Rules of this file:
 * - Who sent the job may have died, stalled, or lost against a move: the session tells whether the connection is over.
 * - QoS 1 and 2: published under the message id it was given at CONNECT, then removed: at least once, and with QoS 2 its subscribers
 *   tell a repetition by that id. QoS 0: removed, then published.
 */
import type { Change } from '../session/change.ts';
import type { WillId } from '../session/ids.ts';
import { isConnected, type Session } from '../session/session.ts';
import { firstProblem, questionsOfPublish } from './authorize-connect.ts';
import { type Context, stillAtWork } from './context.ts';
import type { Will, WillJob } from './ports.ts';
import { distribute } from './publish.ts';
import { retainWill } from './retain.ts';
import { WILL_DELAY } from './will.ts';

/** @throws when AWS fails: the job comes back */
export async function publishWill(context: Context, job: WillJob): Promise<void> {
  const { clientId, will: id } = job;
  const will = await context.wills.read(clientId, id);
  if (!will) return;
  const session = await context.sessions.read(clientId);
  const now = context.clock.now();
  if (isStillKept(session, id)) {
    // Whoever sent this job has not come to the end of the connection yet, or the session has moved on before.
    if (now < job.until)
      await context.timers.send({ ...job, epoch: session?.epoch ?? job.epoch, endedAt: now }, WILL_DELAY);
    return;
  }
  if (cameBack(session, job)) {
    await context.wills.remove(clientId, id);
    return;
  }
  const problem = await problemOfWill(context, job, will, session);
  if (problem) {
    context.log('will-refused', { clientId, detail: problem });
    await context.wills.remove(clientId, id);
    return;
  }
  if (will.qos === 0) {
    if (!(await context.wills.remove(clientId, id))) return;
  } else {
    const leaseUntil = now + stillAtWork(context);
    const claimed = await context.wills.change(clientId, id, claimWill(leaseUntil, now));
    if (!claimed.done) {
      // Should whoever publishes it die, this job does it.
      if (claimed.record) await context.timers.send(job, Math.ceil((claimed.record.leaseUntil - now) / 1_000) + 1);
      return;
    }
  }
  // A session that has moved since the job was sent has ended this connection on a younger epoch.
  const epoch = session?.will === id ? session.epoch : job.epoch;
  await retainWill(context, will, { publisher: clientId, epoch, at: job.endedAt });
  await distribute(context, [will]);
  context.log('will-published', { clientId, qos: will.qos });
  if (will.qos > 0) await context.wills.remove(clientId, id);
}

/** Its client was allowed to publish it at CONNECT. Why it is not now, for the log; a renewed grant counts where there is one. */
const problemOfWill = async (
  context: Context,
  { clientId, will: id }: WillJob,
  will: Will,
  session: Session | undefined,
): Promise<string | undefined> => {
  if (context.authority.isOpen) return undefined;
  const grant = session?.will === id ? session.grant : will.grant;
  return firstProblem(await context.authority.permitOf(grant, clientId), questionsOfPublish(will));
};

const isStillKept = (session: Session | undefined, id: WillId): boolean =>
  session !== undefined && isConnected(session) && session.will === id;

/** A CONNECT, not only a move: a session that has moved and is lost since has its own job, and its will is due. */
const cameBack = (session: Session | undefined, { unlessAfter }: WillJob): boolean =>
  unlessAfter !== undefined && session !== undefined && session.version > unlessAfter;

const claimWill = (leaseUntil: number, now: number): Change<Will> => ({
  name: 'claimWill',
  if: [['<', 'leaseUntil', now]], // else a doubled job publishes it once more; and one that was removed comes back
  set: { leaseUntil },
});
