/**
 * Messages with QoS 1 and 2 on their way to one session: posted to its connection, or stored behind what waits already.
 *
 * Rules of this file (docs/delivery.md):
 * - It returns only when every message is durable: in flight, or in the client's queue. The only exceptions are a session
 *   that is dead and one at its storage bound. Whoever answers PUBACK waits for it.
 * - Messages are given in order and stay in order.
 * - A lost race is decided again from what is true now; nothing rests on what somebody else wrote.
 */
import { encode } from '../mqtt/codec.ts';
import { onePush } from '../session/one-push.ts';
import type { InFlight, Message, Session, SessionAddress } from '../session/session.ts';
import { epochOf, isAlive, isExpired, isForgotten, NEXT_TICK, packetIdOf, storedBytes } from '../session/session.ts';
import { allocate, count, nudge, park, queueCreated, unallocate } from '../session/transitions.ts';
import { leaveToTick, putInOrder, takeBack } from './choose-copy.ts';
import { type Context, stillAtWork } from './context.ts';
import { together } from './in-parallel.ts';
import { abandonConnection, endExpired, giveUpConnection } from './lose-connection.ts';
import { receivable } from './may-receive.ts';
import { post } from './post.ts';

/** Messages that one push carries at most. */
const AT_ONCE = 25;
/** A publisher that loses this many races in a row gives up; its client sends the message again. */
const MOST_ATTEMPTS = 50;
/** A tick that was due this long ago, ms, and that nobody claimed, is sent again. */
export const OVERDUE = 5_000;
/** The first tick of a connection comes within this time, ms, or never: longer than any Lambda lives, and some for the queue. */
const CONNECTS_WITHIN = 60_000;

/** `dead`: there is no such session any more, and nothing was delivered. `forgotten`: nor will it be cleaned up. */
export type Delivered = 'delivered' | 'dead' | 'forgotten';

/** @throws when AWS fails: then it is not known which of the messages are durable */
export async function deliver(context: Context, to: SessionAddress, messages: readonly Message[]): Promise<Delivered> {
  const { settings } = context;
  let { messages: waiting, grant } = await receivable(context, to, messages);
  let most = Math.min(AT_ONCE, settings.maxInFlight);
  for (let attempt = 0; waiting.length > 0; attempt++) {
    if (attempt > MOST_ATTEMPTS + messages.length) throw new Error(`delivery to ${to.clientId} lost too many races`);
    const batch = onePush(ofOneQos(waiting), most);
    const outcome = await context.sessions.change(
      to.clientId,
      allocate(to.generation, batch.length, settings.liveTraffic, grant),
    );
    let session = outcome.record;
    if (outcome.done) {
      const result = await postDirectly(context, to, outcome.record, batch);
      if (result === 'delivered') waiting = waiting.slice(batch.length);
      most = Math.max(1, Math.min(AT_ONCE, outcome.record.windowLeft));
      if (result !== 'refused') continue;
      session = await context.sessions.read(to.clientId);
    }
    if (!isAlive(session, to.generation)) return isForgotten(session, to.generation) ? 'forgotten' : 'dead';
    if (isExpired(session, context.clock.now())) {
      await endExpired(context, to, session);
      continue;
    }
    if (grant !== undefined && session.grant !== grant) {
      ({ messages: waiting, grant } = await receivable(context, to, waiting, session.grant));
      continue;
    }
    if (!outcome.done && maySendDirectly(session, context)) {
      const fits = session.windowLeft >= batch.length; // by now: a race was lost
      most = fits ? most : Math.max(1, session.windowLeft);
      if (session.windowLeft > 0) continue;
      if (session.mode === 'direct') await turnQueued(context, to, session);
    }
    if (await store(context, to, session, waiting)) return 'delivered';
  }
  return 'delivered';
}

/** The first of `messages`, as far as they have the same QoS. */
const ofOneQos = (messages: readonly Message[]): readonly Message[] => {
  const end = messages.findIndex(({ qos }) => qos !== messages[0]?.qos);
  return end < 0 ? messages : messages.slice(0, end);
};

const maySendDirectly = (session: Session, context: Context): boolean =>
  session.status === 'online' && (session.mode === 'direct' || context.settings.liveTraffic === 'interleaved');

// ── Direct ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * `again`: nothing of `batch` counts as delivered, decide again. `refused`: the same, and the connection takes no more for
 * now. `session` has just given its last numbers to `batch`.
 */
