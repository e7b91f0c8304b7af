/**
 * Ends sessions whose time has run out, and removes queues that no session owns.
 *
 * Rules of this file:
 * - The index only says where to look; the session itself is judged, and only a conditional end makes it dead.
 * - No scan: the index is read by time, in parts, a page at a time. What does not fit into one Lambda goes on in the next.
 */
import type { ClientId } from '../session/ids.ts';
import { EXPIRY_PARTS, isExpired, isForgotten } from '../session/session.ts';
import type { Context } from './context.ts';
import { inParallel, WIDTH } from './in-parallel.ts';
import { cleanUpLater, endExpired } from './lose-connection.ts';
import type { ListedQueue } from './ports.ts';

/** So many pages of 100 sessions are dealt with by one job. */
const PAGES = 10;
/** An ended session that is still there after this time, ms, has lost the job that cleans up after it. */
const CLEAN_UP_OVERDUE = 300_000;

/** One look at every part; what is left of a part goes on by itself. */
export async function sweep(context: Context): Promise<void> {
  const before = context.clock.now();
  const parts = Array.from({ length: EXPIRY_PARTS }, (_, part) => part);
  await inParallel(parts, EXPIRY_PARTS, async (part) => {
    const { found, next } = await context.sessions.expired(part, before, undefined);
    await inParallel(found, WIDTH / EXPIRY_PARTS, (clientId) => endOne(context, clientId));
    if (next !== undefined) await context.timers.send({ job: 'sweep-part', part, before, after: next }, 0);
  });
}

export async function sweepPart(
  context: Context,
  { part, before, after }: { readonly part: number; readonly before: number; readonly after: string },
): Promise<void> {
  let from: string | undefined = after;
  for (let page = 0; page < PAGES && from !== undefined; page++) {
    const { found, next } = await context.sessions.expired(part, before, from);
    await inParallel(found, WIDTH, (clientId) => endOne(context, clientId));
    from = next;
  }
  if (from !== undefined) await context.timers.send({ job: 'sweep-part', part, before, after: from }, 0);
}

const endOne = async (context: Context, clientId: ClientId): Promise<void> => {
  const session = await context.sessions.read(clientId);
  if (!session) return;
  const now = context.clock.now();
  if (isExpired(session, now)) await endExpired(context, { clientId, generation: session.generation }, session);
  else if (session.status === 'ended' && now - session.expiresAt > CLEAN_UP_OVERDUE) {
    await cleanUpLater(context, clientId);
  }
};

export async function collectQueues(context: Context, after: string | undefined): Promise<void> {
  const { found, next } = await context.queues.list(after);
  await inParallel(found, WIDTH, (queue) => collectOne(context, queue));
  if (next !== undefined) await context.timers.send({ job: 'collect-queues', after: next }, 0);
}

/** While clean-up is still to come to a session, its queue is not an orphan. */
const collectOne = async (context: Context, { name, owner }: ListedQueue): Promise<void> => {
  if (owner && !isForgotten(await context.sessions.read(owner.clientId), owner.generation)) return;
  if (owner) await context.queues.destroy(owner);
  else await context.queues.discard(name);
  context.log('queue-collected', { queue: name, ...(owner ? { clientId: owner.clientId } : {}) });
};
