/**
 * One redelivery tick: what is in flight from earlier epochs is sent again with DUP, then what waits in the queue, at most
 * `redeliveryRate` stored messages in one second. The steps and their order are explained in docs/delivery.md.
 *
 * Rules of this file:
 * - The tick that is due has one worker: its number and a lease on the session decide. A worker that dies leaves its tick
 *   message; that comes back and the work is done under the same number.
 * - In flight before posted, posted before deleted from the queue, deleted before counted down, the next tick sent before
 *   the session says that it is due.
 * - A worker that finds a newer epoch stops: it sends nothing and writes nothing more.
 */
import { planRedelivery } from '../session/plan-redelivery.ts';
import type { InFlight, Session } from '../session/session.ts';
import { isAlive, packetIdOf, storedBytes } from '../session/session.ts';
import {
  allocateForTick,
  claim,
  giveBack,
  heal,
  mayHeal,
  nextTick,
  takeOver,
  turnDirect,
  unallocate,
} from '../session/transitions.ts';
import type { Context } from './context.ts';
import { encodePublish, OVERDUE, putInOrder, takeBack } from './deliver.ts';
import { abandonConnection, closeSocket } from './lose-connection.ts';
import type { ReceivedMessage, RedeliveryTick } from './ports.ts';
import { partsOf, post } from './post.ts';

const SECOND = 1_000;
/** Messages that SQS hands out at once. */
const BATCH = 10;

/** What one worker has done under its tick so far. */
interface Work {
  readonly tick: RedeliveryTick;
  /** Packet ids this worker has posted. */
  readonly posted: Set<number>;
  /** Stored messages posted: what the rate counts. */
  spent: number;
  /** Messages received, whatever became of them. */
  received: number;
  deleted: number;
  deletedBytes: number;
  /** The backlog when the session was last seen. */
  backlog: number;
  /** Received messages were neither deleted nor given back: they are hidden for a while. */
  hidden: boolean;
  /** There is more to send again than was sent. */
  leftOver: boolean;
  /** Some of it is this tick's own: put in flight under its number and not posted. No other tick will look for it. */
  ownLeftOver: boolean;
  postAllowedAt: number;
}

/**
 * @param deadline when this Lambda is stopped, ms since 1970
 * @throws when AWS fails: the tick message comes back, and the lease keeps others away until then
 */
export async function redeliver(context: Context, tick: RedeliveryTick, deadline: number): Promise<void> {
  const session = await take(context, tick);
  if (!session) return;
  const healing = mayHeal(session, context.timing, context.clock.now()); // judged before the first receive

  const work: Work = {
    tick,
    posted: new Set(),
    spent: 0,
    received: 0,
    deleted: 0,
    deletedBytes: 0,
    backlog: session.backlog,
    hidden: false,
    leftOver: false,
    ownLeftOver: false,
    postAllowedAt: session.postAllowedAt,
  };
  let round: Round;
  do {
    round = await oneRound(context, session, work);
    if (round === 'stop') return;
    if (round === 'again') return again(context, session, work);
    if (await turnedDirect(context, work)) return;
  } while (
    round === 'posted' &&
    (work.spent < context.settings.redeliveryRate || work.ownLeftOver) &&
    deadline - context.clock.now() > context.timing.lambdaTimeout / 2
  );

  if (work.ownLeftOver) return again(context, session, work);
  if (healing && work.received === 0 && !work.leftOver) {
    const healed = await context.sessions.change(tick.clientId, heal(tick, session.quietSince));
    if (healed.done) {
      context.log('backlog-healed', { clientId: tick.clientId, forgotten: work.backlog });
      return;
    }
  }
  // At wire speed only where this worker stopped for lack of time; otherwise a second later.
  await leaveNextTick(context, work, round === 'posted' && work.spent === 0 ? 0 : 1);
}

// ── Beginning and end of a tick ────────────────────────────────────────────────────────────────────────────────────

