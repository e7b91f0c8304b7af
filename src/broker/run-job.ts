/**
 * What is done in the background. Each job comes at least once, in any order, and may find that it is no longer needed.
 */
import type { Condition } from '../session/change.ts';
import type { ClientId, Generation } from '../session/ids.ts';
import { type DeadSession, deadSessions, isAlive, type Session, type SessionAddress } from '../session/session.ts';
import { predecessorsGone, queueCreated } from '../session/transitions.ts';
import { checkConnection } from './check-connection.ts';
import { type Context, stillAtWork } from './context.ts';
import { inParallel, WIDTH } from './in-parallel.ts';
import { cleanUpLater } from './lose-connection.ts';
import type { Job, Subscription } from './ports.ts';
import { distribute } from './publish.ts';
import { publishWill } from './publish-will.ts';
import { refresh } from './refresh.ts';
import { sendRetainedLater } from './send-retained.ts';
import { collectQueues, sweep, sweepPart } from './sweep.ts';

/** @throws when AWS fails: the job comes back */
export async function runJob(context: Context, job: Job): Promise<void> {
  switch (job.job) {
    case 'create-queue':
      return createQueue(context, job);
    case 'refresh':
      return refresh(context, job);
    case 'clean-up':
      return cleanUp(context, job.clientId);
    case 'close':
      return context.gateway.close(job.connectionId);
    case 'check':
      return checkConnection(context, job);
    case 'will':
      return publishWill(context, job);
    case 'retained':
      return sendRetainedLater(context, job);
    case 'announce':
      return announce(context, job.topic, job.payload);
    case 'sweep':
      return sweep(context);
    case 'sweep-part':
      return sweepPart(context, job);
    case 'collect-queues':
      return collectQueues(context, job.after);
  }
}

/** An event of the broker itself, as QoS 1 (`lifecycle.ts`). */
const announce = (context: Context, topic: string, payload: string): Promise<void> =>
  distribute(context, [
    { id: context.ids.message(), topic, payload: new TextEncoder().encode(payload), qos: 1, retain: false },
  ]);

/** A session that stores messages has gone offline for the first time. */
const createQueue = async (context: Context, session: SessionAddress): Promise<void> => {
  const current = await context.sessions.read(session.clientId);
  if (!isAlive(current, session.generation) || current.queueReady) return;
  await context.queues.create(session);
  await context.sessions.change(session.clientId, queueCreated(session.generation));
};

/**
 * Removes what dead sessions of this client have left behind, and last of all the record that says so. Not before everyone
 * who knew them alive has stopped: what is written later would stay for ever.
 */
const cleanUp = async (context: Context, clientId: ClientId): Promise<void> => {
  const session = await context.sessions.read(clientId);
  if (!session) return;
  const dead = deadSessions(session);
  const wait = (each: DeadSession) => each.endedAt + stillAtWork(context) - context.clock.now();
  const remain = dead.filter((each) => wait(each) > 0);
  const due = dead.filter((each) => wait(each) <= 0);
  if (remain.length > 0) await cleanUpLater(context, clientId);
  for (const { generation } of due) await removeAll(context, { clientId, generation });
  if (session.status === 'ended' && remain.length === 0) await context.sessions.remove(clientId, asRead(session));
  else if (due.length > 0)
    await context.sessions.change(
      clientId,
      predecessorsGone(
        session,
        remain.filter(({ generation }) => generation !== session.generation),
      ),
    );
};

const removeAll = async (context: Context, session: SessionAddress): Promise<void> => {
  const [filters, inFlight] = await Promise.all([context.filters.list(session), context.inFlight.list(session)]);
  await inParallel(filters, WIDTH, async ({ topicFilter }) => {
    await context.subscriptions.remove(topicFilter, session.clientId, ofGeneration(session.generation));
    await context.filters.remove(session, topicFilter, []);
  });
  await inParallel(inFlight, WIDTH, ({ packetId }) => context.inFlight.remove(session, packetId, []));
  await context.queues.destroy(session);
};

/** The client's new session may subscribe to the same filter while the old one is cleaned up. */
const ofGeneration = (generation: Generation): readonly Condition<Subscription>[] => [['=', 'generation', generation]];

/** Nobody has begun anew: what has ended stays as it is until its client comes back. */
const asRead = ({ epoch }: Session): readonly Condition<Session>[] => [['=', 'epoch', epoch]];
