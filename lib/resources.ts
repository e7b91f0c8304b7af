/**
 * What the stack consists of, as plain data: tables, queues, functions, schedules. The CDK stack builds it on AWS, the
 * local stack on the laptop, so that both run the same thing.
 *
 * Rules of this file: no imports, no logic. Seconds unless the name says otherwise.
 */

/** Longest run of any Lambda here. API Gateway waits 29 s for an answer. */
export const LAMBDA_TIMEOUT_SECONDS = 25;

/** Keys of tables are strings, those of indexes numbers. An index holds keys and nothing else. */
export const tables = {
  sessions: {
    partitionKey: 'pk',
    sortKey: 'sk',
    timeToLive: 'ttl',
    indexes: { expiry: { partitionKey: 'expiryPart', sortKey: 'expiresAt' } },
  },
  subscriptions: { partitionKey: 'pk', sortKey: 'sk', timeToLive: 'ttl', indexes: {} },
  retained: { partitionKey: 'pk', sortKey: 'sk', timeToLive: 'ttl', indexes: {} },
  identity: { partitionKey: 'pk', sortKey: 'sk', timeToLive: 'ttl', indexes: {} },
} as const;

/** SQS queues with a consumer. Visibility above the Lambda's timeout, so that no message is handled twice at once. */
export const workQueues = {
  redelivery: { visibilityTimeout: 30, maxReceiveCount: 20, batchSize: 5, consumer: 'redeliver' },
  timers: { visibilityTimeout: 30, maxReceiveCount: 20, batchSize: 5, consumer: 'timer' },
} as const;

/** Attributes of each client's own FIFO queue. Short visibility: a dead redelivery blocks the queue no longer than this. */
export const clientQueue = {
  visibilityTimeout: 10,
  messageRetentionPeriod: 1_209_600,
} as const;

export const functions = {
  connect: { entry: 'lambda/connect.ts', route: '$connect' },
  message: { entry: 'lambda/message.ts', route: '$default' },
  disconnect: { entry: 'lambda/disconnect.ts', route: '$disconnect' },
  redeliver: { entry: 'lambda/redeliver.ts', queue: 'redelivery' },
  timer: { entry: 'lambda/timer.ts', queue: 'timers' },
} as const;

/** What is sent to a queue again and again, at least once each time. */
export const schedules = {
  sweep: { everyMinutes: 1, queue: 'timers', message: { job: 'sweep' } },
  collectQueues: { everyMinutes: 1_440, queue: 'timers', message: { job: 'collect-queues' } },
} as const;

/** Environment variables every Lambda gets. `SETTINGS` is the JSON of the broker's settings. */
export interface LambdaEnvironment {
  /** Tells the metrics of one stack from those of another. */
  readonly STACK_NAME: string;
  readonly SETTINGS: string;
  readonly SESSIONS_TABLE: string;
  readonly SUBSCRIPTIONS_TABLE: string;
  readonly RETAINED_TABLE: string;
  readonly IDENTITY_TABLE: string;
  /** ARN of what policies speak of, up to the account and its colon. */
  readonly POLICY_ARN_BASE: string;
  readonly REDELIVERY_QUEUE_URL: string;
  readonly TIMERS_QUEUE_URL: string;
  /** Start of the name of every client queue, and of nothing else in this account. */
  readonly CLIENT_QUEUE_PREFIX: string;
  /** What to put before a queue's name to get its URL, slash included. */
  readonly QUEUE_URL_BASE: string;
  /** Endpoint of `@connections`: scheme, host and stage. */
  readonly CALLBACK_URL: string;
}
