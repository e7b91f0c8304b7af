/**
 * The attributes of a queue: which there are, their ranges, and which belong together. Pure.
 *
 * Source: CreateQueue in the SQS API reference. Seconds and bytes.
 */
import { SqsError } from './errors.ts';

export interface RedrivePolicy {
  readonly deadLetterTargetArn: string;
  readonly maxReceiveCount: number;
}

export interface QueueAttributes {
  readonly fifo: boolean;
  readonly visibilityTimeout: number;
  readonly messageRetentionPeriod: number;
  readonly delaySeconds: number;
  readonly maximumMessageSize: number;
  readonly receiveMessageWaitTimeSeconds: number;
  readonly contentBasedDeduplication: boolean;
  readonly deduplicationScope: 'queue' | 'messageGroup';
  readonly redrivePolicy?: RedrivePolicy;
}

/** As they travel: every value is a string. */
export type RawAttributes = Readonly<Record<string, string>>;

export const LARGEST_MESSAGE_BYTES = 1_048_576;

/** Lowest, highest, default. */
const numbers: Readonly<Record<string, readonly [number, number, number]>> = {
  VisibilityTimeout: [0, 43_200, 30],
  MessageRetentionPeriod: [60, 1_209_600, 345_600],
  DelaySeconds: [0, 900, 0],
  MaximumMessageSize: [1_024, LARGEST_MESSAGE_BYTES, LARGEST_MESSAGE_BYTES],
  ReceiveMessageWaitTimeSeconds: [0, 20, 0],
};

const choices: Readonly<Record<string, readonly string[]>> = {
  FifoQueue: ['true'],
  ContentBasedDeduplication: ['true', 'false'],
  DeduplicationScope: ['queue', 'messageGroup'],
  FifoThroughputLimit: ['perQueue', 'perMessageGroupId'],
  SqsManagedSseEnabled: ['true', 'false'],
};

const onlyFifo = ['ContentBasedDeduplication', 'DeduplicationScope', 'FifoThroughputLimit'];

/** Taken as they are: they change nothing that this stand-in does. */
const unchecked = ['Policy', 'RedriveAllowPolicy', 'KmsMasterKeyId', 'KmsDataKeyReusePeriodSeconds'];

/** What `CreateQueue` was given, checked, with AWS's defaults. @throws SqsError */
export const readAttributes = (name: string, raw: RawAttributes): QueueAttributes => {
  const fifo = name.endsWith('.fifo');
  for (const [key, value] of Object.entries(raw)) checkAttribute(key, value, fifo);
  if (fifo && raw.FifoQueue === undefined) {
    throw new SqsError('InvalidParameterValue', 'The name of a queue that ends in .fifo needs FifoQueue to be true.');
  }
  if (raw.FifoThroughputLimit === 'perMessageGroupId' && raw.DeduplicationScope !== 'messageGroup') {
    throw invalidValue('FifoThroughputLimit');
  }
  const redrivePolicy = raw.RedrivePolicy ? readRedrivePolicy(raw.RedrivePolicy, fifo) : undefined;
  return {
    fifo,
    visibilityTimeout: numberOf(raw, 'VisibilityTimeout'),
    messageRetentionPeriod: numberOf(raw, 'MessageRetentionPeriod'),
    delaySeconds: numberOf(raw, 'DelaySeconds'),
    maximumMessageSize: numberOf(raw, 'MaximumMessageSize'),
    receiveMessageWaitTimeSeconds: numberOf(raw, 'ReceiveMessageWaitTimeSeconds'),
    contentBasedDeduplication: raw.ContentBasedDeduplication === 'true',
    deduplicationScope: raw.DeduplicationScope === 'messageGroup' ? 'messageGroup' : 'queue',
    ...(redrivePolicy && { redrivePolicy }),
  };
};

/** The attributes as `GetQueueAttributes` shows them. */
export const writtenAttributes = (raw: RawAttributes, fifo: boolean): RawAttributes => ({
  ...Object.fromEntries(Object.entries(numbers).map(([key, [, , standard]]) => [key, String(standard)])),
  SqsManagedSseEnabled: 'true',
  ...(fifo && { ContentBasedDeduplication: 'false', DeduplicationScope: 'queue', FifoThroughputLimit: 'perQueue' }),
  ...raw,
});

/**
 * Name of the first attribute in `wanted` that a queue made with `existing` has differently. Assumption: what is not in
 * `wanted` does not matter.
 */
export const differingAttribute = (
  existing: RawAttributes,
  wanted: RawAttributes,
  fifo: boolean,
): string | undefined => {
  const has = writtenAttributes(existing, fifo);
  return Object.keys(wanted).find((key) => has[key] !== wanted[key]);
};

const checkAttribute = (key: string, value: string, fifo: boolean): void => {
  const range = numbers[key];
  if (range !== undefined) {
    if (!/^\d+$/.test(value) || Number(value) < range[0] || Number(value) > range[1]) throw invalidValue(key);
    return;
  }
  const allowed = choices[key];
  if (allowed !== undefined) {
    // AWS calls FifoQueue unknown where the queue is none.
    if (!fifo && (key === 'FifoQueue' || onlyFifo.includes(key))) throw unknownAttribute(key);
    if (!allowed.includes(value)) throw invalidValue(key);
    return;
  }
  if (key !== 'RedrivePolicy' && !unchecked.includes(key)) throw unknownAttribute(key);
};

export const unknownAttribute = (key: string): SqsError =>
  new SqsError('InvalidAttributeName', `Unknown Attribute ${key}.`);

const invalidValue = (key: string): SqsError =>
  new SqsError('InvalidAttributeValue', `Invalid value for the parameter ${key}.`);

const numberOf = (raw: RawAttributes, key: string): number => Number(raw[key] ?? numbers[key]?.[2]);

const readRedrivePolicy = (text: string, fifo: boolean): RedrivePolicy => {
  let policy: Partial<Record<keyof RedrivePolicy, unknown>>;
  try {
    policy = JSON.parse(text) as typeof policy;
  } catch {
    throw invalidValue('RedrivePolicy');
  }
  const target = policy.deadLetterTargetArn;
  const maxReceiveCount = Number(policy.maxReceiveCount);
  if (typeof target !== 'string' || !Number.isInteger(maxReceiveCount)) throw invalidValue('RedrivePolicy');
  if (maxReceiveCount < 1 || maxReceiveCount > 1_000) throw invalidValue('RedrivePolicy');
  // The dead-letter queue of a FIFO queue must be one, and of a standard queue must not.
  if (target.endsWith('.fifo') !== fifo) throw invalidValue('RedrivePolicy');
  return { deadLetterTargetArn: target, maxReceiveCount };
};
