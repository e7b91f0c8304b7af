/**
 * What requests have in common: their members, the queue they name, and the ranges of numbers.
 *
 * Rules of this file: a queue is named by the last part of its URL. Host and account are not looked at: there is one of
 * each.
 */
import type { Clock } from '../clock.ts';
import type { FaultSource } from '../faults.ts';
import { SqsError } from './errors.ts';
import { invalidParameter } from './message-rules.ts';
import type { RawAttributes } from './queue-attributes.ts';
import type { QueueEntry, Queues } from './queues.ts';

export interface OperationContext {
  readonly queues: Queues;
  readonly clock: Clock;
  readonly faults: FaultSource;
  readonly urlOf: (name: string) => string;
  /** Aborted when the caller has gone. */
  readonly signal: AbortSignal;
}

/** The members of all requests; each operation reads its own. */
export interface Request {
  readonly QueueName?: string;
  readonly QueueUrl?: string;
  readonly Attributes?: RawAttributes;
  readonly AttributeNames?: readonly string[];
  readonly MessageSystemAttributeNames?: readonly string[];
  readonly MessageAttributeNames?: readonly string[];
  readonly QueueNamePrefix?: string;
  readonly MaxResults?: number;
  readonly NextToken?: string;
  readonly MaxNumberOfMessages?: number;
  readonly VisibilityTimeout?: number;
  readonly WaitTimeSeconds?: number;
  readonly ReceiptHandle?: string;
}

export type Operation = (request: Request, context: OperationContext) => object | Promise<object>;

/** The queue that a request names. @throws SqsError */
export const queueOf = ({ QueueUrl }: Request, queues: Queues): QueueEntry => {
  const url = required(QueueUrl, 'QueueUrl');
  const name = /^(?:https?:\/\/[^/]+)?\/?\d{12}\/([^/]+)$/.exec(url)?.[1];
  if (name === undefined) {
    throw new SqsError('InvalidAddress', `The address ${url} is not valid for this endpoint.`);
  }
  return queues.find(name);
};

export const required = (value: string | undefined, parameter: string): string => {
  if (value !== undefined && value !== '') return value;
  throw new SqsError('MissingParameter', `The request must contain the parameter ${parameter}.`);
};

export const checkRange = (parameter: string, value: number | undefined, least: number, most: number): void => {
  if (value === undefined || (Number.isInteger(value) && value >= least && value <= most)) return;
  throw invalidParameter(value, parameter, `Must be between ${least} and ${most}, if provided.`);
};