/** The session, if this worker has the tick now. */
const take = async (context: Context, tick: RedeliveryTick): Promise<Session | undefined> => {
  const now = context.clock.now();
  const leaseUntil = now + context.timing.lambdaTimeout + context.timing.clockMargin;
  const claimed = await context.sessions.change(tick.clientId, claim(tick, leaseUntil, now));
  if (claimed.done) return claimed.record;

  const session = claimed.record;
  const over =
    !isAlive(session, tick.generation) ||
    session.epoch !== tick.epoch ||
    session.status === 'offline' ||
    session.mode === 'direct' ||
    session.tick > tick.number;
  if (over) return undefined;

  const dead = session.leaseUntil > 0 && session.leaseUntil < now;
  if (dead && session.tick === tick.number && session.postAllowedAt <= now) {
    const taken = await context.sessions.change(tick.clientId, takeOver(tick, leaseUntil, now));
    if (taken.done) return taken.record;
  }
  // Not its turn yet: the message waits on as a new one, sent before this one is forgotten, so that none gets lost.
  const overdue = session.tick < tick.number && session.leaseUntil < now && now - session.tickDueAt > OVERDUE;
  if (overdue) await context.redelivery.send({ ...tick, number: session.tick }, 0);
  const wait = Math.max(session.postAllowedAt - now, session.tick === tick.number ? session.leaseUntil - now : 0, 1);
  await context.redelivery.send(tick, Math.min(Math.ceil(wait / SECOND), 60));
  return undefined;
};

const turnedDirect = async (context: Context, work: Work): Promise<boolean> => {
  if (work.leftOver || work.hidden || work.backlog !== work.deleted) return false;
  const turned = await context.sessions.change(
    work.tick.clientId,
    turnDirect(work.tick, work.deleted, work.postAllowedAt),
  );
  if (!turned.done && turned.record) work.backlog = turned.record.backlog;
  return turned.done;
};

const leaveNextTick = async (context: Context, work: Work, delay: number): Promise<void> => {
  const { tick } = work;
  await context.redelivery.send({ ...tick, number: tick.number + 1 }, delay);
  const now = context.clock.now();
  await context.sessions.change(
    tick.clientId,
    nextTick(tick, {
      deleted: work.deleted,
      deletedBytes: work.deletedBytes,
      postAllowedAt: work.postAllowedAt,
      nextDueAt: now + delay * SECOND,
      ...(work.hidden ? { quietSince: now } : {}),
    }),
  );
};

/** The connection takes no more for now: the same tick, a second later. What was counted down so far stays counted. */
const again = async (context: Context, session: Session, work: Work): Promise<void> => {
  await context.redelivery.send(work.tick, 1);
  const { deleted, deletedBytes, postAllowedAt } = work;
  const nextDueAt = context.clock.now() + SECOND;
  await context.sessions.change(
    work.tick.clientId,
    giveBack(work.tick, session.leaseUntil, { deleted, deletedBytes, postAllowedAt, nextDueAt }),
  );
};

// ── One round: receive, look, send again, send new, delete ─────────────────────────────────────────────────────────

type Round = 'posted' | 'nothing' | 'stop' | 'again';

const oneRound = async (context: Context, session: Session, work: Work): Promise<Round> => {
  const { tick } = work;
  const budget = Math.max(0, context.settings.redeliveryRate - work.spent);
  // A backlog that is counted down to what was deleted has nothing left in the queue, which may not even exist.
  const mayReceive = work.backlog > work.deleted && budget > 0;
  const received = mayReceive ? await context.queues.receive(tick, Math.min(BATCH, budget)) : [];
  work.received += received.length;

  // Looked at after the receive: what a worker before this one has put in flight must not be sent as new.
  const inFlight = await context.inFlight.list(tick);
  const plan = planRedelivery({
    tick,
    inFlight,
    received,
    posted: work.posted,
    budget,
    window: context.settings.maxInFlight,
  });
  if (plan === 'newer epoch') {
    await context.queues.release(tick, received);
    return 'stop';
  }
  if (plan.giveBack.length > 0) await context.queues.release(tick, plan.giveBack);
  work.leftOver = plan.leftOver;
  work.ownLeftOver = plan.ownLeftOver;
  const batch = [...plan.inFlightAlready, ...plan.fresh];

  const stamped = await stamp(context, tick, plan.resend);
  if (stamped === 'newer epoch') {
    await context.queues.release(tick, batch);
    return 'stop';
  }
  const nothingToPost = stamped.length + plan.fresh.length === 0;
  const outcome = nothingToPost ? 'accepted' : await send(context, session, work, stamped, plan.fresh);
  if (outcome !== 'accepted') {
    await context.queues.release(tick, batch);
    return outcome;
  }
  if (batch.length > 0) {
    const deleted = await context.queues.remove(tick, batch);
    work.deleted += deleted.length;
    work.deletedBytes += deleted.reduce((sum, message) => sum + storedBytes(message), 0);
    work.hidden ||= deleted.length < batch.length;
  }
  return nothingToPost ? 'nothing' : 'posted';
};

