/**
 * What one round of a redelivery tick does, without what its session may not receive any more.
 *
 * Rules of this file:
 * - Of what is refused nothing is sent. What waits in the queue is for the round to delete, like what was posted. What is in flight
 *   comes to an end on the next connection, and not before: on the one that it was sent on, or may have been, its PUBACK may come.
 * - Nothing is taken from a session that has a newer connection by now: what that may receive is for its own ticks to say.
 */
import type { Condition } from '../session/change.ts';
import { planRedelivery, type RedeliveryPlan } from '../session/plan-redelivery.ts';
import type { InFlight, Session } from '../session/session.ts';
import type { Tick } from '../session/transitions.ts';
import type { Context } from './context.ts';
import { RETRY_AFTER } from './deliver.ts';
import { type Receivable, receivable } from './may-receive.ts';
import type { ReceivedMessage, RedeliveryTick } from './ports.ts';

/** Who asks: the worker of a tick. */
export interface Worker {
  readonly tick: RedeliveryTick;
  readonly tookOver: boolean;
  readonly posted: ReadonlySet<number>;
  /** Packet ids of what was sent on this connection and may not be sent again. Grows. */
  readonly withheld: Set<number>;
  /** When it was last seen. */
  readonly session: Session;
}

export interface Found {
  /** Listed after the receive. */
  readonly inFlight: readonly InFlight[];
  readonly received: readonly ReceivedMessage[];
  readonly budget: number;
}

export interface AllowedPlan extends RedeliveryPlan<ReceivedMessage> {
  /** Received, and not for this session any more: only to be deleted from the queue. */
  readonly refused: readonly ReceivedMessage[];
  /** What is in flight, and may be sent again should it come to that. */
  readonly inFlight: readonly InFlight[];
}

/** @throws when AWS fails */
export async function planAllowed(
  context: Context,
  worker: Worker,
  found: Found,
): Promise<AllowedPlan | 'newer epoch' | 'unsafe'> {
  const { tick, session } = worker;
  const received = await receivable(context, tick, found.received, session.grant);
  if (isOver(tick, received)) return 'newer epoch';
  const inFlight = await withoutRefused(context, worker, found.inFlight);
  if (inFlight === 'newer epoch') return inFlight;
  const refused = found.received.filter((message) => !received.messages.includes(message));
  const plan = await planAgain(context, worker, { ...found, inFlight, received: received.messages });
  return typeof plan === 'string' ? plan : { ...plan, refused };
}

const isOver = (tick: Tick, { refusedTo }: Receivable<unknown>): boolean =>
  refusedTo !== undefined && refusedTo.epoch !== tick.epoch;

/** What was sent on an older connection, and is refused now, comes to its end. */
const withoutRefused = async (
  context: Context,
  { tick, session }: Worker,
  inFlight: readonly InFlight[],
): Promise<readonly InFlight[] | 'newer epoch'> => {
  const due = inFlight.filter(({ epoch, released }) => epoch < tick.epoch && !released);
  const allowed = await receivable(context, tick, due, session.grant);
  if (isOver(tick, allowed)) return 'newer epoch';
  const kept: InFlight[] = [];
  for (const record of inFlight) {
    const isRefused = due.includes(record) && !allowed.messages.includes(record);
    const left = isRefused ? await withdraw(context, tick, record) : record;
    if (left) kept.push(left);
  }
  return kept;
};

/**
 * With QoS 1 it is taken out of flight. With QoS 2 its client may have it, and holds its packet id until a PUBREL comes: so that
 * is sent in its place, as if its PUBREC had come. Returns what is left of it.
 */
const withdraw = async (
  context: Context,
  tick: RedeliveryTick,
  { id, packetId, qos }: InFlight,
): Promise<InFlight | undefined> => {
  const conditions: readonly Condition<InFlight>[] = [
    ['=', 'id', id], // else it takes the packet id's next owner
    ['<', 'epoch', tick.epoch], // else it takes what the next connection has sent
  ];
  if (qos < 2) {
    await context.inFlight.remove(tick, packetId, conditions);
    return undefined;
  }
  const outcome = await context.inFlight.change(tick, packetId, {
    name: 'withdraw',
    if: conditions,
    set: { released: true, payload: new Uint8Array() },
  });
  return outcome.done ? outcome.record : undefined;
};

/** The plan, without what was sent on this connection, is due again, and is refused now. */
const planAgain = async (
  context: Context,
  worker: Worker,
  found: Found,
): Promise<Omit<AllowedPlan, 'refused'> | 'newer epoch' | 'unsafe'> => {
  const { tick, tookOver, posted, withheld, session } = worker;
  const inFlight = found.inFlight.filter(({ packetId }) => !withheld.has(packetId));
  const plan = planRedelivery({
    ...found,
    tick,
    tookOver,
    inFlight,
    posted,
    windowLeft: session.windowLeft,
    sentBefore: context.clock.now() - RETRY_AFTER,
  });
  if (typeof plan === 'string') return plan;
  const again = plan.resend.filter(({ epoch, released }) => epoch === tick.epoch && !released);
  const allowed = await receivable(context, tick, again, session.grant);
  if (allowed.refusedTo === undefined) return { ...plan, inFlight };
  if (isOver(tick, allowed)) return 'newer epoch';
  const refused = again.filter((record) => !allowed.messages.includes(record));
  for (const { packetId } of refused) withheld.add(packetId);
  return planAgain(context, worker, found);
};
