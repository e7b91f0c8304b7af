/**
 * AWS on a laptop: the stack of `lib/resources.ts` on one port of 127.0.0.1, with the very Lambdas that ship.
 *
 * Rules of this file:
 * - Nothing of the broker is known here: tables, queues, functions, schedules and their environment come from `lib/`.
 * - `stop` leaves nothing behind: no socket, no thread, no timer, no temporary file, no lock.
 * - With a data directory, tables and queues survive `stop` and `kill -9`. Sockets do not: the next run says
 *   `$disconnect` for those that were open.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  functions,
  LAMBDA_TIMEOUT_SECONDS,
  type LambdaEnvironment,
  schedules,
  tables,
  workQueues,
} from '../lib/resources.ts';
import { isOn, readBrokerSettings } from '../lib/settings.ts';
import { isAllowed } from './authorization.ts';
import { AUTHORIZER, authorizerEnvironment, localSettings } from './authorizer.ts';
import { createCallGate } from './call-gate.ts';
import { pause, skippableClock, systemClock } from './clock.ts';
import { openDataDirectory } from './data-directory.ts';
import { type DynamoDb, openDynamoDb } from './dynamodb/dynamodb.ts';
import { type EventSource, startEventSource } from './event-sources/event-source.ts';
import { createFaults, type FaultPatch, type Faults } from './faults.ts';
import { createGateway, type RouteKey } from './gateway/gateway.ts';
import { awsLimits, type GatewayLimits } from './gateway/limits.ts';
import { openOpenConnections } from './gateway/open-connections.ts';
import { listen } from './http-server.ts';
import { bundleFunctions } from './lambda/bundle.ts';
import type { Outcome } from './lambda/environment.ts';
import { invokeApi } from './lambda/invoke-api.ts';
import { type InvocationRecord, startRunner } from './lambda/runner.ts';
import { queueUrlBase, sdkEnvironment, stackEnvironment } from './lambda-environment.ts';
import { type LogSink, silentLog } from './log.ts';
import { DEFAULT_PORT } from './port.ts';
import { findProjectRoot } from './project-root.ts';
import { startSchedules } from './schedules.ts';
import { queueArn } from './sqs/queues.ts';
import { openSqs } from './sqs/sqs.ts';

export type FunctionName = keyof typeof functions;

export interface LocalStackOptions {
  /** 0 takes any free one. */
  readonly port?: number;
  /** Where to keep the data; in memory without it. */
  readonly dataDir?: string | undefined;
  /** The broker's settings, as `lib/settings.ts` knows them. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /**
   * The operator's function for authentication `custom`: a module that exports `handler`. With it that is the default, and without it
   * authentication is `none`.
   */
  readonly authorizer?: string | undefined;
  readonly stageName?: string;
  readonly log?: LogSink;
  /** Limits of the gateway, in bytes and milliseconds; AWS's own where absent. */
  readonly limits?: Partial<GatewayLimits>;
  readonly lambdaTimeoutMs?: number;
  /** Environments of one function at once, at most. */
  readonly lambdaConcurrency?: number;
  /** How late DynamoDB deletes what has expired. */
  readonly sweepEveryMs?: number;
  /** How long `stop` waits for Lambdas that run. */
  readonly stopGraceMs?: number;
  /** Whether connections left open by an earlier run get their `$disconnect`. */
  readonly reportLostConnections?: boolean;
  /** Sources of the Lambdas, instead of the broker's own: for tests of the stack itself. */
  readonly entries?: Partial<Record<FunctionName, string>>;
  /** Variables for the Lambdas besides their own. */
  readonly extraEnvironment?: Readonly<Record<string, string>>;
  readonly faults?: FaultPatch;
  /** Told what start-up is doing, step by step. */
  readonly onProgress?: (step: string) => void;
}