/**
 * Marks what is sent again as this tick's, without what was acknowledged meanwhile. The oldest first, one by one: a publisher
 * that takes its messages back does so from the newest on, and between the two no gap must open.
 */
const stamp = async (
  context: Context,
  tick: RedeliveryTick,
  records: readonly InFlight[],
): Promise<readonly InFlight[] | 'newer epoch'> => {
  const stamped: InFlight[] = [];
  for (const { packetId, id } of records) {
    const outcome = await context.inFlight.change(tick, packetId, {
      name: 'stamp',
      if: [
        ['=', 'id', id], // else it stamps the packet id's next owner, or makes a ghost of an acknowledged message
        ['<=', 'epoch', tick.epoch],
      ],
      set: { epoch: tick.epoch, tick: tick.number },
    });
    if (outcome.done) stamped.push(outcome.record);
    else if (outcome.record && outcome.record.epoch > tick.epoch) return 'newer epoch';
  }
  return stamped;
};

/** Puts the fresh ones in flight and posts everything in one push. */
const send = async (
  context: Context,
  session: Session,
  work: Work,
  resend: readonly InFlight[],
  fresh: readonly ReceivedMessage[],
): Promise<'accepted' | 'stop' | 'again'> => {
  const { tick } = work;
  const stored = resend.length + fresh.filter(({ liveEpoch }) => liveEpoch !== tick.epoch).length;
  const startedAt = context.clock.now();
  const writeTime = context.timing.postTimeout;
  const postTime = partsOf([...resend, ...fresh]) * context.timing.postTimeout;
  const before = work.postAllowedAt;
  if (stored > 0) work.postAllowedAt = startedAt + writeTime + postTime + SECOND;

  const count = resend.length + fresh.length;
  const allocated = await context.sessions.change(
    tick.clientId,
    allocateForTick(tick, count, fresh.length, work.postAllowedAt),
  );
  if (!allocated.done) return 'stop';
  work.backlog = allocated.record.backlog;
  const first = allocated.record.sequence - count + 1;
  const records = fresh.map(({ id, topic, payload }, index): InFlight => {
    const sequence = first + resend.length + index;
    return { id, topic, payload, sequence, packetId: packetIdOf(sequence), epoch: tick.epoch, tick: tick.number };
  });
  const postNothing = async (): Promise<'again'> => {
    await takeBack(context, tick, records);
    // A client end takes a hole in the numbers for a loss: they go back, if they are still the last.
    await context.sessions.change(tick.clientId, unallocate(allocated.record, count, fresh.length));
    work.postAllowedAt = before;
    return 'again';
  };
  // An old message may still hold one of the packet ids. What was put before it is sent again by the same tick.
  if ((await putInOrder(context, tick, records)) < records.length) return 'again';
  // Too late to be sure that the post ends before the next one may begin.
  if (context.clock.now() - startedAt > writeTime) return postNothing();

  const packets = [
    ...resend.map((record) => encodePublish(record, true)),
    ...records.map((record) => encodePublish(record, false)),
  ];
  const posted = await post(context, session.connectionId, packets, first);
  switch (posted) {
    case 'accepted':
      for (const { packetId } of [...resend, ...records]) work.posted.add(packetId);
      work.spent += stored;
      if (stored > 0) work.postAllowedAt = context.clock.now() + SECOND;
      return 'accepted';
    case 'throttled':
      return postNothing();
    case 'unclear':
      await closeSocket(context, session.connectionId);
      await abandonConnection(context, { ...tick, persistent: session.persistent }, session.connectionId);
      return 'stop';
    case 'gone':
      await abandonConnection(context, { ...tick, persistent: session.persistent }, session.connectionId);
      return 'stop';
  }
};
