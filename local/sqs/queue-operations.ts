/** Operations on queues, as the SDK calls them. Names and shapes are those of the SQS API reference. */
import { SqsError } from './errors.ts';
import { type RawAttributes, unknownAttribute, writtenAttributes } from './queue-attributes.ts';
import { type QueueEntry, queueArn } from './queues.ts';
import { checkRange, type Operation, queueOf } from './request.ts';

const PURGE_MS = 60_000;
const allowedName = /^[A-Za-z0-9_-]{1,80}$/;

export const queueOperations: Readonly<Record<string, Operation>> = {
  CreateQueue: ({ QueueName, Attributes = {} }, { queues, faults, urlOf }) => {
    const name = readQueueName(QueueName, Attributes);
    if (faults.strikes('sqs.throttleCreateQueue', faults.live.sqs.throttleCreateQueue)) {
      throw new SqsError('RequestThrottled', 'Rate of CreateQueue exceeded.');
    }
    return { QueueUrl: urlOf(queues.create(name, Attributes).name) };
  },

  DeleteQueue: (request, { queues }) => {
    queues.drop(queueOf(request, queues).name);
    return {};
  },

  GetQueueUrl: ({ QueueName = '' }, { queues, urlOf }) => ({ QueueUrl: urlOf(queues.find(QueueName).name) }),

  ListQueues: ({ QueueNamePrefix = '', MaxResults, NextToken }, { queues, urlOf }) => {
    checkRange('MaxResults', MaxResults, 1, 1_000);
    const after = NextToken === undefined ? '' : Buffer.from(NextToken, 'base64').toString();
    const names = queues.names().filter((name) => name.startsWith(QueueNamePrefix) && name > after);
    const page = names.slice(0, MaxResults ?? 1_000);
    const last = page.at(-1);
    return {
      ...(page.length > 0 && { QueueUrls: page.map(urlOf) }),
      // Without MaxResults there are no pages: AWS then answers at most 1,000 queues.
      ...(MaxResults !== undefined &&
        names.length > page.length &&
        last !== undefined && { NextToken: Buffer.from(last).toString('base64') }),
    };
  },

  GetQueueAttributes: (request, { queues, clock }) => {
    const all = attributesOf(queueOf(request, queues), clock.now());
    const asked = request.AttributeNames ?? [];
    if (asked.includes('All')) return { Attributes: all };
    const chosen: Record<string, string> = {};
    for (const name of asked) {
      if (!knownAttributes.has(name)) throw unknownAttribute(name);
      const value = all[name];
      if (value !== undefined) chosen[name] = value;
    }
    return { Attributes: chosen };
  },

  PurgeQueue: (request, { queues, clock }) => {
    const entry = queueOf(request, queues);
    const now = clock.now();
    if (entry.purgedAt !== undefined && entry.purgedAt + PURGE_MS > now) {
      throw new SqsError('PurgeQueueInProgress', 'Only one PurgeQueue operation is allowed every 60 seconds.');
    }
    entry.purgedAt = now;
    entry.queue.purge(now);
    return {};
  },
};

const readQueueName = (name: string | undefined, raw: RawAttributes): string => {
  const fifo = raw.FifoQueue === 'true';
  const stem = name?.endsWith('.fifo') ? name.slice(0, -'.fifo'.length) : name;
  const allowed = name !== undefined && stem !== undefined && name.length <= 80 && allowedName.test(stem);
  if (!allowed || (fifo && stem === name)) {
    throw new SqsError(
      'InvalidParameterValue',
      fifo
        ? 'The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length'
        : 'Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length',
    );
  }
  return name;
};

const computedAttributes = [
  'QueueArn',
  'CreatedTimestamp',
  'LastModifiedTimestamp',
  'ApproximateNumberOfMessages',
  'ApproximateNumberOfMessagesNotVisible',
  'ApproximateNumberOfMessagesDelayed',
];

const knownAttributes: ReadonlySet<string> = new Set([
  ...computedAttributes,
  ...Object.keys(writtenAttributes({}, true)),
  'FifoQueue',
  'RedrivePolicy',
  'RedriveAllowPolicy',
  'Policy',
  'KmsMasterKeyId',
  'KmsDataKeyReusePeriodSeconds',
]);

const attributesOf = ({ name, raw, createdAt, queue }: QueueEntry, now: number): Readonly<Record<string, string>> => {
  const { visible, inFlight, delayed } = queue.counts(now);
  const created = String(Math.floor(createdAt / 1_000));
  return {
    ...writtenAttributes(raw, queue.attributes.fifo),
    QueueArn: queueArn(name),
    CreatedTimestamp: created,
    LastModifiedTimestamp: created,
    ApproximateNumberOfMessages: String(visible),
    ApproximateNumberOfMessagesNotVisible: String(inFlight),
    ApproximateNumberOfMessagesDelayed: String(delayed),
  };
};
