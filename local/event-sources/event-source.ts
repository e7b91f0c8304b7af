/**
 * An SQS event source mapping: hands the messages of a queue to its Lambda in batches, and deletes what was handled.
 *
 * Rules of this file:
 * - Nothing polls: the queue wakes it when a message can be had, so that delays are kept to some milliseconds and an idle
 *   queue costs nothing.
 * - A handler that throws leaves its whole batch, one that names `batchItemFailures` leaves those; they come back when
 *   their visibility ends. A name that is not in the batch counts as a failure of the whole, as on AWS.
 */
import { type Clock, pause } from '../clock.ts';
import type { Outcome } from '../lambda/environment.ts';
import type { LogSink } from '../log.ts';
import { SqsError } from '../sqs/errors.ts';
import { md5 } from '../sqs/message-rules.ts';
import type { ReceivedMessage } from '../sqs/queue-changes.ts';
import { type Queues, queueArn } from '../sqs/queues.ts';
import { systemAttributes } from '../sqs/received-message.ts';

export interface EventSourceOptions {
  readonly queues: Queues;
  readonly queueName: string;
  readonly batchSize: number;
  /** Batches in the hands of the Lambda at once, at most. */
  readonly concurrency: number;
  readonly invoke: (event: object) => Promise<Outcome>;
  readonly clock: Clock;
  readonly log: LogSink;
}

export interface EventSource {
  /** Takes no more batches, and waits for those under way. */
  stop(): Promise<void>;
}

/** After an error of the queue itself, before the next try. */
const AFTER_ERROR_MS = 1_000;

export const startEventSource = (options: EventSourceOptions): EventSource => {
  const { queues, queueName, clock, log } = options;
  const stopping = new AbortController();

  const poll = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      try {
        const batch = await queues.receive(queueName, {
          most: options.batchSize,
          waitMs: Number.POSITIVE_INFINITY,
          signal: stopping.signal,
        });
        if (batch.length === 0) continue;
        const outcome = await options.invoke({ Records: batch.map((one) => record(queueName, one)) });
        for (const { receiptHandle } of handled(batch, outcome)) remove(receiptHandle);
      } catch (error) {
        log(`event source of ${queueName}: ${error instanceof Error ? error.message : String(error)}`, 'local');
        await pause(clock, AFTER_ERROR_MS, stopping.signal);
      }
    }
  };

  const remove = (receiptHandle: string): void => {
    try {
      queues.find(queueName).queue.delete(receiptHandle, clock.now());
    } catch (error) {
      // A FIFO receipt that ran out: the message comes again.
      if (!(error instanceof SqsError)) throw error;
    }
  };

  const pollers = Array.from({ length: options.concurrency }, poll);
  return {
    stop: async () => {
      stopping.abort();
      await Promise.all(pollers);
    },
  };
};

/** The messages of a batch that the Lambda is done with. */
const handled = (batch: readonly ReceivedMessage[], outcome: Outcome): readonly ReceivedMessage[] => {
  if (outcome.kind === 'failed') return [];
  const failures = (outcome.result as { batchItemFailures?: readonly { itemIdentifier?: string }[] | null } | null)
    ?.batchItemFailures;
  if (failures === undefined || failures === null) return batch;
  const failed = new Set(failures.map(({ itemIdentifier }) => itemIdentifier));
  const known = new Set<string | undefined>(batch.map(({ message }) => message.id));
  if ([...failed].some((id) => !known.has(id))) return [];
  return batch.filter(({ message }) => !failed.has(message.id));
};

const record = (queueName: string, received: ReceivedMessage): object => ({
  messageId: received.message.id,
  receiptHandle: received.receiptHandle,
  body: received.message.body,
  attributes: systemAttributes(received),
  messageAttributes: Object.fromEntries(
    Object.entries(received.message.attributes).map(([name, { DataType, StringValue, BinaryValue }]) => [
      name,
      { stringValue: StringValue, binaryValue: BinaryValue, dataType: DataType },
    ]),
  ),
  md5OfBody: md5(received.message.body),
  eventSource: 'aws:sqs',
  eventSourceARN: queueArn(queueName),
  awsRegion: 'us-east-1',
});
