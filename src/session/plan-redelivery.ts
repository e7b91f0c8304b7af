/**
 * What one round of a redelivery tick does with what it found in flight and received from the queue. Pure.
 *
 * Rules of this file: order comes first (what is in flight before what waits, the oldest before the newer), then the
 * in-flight window, then the rate.
 */
import { onePush } from './one-push.ts';
import { type InFlight, type Message, NEXT_TICK } from './session.ts';
import type { Tick } from './transitions.ts';

export interface Found<R> {
  readonly tick: Tick;
  /** A worker before this one has died under this number: what it put in flight may be posted, or not. */
  readonly tookOver: boolean;
  /** All that is in flight, in order, listed after the receive. */
  readonly inFlight: readonly InFlight[];
  /** The oldest of the queue, in order. `liveEpoch`: the epoch its client was connected on when it arrived, 0 if none. */
  readonly received: readonly R[];
  /** Packet ids that this worker has posted already. */
  readonly posted: ReadonlySet<number>;
  /** Stored messages that may still be sent in this second. */
  readonly budget: number;
  /** Messages that may still be sent on this connection. */
  readonly windowLeft: number;
  /** What was sent on this connection before this time and is not acknowledged is sent again, ms. */
  readonly sentBefore: number;
}

export interface RedeliveryPlan<R> {
  /** In flight from an earlier epoch, from a worker that died under this number, or for too long: to be sent again. */
  readonly resend: readonly InFlight[];
  /** How many of them, with what is fresh, take room in the window: those that were not sent on this connection before. */
  readonly used: number;
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

/**
 * `newer epoch`: somebody else has the session now, stop. `unsafe`: a QoS 2 message that may have been posted on this connection
 * would have to be posted on it again. The second could come when the client has answered the first to the end, and count as a new
 * message; only a new connection leaves the first behind.
 */
export function planRedelivery<R extends Message & { readonly liveEpoch: number }>({
  tick,
  tookOver,
  inFlight,
  received,
  posted,
  budget,
  windowLeft,
  sentBefore,
}: Found<R>): RedeliveryPlan<R> | 'newer epoch' | 'unsafe' {
  if (inFlight.some(({ epoch }) => epoch > tick.epoch)) return 'newer epoch';
  const isOlder = ({ epoch }: InFlight) => epoch < tick.epoch;
  // A worker before this one has put them in flight under this number, within the rate: they are not weighed again. Of QoS 2 only
  // what is marked as not posted.
  const isOwn = (record: InFlight) =>
    !isOlder(record) && !posted.has(record.packetId) && record.tick === (record.qos === 2 ? NEXT_TICK : tick.number);
  // Put in flight and never posted, or posted and lost, or just not acknowledged. They have their room in the window.
  const isLate = (record: InFlight) => !isOlder(record) && !isOwn(record) && record.sentAt < sentBefore;
  const isUnsafe = (record: InFlight) =>
    record.qos === 2 &&
    !record.released &&
    !isOlder(record) &&
    !posted.has(record.packetId) &&
    ((tookOver && record.tick === tick.number) || isLate(record));
  if (inFlight.some(isUnsafe)) return 'unsafe';
  const own = inFlight.filter(isOwn);
  const due = [...own, ...inFlight.filter(isLate), ...inFlight.filter(isOlder)];
  const resend = firstOf(due, Math.max(own.length, budget), windowLeft, isOlder);
  const leftOver = resend.length < due.length;
  const resent = resend.filter(isOlder).length;

  // A publisher whose copy is not chosen yet may be overtaken: with QoS 2 nothing rests on its record.
  const isUndecided = ({ qos, epoch, tick: number }: InFlight) => qos === 2 && epoch === tick.epoch && number === 0;
  const ids = new Set(inFlight.filter((record) => !isUndecided(record)).map(({ id }) => id));
  const candidates = received.filter(({ id }) => !ids.has(id));
  const room = leftOver ? 0 : windowLeft - resent;
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
    used: resent + fresh.length,
    leftOver,
    ownLeftOver: resend.length < own.length,
    inFlightAlready: received.filter(({ id }) => ids.has(id)),
    fresh,
    giveBack: candidates.slice(fresh.length),
  };
}

/** As many of `due` as one push, the rate (`most`) and the window allow. */
const firstOf = (
  due: readonly InFlight[],
  most: number,
  windowLeft: number,
  takesRoom: (record: InFlight) => boolean,
): readonly InFlight[] => {
  let room = windowLeft;
  const beyond = due.findIndex((record) => takesRoom(record) && room-- <= 0);
  return onePush(beyond < 0 ? due : due.slice(0, beyond), most);
};
