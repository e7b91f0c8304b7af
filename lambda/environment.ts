/** What a Lambda starts with: made once per Lambda environment, and used by all its invocations. */

import { clientQueue, LAMBDA_TIMEOUT_SECONDS, type LambdaEnvironment } from '../lib/resources.ts';
import { type BrokerSettings, readBrokerSettings } from '../lib/settings.ts';
import { systemClock } from '../src/aws/clock.ts';
import { createAwsClients, createAwsPorts, createDynamoDbClient, createSqsClient } from '../src/aws/ports.ts';
import { createConnections } from '../src/aws/stores.ts';
import { createTable } from '../src/aws/table.ts';
import { createWorkQueue } from '../src/aws/work-queues.ts';
import { createAuthority } from '../src/broker/authority.ts';
import type { Context } from '../src/broker/context.ts';
import type { Connections, Log, Timers } from '../src/broker/ports.ts';
import { createLog } from './log.ts';

const POST_TIMEOUT = 2_000;

type Environment = Readonly<Record<string, string | undefined>>;

const reading =
  (environment: Environment) =>
  (name: keyof LambdaEnvironment): string => {
    const value = environment[name];
    if (value === undefined) throw new Error(`the environment variable ${name} is missing: deploy the stack again`);
    return value;
  };

/** What `$connect` keeps of a handshake. */
export interface Handshakes extends Pick<Connections, 'keepHandshake'> {
  /** With headers and query string: an authorizer of the operator's own is told of them. */
  readonly withRequest: boolean;
}

export interface Arrangements {
  readonly timers: Timers;
  readonly log: Log;
  /** None where nobody asks later what the handshake told. */
  readonly handshakes: Handshakes | undefined;
}

/**
 * For a Lambda that only arranges what others do: all else would make its cold start longer, and a handshake waits for it. Its
 * client of DynamoDB is there always, and made where it is used: importing it later takes longer than importing it now.
 */
export function createArrangements(environment: Environment): Arrangements {
  const read = reading(environment);
  // As the stack has written them: validating costs more than the rest of this.
  const { authentication } = JSON.parse(read('SETTINGS')) as BrokerSettings;
  const methods = authentication.split(',');
  return {
    timers: createWorkQueue(createSqsClient(), read('TIMERS_QUEUE_URL')),
    log: createLog(read('STACK_NAME')),
    handshakes:
      methods.includes('iam') || methods.includes('custom')
        ? { ...keepingIn(read('SESSIONS_TABLE')), withRequest: methods.includes('custom') }
        : undefined,
  };
}

const keepingIn = (sessionsTable: string): Pick<Connections, 'keepHandshake'> =>
  createConnections(createTable({ client: createDynamoDbClient(), name: sessionsTable, clock: systemClock }));

/** The broker's context. */
export function createContext(environment: Environment): Context {
  const read = reading(environment);
  const callbackUrl = read('CALLBACK_URL');
  const settings = readBrokerSettings(JSON.parse(read('SETTINGS')));
  const resources = {
    sessionsTable: read('SESSIONS_TABLE'),
    subscriptionsTable: read('SUBSCRIPTIONS_TABLE'),
    retainedTable: read('RETAINED_TABLE'),
    identityTable: read('IDENTITY_TABLE'),
    authorizerArn: settings.customAuthorizerArn,
    tokens: { issuer: settings.jwtIssuer, audience: settings.jwtAudience, keysUrl: settings.jwtKeysUrl },
    redeliveryQueueUrl: read('REDELIVERY_QUEUE_URL'),
    timersQueueUrl: read('TIMERS_QUEUE_URL'),
    clientQueuePrefix: read('CLIENT_QUEUE_PREFIX'),
    queueUrlBase: read('QUEUE_URL_BASE'),
    callbackUrl,
    postTimeout: POST_TIMEOUT,
    clientQueueVisibility: clientQueue.visibilityTimeout,
    clientQueueRetention: clientQueue.messageRetentionPeriod,
  };
  const ports = createAwsPorts(resources, createAwsClients(callbackUrl), createLog(read('STACK_NAME')));
  return {
    ...ports,
    settings,
    authority: createAuthority({ ...ports, settings, arnBase: read('POLICY_ARN_BASE') }),
    timing: {
      lambdaTimeout: LAMBDA_TIMEOUT_SECONDS * 1_000,
      queueVisibility: clientQueue.visibilityTimeout * 1_000,
      clockMargin: 5_000,
      postTimeout: POST_TIMEOUT,
    },
    knownShapes: new Set(),
  };
}
