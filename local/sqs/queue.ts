/**
 * One queue: its messages, who may have them, and what becomes of them. No clock and no I/O: time is an argument, and
 * what happens is said as changes, which a journal can keep and `apply` can repeat.
 *
 * Rules of this file:
 * - A message is hidden while its `visibleAt` lies ahead: delayed if it was never received, else in flight.
 * - FIFO: a group with a hidden message is blocked, the order of a group is the order of sending, and only the first
 *   120,000 messages are looked at for a group that is not blocked.
 * - Standard: no order is promised, so a batch comes shuffled; a message may be handed out twice (a fault switch).
 * - A message past its retention is gone, in flight or not. Assumption: one received too often moves to the dead-letter
 *   queue when it is about to be handed out again, and its count of receives begins anew.
 */
import { randomUUID } from 'node:crypto';
import { SqsError } from './errors.ts';
import { invalidParameter, type NewMessage } from './message-rules.ts';
import type { QueueAttributes } from './queue-attributes.ts';
import type { QueueChange, QueueMessage, ReceivedMessage, Remembered } from './queue-changes.ts';
import { readReceiptHandle, writeReceiptHandle } from './receipt-handle.ts';

export interface QueueDependencies {
  /** Identity of this queue: made again under the same name it has another. */
  readonly uid: string;
  readonly attributes: QueueAttributes;
  /** Called with each change, before it is done. */
  readonly record: (change: QueueChange) => void;
  /** Takes a message that was received too often; false where there is no such queue. */
  readonly deadLetter: (targetArn: string, message: QueueMessage, now: number) => boolean;
  readonly random: () => number;
}

export interface Queue {
  readonly attributes: QueueAttributes;
  send(message: NewMessage, now: number): { readonly id: string; readonly sequenceNumber?: string };
  /** Takes a message out of another queue as it is. */
  adopt(message: QueueMessage, from: string, now: number): void;
  receive(options: ReceiveOptions): readonly ReceivedMessage[];
  /** @throws SqsError */
  delete(receiptHandle: string, now: number): void;
  /** @throws SqsError */
  changeVisibility(receiptHandle: string, seconds: number, now: number): void;
  purge(now: number): void;
  counts(now: number): { readonly visible: number; readonly inFlight: number; readonly delayed: number };
  /** When the next hidden message becomes visible. */
  nextVisibleAt(now: number): number | undefined;
  apply(change: QueueChange): void;
  /** Changes that make a new queue into this one. */
  snapshot(now: number): Iterable<QueueChange>;
}

export interface ReceiveOptions {
  readonly now: number;
  readonly most: number;
  /** Seconds; the queue's own where absent. */
  readonly visibilityTimeout?: number | undefined;
  /** Whether a message is to be handed out again later, whatever becomes of it. */
  readonly doubles?: () => boolean;
}

export const DEDUPLICATION_WINDOW_MS = 300_000;
const MOST_IN_FLIGHT = 120_000;
const MOST_SCANNED = 120_000;
const LONGEST_VISIBILITY_MS = 43_200_000;

