/** Operations on messages, as the SDK calls them. Names and shapes are those of the SQS API reference. */
import { type BatchEntry, runBatch } from './batch.ts';
import { SqsError } from './errors.ts';
import { md5, messageBytes, readNewMessage, type SendInput } from './message-rules.ts';
import { LARGEST_MESSAGE_BYTES } from './queue-attributes.ts';
import type { QueueEntry } from './queues.ts';
import { md5OfSent, writeMessage } from './received-message.ts';
import { checkRange, type Operation, queueOf, type Request, required } from './request.ts';

interface HandleEntry extends BatchEntry {
  readonly ReceiptHandle?: string;
  readonly VisibilityTimeout?: number;
}

export const messageOperations: Readonly<Record<string, Operation>> = {
  SendMessage: (request, { queues, clock }) => send(queueOf(request, queues), request as SendInput, clock.now()),

  SendMessageBatch: (request, { queues, clock }) => {
    const entry = queueOf(request, queues);
    const entries = entriesOf<BatchEntry & SendInput>(request);
    const bytes = entries?.reduce(
      (sum, { MessageBody = '', MessageAttributes = {} }) => sum + messageBytes(MessageBody, MessageAttributes),
      0,
    );
    if (bytes !== undefined && bytes > LARGEST_MESSAGE_BYTES) {
      throw new SqsError(
        'BatchRequestTooLong',
        `Batch requests cannot be longer than ${LARGEST_MESSAGE_BYTES} bytes. You have sent ${bytes} bytes.`,
      );
    }
    return runBatch(entries, (message) => send(entry, message, clock.now()));
  },

  ReceiveMessage: async (request, { queues, faults, signal }) => {
    const { name, queue } = queueOf(request, queues);
    checkRange('MaxNumberOfMessages', request.MaxNumberOfMessages, 1, 10);
    checkRange('VisibilityTimeout', request.VisibilityTimeout, 0, 43_200);
    checkRange('WaitTimeSeconds', request.WaitTimeSeconds, 0, 20);
    if (faults.strikes('sqs.emptyReceive', faults.live.sqs.emptyReceive)) return {};
    const received = await queues.receive(name, {
      most: request.MaxNumberOfMessages ?? 1,
      visibilityTimeout: request.VisibilityTimeout,
      waitMs: (request.WaitTimeSeconds ?? queue.attributes.receiveMessageWaitTimeSeconds) * 1_000,
      signal,
    });
    return received.length === 0 ? {} : { Messages: received.map((one) => writeMessage(one, request)) };
  },

  DeleteMessage: (request, { queues, clock }) => {
    queueOf(request, queues).queue.delete(required(request.ReceiptHandle, 'ReceiptHandle'), clock.now());
    return {};
  },

  DeleteMessageBatch: (request, { queues, clock }) => {
    const { queue } = queueOf(request, queues);
    return runBatch(entriesOf<HandleEntry>(request), ({ ReceiptHandle }) => {
      queue.delete(required(ReceiptHandle, 'ReceiptHandle'), clock.now());
      return {};
    });
  },

  ChangeMessageVisibility: (request, { queues, clock }) => {
    changeVisibility(queueOf(request, queues), request, clock.now());
    return {};
  },

  ChangeMessageVisibilityBatch: (request, { queues, clock }) => {
    const entry = queueOf(request, queues);
    return runBatch(entriesOf<HandleEntry>(request), (change) => {
      changeVisibility(entry, change, clock.now());
      return {};
    });
  },
};

/** In a batch request; elsewhere the word means nothing. */
const entriesOf = <Entry>(request: Request): readonly Entry[] | undefined =>
  (request as { readonly Entries?: readonly Entry[] }).Entries;

const send = ({ queue }: QueueEntry, input: SendInput, now: number): object => {
  const message = readNewMessage(input, queue.attributes);
  const { id, sequenceNumber } = queue.send(message, now);
  return {
    MessageId: id,
    MD5OfMessageBody: md5(message.body),
    ...md5OfSent(message.attributes),
    ...(sequenceNumber !== undefined && { SequenceNumber: sequenceNumber }),
  };
};

const changeVisibility = ({ queue }: QueueEntry, change: HandleEntry, now: number): void => {
  const handle = required(change.ReceiptHandle, 'ReceiptHandle');
  const seconds = change.VisibilityTimeout;
  if (seconds === undefined) required(undefined, 'VisibilityTimeout');
  checkRange('VisibilityTimeout', seconds, 0, 43_200);
  queue.changeVisibility(handle, seconds ?? 0, now);
};
