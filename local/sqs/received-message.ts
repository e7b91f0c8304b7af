/** A received message as it is told: to the SDK, and to Lambdas. Pure. */
import { type MessageAttributes, md5, md5OfAttributes } from './message-rules.ts';
import type { ReceivedMessage } from './queue-changes.ts';
import type { Request } from './request.ts';

/** The attributes SQS itself gives a message, all of them. */
export const systemAttributes = ({ message }: ReceivedMessage): Readonly<Record<string, string>> => ({
  SenderId: 'AIDALOCAL',
  SentTimestamp: String(message.sentAt),
  ApproximateReceiveCount: String(message.receiveCount),
  ApproximateFirstReceiveTimestamp: String(message.firstReceivedAt),
  ...(message.sequenceNumber !== undefined && { SequenceNumber: message.sequenceNumber }),
  ...(message.groupId !== undefined && { MessageGroupId: message.groupId }),
  ...(message.deduplicationId !== undefined && { MessageDeduplicationId: message.deduplicationId }),
  ...(message.deadLetterSourceArn !== undefined && { DeadLetterQueueSourceArn: message.deadLetterSourceArn }),
});

/** The message in the answer to a ReceiveMessage, with the attributes it asked for. */
export const writeMessage = (received: ReceivedMessage, request: Request): object => {
  const { message, receiptHandle } = received;
  const asked = [...(request.AttributeNames ?? []), ...(request.MessageSystemAttributeNames ?? [])];
  const system = chosen(systemAttributes(received), (name) => asked.includes('All') || asked.includes(name));
  const own = chosen(message.attributes, (name) =>
    (request.MessageAttributeNames ?? []).some(
      (pattern) =>
        pattern === 'All' || pattern === name || (pattern.endsWith('.*') && name.startsWith(pattern.slice(0, -2))),
    ),
  );
  return {
    MessageId: message.id,
    ReceiptHandle: receiptHandle,
    Body: message.body,
    MD5OfBody: md5(message.body),
    ...(Object.keys(system).length > 0 && { Attributes: system }),
    ...(Object.keys(own).length > 0 && { MessageAttributes: own, ...md5OfSent(own) }),
  };
};

const chosen = <T>(values: Readonly<Record<string, T>>, wanted: (name: string) => boolean): Record<string, T> =>
  Object.fromEntries(Object.entries(values).filter(([name]) => wanted(name)));

export const md5OfSent = (attributes: MessageAttributes): object =>
  Object.keys(attributes).length === 0 ? {} : { MD5OfMessageAttributes: md5OfAttributes(attributes) };
