/** All ports of the broker on AWS, from what a Lambda finds in its environment. */
import { randomBytes } from 'node:crypto';
import { ApiGatewayManagementApiClient } from '@aws-sdk/client-apigatewaymanagementapi';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { LambdaClient } from '@aws-sdk/client-lambda';
import { SQSClient } from '@aws-sdk/client-sqs';
import type { Ids, Log, Ports } from '../broker/ports.ts';
import type { ClientId, Generation, MessageId } from '../session/ids.ts';
import { createAuthorizer } from './authorizer.ts';
import { createClientQueues } from './client-queues.ts';
import { systemClock } from './clock.ts';
import { createExpiryIndex } from './expiry-index.ts';
import { createGateway } from './gateway.ts';
import { createIdentity } from './identity.ts';
import { scryptPasswords } from './passwords.ts';
import { createRetainedMessages } from './retained-messages.ts';
import { randomSecrets } from './secrets.ts';
import { createShapeRegistry } from './shape-registry.ts';
import {
  createConnections,
  createCopies,
  createFilters,
  createIncoming,
  createInFlight,
  createSessions,
  createSubscriptions,
  createWills,
} from './stores.ts';
import { createTable } from './table.ts';
import { createTokens, type TokenSettings } from './tokens.ts';
import { createWorkQueue } from './work-queues.ts';

export interface AwsResources {
  readonly sessionsTable: string;
  readonly subscriptionsTable: string;
  readonly retainedTable: string;
  readonly identityTable: string;
  /** Of the operator's authorizer; empty where there is none. */
  readonly authorizerArn: string;
  readonly tokens: TokenSettings;
  readonly redeliveryQueueUrl: string;
  readonly timersQueueUrl: string;
  readonly clientQueuePrefix: string;
  readonly queueUrlBase: string;
  readonly callbackUrl: string;
  /** Milliseconds. */
  readonly postTimeout: number;
  /** Seconds. */
  readonly clientQueueVisibility: number;
  /** Seconds. */
  readonly clientQueueRetention: number;
}

export interface AwsClients {
  readonly dynamodb: DynamoDBClient;
  readonly sqs: SQSClient;
  readonly gateway: ApiGatewayManagementApiClient;
  readonly lambda: LambdaClient;
}

/** An AWS call that hangs is given up well before its Lambda is. Milliseconds. */
const requestHandler = { connectionTimeout: 1_000, requestTimeout: 4_000, throwOnRequestTimeout: true };

export const createDynamoDbClient = (): DynamoDBClient => new DynamoDBClient({ maxAttempts: 3, requestHandler });

export const createSqsClient = (): SQSClient => new SQSClient({ maxAttempts: 3, requestHandler });

export function createAwsClients(callbackUrl: string): AwsClients {
  return {
    dynamodb: createDynamoDbClient(),
    sqs: createSqsClient(),
    lambda: new LambdaClient({ maxAttempts: 1, requestHandler: { ...requestHandler, requestTimeout: 6_000 } }),
    gateway: new ApiGatewayManagementApiClient({ endpoint: callbackUrl, maxAttempts: 1, requestHandler }),
  };
}

export function createAwsPorts(resources: AwsResources, clients: AwsClients, log: Log): Ports {
  const { dynamodb, sqs, gateway, lambda } = clients;
  const clock = systemClock;
  const sessions = createTable({ client: dynamodb, name: resources.sessionsTable, clock });
  const subscriptions = createTable({ client: dynamodb, name: resources.subscriptionsTable, clock });
  return {
    sessions: createSessions(sessions, createExpiryIndex(dynamodb, resources.sessionsTable)),
    wills: createWills(sessions),
    inFlight: createInFlight(sessions),
    copies: createCopies(sessions),
    incoming: createIncoming(sessions),
    filters: createFilters(sessions),
    connections: createConnections(sessions),
    subscriptions: createSubscriptions(subscriptions, createShapeRegistry(dynamodb, resources.subscriptionsTable)),
    retained: createRetainedMessages(createTable({ client: dynamodb, name: resources.retainedTable, clock })),
    identity: createIdentity(createTable({ client: dynamodb, name: resources.identityTable, clock })),
    passwords: scryptPasswords,
    tokens: createTokens(resources.tokens, clock),
    authorizer: createAuthorizer(lambda, resources.authorizerArn),
    gateway: createGateway({ client: gateway, clock, postTimeout: resources.postTimeout }),
    queues: createClientQueues({
      client: sqs,
      table: sessions,
      prefix: resources.clientQueuePrefix,
      urlBase: resources.queueUrlBase,
      visibilityTimeout: resources.clientQueueVisibility,
      retentionPeriod: resources.clientQueueRetention,
    }),
    redelivery: createWorkQueue(sqs, resources.redeliveryQueueUrl),
    timers: createWorkQueue(sqs, resources.timersQueueUrl),
    clock,
    ids: randomIds,
    secrets: randomSecrets,
    log,
  };
}

const random = (bytes: number): string => randomBytes(bytes).toString('base64url');

export const randomIds: Ids = {
  generation: () => random(16) as Generation,
  message: () => random(16) as MessageId,
  // Letters and digits only, as the specification recommends for client ids [MQTT-3.1.3-5].
  client: () => `auto-${randomBytes(12).toString('hex')}` as ClientId,
  unit: () => random(6),
};
