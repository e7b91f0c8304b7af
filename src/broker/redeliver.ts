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
import { encode } from '../mqtt/codec.ts';
import type { RedeliveryPlan } from '../session/plan-redelivery.ts';
import type { InFlight, Session } from '../session/session.ts';
import { epochOf, isAlive, packetIdOf, storedBytes } from '../session/session.ts';
import { allocateForTick, claim, endTick, heal, mayHeal, turnDirect, unallocate } from '../session/transitions.ts';
import { chooseAgain, leaveToTick, putInOrder } from './choose-copy.ts';
import { type Context, stillAtWork } from './context.ts';
import { encodePublish, OVERDUE } from './deliver.ts';
import { abandonConnection, giveUpConnection } from './lose-connection.ts';
import { planAllowed } from './plan-allowed.ts';
import type { ReceivedMessage, RedeliveryTick } from './ports.ts';
import { partsOf, post } from './post.ts';

const SECOND = 1_000;
/** Messages that SQS hands out at once. */
const BATCH = 10;

/** What one worker has done under its tick so far. */
interface Work {
  readonly tick: RedeliveryTick;
  /** As this worker has claimed it. */
  readonly leaseUntil: number;
  /** The worker before it has died. */
  readonly tookOver: boolean;
  /** Packet ids this worker has posted. */
  readonly posted: Set<number>;
  /** Packet ids of what was sent on this connection, and may not be sent again. */
  readonly withheld: Set<number>;
  /** Stored messages posted: what the rate counts. */
  spent: number;
  /** Messages received, whatever became of them. */
  received: number;
  /** The queue was asked. */
  looked: boolean;
  deleted: number;
  deletedBytes: number;
  /** The session when it was last seen. */
  session: Session;
  /** Received messages were neither deleted nor given back: they are hidden for a while. */
  hidden: boolean;
  /** There is more to send again than was sent. */
  leftOver: boolean;
  /** Some of it is this tick's own: put in flight under its number and not posted. No other tick will look for it. */
  ownLeftOver: boolean;
  postAllowedAt: number;
  /** As on the session. */
  leakSeenAt: number;
}

/**
 * @param deadline when this Lambda is stopped, ms since 1970
 * @throws when AWS fails: the tick message comes back, and the lease keeps others away until then
 */
export async function redeliver(context: Context, tick: RedeliveryTick, deadline: number): Promise<void> {
  const taken = await take(context, tick);
  if (!taken) return;
  const { session } = taken;
  const healing = mayHeal(session, context.timing, context.clock.now()); // judged before the first receive

  const work: Work = {
    tick,
    leaseUntil: session.leaseUntil,
    tookOver: taken.tookOver,
    posted: new Set(),
    withheld: new Set(),
    spent: 0,
    received: 0,
    looked: false,
    deleted: 0,
    deletedBytes: 0,
    session,
    hidden: false,
    leftOver: false,
    ownLeftOver: false,
    postAllowedAt: session.postAllowedAt,
    leakSeenAt: 0,
  };
  let round: Round;
  do {
    round = await oneRound(context, work);
    if (round === 'stop') return;
    if (round === 'again') return leaveTick(context, work, tick, 1); // the connection takes no more for now
    if (await turnedDirect(context, work)) return;
  } while (
    round === 'posted' &&
    (work.spent < context.settings.redeliveryRate || work.ownLeftOver) &&
    deadline - context.clock.now() > context.timing.lambdaTimeout / 2
  );

  if (work.ownLeftOver) return leaveTick(context, work, tick, 1);
  if (healing && work.looked && work.received === 0 && !work.leftOver) {
    const healed = await context.sessions.change(tick.clientId, heal(session.quietSince));
    if (healed.done) {
      context.log('backlog-healed', { clientId: tick.clientId, forgotten: work.session.backlog });
      return;
    }
  }
  // At wire speed only where this worker stopped for lack of time; otherwise a second later.
  const delay = round === 'posted' && work.spent === 0 ? 0 : 1;
  await leaveTick(context, work, numbered(tick, tick.number + 1), delay);
}

// ── Beginning and end of a tick ────────────────────────────────────────────────────────────────────────────────────

/** The session, if this worker has the tick now. */
const take = async (
  context: Context,
  tick: RedeliveryTick,
): Promise<{ readonly session: Session; readonly tookOver: boolean } | undefined> => {
  const now = context.clock.now();
  const leaseUntil = now + context.timing.lambdaTimeout + context.timing.clockMargin;
  const claimed = await context.sessions.change(tick.clientId, claim(tick, 0, leaseUntil, now));
  if (claimed.done) return { session: claimed.record, tookOver: false };

  const session = claimed.record;
  const over =
    !isAlive(session, tick.generation) ||
    session.epoch !== tick.epoch ||
    session.status === 'offline' ||
    (session.mode === 'direct' && !mayStillPark(session, tick, now)) ||
    session.tick > tick.number;
  if (over) return undefined;

  const dead = session.leaseUntil > 0 && session.leaseUntil < now;
  if (dead && session.tick === tick.number && session.postAllowedAt <= now) {
    const taken = await context.sessions.change(tick.clientId, claim(tick, session.leaseUntil, leaseUntil, now));
    if (taken.done) return { session: taken.record, tookOver: true };
  }
  // Not its turn yet: the message waits on as a new one, sent before this one is forgotten, so that none gets lost.
  const overdue = session.tick < tick.number && session.leaseUntil < now && now - session.tickDueAt > OVERDUE;
  if (overdue) await context.redelivery.send(numbered(tick, session.tick), 0);
  const wait = Math.max(session.postAllowedAt - now, session.tick === tick.number ? session.leaseUntil - now : 0, 1);
  await context.redelivery.send(tick, Math.min(Math.ceil(wait / SECOND), 60));
  return undefined;
};

