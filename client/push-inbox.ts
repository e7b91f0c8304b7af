/**
 * What the broker pushes, from frames to packets in their order (wire-protocol.md §5).
 *
 * Rules of this file: it joins parts and order, and keeps the one timer they need. Nothing is handed on after `stop`.
 */
import { type Clock, createAlarm } from './clock.ts';
import { afterConnackReply, arrive, beforeConnack, dueAt, giveUpHole, type OrderStep } from './push-order.ts';
import { createPartCollector } from './push-parts.ts';
import type { Push, PushPart } from './wire.ts';

export interface PushInboxOptions {
  readonly clock: Clock;
  handOn(packets: readonly Uint8Array[]): void;
  /** A push is missing. True: the connection ends here, and the broker will send what waits again, in order. */
  endAtHole(): boolean;
}

export interface PushInbox {
  /** A CONNACK in a reply has been handed on. */
  connackReplied(): void;
  /** @throws ServerlessMqttError `bad-answer` */
  push(push: Push): void;
  /** @throws ServerlessMqttError `bad-answer` */
  part(part: PushPart): void;
  stop(): void;
}

export function createPushInbox({ clock, handOn, endAtHole }: PushInboxOptions): PushInbox {
  const parts = createPartCollector();
  const holeAlarm = createAlarm(clock);
  let order = beforeConnack;
  let stopped = false;

  const take = (step: OrderStep): void => {
    if (stopped) return;
    order = step.order;
    const due = dueAt(order);
    if (due === undefined) holeAlarm.clear();
    else holeAlarm.set(Math.max(0, due - clock.now()), giveUp);
    if (step.handOn.length > 0) handOn(step.handOn.flatMap(({ packets }) => packets));
  };

  const giveUp = (): void => {
    if (!endAtHole()) take(giveUpHole(order));
  };

  const push = (arrived: Push): void => take(arrive(order, arrived, clock.now()));

  return {
    push,
    part(part) {
      const whole = parts.add(part, clock.now());
      if (whole) push(whole);
    },
    connackReplied: () => take(afterConnackReply(order, clock.now())),
    stop() {
      stopped = true;
      holeAlarm.clear();
    },
  };
}
