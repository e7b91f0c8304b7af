/** The two standard queues that Lambdas work off: redelivery ticks, and timers. */
import { SendMessageCommand, type SQSClient } from '@aws-sdk/client-sqs';
import type { RedeliveryQueue, Timers } from '../broker/ports.ts';

/** Both ports are one: something in JSON, after a delay of 0 … 900 s. */
export function createWorkQueue(client: SQSClient, queueUrl: string): RedeliveryQueue & Timers {
  return {
    send: async (body, delaySeconds) => {
      await client.send(
        new SendMessageCommand({ QueueUrl: queueUrl, MessageBody: JSON.stringify(body), DelaySeconds: delaySeconds }),
      );
    },
  };
}
