/**
 * What each Lambda may do on AWS: one table. Its role allows this, its own log group, and nothing else.
 *
 * Rules of this file:
 * - An action is here because the code calls it. A new call needs a new entry; an entry without a call is a fault.
 * - No wildcard in an action. Resources are this stack's own; client queues are told by the prefix of their names. The one
 *   exception is `allQueues`.
 * - `test/lib/permissions.test.ts` holds the same table again, literally, and compares it with the template.
 */
import type { functions } from './resources.ts';

export type FunctionName = keyof typeof functions;

/** What a permission is about. `lib/broker-stack.ts` knows the ARN of each. */
export type Target =
  | 'sessionsTable'
  | 'subscriptionsTable'
  | 'retainedTable'
  | 'identityTable'
  /** Of the identity table, what the broker itself keeps there (`ownIdentityKeys`). */
  | 'ownIdentity'
  | 'expiryIndex'
  | 'clientQueues'
  /** Every queue of the account: ListQueues knows no resource. It tells names, and nothing of what is in them. */
  | 'allQueues'
  | 'redeliveryQueue'
  | 'timersQueue'
  | 'postToConnection'
  | 'closeConnection'
  | 'lookAtConnection'
  /** The operator's function, where authentication `custom` is on. */
  | 'authorizer';

export type Permissions = Readonly<Partial<Record<Target, readonly string[]>>>;

const items = ['dynamodb:GetItem', 'dynamodb:Query', 'dynamodb:PutItem', 'dynamodb:UpdateItem', 'dynamodb:DeleteItem'];
/** Partition keys in the identity table that Lambdas may write to: principals and policies are the operator's. */
export const ownIdentityKeys = ['grant#*', 'logins#*'];
const look = ['dynamodb:GetItem'];
const send = ['sqs:SendMessage'];
/** What Lambda's own poller calls under the role of the function it feeds. */
const consume = ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes'];
const manage = ['execute-api:ManageConnections'];
const invoke = ['lambda:InvokeFunction'];

export const permissions: Readonly<Record<FunctionName, Permissions>> = {
  connect: { timersQueue: send, sessionsTable: ['dynamodb:PutItem'] },
  message: {
    sessionsTable: items,
    subscriptionsTable: ['dynamodb:GetItem', 'dynamodb:Query', 'dynamodb:UpdateItem', 'dynamodb:DeleteItem'],
    retainedTable: ['dynamodb:GetItem', 'dynamodb:Query', 'dynamodb:PutItem', 'dynamodb:UpdateItem'],
    identityTable: look,
    ownIdentity: ['dynamodb:PutItem', 'dynamodb:UpdateItem'],
    clientQueues: ['sqs:SendMessage', 'sqs:CreateQueue'],
    redeliveryQueue: send,
    timersQueue: send,
    postToConnection: manage,
    closeConnection: manage,
    authorizer: invoke,
  },
  disconnect: {
    sessionsTable: ['dynamodb:GetItem', 'dynamodb:UpdateItem'],
    identityTable: look,
    timersQueue: send,
  },
  redeliver: {
    sessionsTable: items,
    identityTable: look,
    clientQueues: ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:ChangeMessageVisibility'],
    redeliveryQueue: [...send, ...consume],
    timersQueue: send,
    postToConnection: manage,
    closeConnection: manage,
  },
  timer: {
    sessionsTable: items,
    subscriptionsTable: ['dynamodb:GetItem', 'dynamodb:Query', 'dynamodb:UpdateItem', 'dynamodb:DeleteItem'],
    retainedTable: ['dynamodb:GetItem', 'dynamodb:Query', 'dynamodb:PutItem', 'dynamodb:UpdateItem'],
    identityTable: look,
    ownIdentity: ['dynamodb:PutItem'],
    expiryIndex: ['dynamodb:Query'],
    clientQueues: ['sqs:SendMessage', 'sqs:CreateQueue', 'sqs:DeleteQueue'],
    allQueues: ['sqs:ListQueues'],
    redeliveryQueue: send,
    timersQueue: [...send, ...consume],
    postToConnection: manage,
    closeConnection: manage,
    lookAtConnection: manage,
    authorizer: invoke,
  },
};
