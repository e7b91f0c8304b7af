/**
 * What the broker pushes on one socket, from frames to packets in their order (wire-protocol.md §5, §8).
 *
 * Rules of this file: it joins parts and order, and keeps the one timer they need.
 */
import { type Clock, createAlarm } from './clock.ts';
import { createPushOrder } from './push-order.ts';
import { createPartCollector } from './push-parts.ts';
import type { Push, PushPart } from './wire.ts';

export interface PushInboxOptions {
  readonly clock: Clock;
  handOn(packets: readonly Uint8Array[]): void;
  /** A push is missing. True: this socket is given up, and the broker will send what waits again, in order. */
  leaveAtHole(): boolean;
}

export interface PushInbox {
  /** A CONNACK in a reply has been handed on, or the session has moved to this socket. @param next the first number expected */
  begin(next: number): void;
  /** Nothing that has a number is handed on any more: it comes again on another socket, or nobody wants it. */
  retire(): void;
  /** @throws ServerlessMqttError `bad-answer` */
  push(push: Push): void;
  /** @throws ServerlessMqttError `bad-answer` */
  part(part: PushPart): void;
}

export function createPushInbox({ clock, handOn, leaveAtHole }: PushInboxOptions): PushInbox {
  const parts = createPartCollector();
  const holeAlarm = createAlarm(clock);
  const order = createPushOrder();
  let isRetired = false;

  const take = (pushes: readonly Push[]): void => {
    const due = order.dueAt();
    if (due === undefined) holeAlarm.clear();
    else holeAlarm.set(Math.max(0, due - clock.now()), giveUp);
    if (pushes.length > 0) handOn(pushes.flatMap(({ packets }) => packets));
  };

  const giveUp = (): void => {
    if (leaveAtHole()) retire();
    else take(order.giveUpHole());
  };

  const retire = (): void => {
    isRetired = true;
    order.giveUpHole(); // forgets what waits
    holeAlarm.clear();
  };

  const push = (arrived: Push): void => {
    if (!isRetired || arrived.first === undefined) take(order.arrive(arrived, clock.now()));
  };

  return {
    push,
    part(part) {
      const whole = parts.add(part, clock.now());
      if (whole) push(whole);
    },
    begin: (next) => take(order.begin(next, clock.now())),
    retire,
  };
}