const numbered = ({ clientId, generation, epoch }: RedeliveryTick, number: number): RedeliveryTick => ({
  clientId,
  generation,
  epoch,
  number,
});

/** Whoever sent this tick ahead of turning the session queued may be slow to do so. */
const mayStillPark = (session: Session, { number, parkedBy = 0 }: RedeliveryTick, now: number): boolean =>
  number === session.tick + 1 && now < parkedBy;

const turnedDirect = async (context: Context, work: Work): Promise<boolean> => {
  if (work.leftOver || work.hidden || work.session.backlog !== work.deleted) return false;
  const turned = await context.sessions.change(
    work.tick.clientId,
    turnDirect(work.tick, work.leaseUntil, work.deleted, work.postAllowedAt),
  );
  if (!turned.done && turned.record) work.session = turned.record;
  return turned.done;
};

/** Sends the tick that is due `delay` seconds from now: the next one, or the same again. What was deleted is counted down. */
const leaveTick = async (context: Context, work: Work, due: RedeliveryTick, delay: number): Promise<void> => {
  await context.redelivery.send(due, delay);
  const now = context.clock.now();
  await context.sessions.change(
    due.clientId,
    endTick(work.tick, work.leaseUntil, due.number, {
      deleted: work.deleted,
      deletedBytes: work.deletedBytes,
      postAllowedAt: work.postAllowedAt,
      dueAt: now + delay * SECOND,
      leakSeenAt: work.leakSeenAt,
      ...(work.hidden ? { quietSince: now } : {}),
    }),
  );
};

// ── One round: receive, look, send again, send new, delete ─────────────────────────────────────────────────────────

type Round = 'posted' | 'nothing' | 'stop' | 'again';

const oneRound = async (context: Context, work: Work): Promise<Round> => {
  const { tick } = work;
  const budget = Math.max(0, context.settings.redeliveryRate - work.spent);
  // A backlog that is counted down to what was deleted has nothing left in the queue, which may not even exist.
  const mayReceive = work.session.backlog > work.deleted && budget > 0 && work.session.windowLeft > 0;
  const stored = mayReceive ? await context.queues.receive(tick, Math.min(BATCH, budget)) : [];
  work.looked ||= mayReceive;
  work.received += stored.length;
  // Looked at after the receive: what a worker before this one has put in flight must not be sent as new.
  const listed = await context.inFlight.list(tick);
  const plan = await planAllowed(context, work, { inFlight: listed, received: stored, budget });
  if (plan === 'newer epoch' || plan === 'unsafe') {
    await context.queues.release(tick, stored);
    if (plan === 'newer epoch') return 'stop';
    context.log('resend-unsafe', { clientId: tick.clientId, inFlight: listed.length });
    return giveUp(context, work);
  }
  if (plan.giveBack.length > 0) await context.queues.release(tick, plan.giveBack);
  work.leftOver = plan.leftOver;
  work.ownLeftOver = plan.ownLeftOver;
  const batch = [...plan.inFlightAlready, ...plan.fresh, ...plan.refused];

  const nothingToPost = plan.resend.length + plan.fresh.length === 0;
  if (nothingToPost && seemsLeaked(context, work, plan.inFlight)) {
    const now = context.clock.now();
    work.leakSeenAt = work.session.leakSeenAt || now;
    if (now - work.leakSeenAt > stillAtWork(context)) {
      context.log('window-leaked', { clientId: tick.clientId, inFlight: plan.inFlight.length });
      return giveUp(context, work);
    }
  }
  const outcome = nothingToPost ? 'accepted' : await send(context, work, plan);
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
  return nothingToPost && plan.refused.length === 0 ? 'nothing' : 'posted';
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
      set: { epoch: tick.epoch, tick: tick.number, sentAt: context.clock.now() },
    });
    if (outcome.done) stamped.push(outcome.record);
    else if (outcome.record && outcome.record.epoch > tick.epoch) return 'newer epoch';
  }
  return stamped;
};

/**
 * The window is full, and not of messages. Somebody is between taking room and using it, or between a PUBACK and giving the room
 * back; or has died there. That is certain where it stays so for longer than a Lambda lives. On the next connection all of the
 * window is free.
 */
