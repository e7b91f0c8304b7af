/** The SQS stand-in, asked by the real SDK: making, finding and deleting queues. */
import {
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ListQueuesCommand,
  PurgeQueueCommand,
  SendMessageCommand,
  TagQueueCommand,
} from '@aws-sdk/client-sqs';
import { bodies, failureOf, type SqsHarness, startSqs } from './fixtures/sqs-harness.ts';

let aws: SqsHarness;
beforeEach(async () => {
  aws = await startSqs();
});
afterEach(async () => {
  await aws.stop();
  expect(aws.clock.pending()).toBe(0);
});

describe('CreateQueue', () => {
  test('answers the URL under which the queue is found', async () => {
    const url = await aws.create('orders');
    expect(url).toBe(`${aws.urlBase}orders`);
    expect((await aws.client.send(new GetQueueUrlCommand({ QueueName: 'orders' }))).QueueUrl).toBe(url);
  });

  test('is idempotent with equal attributes, defaults and a subset included', async () => {
    const url = await aws.create('q', { VisibilityTimeout: '10' });
    expect(await aws.create('q', { VisibilityTimeout: '10' })).toBe(url);
    expect(await aws.create('q', { VisibilityTimeout: '10', DelaySeconds: '0' })).toBe(url);
    expect(await aws.create('q')).toBe(url);
  });

  test('QueueNameExists where an attribute differs', async () => {
    await aws.create('q', { VisibilityTimeout: '10' });
    expect(await failureOf(aws.create('q', { VisibilityTimeout: '11' }))).toMatchObject({
      name: 'QueueNameExists',
      code: 'QueueAlreadyExists',
      message: expect.stringContaining('VisibilityTimeout'),
    });
  });

  test.each(['', 'a'.repeat(81), 'a b', 'a.b', 'ä', `${'a'.repeat(76)}.fifo`, '.fifo'])(
    'refuses the name %j',
    async (name) => {
      expect((await failureOf(aws.create(name, name.endsWith('.fifo') ? { FifoQueue: 'true' } : {}))).name).toBe(
        'InvalidParameterValue',
      );
    },
  );

  test.each([`${'a'.repeat(75)}.fifo`, 'A_b-9.fifo'])('takes the name %j', async (name) => {
    expect(await aws.createFifo(name)).toBe(`${aws.urlBase}${name}`);
  });

  test('.fifo and FifoQueue go together', async () => {
    expect((await failureOf(aws.create('plain', { FifoQueue: 'true' }))).name).toBe('InvalidParameterValue');
    expect((await failureOf(aws.create('plain', { FifoQueue: 'false' }))).name).toBe('InvalidAttributeName');
    expect((await failureOf(aws.create('x.fifo'))).name).toBe('InvalidParameterValue');
    expect((await failureOf(aws.create('plain', { ContentBasedDeduplication: 'true' }))).name).toBe(
      'InvalidAttributeName',
    );
  });

  test.each([
    ['VisibilityTimeout', '43201'],
    ['VisibilityTimeout', '-1'],
    ['VisibilityTimeout', 'soon'],
    ['MessageRetentionPeriod', '59'],
    ['MessageRetentionPeriod', '1209601'],
    ['DelaySeconds', '901'],
    ['ReceiveMessageWaitTimeSeconds', '21'],
    ['MaximumMessageSize', '1048577'],
    ['RedrivePolicy', 'no JSON'],
    ['RedrivePolicy', '{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:d.fifo","maxReceiveCount":1}'],
    ['RedrivePolicy', '{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:d","maxReceiveCount":0}'],
  ])('InvalidAttributeValue: %s = %s', async (name, value) => {
    expect((await failureOf(aws.create('q', { [name]: value }))).name).toBe('InvalidAttributeValue');
  });

  test('InvalidAttributeName for an attribute that does not exist', async () => {
    expect((await failureOf(aws.create('q', { Colour: 'red' }))).name).toBe('InvalidAttributeName');
  });

  test('high throughput needs a deduplication scope per group', async () => {
    const perGroup = { FifoThroughputLimit: 'perMessageGroupId' };
    expect((await failureOf(aws.createFifo('a.fifo', perGroup))).name).toBe('InvalidAttributeValue');
    await aws.createFifo('a.fifo', { ...perGroup, DeduplicationScope: 'messageGroup' });
  });

  test('same name only 60 s after a delete (QueueDeletedRecently)', async () => {
    const QueueUrl = await aws.create('q');
    await aws.client.send(new DeleteQueueCommand({ QueueUrl }));
    await aws.clock.advance(59_999);
    expect(await failureOf(aws.create('q'))).toMatchObject({
      name: 'QueueDeletedRecently',
      code: 'AWS.SimpleQueueService.QueueDeletedRecently',
    });
    await aws.clock.advance(1);
    expect(await aws.create('q')).toBe(QueueUrl);
    expect(await aws.receive(QueueUrl)).toEqual([]);
  });

  test('throttled on demand (RequestThrottled)', async () => {
    aws.faults.set({ sqs: { throttleCreateQueue: { next: 1 } } });
    expect((await failureOf(aws.create('q'))).name).toBe('RequestThrottled');
    await aws.create('q');
  });

  test('usable after a second, where the switch says so', async () => {
    aws.faults.set({ sqs: { newQueueDelayMs: 1_000 } });
    const url = await aws.create('q');
    expect((await failureOf(aws.send(url, 'x'))).name).toBe('QueueDoesNotExist');
    expect(await aws.create('q')).toBe(url);
    await aws.clock.advance(1_000);
    expect((await failureOf(aws.send(url, 'x'))).name).toBe('none');
  });
});

