/**
 * The two queues with a consumer, redelivery ticks and timers, each with its dead-letter queue.
 *
 * - Standard, not FIFO: only these delay single messages, and ticks and timers are numbered, so that a doubled or
 *   overtaken one does nothing.
 * - They go with the stack: a tick or timer means nothing without it. (The clients' own queues are made at run time and
 *   belong to no stack.)
 * - The dead-letter queue keeps longer than the queue: a message keeps the age it came with.
 */
import { Duration } from 'aws-cdk-lib';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { workQueues } from './resources.ts';

const encryptedAndTlsOnly = { encryption: QueueEncryption.SQS_MANAGED, enforceSSL: true };

export class WorkQueues extends Construct {
  readonly redelivery: Queue;
  readonly timers: Queue;

  constructor(scope: Construct, id: string) {
    super(scope, id);
    this.redelivery = this.#queue('Redelivery', workQueues.redelivery);
    this.timers = this.#queue('Timers', workQueues.timers);
  }

  #queue(id: string, { visibilityTimeout, maxReceiveCount }: (typeof workQueues)[keyof typeof workQueues]): Queue {
    return new Queue(this, id, {
      ...encryptedAndTlsOnly,
      visibilityTimeout: Duration.seconds(visibilityTimeout),
      retentionPeriod: Duration.days(4),
      deadLetterQueue: {
        maxReceiveCount,
        queue: new Queue(this, `${id}DeadLetters`, { ...encryptedAndTlsOnly, retentionPeriod: Duration.days(14) }),
      },
    });
  }
}