export const createQueue = ({ uid, attributes, record, deadLetter, random }: QueueDependencies): Queue => {
  const { fifo } = attributes;
  const retention = attributes.messageRetentionPeriod * 1_000;
  /** In the order of sending. */
  const messages = new Map<number, QueueMessage>();
  /** Every message whose `visibleAt` may still lie ahead. */
  const hidden = new Set<QueueMessage>();
  /** By deduplication scope and id, oldest first. */
  const remembered = new Map<string, Remembered>();
  let nextKey = 1;
  /** No message expires before this. */
  let nextExpiry = Number.POSITIVE_INFINITY;

  const hide = (message: QueueMessage, visibleAt: number): void => {
    message.visibleAt = visibleAt;
    hidden.add(message);
  };

  const apply = (change: QueueChange): void => {
    switch (change.kind) {
      case 'sent': {
        const message = { ...change.message };
        messages.set(message.key, message);
        nextKey = Math.max(nextKey, message.key + 1);
        nextExpiry = Math.min(nextExpiry, message.sentAt + retention);
        hide(message, message.visibleAt);
        return;
      }
      case 'received': {
        const message = messages.get(change.key);
        if (message === undefined) return;
        message.receiveCount += 1;
        message.firstReceivedAt ??= change.at;
        message.lastReceivedAt = change.at;
        hide(message, change.visibleAt);
        return;
      }
      case 'hidden': {
        const message = messages.get(change.key);
        if (message !== undefined) hide(message, change.visibleAt);
        return;
      }
      case 'removed':
        for (const key of change.keys) {
          const message = messages.get(key);
          if (message !== undefined) hidden.delete(message);
          messages.delete(key);
        }
        return;
      case 'remembered':
        // Set anew, not in place: the map stays in the order of age.
        remembered.delete(change.deduplication);
        remembered.set(change.deduplication, change.entry);
        return;
      case 'counted':
        nextKey = Math.max(nextKey, change.nextKey);
        return;
    }
  };

  const commit = (change: QueueChange): void => {
    record(change);
    apply(change);
  };

  /** Forgets what time has made untrue. */
  const settle = (now: number): void => {
    if (now >= nextExpiry) {
      const expired = [...messages.values()].filter((message) => message.sentAt + retention <= now);
      if (expired.length > 0) commit({ kind: 'removed', keys: expired.map((message) => message.key) });
      nextExpiry = Number.POSITIVE_INFINITY;
      for (const message of messages.values()) nextExpiry = Math.min(nextExpiry, message.sentAt + retention);
    }
    for (const message of hidden) {
      if (message.visibleAt <= now) hidden.delete(message);
    }
    for (const [deduplication, { at }] of remembered) {
      if (at + DEDUPLICATION_WINDOW_MS > now) break;
      remembered.delete(deduplication);
    }
  };

  const blockedGroups = (): Set<string | undefined> =>
    new Set(fifo ? Array.from(hidden, (message) => message.groupId) : []);

  /** The message of a handle, if its receive is the latest and still runs; what else it is. @throws SqsError */
  const held = (receiptHandle: string, now: number) => {
    const receipt = readReceiptHandle(receiptHandle);
    if (receipt === undefined || receipt.queue !== uid) {
      throw new SqsError(
        'ReceiptHandleIsInvalid',
        `The input receipt handle "${receiptHandle}" is not a valid receipt handle.`,
      );
    }
    const message = messages.get(receipt.key);
    const current =
      message === undefined ? receipt.until > now : message.receiveCount === receipt.receive && message.visibleAt > now;
    return { message, current };
  };

  return {
    attributes,

    send: (message, now) => {
      settle(now);
      const deduplication =
        attributes.deduplicationScope === 'messageGroup'
          ? `${message.groupId} ${message.deduplicationId}`
          : `${message.deduplicationId}`;
      const earlier = fifo ? remembered.get(deduplication) : undefined;
      if (earlier !== undefined) return { id: earlier.id, sequenceNumber: earlier.sequenceNumber };

      const key = nextKey;
      const id = randomUUID();
      const sequenceNumber = `1${String(key).padStart(19, '0')}`;
      commit({
        kind: 'sent',
        message: {
          key,
          id,
          body: message.body,
          attributes: message.attributes,
          ...(message.groupId !== undefined && { groupId: message.groupId }),
          ...(message.deduplicationId !== undefined && { deduplicationId: message.deduplicationId }),
          ...(fifo && { sequenceNumber }),
          sentAt: now,
          visibleAt: now + message.delaySeconds * 1_000,
          receiveCount: 0,
        },
      });
      if (!fifo) return { id };
      commit({ kind: 'remembered', deduplication, entry: { id, sequenceNumber, at: now } });
      return { id, sequenceNumber };
    },

    adopt: (message, from, now) => {
      const { firstReceivedAt: _first, lastReceivedAt: _last, ...rest } = message;
      commit({
        kind: 'sent',
        message: {
          ...rest,
          key: nextKey,
          deadLetterSourceArn: from,
          // A standard queue goes on counting the age of a message, a FIFO queue starts anew.
          sentAt: fifo ? now : message.sentAt,
          visibleAt: now,
          receiveCount: 0,
        },
      });
    },

    receive: ({ now, most, visibilityTimeout = attributes.visibilityTimeout, doubles = () => false }) => {
      settle(now);
      if (!fifo && inFlightOf(hidden) >= MOST_IN_FLIGHT) {
        throw new SqsError('OverLimit', 'Too many messages in flight.');
      }
      const blocked = blockedGroups();
      const taken: QueueMessage[] = [];
      let scanned = 0;
      for (const message of messages.values()) {
        if (taken.length >= most || (fifo && ++scanned > MOST_SCANNED)) break;
        if (hidden.has(message) || (fifo && blocked.has(message.groupId))) continue;
        const redrive = attributes.redrivePolicy;
        if (redrive !== undefined && message.receiveCount >= redrive.maxReceiveCount) {
          if (deadLetter(redrive.deadLetterTargetArn, message, now)) {
            commit({ kind: 'removed', keys: [message.key] });
            continue;
          }
        }
        taken.push(message);
      }
      const visibleAt = now + visibilityTimeout * 1_000;
      for (const message of taken) {
        commit({ kind: 'received', key: message.key, at: now, visibleAt });
        if (!fifo && doubles()) commit({ kind: 'sent', message: { ...message, key: nextKey, visibleAt: now } });
      }
      const received = taken.map((message) => ({
        message: { ...message },
        receiptHandle: writeReceiptHandle({
          queue: uid,
          key: message.key,
          receive: message.receiveCount,
          until: visibleAt,
        }),
      }));
      return fifo ? received : shuffled(received, random);
    },

    delete: (receiptHandle, now) => {
      settle(now);
      const { message, current } = held(receiptHandle, now);
      // Assumption: so too where the message is gone; while the receipt is good, deleting twice is no error.
      if (fifo && !current) {
        throw new SqsError(
          'InvalidParameterValue',
          `Value ${receiptHandle} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.`,
          { kind: 'ReceiptHandleIsInvalid', message: 'The receipt handle has expired' },
        );
      }
      if (message !== undefined) commit({ kind: 'removed', keys: [message.key] });
    },

    changeVisibility: (receiptHandle, seconds, now) => {
      settle(now);
      const { message, current } = held(receiptHandle, now);
      // Assumption: this error for a message that is gone.
      if (message === undefined) {
        throw invalidParameter(
          receiptHandle,
          'ReceiptHandle',
          'Message does not exist or is not available for visibility timeout change.',
        );
      }
      if (!current) throw new SqsError('MessageNotInflight', 'The message referred to is not in flight.');
      const visibleAt = now + seconds * 1_000;
      if (visibleAt - (message.lastReceivedAt ?? now) > LONGEST_VISIBILITY_MS) {
        throw invalidParameter(
          seconds,
          'VisibilityTimeout',
          'Total VisibilityTimeout for the message is beyond the limit [43200 seconds]',
        );
      }
      commit({ kind: 'hidden', key: message.key, visibleAt });
    },

    purge: (now) => {
      settle(now);
      if (messages.size > 0) commit({ kind: 'removed', keys: [...messages.keys()] });
    },

    counts: (now) => {
      settle(now);
      const inFlight = inFlightOf(hidden);
      return { visible: messages.size - hidden.size, inFlight, delayed: hidden.size - inFlight };
    },

    nextVisibleAt: (now) => {
      settle(now);
      let next: number | undefined;
      for (const { visibleAt } of hidden) next = Math.min(next ?? visibleAt, visibleAt);
      return next;
    },

    apply,

    *snapshot(now) {
      settle(now);
      yield { kind: 'counted', nextKey };
      for (const [deduplication, entry] of remembered) yield { kind: 'remembered', deduplication, entry };
      for (const message of messages.values()) yield { kind: 'sent', message: { ...message } };
    },
  };
};

const inFlightOf = (hidden: ReadonlySet<QueueMessage>): number => {
  let inFlight = 0;
  for (const { receiveCount } of hidden) if (receiveCount > 0) inFlight += 1;
  return inFlight;
};

const shuffled = <T>(items: readonly T[], random: () => number): readonly T[] =>
  items
    .map((item) => ({ item, rank: random() }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ item }) => item);