describe('finding', () => {
  test('QueueDoesNotExist, and how AWS spells it in the older protocol', async () => {
    const nowhere = `${aws.urlBase}nowhere`;
    const expected = { name: 'QueueDoesNotExist', code: 'AWS.SimpleQueueService.NonExistentQueue' };
    expect(await failureOf(aws.send(nowhere, 'x'))).toMatchObject(expected);
    expect(await failureOf(aws.receive(nowhere))).toMatchObject(expected);
    expect(await failureOf(aws.client.send(new GetQueueUrlCommand({ QueueName: 'nowhere' })))).toMatchObject(expected);
    expect(await failureOf(aws.client.send(new DeleteQueueCommand({ QueueUrl: nowhere })))).toMatchObject(expected);
  });

  test('the error is an instance of the SDK’s class', async () => {
    const { QueueDoesNotExist } = await import('@aws-sdk/client-sqs');
    await expect(aws.send(`${aws.urlBase}nowhere`, 'x')).rejects.toBeInstanceOf(QueueDoesNotExist);
  });

  test('what is no queue URL is InvalidAddress', async () => {
    const command = new SendMessageCommand({ QueueUrl: `${aws.urlBase}a/b/c`, MessageBody: 'x' });
    expect((await failureOf(aws.client.send(command))).name).toBe('InvalidAddress');
  });

  test('the host of a queue URL does not matter', async () => {
    await aws.create('q');
    await aws.send('https://sqs.eu-west-1.amazonaws.com/123456789012/q', 'x');
    expect(bodies(await aws.receive(`${aws.urlBase}q`))).toEqual(['x']);
  });

  test('ListQueues: by prefix, in pages', async () => {
    for (const name of ['a-1', 'a-2', 'a-3', 'b-1']) await aws.create(name);
    const all = await aws.client.send(new ListQueuesCommand({ QueueNamePrefix: 'a-' }));
    expect(all.QueueUrls).toEqual(['a-1', 'a-2', 'a-3'].map((name) => `${aws.urlBase}${name}`));
    expect(all.NextToken).toBeUndefined();
    const first = await aws.client.send(new ListQueuesCommand({ QueueNamePrefix: 'a-', MaxResults: 2 }));
    expect(first.QueueUrls).toHaveLength(2);
    const second = await aws.client.send(
      new ListQueuesCommand({ QueueNamePrefix: 'a-', MaxResults: 2, NextToken: first.NextToken }),
    );
    expect(second.QueueUrls).toEqual([`${aws.urlBase}a-3`]);
    expect(second.NextToken).toBeUndefined();
    expect((await aws.client.send(new ListQueuesCommand({ QueueNamePrefix: 'z' }))).QueueUrls).toBeUndefined();
  });

  test.each([0, 1_001])('ListQueues: pages of %d are refused', async (MaxResults) => {
    expect((await failureOf(aws.client.send(new ListQueuesCommand({ MaxResults })))).name).toBe(
      'InvalidParameterValue',
    );
  });

  test('ListQueues: there is a NextToken where more is there, and only to one who asked for pages', async () => {
    for (let n = 0; n < 1_001; n += 1) aws.sqs.queues.provide(`q-${n}`, {});
    const list = (more: object) => aws.client.send(new ListQueuesCommand({ QueueNamePrefix: 'q-', ...more }));
    const unasked = await list({});
    expect(unasked.QueueUrls).toHaveLength(1_000);
    expect(unasked.NextToken).toBeUndefined();
    const { QueueUrls = [], NextToken } = await list({ MaxResults: 1_000 });
    expect(QueueUrls).toHaveLength(1_000);
    expect(NextToken).toBeDefined();
    const rest = await list({ MaxResults: 1, NextToken });
    expect(rest.QueueUrls).toHaveLength(1);
    expect(QueueUrls).not.toContain(rest.QueueUrls?.[0]);
    expect(rest.NextToken).toBeUndefined();
  });

  test('an operation it does not know is named', async () => {
    const command = new TagQueueCommand({ QueueUrl: await aws.create('q'), Tags: { a: 'b' } });
    expect((await failureOf(aws.client.send(command))).message).toContain('TagQueue');
  });
});

