/**
 * What the broker pushes on one socket, from frames to packets in their order (wire-protocol.md §5, §8).
 *
 * Rules of this file: it joins parts and order, and keeps the one timer they need. Nothing is handed on after `stop`, and
 * nothing that has a number after `retire`.
 */
import { type Clock, createAlarm } from './clock.ts';
import {
  afterConnackReply,
  afterMove,
  arrive,
  beforeConnack,
  dueAt,
  giveUpHole,
  type OrderStep,
} from './push-order.ts';
import { createPartCollector } from './push-parts.ts';
import type { Push, PushPart } from './wire.ts';

export interface PushInboxOptions {
  readonly clock: Clock;
  handOn(packets: readonly Uint8Array[]): void;
  /** A push is missing. True: this socket is given up, and the broker will send what waits again, in order. */
  leaveAtHole(): boolean;
}

export interface PushInbox {
  /** A CONNACK in a reply has been handed on. */
  connackReplied(): void;
  /** The session has moved to this socket. @param next the first number expected */
  moved(next: number): void;
  /** What has a number comes again on another socket. */
  retire(): void;
  /** @throws ServerlessMqttError `bad-answer` */
  push(push: Push): void;
  /** @throws ServerlessMqttError `bad-answer` */
  part(part: PushPart): void;
  stop(): void;
}

export function createPushInbox({ clock, handOn, leaveAtHole }: PushInboxOptions): PushInbox {
  const parts = createPartCollector();
  const holeAlarm = createAlarm(clock);
  let order = beforeConnack;
  let retired = false;
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
    if (leaveAtHole()) retire();
    else take(giveUpHole(order));
  };

  const retire = (): void => {
    retired = true;
    order = { expected: order.expected, waiting: [] };
    holeAlarm.clear();
  };

  const push = (arrived: Push): void => {
    if (!retired || arrived.first === undefined) take(arrive(order, arrived, clock.now()));
  };

  return {
    push,
    part(part) {
      const whole = parts.add(part, clock.now());
      if (whole) push(whole);
    },
    connackReplied: () => take(afterConnackReply(order, clock.now())),
    moved: (next) => take(afterMove(order, next, clock.now())),
    retire,
    stop() {
      stopped = true;
      holeAlarm.clear();
    },
  };
}
