/**
 * The broker as one CloudFormation stack: tables, queues, gateway, the five Lambdas between them, schedules.
 *
 * Rules of this file:
 * - It only puts together; what a part is made of stands in that part's file, what there is of them in `resources.ts`,
 *   who may call what in `permissions.ts`.
 * - Ids of constructs are for ever: CloudFormation would replace a table or the API, and with it the URL of every client,
 *   under another one. A test lists them.
 * - No account and no Region in it: the template is made offline and deploys anywhere.
 */
import { ArnFormat, CfnOutput, Fn, Stack } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { EventSourceMapping, RecursiveLoop } from 'aws-cdk-lib/aws-lambda';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import { Administrators } from './administrators.ts';
import { BrokerFunction } from './broker-function.ts';
import { clientQueuePrefix } from './client-queues.ts';
import { Gateway } from './gateway.ts';
import { type FunctionName, ownIdentityKeys, permissions, type Target } from './permissions.ts';
import { functions, type LambdaEnvironment, workQueues } from './resources.ts';
import { Schedules } from './schedules.ts';
import { brokerPart, type DeploymentSettings, isOn } from './settings.ts';
import { Tables } from './tables.ts';
import { WorkQueues } from './work-queues.ts';

export interface BrokerStackProps {
  readonly settings: DeploymentSettings;
  /** Folder of the repository, where the Lambdas' sources are. */
  readonly root: string;
}

export class BrokerStack extends Stack {
  constructor(scope: Construct, { settings, root }: BrokerStackProps) {
    super(scope, settings.stackName, { description: 'serverless-mqtt: an MQTT broker with no servers' });

    const tables = new Tables(this, 'Tables');
    const queues = new WorkQueues(this, 'Queues');
    const gateway = new Gateway(this, 'Gateway', {
      name: settings.stackName,
      stageName: settings.stageName,
      isSigned: isOn('iam', settings.authentication),
    });
    const queuePrefix = clientQueuePrefix(settings.stackName);

    const environment: LambdaEnvironment = {
      STACK_NAME: settings.stackName,
      SETTINGS: JSON.stringify(brokerPart(settings)),
      SESSIONS_TABLE: tables.sessions.tableName,
      SUBSCRIPTIONS_TABLE: tables.subscriptions.tableName,
      RETAINED_TABLE: tables.retained.tableName,
      IDENTITY_TABLE: tables.identity.tableName,
      POLICY_ARN_BASE: this.formatArn({ service: 'iot', resource: '', arnFormat: ArnFormat.COLON_RESOURCE_NAME }),
      REDELIVERY_QUEUE_URL: queues.redelivery.queueUrl,
      TIMERS_QUEUE_URL: queues.timers.queueUrl,
      CLIENT_QUEUE_PREFIX: queuePrefix,
      QUEUE_URL_BASE: upToTheName(queues.timers),
      CALLBACK_URL: gateway.stage.callbackUrl,
    };

    const connections = (method: 'POST' | 'DELETE' | 'GET') =>
      this.formatArn({
        service: 'execute-api',
        resource: gateway.api.apiId,
        resourceName: `${settings.stageName}/${method}/@connections/*`,
      });
    const asksAuthorizer = isOn('custom', settings.authentication);
    const arns: Arns = {
      sessionsTable: tables.sessions.tableArn,
      subscriptionsTable: tables.subscriptions.tableArn,
      retainedTable: tables.retained.tableArn,
      identityTable: tables.identity.tableArn,
      ownIdentity: tables.identity.tableArn,
      expiryIndex: `${tables.sessions.tableArn}/index/expiry`,
      clientQueues: this.formatArn({ service: 'sqs', resource: `${queuePrefix}*` }),
      allQueues: '*',
      redeliveryQueue: queues.redelivery.queueArn,
      timersQueue: queues.timers.queueArn,
      postToConnection: connections('POST'),
      closeConnection: connections('DELETE'),
      lookAtConnection: connections('GET'),
      authorizer: asksAuthorizer ? settings.customAuthorizerArn : undefined,
    };

    for (const [name, description] of entriesOf(functions)) {
      const id = capitalised(name);
      const { handler } = new BrokerFunction(this, id, {
        root,
        name,
        entry: description.entry,
        environment,
        statements: statementsFor(name, arns),
        memoryMb: settings.lambdaMemoryMb,
        logRetentionDays: settings.logRetentionDays,
        // A tick leaves the next tick, a timer the next timer, in the queue it came from. Lambda takes that for a runaway
        // loop and drops the message after 16 rounds, unless told that it is meant.
        ...('queue' in description && { recursiveLoop: RecursiveLoop.ALLOW }),
      });

      if ('route' in description) {
        gateway.route(id, description.route, handler);
      } else {
        // Not SqsEventSource: that one grants the role more than `permissions.ts` says.
        new EventSourceMapping(this, `${id}Source`, {
          target: handler,
          eventSourceArn: queues[description.queue].queueArn,
          batchSize: workQueues[description.queue].batchSize,
          reportBatchItemFailures: true,
          ...(description.queue === 'redelivery' && { maxConcurrency: settings.redeliveryConcurrency }),
        });
      }
    }

    new Schedules(this, 'Schedules', queues);
    const administrators = new Administrators(this, 'Administrators', tables.identity.tableArn);

    new CfnOutput(this, 'Url', { value: gateway.stage.url, description: 'Where clients connect' });
    new CfnOutput(this, 'SessionsTableName', { value: tables.sessions.tableName });
    new CfnOutput(this, 'SubscriptionsTableName', { value: tables.subscriptions.tableName });
    new CfnOutput(this, 'RetainedTableName', { value: tables.retained.tableName });
    new CfnOutput(this, 'IdentityTableName', { value: tables.identity.tableName });
    new CfnOutput(this, 'AdministratorsPolicyArn', {
      value: administrators.policyArn,
      description: 'IAM policy for those who enter clients and policies with the commands of docs/administration.md',
    });
    new CfnOutput(this, 'ClientQueuePrefix', {
      value: queuePrefix,
      description: 'Start of the names of the queues made for offline clients. They stay when the stack is deleted.',
    });
  }
}

/** A queue's URL without its name, slash included: the URLs of client queues begin like those of the stack's own. */
const upToTheName = (queue: IQueue): string => {
  const parts = Fn.split('/', queue.queueUrl, 5);
  return Fn.join('/', [...parts.slice(0, 4), '']);
};

/** Undefined: this stack has no such thing. */
type Arns = Readonly<Record<Target, string | undefined>>;

const statementsFor = (name: FunctionName, arns: Arns): PolicyStatement[] =>
  entriesOf(permissions[name]).flatMap(([target, actions = []]) => {
    const arn = arns[target];
    if (arn === undefined) return [];
    return new PolicyStatement({
      sid: capitalised(target),
      actions: [...actions],
      resources: [arn],
      ...(target === 'ownIdentity' && {
        conditions: { 'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': ownIdentityKeys } },
      }),
    });
  });

const capitalised = (name: string): string => name.charAt(0).toUpperCase() + name.slice(1);

const entriesOf = <T extends object>(record: T) => Object.entries(record) as [keyof T & string, T[keyof T]][];