export interface LocalStack {
  /** Where MQTT's WebSocket clients connect. */
  readonly url: string;
  /** What the AWS SDK takes as `endpoint`. */
  readonly endpoint: string;
  readonly port: number;
  readonly faults: Faults;
  /** What the Lambdas are given. */
  readonly environment: LambdaEnvironment;
  /** The latest Lambda invocations with the AWS calls they made, oldest first. */
  invocations(functionName?: FunctionName | typeof AUTHORIZER): readonly InvocationRecord[];
  /** How often each AWS operation was called, and `framesIn` and `framesOut` of the gateway. */
  counts(): Readonly<Record<string, number>>;
  /** Ids of the open connections, oldest first. */
  connections(): readonly string[];
  /** Calls a Lambda directly. */
  invoke(functionName: FunctionName, event: object): Promise<Outcome>;
  /** Resolves when no Lambda runs or waits to run. Delayed messages do not count. */
  quiet(): Promise<void>;
  /**
   * Lets the stack's time jump ahead as soon as no Lambda runs: leases, delays, time-outs and sessions run out without anybody
   * waiting for them. Clients go by their own time, and so does the next run on the same data directory.
   */
  skip(milliseconds: number): Promise<void>;
  /** Deletes expired items now, and says how many. */
  sweepExpired(): Promise<number>;
  stop(): Promise<void>;
}

const SWEEP_EVERY_MS = 600_000;
const STOP_GRACE_MS = 2_000;
const LAMBDA_CONCURRENCY = 4;
const BATCHES_AT_ONCE = 5;

/**
 * @throws SettingsError for a setting that makes no sense
 * @throws DataDirectoryTakenError where another stack uses the data directory
 * @throws PortTakenError where something else listens on the port
 */
