/**
 * What a message may be: its characters, its size, its ids, its attributes. Pure.
 *
 * Source: SendMessage in the SQS API reference; sizes in bytes of UTF-8.
 */
import { createHash } from 'node:crypto';
import { SqsError } from './errors.ts';
import type { QueueAttributes } from './queue-attributes.ts';

export interface MessageAttribute {
  readonly DataType: string;
  readonly StringValue?: string;
  /** Base64. */
  readonly BinaryValue?: string;
}

export type MessageAttributes = Readonly<Record<string, MessageAttribute>>;

/** What SendMessage and an entry of SendMessageBatch have in common, as it came. */
export interface SendInput {
  readonly MessageBody?: string;
  readonly DelaySeconds?: number;
  readonly MessageAttributes?: MessageAttributes;
  readonly MessageGroupId?: string;
  readonly MessageDeduplicationId?: string;
}

/** A message that may be sent. */
export interface NewMessage {
  readonly body: string;
  readonly attributes: MessageAttributes;
  readonly delaySeconds: number;
  readonly groupId?: string;
  readonly deduplicationId?: string;
}

/** #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF */
const allowedBody = /^[\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]*$/u;

/** Up to 128 alphanumerical characters and punctuation. */
const allowedId = /^[!-~]{1,128}$/;

/** @throws SqsError */
export const readNewMessage = (input: SendInput, queue: QueueAttributes): NewMessage => {
  const body = input.MessageBody;
  if (body === undefined || body === '') throw missing('MessageBody');
  if (!allowedBody.test(body)) {
    throw new SqsError(
      'InvalidMessageContents',
      'Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF',
    );
  }
  const attributes = input.MessageAttributes ?? {};
  if (Object.keys(attributes).length > 10) {
    throw new SqsError(
      'InvalidParameterValue',
      'Number of message attributes [more than 10] exceeds the allowed maximum [10].',
    );
  }
  if (messageBytes(body, attributes) > queue.maximumMessageSize) {
    throw new SqsError(
      'InvalidParameterValue',
      `One or more parameters are invalid. Reason: Message must be shorter than ${queue.maximumMessageSize} bytes.`,
    );
  }
  return {
    body,
    attributes,
    delaySeconds: readDelay(input, queue),
    ...(queue.fifo ? readFifoIds(input, queue, body) : readFairGroup(input)),
  };
};

/** Bytes that count towards the limits of a message and of a batch. */
export const messageBytes = (body: string, attributes: MessageAttributes): number =>
  Object.entries(attributes).reduce(
    (bytes, [name, { DataType, StringValue, BinaryValue }]) =>
      bytes +
      Buffer.byteLength(name) +
      Buffer.byteLength(DataType) +
      Buffer.byteLength(StringValue ?? '') +
      Buffer.byteLength(BinaryValue ?? '', 'base64'),
    Buffer.byteLength(body),
  );

export const md5 = (text: string): string => createHash('md5').update(text).digest('hex');

/** As SQS computes it: each attribute by name, every part with its length in front. */
export const md5OfAttributes = (attributes: MessageAttributes): string => {
  const hash = createHash('md5');
  const part = (bytes: Buffer): void => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    hash.update(length).update(bytes);
  };
  for (const [name, { DataType, StringValue, BinaryValue }] of Object.entries(attributes).sort(([a], [b]) =>
    a < b ? -1 : 1,
  )) {
    part(Buffer.from(name));
    part(Buffer.from(DataType));
    hash.update(Buffer.from([BinaryValue === undefined ? 1 : 2]));
    part(BinaryValue === undefined ? Buffer.from(StringValue ?? '') : Buffer.from(BinaryValue, 'base64'));
  }
  return hash.digest('hex');
};

const missing = (parameter: string): SqsError =>
  new SqsError('MissingParameter', `The request must contain the parameter ${parameter}.`);

export const invalidParameter = (value: unknown, parameter: string, reason: string): SqsError =>
  new SqsError(
    'InvalidParameterValue',
    `Value ${String(value)} for parameter ${parameter} is invalid. Reason: ${reason}`,
  );

const notForThisType = 'The request include parameter that is not valid for this queue type.';

const readDelay = ({ DelaySeconds: delay }: SendInput, queue: QueueAttributes): number => {
  if (delay === undefined) return queue.delaySeconds;
  // Zero is let through on FIFO queues too.
  if (queue.fifo && delay !== 0) throw invalidParameter(delay, 'DelaySeconds', notForThisType);
  if (!Number.isInteger(delay) || delay < 0 || delay > 900) {
    throw invalidParameter(delay, 'DelaySeconds', 'DelaySeconds must be >= 0 and <= 900.');
  }
  return queue.fifo ? queue.delaySeconds : delay;
};

const readFifoIds = (
  { MessageGroupId, MessageDeduplicationId }: SendInput,
  queue: QueueAttributes,
  body: string,
): Pick<NewMessage, 'groupId' | 'deduplicationId'> => {
  if (MessageGroupId === undefined) throw missing('MessageGroupId');
  checkId(MessageGroupId, 'MessageGroupId');
  if (MessageDeduplicationId !== undefined) {
    checkId(MessageDeduplicationId, 'MessageDeduplicationId');
    return { groupId: MessageGroupId, deduplicationId: MessageDeduplicationId };
  }
  if (!queue.contentBasedDeduplication) {
    throw new SqsError(
      'InvalidParameterValue',
      'The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly',
    );
  }
  return { groupId: MessageGroupId, deduplicationId: createHash('sha256').update(body).digest('hex') };
};

/** On a standard queue a group id asks for fair treatment, and promises no order. */
const readFairGroup = ({ MessageGroupId, MessageDeduplicationId }: SendInput): Pick<NewMessage, 'groupId'> => {
  if (MessageDeduplicationId !== undefined) {
    throw invalidParameter(MessageDeduplicationId, 'MessageDeduplicationId', notForThisType);
  }
  if (MessageGroupId === undefined) return {};
  checkId(MessageGroupId, 'MessageGroupId');
  return { groupId: MessageGroupId };
};

const checkId = (id: string, parameter: string): void => {
  if (!allowedId.test(id)) {
    throw invalidParameter(
      id,
      parameter,
      `${parameter} can only include alphanumeric and punctuation characters. 1 to 128 in length.`,
    );
  }
};
