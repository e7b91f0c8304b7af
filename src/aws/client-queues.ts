/**
 * One SQS FIFO queue per session that stores messages.
 *
 * Rules of this file:
 * - A queue is named by a hash of client id and generation: a name is never used twice, and nobody can guess a neighbour's.
 * - Messages are sent one by one: a batch may fail in part, and what follows would overtake what failed.
 * - Bodies are base64 throughout, because SQS refuses characters that MQTT allows.
 */
import { createHash } from 'node:crypto';
import {
  ChangeMessageVisibilityBatchCommand,
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  DeleteQueueCommand,
  QueueDoesNotExist,
  ReceiveMessageCommand,
  SendMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import type { ClientQueues, ReceivedMessage, StoredMessage } from '../broker/ports.ts';
import type { MessageId } from '../session/ids.ts';
import type { SessionAddress } from '../session/session.ts';

export interface ClientQueuesOptions {
  readonly client: SQSClient;
  /** Start of every queue's name. */
  readonly prefix: string;
  /** What stands before a name in its URL. */
  readonly urlBase: string;
  /** Seconds. */
  readonly visibilityTimeout: number;
  /** Seconds. */
  readonly retentionPeriod: number;
}

/** One group: the whole queue is in order. */
const GROUP = 'session';

export function queueName(prefix: string, { clientId, generation }: SessionAddress): string {
  const hash = createHash('sha256').update(`${generation} ${clientId}`).digest('base64url');
  return `${prefix}${hash.slice(0, 32)}.fifo`;
}

export function createClientQueues(options: ClientQueuesOptions): ClientQueues {
  const { client, prefix, urlBase } = options;
  const urlOf = (session: SessionAddress) => `${urlBase}${queueName(prefix, session)}`;

  return {
    create: async (session) => {
      await client.send(
        new CreateQueueCommand({
          QueueName: queueName(prefix, session),
          Attributes: {
            FifoQueue: 'true',
            VisibilityTimeout: String(options.visibilityTimeout),
            MessageRetentionPeriod: String(options.retentionPeriod),
          },
        }),
      );
    },

    send: async (session, messages) => {
      for (const [sent, message] of messages.entries()) {
        const command = new SendMessageCommand({
          QueueUrl: urlOf(session),
          MessageGroupId: GROUP,
          MessageDeduplicationId: message.id,
          MessageBody: encodeBody(message),
        });
        if ((await ifThere(client.send(command))) === MISSING) return { sent, missing: true };
      }
      return { sent: messages.length, missing: false };
    },

    receive: async (session, most) => {
      // With long polling SQS asks all its servers: nothing then means that there is nothing, and healing rests on that.
      const command = new ReceiveMessageCommand({
        QueueUrl: urlOf(session),
        MaxNumberOfMessages: most,
        WaitTimeSeconds: 1,
      });
      const result = await ifThere(client.send(command));
      if (result === MISSING) return [];
      return (result.Messages ?? []).map(({ Body, ReceiptHandle }) => ({
        ...decodeBody(Body ?? ''),
        receipt: ReceiptHandle ?? '',
      }));
    },

    remove: async (session, messages) => {
      if (messages.length === 0) return [];
      const command = new DeleteMessageBatchCommand({ QueueUrl: urlOf(session), Entries: entriesOf(messages) });
      const result = await ifThere(client.send(command));
      if (result === MISSING) return [];
      const deleted = new Set(result.Successful?.map(({ Id }) => Id));
      return messages.filter((_, index) => deleted.has(String(index)));
    },

    release: async (session, messages) => {
      if (messages.length === 0) return;
      const Entries = entriesOf(messages).map((entry) => ({ ...entry, VisibilityTimeout: 0 }));
      // Best effort: without it they become visible by themselves, later.
      await client.send(new ChangeMessageVisibilityBatchCommand({ QueueUrl: urlOf(session), Entries })).catch(() => {});
    },

    destroy: async (session) => {
      await ifThere(client.send(new DeleteQueueCommand({ QueueUrl: urlOf(session) })));
    },
  };
}

const entriesOf = (messages: readonly ReceivedMessage[]) =>
  messages.map(({ receipt }, index) => ({ Id: String(index), ReceiptHandle: receipt }));

const encodeBody = ({ id, topic, payload, liveEpoch }: StoredMessage): string =>
  JSON.stringify({
    id,
    liveEpoch,
    topic: Buffer.from(topic).toString('base64'),
    payload: Buffer.from(payload).toString('base64'),
  });

const decodeBody = (body: string): StoredMessage => {
  const { id, liveEpoch, topic, payload } = JSON.parse(body) as Record<'id' | 'topic' | 'payload', string> & {
    readonly liveEpoch: number;
  };
  return {
    id: id as MessageId,
    liveEpoch,
    topic: Buffer.from(topic, 'base64').toString(),
    payload: Buffer.from(payload, 'base64'),
  };
};

const MISSING = Symbol('no such queue');

const ifThere = async <T>(sent: Promise<T>): Promise<T | typeof MISSING> => {
  try {
    return await sent;
  } catch (error) {
    if (error instanceof QueueDoesNotExist || (error as Error).name === 'AWS.SimpleQueueService.NonExistentQueue') {
      return MISSING;
    }
    throw error;
  }
};