export const startLocalStack = async (options: LocalStackOptions = {}): Promise<LocalStack> => {
  const { log = silentLog, stageName = 'mqtt', onProgress: progress = () => {} } = options;
  const clock = skippableClock();
  const { authorizer } = options;
  const settings = readBrokerSettings(localSettings(options.settings ?? {}, authorizer !== undefined));
  const faults = createFaults();
  if (options.faults) faults.set(options.faults);

  /** Undone in reverse, at stop and where starting fails half-way. */
  const undo: Array<() => unknown> = [];
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopped ??= (async () => {
      for (const step of undo.reverse()) await step();
    })();
    return stopped;
  };

  try {
    const data = options.dataDir === undefined ? undefined : openDataDirectory(options.dataDir, log);
    undo.push(() => data?.release());
    const http = await listen(options.port ?? DEFAULT_PORT);
    undo.push(http.close);
    const domainName = `127.0.0.1:${http.port}`;
    const endpoint = `http://${domainName}`;

    progress('opening the database');
    const dynamodb: DynamoDb = await openDynamoDb({
      clock,
      faults,
      tables,
      directory: data?.database,
      sweepEveryMs: options.sweepEveryMs ?? SWEEP_EVERY_MS,
    });
    undo.push(dynamodb.close);

    const sqs = openSqs({ clock, log, faults, journalFile: data?.queuesJournal, urlBase: queueUrlBase(endpoint) });
    undo.push(sqs.close);
    provideWorkQueues(sqs.queues.provide);

    const openConnections = openOpenConnections(data?.connectionsJournal, log);
    undo.push(openConnections.close);

    progress('bundling the Lambdas');
    const bundlesDirectory = data?.bundles ?? mkdtempSync(join(tmpdir(), 'serverless-mqtt-'));
    const removeBundles = (): void => rmSync(bundlesDirectory, { recursive: true, force: true });
    removeBundles();
    undo.push(removeBundles);
    const entries = { ...entriesOf(options.entries), ...(authorizer !== undefined && { [AUTHORIZER]: authorizer }) };
    const bundles = await bundleFunctions(findProjectRoot(), entries, bundlesDirectory);

    progress('starting the Lambdas');
    const environment = stackEnvironment(endpoint, stageName, settings);
    const variables = {
      ...sdkEnvironment(endpoint, join(bundlesDirectory, 'none')),
      ...environment,
      ...options.extraEnvironment,
    };
    const runner = startRunner({
      bundles,
      variablesOf: (name) => (name === AUTHORIZER ? authorizerEnvironment(process.env) : variables),
      timeoutMs: options.lambdaTimeoutMs ?? LAMBDA_TIMEOUT_SECONDS * 1_000,
      concurrency: options.lambdaConcurrency ?? LAMBDA_CONCURRENCY,
      clock,
      faults,
      log,
    });
    const gateway = createGateway({
      stageName,
      domainName,
      limits: { ...awsLimits, ...options.limits },
      routeResponse: true,
      authorizer: isOn('iam', settings.authentication) ? 'iam' : 'none',
      invoke: (route, event) => runner.invoke(functionOf(route), event),
      log,
      openConnections,
      clock,
      faults,
    });
    const eventSources: EventSource[] = [];
    undo.push(async () => {
      await gateway.stop();
      const ended = eventSources.map((source) => source.stop());
      await runner.stop(options.stopGraceMs ?? STOP_GRACE_MS);
      await Promise.all([...ended, gateway.settled()]);
    });

    const gate = createCallGate(runner, faults, options.entries ? () => true : isAllowed);
    http.open({
      gate,
      faults,
      dynamodb: dynamodb.handle,
      sqs: sqs.handle,
      lambda: invokeApi({ functions: authorizer === undefined ? [] : [AUTHORIZER], invoke: runner.invoke }),
      connections: gateway.manage,
      upgrade: gateway.upgrade,
    });
    await runner.prewarm();

    for (const [queueName, { batchSize, consumer }] of Object.entries(workQueues)) {
      eventSources.push(
        startEventSource({
          queues: sqs.queues,
          queueName,
          batchSize,
          concurrency: BATCHES_AT_ONCE,
          invoke: (event) => runner.invoke(consumer, event),
          clock,
          log,
        }),
      );
    }
    const sendScheduled = (queue: string, body: string): void => {
      sqs.queues.find(queue).queue.send({ body, attributes: {}, delaySeconds: 0 }, clock.now());
    };
    undo.push(startSchedules(Object.values(schedules), sendScheduled, clock).stop);
    if (options.reportLostConnections !== false) void gateway.reportLost();

    return {
      url: `ws://${domainName}/${stageName}`,
      endpoint,
      port: http.port,
      faults,
      environment,
      invocations: (name) =>
        runner.invocations().filter(({ functionName }) => name === undefined || functionName === name),
      counts: () => ({ ...gate.counts(), ...gateway.counts() }),
      connections: gateway.connections,
      invoke: runner.invoke,
      quiet: runner.quiet,
      skip: async (milliseconds) => {
        while (!runner.isQuiet()) await runner.quiet();
        clock.skip(milliseconds);
        // What fell into the gap has begun when this rings.
        await pause(systemClock, 0);
      },
      sweepExpired: dynamodb.sweep,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
};

const entriesOf = (replaced: LocalStackOptions['entries'] = {}): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(functions).map(([name, { entry }]) => [name, replaced[name as FunctionName] ?? entry]),
  );

/** The Lambda behind a route. */
const functionOf = (route: RouteKey): string => {
  const found = Object.entries(functions).find(([, definition]) => 'route' in definition && definition.route === route);
  if (found === undefined) throw new Error(`no Lambda has the route ${route}`);
  return found[0];
};

/** The queues with a consumer, each with its dead-letter queue. */
const provideWorkQueues = (provide: (name: string, attributes: Record<string, string>) => void): void => {
  for (const [name, { visibilityTimeout, maxReceiveCount }] of Object.entries(workQueues)) {
    const deadLetters = `${name}-dead-letters`;
    provide(deadLetters, { MessageRetentionPeriod: '1209600' });
    provide(name, {
      VisibilityTimeout: String(visibilityTimeout),
      RedrivePolicy: JSON.stringify({ deadLetterTargetArn: queueArn(deadLetters), maxReceiveCount }),
    });
  }
};