const postDirectly = async (
  context: Context,
  to: SessionAddress,
  session: Session,
  batch: readonly Message[],
): Promise<'delivered' | 'again' | 'refused'> => {
  const { epoch, persistent } = session;
  const here = epochOf(to.clientId, session);
  const first = session.sequence - batch.length + 1;
  const records = batch.map(
    (message, index): InFlight => ({
      ...message,
      sequence: first + index,
      packetId: packetIdOf(first + index),
      epoch,
      tick: 0,
      sentAt: context.clock.now(),
      released: false,
    }),
  );
  if (batch[0]?.qos === 2) return postOnceOnly(context, to, session, records);
  const { put } = await putInOrder(context, to, records);
  if (put.length < records.length) {
    // an old message still holds one of the packet ids: the next sequence numbers have others
    await takeBack(context, to, put);
    await context.sessions.change(to.clientId, unallocate(session, batch.length, batch.length));
    return 'again';
  }

  const packets = records.map((record) => encodePublish(record, false));
  // The second look at the session only has to come after the messages are in flight, so it need not wait for the post.
  const [posted, now] = await together([
    post(context, session.connectionId, packets, session.pushed - batch.length + 1),
    context.sessions.read(to.clientId),
  ]);
  switch (posted) {
    case 'accepted':
      // a connection that is already replaced may still accept posts
      if (isAlive(now, to.generation) && now.epoch === epoch) return 'delivered';
      break;
    case 'gone':
      await abandonConnection(context, here, session.connectionId);
      break;
    case 'unclear':
      // It may have been delivered, so it stays in flight, to be sent again under its packet id with DUP. That needs a new
      // epoch, and one whose tick has not looked yet: only if this write makes the session offline is that certain.
      if (await giveUpConnection(context, here, session.connectionId)) {
        return persistent ? 'delivered' : 'again';
      }
      break;
    case 'throttled':
      // Nothing was delivered. The push numbers go back, if they are still the last: a client end takes a hole for a loss.
      await takeBack(context, to, records);
      await context.sessions.change(to.clientId, unallocate(session, batch.length, batch.length));
      if (session.mode === 'direct') await turnQueued(context, to, session);
      return 'refused';
  }
  await takeBack(context, to, records);
  return 'again';
};

/**
 * QoS 2: what may have been posted stays in flight, under its packet id, for good. Taken back, it would come again under another
 * one.
 */
const postOnceOnly = async (
  context: Context,
  to: SessionAddress,
  allocated: Session,
  records: readonly InFlight[],
): Promise<'delivered' | 'again' | 'refused'> => {
  const { epoch, persistent, connectionId } = allocated;
  const here = epochOf(to.clientId, allocated);
  // Asked when the message is in flight: so the tick of a later epoch looks at it afterwards, and sends it again.
  const isSameEpoch = async (): Promise<boolean> => {
    const now = await context.sessions.read(to.clientId);
    return isAlive(now, to.generation) && now.epoch === epoch;
  };
  const { put, done } = await putInOrder(context, to, records, isSameEpoch);
  let session = allocated;
  const giveBackNumbers = async (count: number, room: number): Promise<void> => {
    const back = await context.sessions.change(to.clientId, unallocate(session, count, room));
    if (back.done) session = back.record;
  };
  const spared = records.length - put.length;
  if (spared > 0) await giveBackNumbers(spared, spared);
  if (put.length < done) await wakeLeft(context, to, session);
  // What is posted by now is found to be chosen.
  const delivered = done < records.length ? 'again' : 'delivered';
  if (put.length === 0) return delivered;

  const first = allocated.pushed - records.length + 1;
  const packets = put.map((record) => encodePublish(record, false));
  switch (await post(context, connectionId, packets, first)) {
    case 'accepted':
      return delivered;
    case 'gone':
      await abandonConnection(context, here, connectionId);
      break;
    case 'unclear':
      await giveUpConnection(context, here, connectionId);
      break;
    case 'throttled':
      await leaveToTick(context, to, put);
      await giveBackNumbers(put.length, 0);
      if (session.mode === 'direct') await turnQueued(context, to, session);
      return 'refused';
  }
  // What is in flight is sent again on the next connection; a session without one is decided about again.
  return persistent ? delivered : 'again';
};

/** Another copy was chosen. Should it be left to a tick, whoever left it may have died before he sent that. */
const wakeLeft = async (context: Context, to: SessionAddress, session: Session): Promise<void> => {
  const inFlight = await context.inFlight.list(to);
  if (session.mode === 'direct' && inFlight.some(({ tick }) => tick === NEXT_TICK)) {
    await turnQueued(context, to, session);
  }
};

/** A PUBLISH as a subscriber gets it. */
export const encodePublish = ({ topic, payload, qos, retain, packetId }: InFlight, dup: boolean): Uint8Array =>
  encode({ type: 'publish', topic, payload, qos, dup, retain, packetId });

// ── From direct to queued ──────────────────────────────────────────────────────────────────────────────────────────

/**
 * The window is full, or the connection takes no more for now. The tick is sent first: a queued session without a tick would
 * keep what it has. One that finds the session still direct waits for as long as this Lambda may live.
 */
const turnQueued = async (context: Context, to: SessionAddress, session: Session): Promise<void> => {
  const parkedBy = context.clock.now() + stillAtWork(context);
  await sendTick(context, to, { ...session, tick: session.tick + 1 }, 1, parkedBy);
  await context.sessions.change(to.clientId, park(session, context.clock.now()));
};