describe('GetQueueAttributes', () => {
  const attributesOf = async (QueueUrl: string, ...AttributeNames: string[]) => {
    const command = new GetQueueAttributesCommand({ QueueUrl, AttributeNames: AttributeNames as 'All'[] });
    return (await aws.client.send(command)).Attributes;
  };

  test('counts visible, in flight and delayed messages', async () => {
    const url = await aws.create('q');
    for (const body of ['1', '2', '3']) await aws.send(url, body);
    await aws.send(url, 'later', { DelaySeconds: 5 });
    await aws.receive(url, { MaxNumberOfMessages: 1 });
    expect(
      await attributesOf(
        url,
        'ApproximateNumberOfMessages',
        'ApproximateNumberOfMessagesNotVisible',
        'ApproximateNumberOfMessagesDelayed',
      ),
    ).toEqual({
      ApproximateNumberOfMessages: '2',
      ApproximateNumberOfMessagesNotVisible: '1',
      ApproximateNumberOfMessagesDelayed: '1',
    });
  });

  test('All: what was given, defaults, redrive policy', async () => {
    await aws.createFifo('dead.fifo');
    const RedrivePolicy = JSON.stringify({
      deadLetterTargetArn: 'arn:aws:sqs:us-east-1:000000000000:dead.fifo',
      maxReceiveCount: 3,
    });
    const url = await aws.createFifo('q.fifo', { RedrivePolicy, VisibilityTimeout: '10' });
    expect(await attributesOf(url, 'All')).toMatchObject({
      QueueArn: 'arn:aws:sqs:us-east-1:000000000000:q.fifo',
      VisibilityTimeout: '10',
      MessageRetentionPeriod: '345600',
      FifoQueue: 'true',
      ContentBasedDeduplication: 'false',
      DeduplicationScope: 'queue',
      FifoThroughputLimit: 'perQueue',
      RedrivePolicy,
      CreatedTimestamp: String(aws.clock.now() / 1_000),
    });
  });

  test('none asked, none given; an unknown one is InvalidAttributeName', async () => {
    const url = await aws.create('q');
    expect(await attributesOf(url)).toEqual({});
    expect((await failureOf(attributesOf(url, 'Colour'))).name).toBe('InvalidAttributeName');
  });
});

describe('emptying and deleting', () => {
  test('PurgeQueue removes everything, in flight included, and only once a minute', async () => {
    const url = await aws.create('q');
    await aws.send(url, '1');
    await aws.send(url, '2');
    await aws.receive(url, { MaxNumberOfMessages: 1 });
    await aws.client.send(new PurgeQueueCommand({ QueueUrl: url }));
    await aws.clock.advance(30_000);
    expect(await aws.receive(url)).toEqual([]);
    const again = aws.client.send(new PurgeQueueCommand({ QueueUrl: url }));
    expect((await failureOf(again)).name).toBe('PurgeQueueInProgress');
  });

  test('DeleteQueue ends a long poll', async () => {
    const url = await aws.create('q');
    const receiving = failureOf(aws.receive(url, { WaitTimeSeconds: 20 }));
    while (aws.clock.pending() === 0) await new Promise((resolve) => setImmediate(resolve));
    await aws.client.send(new DeleteQueueCommand({ QueueUrl: url }));
    expect((await receiving).name).toBe('QueueDoesNotExist');
  });

  test('messages past their retention are gone, in flight or not', async () => {
    const url = await aws.create('q', { MessageRetentionPeriod: '60' });
    await aws.send(url, 'old');
    await aws.clock.advance(30_000);
    await aws.send(url, 'young');
    await aws.clock.advance(30_000);
    expect(bodies(await aws.receive(url))).toEqual(['young']);
  });
});