const seemsLeaked = (context: Context, { tick, session }: Work, inFlight: readonly InFlight[]): boolean =>
  session.windowLeft === 0 &&
  inFlight.filter(({ epoch }) => epoch === tick.epoch).length < context.settings.maxInFlight;

const giveUp = async (context: Context, { tick, session }: Work): Promise<'stop'> => {
  await giveUpConnection(context, epochOf(tick.clientId, session), session.connectionId);
  return 'stop';
};

/** PUBREL has no push number, PUBLISH has. */
const publishes = (records: readonly InFlight[]): number => records.filter(({ released }) => !released).length;

const encodePubrel = ({ packetId }: InFlight): Uint8Array => encode({ type: 'pubrel', packetId });

/** Puts the fresh ones in flight and posts everything in one push. */
const send = async (
  context: Context,
  work: Work,
  plan: RedeliveryPlan<ReceivedMessage>,
): Promise<'accepted' | 'stop' | 'again'> => {
  const { tick } = work;
  const { fresh } = plan;
  const isStored = ({ liveEpoch }: ReceivedMessage) => liveEpoch !== tick.epoch;
  const startedAt = context.clock.now();
  const writeTime = context.timing.postTimeout;
  const postTime = partsOf([...plan.resend, ...fresh]) * context.timing.postTimeout;
  const before = work.postAllowedAt;
  if (plan.resend.length > 0 || fresh.some(isStored)) work.postAllowedAt = startedAt + writeTime + postTime + SECOND;

  const planned = publishes(plan.resend) + fresh.length;
  const allocated = await context.sessions.change(
    tick.clientId,
    allocateForTick(tick, { count: planned, fresh: fresh.length, used: plan.used }, work.postAllowedAt),
  );
  if (!allocated.done) {
    // Live traffic that is interleaved has taken the room.
    if (allocated.record?.epoch !== tick.epoch) return 'stop';
    work.postAllowedAt = before;
    return 'again';
  }
  work.session = allocated.record;
  const stamped = await stamp(context, tick, plan.resend);
  if (stamped === 'newer epoch') return 'stop';

  // A client end takes a hole in the push numbers for a loss: those that are not used go back, if they are still the last.
  const unuse = async (unused: number, room: number): Promise<void> => {
    if (unused === 0) return;
    const back = await context.sessions.change(tick.clientId, unallocate(work.session, unused, room));
    if (back.done) work.session = back.record;
  };
  const isOlder = ({ epoch }: InFlight) => epoch < tick.epoch;
  const resend = await chooseAgain(context, tick, stamped);
  const gone = plan.resend.filter(({ packetId }) => !resend.some((each) => each.packetId === packetId));
  await unuse(publishes(plan.resend) - publishes(resend), gone.filter(isOlder).length);
  if (resend.length + fresh.length === 0) return 'accepted';

  const records = fresh.map(({ receipt: _receipt, liveEpoch: _liveEpoch, ...message }, index): InFlight => {
    const sequence = allocated.record.sequence - fresh.length + 1 + index;
    const packetId = packetIdOf(sequence);
    return { ...message, sequence, packetId, epoch: tick.epoch, tick: tick.number, sentAt: startedAt, released: false };
  });
  const { put, done } = await putInOrder(context, tick, records);
  await unuse(records.length - put.length, records.length - put.length);
  // What is in flight stays so: the next worker of this number sends it again. Taken back, it would be missing between what an
  // overtaking worker has received and what that one finds in flight.
  const postNothing = async (): Promise<'again'> => {
    await leaveToTick(context, tick, [...resend, ...put]);
    await unuse(publishes([...resend, ...put]), 0);
    work.postAllowedAt = before;
    return 'again';
  };
  // An old message still holds one of the packet ids: the next sequence numbers have others. Or somebody has overtaken this worker.
  if (done < records.length) return postNothing();
  if (resend.length + put.length === 0) return 'accepted';
  // Too late to be sure that the post ends before the next one may begin.
  if (context.clock.now() - startedAt > writeTime) return postNothing();

  const stored = resend.length + fresh.filter(isStored).length;
  const packets = [
    ...resend.map((record) => (record.released ? encodePubrel(record) : encodePublish(record, true))),
    ...put.map((record) => encodePublish(record, false)),
  ];
  const first = publishes([...resend, ...put]) > 0 ? allocated.record.pushed - planned + 1 : undefined;
  const posted = await post(context, work.session.connectionId, packets, first);
  switch (posted) {
    case 'accepted':
      for (const { packetId } of [...resend, ...put]) work.posted.add(packetId);
      work.spent += stored;
      if (stored > 0) {
        work.postAllowedAt = context.clock.now() + SECOND;
        context.log('messages-redelivered', { clientId: tick.clientId, messages: stored });
      }
      return 'accepted';
    case 'throttled':
      return postNothing();
    case 'unclear':
      return giveUp(context, work);
    case 'gone':
      await abandonConnection(context, epochOf(tick.clientId, work.session), work.session.connectionId);
      return 'stop';
  }
};