const sendTick = async (
  context: Context,
  { clientId, generation }: SessionAddress,
  { epoch, tick: number }: Session,
  delay: number,
  parkedBy?: number,
): Promise<void> => {
  const tick = { clientId, generation, epoch, number };
  await context.redelivery.send(parkedBy === undefined ? tick : { ...tick, parkedBy }, delay);
};

// ── Stored ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** False: the session has turned direct, decide again. `session`: as it was read. */
const store = async (
  context: Context,
  to: SessionAddress,
  session: Session,
  messages: readonly Message[],
): Promise<boolean> => {
  const { settings, clock } = context;
  const fitting = thoseThatFit(messages, session, context);
  const refused = messages.length - fitting.length;
  // Nothing is on its way to the queue, so nothing is counted: healing must not wait for it.
  if (fitting.length === 0) {
    logBound(context, to, refused, session);
    return true;
  }
  const counted = await context.sessions.change(
    to.clientId,
    count(to.generation, fitting.length, bytesOf(fitting), settings, clock.now()),
  );
  if (!counted.done) return false;
  if (refused > 0) logBound(context, to, refused, counted.record);
  const now = counted.record;
  const liveEpoch = now.status === 'offline' ? 0 : now.epoch;
  await sendToQueue(context, to, fitting, liveEpoch);
  context.log('messages-stored', { clientId: to.clientId, messages: fitting.length });
  await awaken(context, to, now);
  return true;
};

/**
 * Sees to it that what was stored does not wait for a tick that is lost. A session that is connecting has lost its first one, or
 * the Lambda that would have sent it: nothing may be posted before a CONNACK, so only the next connection can go on.
 */
export async function awaken(context: Context, to: SessionAddress, session: Session): Promise<void> {
  const now = context.clock.now();
  const overdue = now - session.tickDueAt;
  const waits = session.status === 'online' && session.mode === 'queued';
  if (waits && session.leaseUntil < now && overdue > OVERDUE) {
    const nudged = await context.sessions.change(to.clientId, nudge(session, now));
    if (nudged.done) await sendTick(context, to, nudged.record, 0);
  }
  if (session.status === 'connecting' && overdue > CONNECTS_WITHIN) {
    const { connectionId } = session;
    context.log('first-tick-lost', { clientId: to.clientId, connectionId });
    await giveUpConnection(context, epochOf(to.clientId, session), connectionId);
  }
}

/** What is in flight so long, ms, is sent again: longer than any Lambda lives, so that whoever put it there is done. */
export const RETRY_AFTER = 60_000;

/**
 * Sees to it that what has been in flight for too long is sent again: its publisher died before it could post it, or the post was
 * lost. A tick does that; a direct session gets one.
 */
export async function resendLate(context: Context, to: SessionAddress, session: Session): Promise<void> {
  if (session.mode !== 'direct' || session.windowLeft >= context.settings.maxInFlight) return;
  const before = context.clock.now() - RETRY_AFTER;
  const inFlight = await context.inFlight.list(to);
  if (inFlight.some(({ sentAt }) => sentAt < before)) await turnQueued(context, to, session);
}

const logBound = ({ log }: Context, { clientId }: SessionAddress, refused: number, session: Session): void =>
  log('storage-bound', { clientId, refused, storedMessages: session.backlog, storedBytes: session.backlogBytes });

const bytesOf = (messages: readonly Message[]): number =>
  messages.reduce((sum, message) => sum + storedBytes(message), 0);

/** The oldest of `messages`, as many as the session's bounds allow: the newest is refused. */
const thoseThatFit = (messages: readonly Message[], session: Session, context: Context): readonly Message[] => {
  const { maxStoredMessages, maxStoredBytes } = context.settings;
  let bytes = session.backlogBytes;
  const fits = messages.findIndex((message, index) => {
    bytes += storedBytes(message);
    return session.backlog + index + 1 > maxStoredMessages || bytes > maxStoredBytes;
  });
  return fits < 0 ? messages : messages.slice(0, fits);
};

/** How long a publisher waits for a queue that was created just now, ms, and in how many steps. */
const QUEUE_WAIT = 5_000;
const QUEUE_STEPS = 20;

const sendToQueue = async (
  context: Context,
  to: SessionAddress,
  messages: readonly Message[],
  liveEpoch: number,
): Promise<void> => {
  let waiting = messages.map((message) => ({ ...message, liveEpoch }));
  for (let step = 0; waiting.length > 0; step++) {
    const { sent, missing } = await context.queues.send(to, waiting);
    waiting = waiting.slice(sent);
    if (!missing) continue;
    // Not created yet, created just now, or deleted with its session: only the session tells.
    if (!isAlive(await context.sessions.read(to.clientId), to.generation)) return;
    if (step >= QUEUE_STEPS)
      throw new Error(`the queue of ${to.clientId} is not there ${QUEUE_WAIT} ms after its creation`);
    if (step === 0) {
      await context.queues.create(to);
      await context.sessions.change(to.clientId, queueCreated(to.generation));
    } else {
      await context.clock.pause(QUEUE_WAIT / QUEUE_STEPS);
    }
  }
};
