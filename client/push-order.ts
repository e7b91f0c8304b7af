/**
 * In which order pushes are handed on (wire-protocol.md §5, §8).
 *
 * Rules of this file: pure functions of a value; time is an argument, in milliseconds. All that waits is bounded.
 * Before the CONNACK everything waits, and on a new socket before the session has moved there. After it, a push without a
 * number never waits, nor does one that lies behind; one that is ahead waits for the hole before it, 2 s at most.
 */
import { badAnswer } from './errors.ts';
import { isNumbered, packetType, typeOf } from './packets.ts';
import type { Push } from './wire.ts';

export const HOLE_WAIT_MS = 2_000;
const MOST_WAITING = 1_024;
const MOST_WAITING_BYTES = 16 * 1024 * 1024;

interface Waiting {
  readonly push: Push;
  readonly since: number;
  readonly bytes: number;
}

export interface PushOrder {
  /** The next sequence number; none before the CONNACK. */
  readonly expected: number | undefined;
  /** Before the CONNACK as they came; after it by number, all of them ahead. */
  readonly waiting: readonly Waiting[];
}

export interface OrderStep {
  readonly order: PushOrder;
  /** To be handed on now, in this order. */
  readonly handOn: readonly Push[];
}

export const beforeConnack: PushOrder = { expected: undefined, waiting: [] };

/** A CONNACK has come in a reply and is handed on: what waited for it follows, and the first number expected is 1. */
export const afterConnackReply = (order: PushOrder, now: number): OrderStep => release(order, 1, now);

/** The session has moved to this socket, which begins with this number (§8): what waited for the reply follows. */
export const afterMove = (order: PushOrder, next: number, now: number): OrderStep => release(order, next, now);

/** @throws ServerlessMqttError `bad-answer` where more would wait than is bearable, or a CONNACK brings no number */
export function arrive(order: PushOrder, push: Push, now: number): OrderStep {
  if (order.expected !== undefined) return place(order, order.expected, push, now);
  const hasConnack = push.packets.some((packet) => typeOf(packet) === packetType.connack);
  if (!hasConnack) return { order: wait(order, push, now), handOn: [] };
  if (push.first === undefined) throw badAnswer('a push with a CONNACK and no number');
  const released = release(order, behind(push.first, push), now);
  return { order: released.order, handOn: [push, ...released.handOn] };
}

/** When the push that has waited longest for a hole is to be handed on; nothing where none waits for a hole. */
export function dueAt({ expected, waiting }: PushOrder): number | undefined {
  if (expected === undefined || waiting.length === 0) return undefined;
  return Math.min(...waiting.map(({ since }) => since)) + HOLE_WAIT_MS;
}

/** The hole stays: everything that waits is handed on, in order of number. */
export function giveUpHole({ expected = 1, waiting }: PushOrder): OrderStep {
  const handOn = waiting.map(({ push }) => push);
  return { order: { expected: handOn.reduce(behind, expected), waiting: [] }, handOn };
}

/** What waited for the CONNACK, or for the move, goes the usual way, as if it came now. */
function release({ waiting }: PushOrder, expected: number, now: number): OrderStep {
  let step: OrderStep = { order: { expected, waiting: [] }, handOn: [] };
  for (const { push } of waiting) {
    const next = arrive(step.order, push, now);
    step = { order: next.order, handOn: [...step.handOn, ...next.handOn] };
  }
  return step;
}

function place(order: PushOrder, expected: number, push: Push, now: number): OrderStep {
  if (push.first === undefined) return { order, handOn: [push] };
  if (push.first > expected) return { order: wait(order, push, now), handOn: [] };
  const handOn = [push];
  let reached = behind(expected, push);
  for (const { push: next } of order.waiting) {
    if (next.first !== undefined && next.first > reached) break;
    handOn.push(next);
    reached = behind(reached, next);
  }
  return { order: { expected: reached, waiting: order.waiting.slice(handOn.length - 1) }, handOn };
}

function wait(order: PushOrder, push: Push, now: number): PushOrder {
  const bytes = push.packets.reduce((sum, packet) => sum + packet.length, 0);
  const total = order.waiting.reduce((sum, waiting) => sum + waiting.bytes, bytes);
  if (order.waiting.length === MOST_WAITING || total > MOST_WAITING_BYTES) {
    throw badAnswer('too many pushes ahead of their turn');
  }
  const waiting = [...order.waiting, { push, since: now, bytes }];
  if (order.expected !== undefined) waiting.sort((a, b) => (a.push.first ?? 0) - (b.push.first ?? 0));
  return { expected: order.expected, waiting };
}

/** The number expected once this push is handed on; never less than before. */
function behind(expected: number, { first = 0, packets }: Push): number {
  return Math.max(expected, first + packets.filter(isNumbered).length);
}
