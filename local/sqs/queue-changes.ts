/** The messages of a queue, and everything that can happen to it: what its journal is made of. Plain JSON. */
import type { MessageAttributes } from './message-rules.ts';

export interface QueueMessage {
  /** Position in the queue: the order of sending. */
  readonly key: number;
  readonly id: string;
  readonly body: string;
  readonly attributes: MessageAttributes;
  readonly groupId?: string;
  readonly deduplicationId?: string;
  readonly sequenceNumber?: string;
  /** Queue it was dead-lettered from. */
  readonly deadLetterSourceArn?: string;
  readonly sentAt: number;
  visibleAt: number;
  receiveCount: number;
  firstReceivedAt?: number;
  lastReceivedAt?: number;
}

export interface ReceivedMessage {
  readonly message: Readonly<QueueMessage>;
  readonly receiptHandle: string;
}

/** A message sent before, for as long as its deduplication id is remembered. */
export interface Remembered {
  readonly id: string;
  readonly sequenceNumber: string;
  readonly at: number;
}

/** What happened to a queue. Plain JSON. */
export type QueueChange =
  | { readonly kind: 'sent'; readonly message: QueueMessage }
  | { readonly kind: 'received'; readonly key: number; readonly at: number; readonly visibleAt: number }
  | { readonly kind: 'hidden'; readonly key: number; readonly visibleAt: number }
  | { readonly kind: 'removed'; readonly keys: readonly number[] }
  | { readonly kind: 'remembered'; readonly deduplication: string; readonly entry: Remembered }
  | { readonly kind: 'counted'; readonly nextKey: number };
