/**
 * The ports on AWS, through the real SDK, on the embedded stand-ins. The queues' time passes only when a test says so, or
 * where a receive waits: then at once.
 */

import { ApiGatewayManagementApiClient } from '@aws-sdk/client-apigatewaymanagementapi';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { LambdaClient } from '@aws-sdk/client-lambda';
import { DeleteMessageCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { WebSocket } from 'ws';
import { clientQueue, tables } from '../../lib/resources.ts';
import { type Clock, systemClock } from '../../local/clock.ts';
import { openDynamoDb } from '../../local/dynamodb/dynamodb.ts';
import { createFaults } from '../../local/faults.ts';
import { createGateway } from '../../local/gateway/gateway.ts';
import { awsLimits } from '../../local/gateway/limits.ts';
import { openOpenConnections } from '../../local/gateway/open-connections.ts';
import { listen } from '../../local/http-server.ts';
import { invokeApi } from '../../local/lambda/invoke-api.ts';
import { queueUrlBase } from '../../local/lambda-environment.ts';
import { silentLog } from '../../local/log.ts';
import { openSqs } from '../../local/sqs/sqs.ts';
import { createIdentityAdministration } from '../../src/aws/identity-administration.ts';
import { type AwsClients, createAwsPorts } from '../../src/aws/ports.ts';
import { createScan } from '../../src/aws/scan.ts';
import { createTable } from '../../src/aws/table.ts';
import type { ConnectionId } from '../../src/session/ids.ts';
import type { Socket, Subject } from './subject.ts';

export async function createAwsSubject(): Promise<Subject & { readonly clients: AwsClients }> {
  const http = await listen(0);
  const endpoint = `http://127.0.0.1:${http.port}`;
  const faults = createFaults();
  let now = Date.UTC(2026, 0, 1);
  const queueClock: Clock = {
    now: () => now,
    after: (milliseconds, ring) => {
      const turn = setImmediate(() => {
        now += milliseconds;
        ring();
      });
      return () => clearImmediate(turn);
    },
  };

  const dynamodb = await openDynamoDb({ clock: systemClock, faults, tables, sweepEveryMs: 3_600_000 });
  const sqs = openSqs({
    clock: queueClock,
    log: silentLog,
    faults,
    journalFile: undefined,
    urlBase: queueUrlBase(endpoint),
  });
  sqs.queues.provide('redelivery', {});
  sqs.queues.provide('timers', {});
  let opened = (_: string): void => {};
  const gateway = createGateway({
    stageName: 'mqtt',
    domainName: `127.0.0.1:${http.port}`,
    limits: awsLimits,
    routeResponse: true,
    authorizer: 'none',
    log: silentLog,
    invoke: async (route, event) => {
      const { connectionId } = (event as { requestContext: { connectionId: string } }).requestContext;
      if (route === '$connect') opened(connectionId);
      return { kind: 'returned', result: { statusCode: 200 } };
    },
    openConnections: openOpenConnections(undefined, silentLog),
    clock: systemClock,
    faults,
  });
  http.open({
    gate: { pass: (_caller, _operation, _need, call) => call(), counts: () => ({}) },
    faults,
    dynamodb: dynamodb.handle,
    sqs: sqs.handle,
    lambda: invokeApi({ functions: [], invoke: async () => ({ kind: 'returned', result: null }) }),
    connections: gateway.manage,
    upgrade: gateway.upgrade,
  });

  const common = { region: 'us-east-1', endpoint, credentials: { accessKeyId: 'local', secretAccessKey: 'local' } };
  const clients: AwsClients = {
    dynamodb: new DynamoDBClient(common),
    sqs: new SQSClient(common),
    lambda: new LambdaClient(common),
    gateway: new ApiGatewayManagementApiClient({ ...common, endpoint: `${endpoint}/mqtt`, maxAttempts: 1 }),
  };
  const urlOf = (name: string) => `${queueUrlBase(endpoint)}${name}`;
  const ports = createAwsPorts(
    {
      sessionsTable: 'sessions',
      subscriptionsTable: 'subscriptions',
      retainedTable: 'retained',
      identityTable: 'identity',
      authorizerArn: '',
      tokens: { issuer: '', audience: '', keysUrl: '' },
      redeliveryQueueUrl: urlOf('redelivery'),
      timersQueueUrl: urlOf('timers'),
      clientQueuePrefix: 'contract_session_',
      queueUrlBase: queueUrlBase(endpoint),
      callbackUrl: `${endpoint}/mqtt`,
      postTimeout: 2_000,
      clientQueueVisibility: clientQueue.visibilityTimeout,
      clientQueueRetention: clientQueue.messageRetentionPeriod,
    },
    clients,
    () => {},
  );

  const takeAll = async <T>(name: string): Promise<readonly T[]> => {
    const bodies: T[] = [];
    for (;;) {
      const QueueUrl = urlOf(name);
      const { Messages = [] } = await clients.sqs.send(
        new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }),
      );
      if (Messages.length === 0) return bodies;
      for (const { Body = '', ReceiptHandle } of Messages) {
        bodies.push(JSON.parse(Body) as T);
        await clients.sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
      }
    }
  };

  const identity = createTable({ client: clients.dynamodb, name: 'identity', clock: ports.clock });

  return {
    ports,
    administration: createIdentityAdministration(identity, createScan(clients.dynamodb, 'identity')),
    clients,
    passTime: (milliseconds) => {
      now += milliseconds;
    },
    ticks: () => takeAll('redelivery'),
    jobs: () => takeAll('timers'),
    openSocket: async (): Promise<Socket> => {
      const id = new Promise<string>((resolve) => {
        opened = resolve;
      });
      const socket = new WebSocket(`ws://127.0.0.1:${http.port}/mqtt`);
      const frames: string[] = [];
      const waiting: ((frame: string) => void)[] = [];
      socket.on('message', (data) => {
        const frame = String(data);
        const next = waiting.shift();
        if (next) next(frame);
        else frames.push(frame);
      });
      const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
      await new Promise<void>((resolve, reject) => {
        socket.once('open', resolve);
        socket.once('error', reject);
      });
      return {
        connectionId: (await id) as ConnectionId,
        next: () => {
          const frame = frames.shift();
          return frame === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(frame);
        },
        closed: () => closed,
        close: async () => {
          socket.close();
          await closed;
        },
      };
    },
    stop: async () => {
      await gateway.stop();
      for (const client of Object.values(clients)) client.destroy();
      await http.close();
      sqs.close();
      await dynamodb.close();
    },
  };
}
