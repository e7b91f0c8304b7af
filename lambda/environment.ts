/** What a Lambda starts with: the broker's context, made once per Lambda environment and used by all its invocations. */

import { clientQueue, LAMBDA_TIMEOUT_SECONDS, type LambdaEnvironment } from '../lib/resources.ts';
import { readBrokerSettings } from '../lib/settings.ts';
import { createAwsClients, createAwsPorts } from '../src/aws/ports.ts';
import type { Context } from '../src/broker/context.ts';
import { log } from './log.ts';

const POST_TIMEOUT = 2_000;

export function createContext(environment: Readonly<Record<string, string | undefined>>): Context {
  const read = (name: keyof LambdaEnvironment): string => {
    const value = environment[name];
    if (value === undefined) throw new Error(`the environment variable ${name} is missing: deploy the stack again`);
    return value;
  };
  const callbackUrl = read('CALLBACK_URL');
  const resources = {
    sessionsTable: read('SESSIONS_TABLE'),
    subscriptionsTable: read('SUBSCRIPTIONS_TABLE'),
    redeliveryQueueUrl: read('REDELIVERY_QUEUE_URL'),
    timersQueueUrl: read('TIMERS_QUEUE_URL'),
    clientQueuePrefix: read('CLIENT_QUEUE_PREFIX'),
    queueUrlBase: read('QUEUE_URL_BASE'),
    callbackUrl,
    postTimeout: POST_TIMEOUT,
    clientQueueVisibility: clientQueue.visibilityTimeout,
    clientQueueRetention: clientQueue.messageRetentionPeriod,
  };
  return {
    ...createAwsPorts(resources, createAwsClients(callbackUrl), log),
    settings: readBrokerSettings(JSON.parse(read('SETTINGS'))),
    timing: {
      lambdaTimeout: LAMBDA_TIMEOUT_SECONDS * 1_000,
      queueVisibility: clientQueue.visibilityTimeout * 1_000,
      clockMargin: 5_000,
      postTimeout: POST_TIMEOUT,
    },
    knownShapes: new Set(),
  };
}
