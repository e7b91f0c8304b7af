/**
 * What a call needs in its caller's IAM policy, and whether the table in `lib/permissions.ts` grants it. So a permission
 * that the stack forgot is missed on the laptop, not after the deployment.
 *
 * Rules of this file: only Lambdas are judged; whoever else speaks to the local stack may do anything.
 */
import { clientQueuePrefix } from '../lib/client-queues.ts';
import { type FunctionName, ownIdentityKeys, type Permissions, permissions, type Target } from '../lib/permissions.ts';
import { deploymentSettings } from '../lib/settings.ts';
import type { Answer } from './answer.ts';
import { AUTHORIZER } from './authorizer.ts';
import { functionNameIn } from './lambda/invoke-api.ts';

export interface Need {
  readonly action: string;
  /** Undefined: something the stack does not have. */
  readonly target: Target | undefined;
}

const tableTargets: Readonly<Record<string, Target>> = {
  sessions: 'sessionsTable',
  subscriptions: 'subscriptionsTable',
  retained: 'retainedTable',
  identity: 'identityTable',
};
const indexTargets: Readonly<Record<string, Target>> = { 'sessions/expiry': 'expiryIndex' };
const queueTargets: Readonly<Record<string, Target>> = { redelivery: 'redeliveryQueue', timers: 'timersQueue' };
const connectionTargets: Readonly<Record<string, Target>> = {
  POST: 'postToConnection',
  DELETE: 'closeConnection',
  GET: 'lookAtConnection',
};

export const needOfDynamoDb = (operation: string, body: string): Need => {
  const [table, index] = [field(body, 'TableName'), field(body, 'IndexName')];
  const action = `dynamodb:${operation}`;
  // Statements of IAM add up: a key among those that may be written is read under the table's own.
  if (table === 'identity' && operation !== 'GetItem' && isOwnIdentity(body)) return { action, target: 'ownIdentity' };
  return {
    action,
    target: index === '' ? tableTargets[table] : indexTargets[`${table}/${index}`],
  };
};

const isOwnIdentity = (body: string): boolean => {
  const { Key, Item } = JSON.parse(body) as Record<
    'Key' | 'Item',
    { readonly pk?: { readonly S?: string } } | undefined
  >;
  const partition = (Key ?? Item)?.pk?.S ?? '';
  return ownIdentityKeys.some((pattern) => partition.startsWith(pattern.replace('*', '')));
};

/** IAM knows the batch calls of SQS by the names of the single ones. */
export const needOfSqs = (operation: string, body: string): Need => {
  if (operation === 'ListQueues') return { action: 'sqs:ListQueues', target: 'allQueues' };
  const name = field(body, 'QueueName') || (field(body, 'QueueUrl').split('/').at(-1) ?? '');
  const ofClient = name.startsWith(clientQueuePrefix(deploymentSettings.stackName.default));
  return {
    action: `sqs:${operation.replace(/Batch$/, '')}`,
    target: ofClient ? 'clientQueues' : queueTargets[name],
  };
};

export const needOfConnections = (method: string): Need => ({
  action: 'execute-api:ManageConnections',
  target: connectionTargets[method],
});

/** @param invoked name or ARN */
export const needOfLambda = (invoked: string): Need => ({
  action: 'lambda:InvokeFunction',
  target: functionNameIn(invoked) === AUTHORIZER ? 'authorizer' : undefined,
});

export const isAllowed = (functionName: string, { action, target }: Need): boolean => {
  const granted: Permissions | undefined = permissions[functionName as FunctionName];
  return target !== undefined && (granted?.[target]?.includes(action) ?? false);
};

export const accessDenied = (functionName: string, { action, target }: Need): Answer => ({
  status: 403,
  headers: { 'content-type': 'application/x-amz-json-1.0', 'x-amzn-errortype': 'AccessDeniedException' },
  body: JSON.stringify({
    __type: 'AccessDeniedException',
    message: `${functionName} is not allowed ${action} on ${target ?? 'what is not of this stack'}: see lib/permissions.ts`,
  }),
});

const field = (body: string, name: string): string => {
  try {
    return String((JSON.parse(body) as Record<string, unknown>)[name] ?? '');
  } catch {
    return '';
  }
};
