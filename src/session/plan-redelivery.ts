/**
 * What one round of a redelivery tick does with what it found in flight and received from the queue. Pure.
 *
 * Rules of this file: order comes first (what is in flight before what waits, the oldest before the newer), then the
 * in-flight window, then the rate.
 */
import { onePush } from './one-push.ts';
import type { InFlight, Message } from './session.ts';
import type { Tick } from './transitions.ts';

export interface Found<R> {
  readonly tick: Tick;
  /** All that is in flight, in order, listed after the receive. */
  readonly inFlight: readonly InFlight[];
  /** The oldest of the queue, in order. `liveEpoch`: the epoch its client was connected on when it arrived, 0 if none. */
  readonly received: readonly R[];
  /** Packet ids that this worker has posted already. */
  readonly posted: ReadonlySet<number>;
  /** Stored messages that may still be sent in this second. */
  readonly budget: number;
  /** Messages that may be in flight at once. */
  readonly window: number;
}

export interface RedeliveryPlan<R> {
  /** In flight from an earlier epoch, or from a worker that died under this number: to be sent again. */
  readonly resend: readonly InFlight[];
  /** There is more to send again than that. */
  readonly leftOver: boolean;
  /** Some of it was put in flight under this number: no other tick will look for it. */
  readonly ownLeftOver: boolean;
  /** Received, but in flight already: only to be deleted from the queue. */
  readonly inFlightAlready: readonly R[];
  /** To be put in flight and sent. */
  readonly fresh: readonly R[];
  /** To be made visible again. */
  readonly giveBack: readonly R[];
}

/** `newer epoch`: somebody else has the session now, stop. */
export function planRedelivery<R extends Message & { readonly liveEpoch: number }>({
  tick,
  inFlight,
  received,
  posted,
  budget,
  window,
}: Found<R>): RedeliveryPlan<R> | 'newer epoch' {
  if (inFlight.some(({ epoch }) => epoch > tick.epoch)) return 'newer epoch';
  const older = inFlight.filter(({ epoch }) => epoch < tick.epoch);
  // A worker before this one has put them in flight under this number, within the rate: they are not weighed again.
  const own = inFlight.filter(
    (record) => record.epoch === tick.epoch && record.tick === tick.number && !posted.has(record.packetId),
  );
  const due = [...own, ...older];
  const resend = onePush(due, Math.max(own.length, budget));
  const leftOver = resend.length < due.length;

  const ids = new Set(inFlight.map(({ id }) => id));
  const candidates = received.filter(({ id }) => !ids.has(id));
  const room = leftOver ? 0 : Math.max(0, window - inFlight.length);
  // What came while the client was connected on this epoch is not throttled.
  let stored = resend.length;
  const beyond = candidates.findIndex((message, index) => {
    if (message.liveEpoch !== tick.epoch) stored++;
    return index >= room || stored > budget;
  });
  const allowed = beyond < 0 ? candidates : candidates.slice(0, beyond);
  const fresh = onePush(allowed, allowed.length);
  return {
    resend,
    leftOver,
    ownLeftOver: resend.length < own.length,
    inFlightAlready: received.filter(({ id }) => ids.has(id)),
    fresh,
    giveBack: candidates.slice(fresh.length),
  };
}
