/**
 * One SQS FIFO queue per session that stores messages.
 *
 * Rules of this file:
 * - A queue is named by a hash of client id and generation: a name is never used twice, and nobody can guess a neighbour's.
 * - Messages are sent one by one: a batch may fail in part, and what follows would overtake what failed.
 * - SQS forgets a message whose deduplication id it has seen within 5 minutes, and what was counted would never come. So each
 *   attempt has its own: only what the SDK sends again for want of an answer is the same to SQS.
 * - Bodies are base64 throughout, because SQS refuses characters that MQTT allows.
 * - Who owns a queue is noted in the sessions table, because the name does not tell: before the queue is there, and until
 *   it is gone.
 */
import { createHash, randomUUID } from 'node:crypto';
import {
  ChangeMessageVisibilityBatchCommand,
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  DeleteQueueCommand,
  ListQueuesCommand,
  QueueDoesNotExist,
  ReceiveMessageCommand,
  SendMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import { inParallel, WIDTH } from '../broker/in-parallel.ts';
import type { ClientQueues, ReceivedMessage, StoredMessage } from '../broker/ports.ts';
import { QUEUE_OWNER_TIME_TO_LIVE } from '../broker/time-to-live.ts';
import type { SessionAddress } from '../session/session.ts';
import { queueOwnerKey } from './keys.ts';
import type { Table } from './table.ts';

export interface ClientQueuesOptions {
  readonly client: SQSClient;
  /** Where the owners are noted. */
  readonly table: Table;
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
/** The most that SQS lists at once. */
const LISTED_AT_ONCE = 1_000;

export function queueName(prefix: string, { clientId, generation }: SessionAddress): string {
  const hash = createHash('sha256').update(`${generation} ${clientId}`).digest('base64url');
  return `${prefix}${hash.slice(0, 32)}.fifo`;
}

export function createClientQueues(options: ClientQueuesOptions): ClientQueues {
  const { client, table, prefix, urlBase } = options;
  const nameOf = (session: SessionAddress) => queueName(prefix, session);
  const urlOf = (session: SessionAddress) => `${urlBase}${nameOf(session)}`;

  const discard = async (name: string): Promise<void> => {
    await ifThere(client.send(new DeleteQueueCommand({ QueueUrl: `${urlBase}${name}` })));
    await table.remove(queueOwnerKey(name), []);
  };

  return {
    create: async (session) => {
      const { clientId, generation } = session;
      await table.put(queueOwnerKey(nameOf(session)), { clientId, generation }, QUEUE_OWNER_TIME_TO_LIVE);
      await client.send(
        new CreateQueueCommand({
          QueueName: nameOf(session),
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
          MessageDeduplicationId: randomUUID(),
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

    destroy: (session) => discard(nameOf(session)),

    list: async (after) => {
      const { QueueUrls = [], NextToken } = await client.send(
        new ListQueuesCommand({ QueueNamePrefix: prefix, MaxResults: LISTED_AT_ONCE, NextToken: after }),
      );
      const found = await inParallel(QueueUrls, WIDTH, async (url) => {
        const name = url.slice(url.lastIndexOf('/') + 1);
        return { name, owner: await table.get<SessionAddress>(queueOwnerKey(name)) };
      });
      return { found, next: NextToken };
    },

    discard,
  };
}

const entriesOf = (messages: readonly ReceivedMessage[]) =>
  messages.map(({ receipt }, index) => ({ Id: String(index), ReceiptHandle: receipt }));

const encodeBody = ({ topic, payload, ...rest }: StoredMessage): string =>
  JSON.stringify({
    ...rest,
    topic: Buffer.from(topic).toString('base64'),
    payload: Buffer.from(payload).toString('base64'),
  });

const decodeBody = (body: string): StoredMessage => {
  const { topic, payload, ...rest } = JSON.parse(body) as Omit<StoredMessage, 'payload'> & { readonly payload: string };
  return {
    ...rest,
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
