/** The SQS stand-in, asked by the real SDK: what all queues do with messages, and what only standard queues do. */
import {
  ChangeMessageVisibilityBatchCommand,
  ChangeMessageVisibilityCommand,
  DeleteMessageBatchCommand,
  DeleteMessageCommand,
  type Message,
  SendMessageBatchCommand,
  type SendMessageBatchRequestEntry,
} from '@aws-sdk/client-sqs';
import { bodies, failureOf, type SqsHarness, startSqs } from './fixtures/sqs-harness.ts';

let aws: SqsHarness;
let url: string;
beforeEach(async () => {
  aws = await startSqs();
  url = await aws.create('q', { VisibilityTimeout: '30' });
});
afterEach(async () => {
  await aws.stop();
  expect(aws.clock.pending()).toBe(0);
});

const one = async (more: object = {}): Promise<Message> => (await aws.receive(url, more))[0] as Message;
const hide = (ReceiptHandle: string | undefined, VisibilityTimeout: number) =>
  aws.client.send(new ChangeMessageVisibilityCommand({ QueueUrl: url, ReceiptHandle, VisibilityTimeout }));

describe('sending', () => {
  test('a message comes with its id, digest and system attributes', async () => {
    const { MessageId } = await aws.send(url, 'hello');
    await aws.clock.advance(1_000);
    const message = await one();
    expect(message).toMatchObject({ MessageId, Body: 'hello', MD5OfBody: '5d41402abc4b2a76b9719d911017c592' });
    expect(message.Attributes).toEqual({
      SenderId: expect.any(String),
      SentTimestamp: String(aws.clock.now() - 1_000),
      ApproximateReceiveCount: '1',
      ApproximateFirstReceiveTimestamp: String(aws.clock.now()),
    });
  });

  test('system attributes only as asked', async () => {
    await aws.send(url, 'x');
    const message = await one({ MessageSystemAttributeNames: ['SentTimestamp'] });
    expect(Object.keys(message.Attributes ?? {})).toEqual(['SentTimestamp']);
  });

  test('message attributes, as asked, with their digest', async () => {
    const attributes = {
      'my.text': { DataType: 'String', StringValue: 'one' },
      'my.bytes': { DataType: 'Binary', BinaryValue: Buffer.from([1, 2, 3]) },
      other: { DataType: 'Number', StringValue: '7' },
    };
    const sent = await aws.send(url, 'x', { MessageAttributes: attributes });
    const message = await one({ MessageAttributeNames: ['my.*'], VisibilityTimeout: 0 });
    expect(Object.keys(message.MessageAttributes ?? {}).sort()).toEqual(['my.bytes', 'my.text']);
    expect([...(message.MessageAttributes?.['my.bytes']?.BinaryValue ?? [])]).toEqual([1, 2, 3]);
    expect((await one({ MessageAttributeNames: ['All'], VisibilityTimeout: 0 })).MD5OfMessageAttributes).toBe(
      (sent as { MD5OfMessageAttributes?: string }).MD5OfMessageAttributes,
    );
    expect((await one()).MessageAttributes).toBeUndefined();
  });

  test.each(['\t\n\r', ' ~', 'ä€', '\uD7FF\uE000\uFFFD', '😀'])('body characters: %j is taken', async (body) => {
    await aws.send(url, body);
    expect((await one()).Body).toBe(body);
  });

  test.each(['\u0000', 'a\u0008', '\u000B', '\u001F', '\uFFFE', '\uFFFF'])(
    'body characters: %j is refused',
    async (body) => {
      expect((await failureOf(aws.send(url, body))).name).toBe('InvalidMessageContents');
    },
  );

  test('a body of 1 MiB passes, a byte more does not', async () => {
    await aws.send(url, 'a'.repeat(1_048_576));
    expect((await failureOf(aws.send(url, 'a'.repeat(1_048_577)))).name).toBe('InvalidParameterValue');
    expect((await failureOf(aws.send(url, 'ä'.repeat(524_289)))).name).toBe('InvalidParameterValue');
  });

  test('message attributes count towards the size, and are ten at most', async () => {
    const MessageAttributes = { a: { DataType: 'String', StringValue: 'b' } };
    const tooLong = aws.send(url, 'a'.repeat(1_048_576), { MessageAttributes });
    expect((await failureOf(tooLong)).name).toBe('InvalidParameterValue');
    const eleven = Object.fromEntries(Array.from({ length: 11 }, (_, n) => [`n${n}`, MessageAttributes.a]));
    expect((await failureOf(aws.send(url, 'x', { MessageAttributes: eleven }))).name).toBe('InvalidParameterValue');
  });

  test('an empty body is a missing one', async () => {
    expect((await failureOf(aws.send(url, ''))).name).toBe('MissingParameter');
  });

  test('delay per message: invisible until then', async () => {
    await aws.send(url, 'later', { DelaySeconds: 5 });
    await aws.clock.advance(4_999);
    expect(await aws.receive(url)).toEqual([]);
    await aws.clock.advance(1);
    expect(bodies(await aws.receive(url))).toEqual(['later']);
    expect((await failureOf(aws.send(url, 'x', { DelaySeconds: 901 }))).name).toBe('InvalidParameterValue');
  });

  test('delay of the queue, unless the message says otherwise', async () => {
    url = await aws.create('slow', { DelaySeconds: '10' });
    await aws.send(url, 'later');
    await aws.send(url, 'now', { DelaySeconds: 0 });
    expect(bodies(await aws.receive(url))).toEqual(['now']);
    await aws.clock.advance(10_000);
    expect(bodies(await aws.receive(url))).toEqual(['later']);
  });

  test('a deduplication id is for FIFO queues only', async () => {
    expect((await failureOf(aws.send(url, 'x', { MessageDeduplicationId: 'd' }))).name).toBe('InvalidParameterValue');
  });
});

describe('receiving', () => {
  test('visibility timeout: hidden, then back with a higher count', async () => {
    await aws.send(url, 'x');
    const first = await one();
    expect(await aws.receive(url)).toEqual([]);
    await aws.clock.advance(29_999);
    expect(await aws.receive(url)).toEqual([]);
    await aws.clock.advance(1);
    const second = await one();
    expect(second.MessageId).toBe(first.MessageId);
    expect(second.ReceiptHandle).not.toBe(first.ReceiptHandle);
    expect(second.Attributes?.ApproximateReceiveCount).toBe('2');
    expect(second.Attributes?.ApproximateFirstReceiveTimestamp).toBe(String(aws.clock.now() - 30_000));
  });

  test('one message by default, ten at most', async () => {
    for (let n = 0; n < 12; n += 1) await aws.send(url, String(n));
    expect(await aws.receive(url, { MaxNumberOfMessages: undefined })).toHaveLength(1);
    expect(await aws.receive(url)).toHaveLength(10);
    for (const MaxNumberOfMessages of [0, 11]) {
      expect((await failureOf(aws.receive(url, { MaxNumberOfMessages }))).name).toBe('InvalidParameterValue');
    }
    expect((await failureOf(aws.receive(url, { WaitTimeSeconds: 21 }))).name).toBe('InvalidParameterValue');
    expect((await failureOf(aws.receive(url, { VisibilityTimeout: 43_201 }))).name).toBe('InvalidParameterValue');
  });

  test('order: none; a batch of a standard queue comes shuffled', async () => {
    const numbers = Array.from({ length: 10 }, (_, n) => String(n));
    for (const body of numbers) await aws.send(url, body);
    expect(bodies(await aws.receive(url)).sort()).toEqual(numbers);
  });

  const untilWaiting = async (): Promise<void> => {
    while (aws.clock.pending() === 0) await new Promise((resolve) => setImmediate(resolve));
  };

  test('long poll: woken by a send', async () => {
    const receiving = aws.receive(url, { WaitTimeSeconds: 20 });
    await untilWaiting();
    await aws.send(url, 'x');
    expect(bodies(await receiving)).toEqual(['x']);
  });

  test('long poll: woken when a delay ends', async () => {
    await aws.send(url, 'x', { DelaySeconds: 3 });
    const receiving = aws.receive(url, { WaitTimeSeconds: 20 });
    await untilWaiting();
    await aws.clock.advance(3_000);
    expect(bodies(await receiving)).toEqual(['x']);
  });

  test('long poll: woken when a visibility timeout ends', async () => {
    await aws.send(url, 'x');
    await aws.receive(url, { VisibilityTimeout: 7 });
    const receiving = aws.receive(url, { WaitTimeSeconds: 20 });
    await untilWaiting();
    await aws.clock.advance(7_000);
    expect(bodies(await receiving)).toEqual(['x']);
  });

  test('long poll: empty after its time', async () => {
    const receiving = aws.receive(url, { WaitTimeSeconds: 20 });
    await untilWaiting();
    await aws.clock.advance(20_000);
    expect(await receiving).toEqual([]);
  });

  test('long poll: a caller that left takes nothing', async () => {
    const leaving = new AbortController();
    const { ReceiveMessageCommand } = await import('@aws-sdk/client-sqs');
    const command = new ReceiveMessageCommand({ QueueUrl: url, WaitTimeSeconds: 20 });
    const receiving = failureOf(aws.client.send(command, { abortSignal: leaving.signal }));
    await untilWaiting();
    leaving.abort();
    await receiving;
    while (aws.clock.pending() > 0) await new Promise((resolve) => setImmediate(resolve));
    await aws.send(url, 'x');
    expect(bodies(await aws.receive(url))).toEqual(['x']);
  });

  test('duplicates of a standard queue, on demand: the message comes again though it was deleted', async () => {
    aws.faults.set({ sqs: { double: { next: 1 } } });
    await aws.send(url, 'x');
    const first = await one();
    await aws.delete(url, first);
    const second = await one();
    expect(second).toMatchObject({ MessageId: first.MessageId, Body: 'x' });
    await aws.delete(url, second);
    await aws.clock.advance(60_000);
    expect(await aws.receive(url)).toEqual([]);
  });

  test('an empty answer though there are messages, on demand', async () => {
    aws.faults.set({ sqs: { emptyReceive: { next: 1 } } });
    await aws.send(url, 'x');
    expect(await aws.receive(url)).toEqual([]);
    expect(bodies(await aws.receive(url))).toEqual(['x']);
  });
});

describe('receipt handles', () => {
  test('garbage is ReceiptHandleIsInvalid', async () => {
    const other = await aws.create('other');
    await aws.send(other, 'x');
    const foreign = (await aws.receive(other))[0]?.ReceiptHandle;
    for (const ReceiptHandle of ['garbage', 'Z2FyYmFnZQ==', foreign]) {
      const deletion = aws.client.send(new DeleteMessageCommand({ QueueUrl: url, ReceiptHandle }));
      expect((await failureOf(deletion)).name).toBe('ReceiptHandleIsInvalid');
      expect((await failureOf(hide(ReceiptHandle, 5))).name).toBe('ReceiptHandleIsInvalid');
    }
  });

  test('deleting twice is no error', async () => {
    await aws.send(url, 'x');
    const message = await one();
    await aws.delete(url, message);
    expect((await failureOf(aws.delete(url, message))).name).toBe('none');
    await aws.clock.advance(30_000);
    expect(await aws.receive(url)).toEqual([]);
  });

  test('standard-queue delete with an old receipt deletes', async () => {
    await aws.send(url, 'x');
    const old = await one();
    await aws.clock.advance(30_000);
    await one();
    await aws.delete(url, old);
    await aws.clock.advance(30_000);
    expect(await aws.receive(url)).toEqual([]);
  });

  test('visibility changed: hidden longer, or back at once', async () => {
    await aws.send(url, 'x');
    await hide((await one()).ReceiptHandle, 100);
    await aws.clock.advance(99_999);
    expect(await aws.receive(url)).toEqual([]);
    await aws.clock.advance(1);
    await hide((await one()).ReceiptHandle, 0);
    expect(bodies(await aws.receive(url))).toEqual(['x']);
  });

  test('changing the visibility of an expired receipt is MessageNotInflight', async () => {
    await aws.send(url, 'x');
    const old = await one();
    await aws.clock.advance(30_000);
    const expected = { name: 'MessageNotInflight', code: 'AWS.SimpleQueueService.MessageNotInflight' };
    expect(await failureOf(hide(old.ReceiptHandle, 5))).toMatchObject(expected);
    await one();
    expect(await failureOf(hide(old.ReceiptHandle, 5))).toMatchObject(expected);
  });

  test('changing the visibility of a deleted message is InvalidParameterValue', async () => {
    await aws.send(url, 'x');
    const message = await one();
    await aws.delete(url, message);
    expect((await failureOf(hide(message.ReceiptHandle, 5))).name).toBe('InvalidParameterValue');
  });

  test('12 hours after the receive is the end of hiding', async () => {
    await aws.send(url, 'x');
    const message = await one();
    await aws.clock.advance(10_000);
    expect((await failureOf(hide(message.ReceiptHandle, 43_200))).name).toBe('InvalidParameterValue');
    expect((await failureOf(hide(message.ReceiptHandle, 43_190))).name).toBe('none');
  });
});

describe('batches', () => {
  const sendAll = (Entries: SendMessageBatchRequestEntry[]) =>
    aws.client.send(new SendMessageBatchCommand({ QueueUrl: url, Entries }));
  const entry = (Id: string, MessageBody = 'x'): SendMessageBatchRequestEntry => ({ Id, MessageBody });

  test('each entry succeeds or fails for itself', async () => {
    const result = await sendAll([entry('a', '1'), entry('b', '\u0000'), entry('c', '3')]);
    expect(result.Successful?.map(({ Id }) => Id)).toEqual(['a', 'c']);
    expect(result.Failed).toEqual([
      { Id: 'b', SenderFault: true, Code: 'InvalidMessageContents', Message: expect.any(String) },
    ]);
    expect(bodies(await aws.receive(url)).sort()).toEqual(['1', '3']);
  });

  test.each([
    ['none', [], 'EmptyBatchRequest'],
    ['eleven', Array.from({ length: 11 }, (_, n) => entry(`e${n}`)), 'TooManyEntriesInBatchRequest'],
    ['an id twice', [entry('a'), entry('a')], 'BatchEntryIdsNotDistinct'],
    ['a bad id', [entry('a b')], 'InvalidBatchEntryId'],
    ['a long id', [entry('a'.repeat(81))], 'InvalidBatchEntryId'],
    ['1 MiB and a byte', [entry('a', 'a'.repeat(1_000_000)), entry('b', 'b'.repeat(48_577))], 'BatchRequestTooLong'],
  ])('refused as a whole: %s', async (_what, entries, name) => {
    expect((await failureOf(sendAll(entries))).name).toBe(name);
    expect(await aws.receive(url)).toEqual([]);
  });

  test('1 MiB in all passes', async () => {
    const result = await sendAll([entry('a', 'a'.repeat(1_000_000)), entry('b', 'b'.repeat(48_576))]);
    expect(result.Successful).toHaveLength(2);
  });

  test('deletes and changes of visibility', async () => {
    for (const body of ['1', '2', '3']) await aws.send(url, body);
    const messages = await aws.receive(url);
    const handleOf = (body: string) => messages.find(({ Body }) => Body === body)?.ReceiptHandle;
    const deleted = await aws.client.send(
      new DeleteMessageBatchCommand({
        QueueUrl: url,
        Entries: [
          { Id: 'a', ReceiptHandle: handleOf('1') },
          { Id: 'b', ReceiptHandle: 'garbage' },
        ],
      }),
    );
    expect(deleted.Successful).toEqual([{ Id: 'a' }]);
    expect(deleted.Failed).toMatchObject([{ Id: 'b', Code: 'ReceiptHandleIsInvalid', SenderFault: true }]);
    const changed = await aws.client.send(
      new ChangeMessageVisibilityBatchCommand({
        QueueUrl: url,
        Entries: [
          { Id: 'a', ReceiptHandle: handleOf('2'), VisibilityTimeout: 0 },
          { Id: 'b', ReceiptHandle: handleOf('3'), VisibilityTimeout: 43_201 },
        ],
      }),
    );
    expect(changed.Successful).toEqual([{ Id: 'a' }]);
    expect(changed.Failed).toMatchObject([{ Id: 'b', Code: 'InvalidParameterValue' }]);
    expect(bodies(await aws.receive(url))).toEqual(['2']);
  });
});

describe('dead letters', () => {
  const redrive = (name: string, maxReceiveCount: number) => ({
    RedrivePolicy: JSON.stringify({
      deadLetterTargetArn: `arn:aws:sqs:us-east-1:000000000000:${name}`,
      maxReceiveCount,
    }),
  });

  test('after maxReceiveCount receives a message moves, keeping its id and its age', async () => {
    const dead = await aws.create('dead', { MessageRetentionPeriod: '60' });
    url = await aws.create('work', { ...redrive('dead', 2), VisibilityTimeout: '5' });
    const { MessageId } = await aws.send(url, 'poison');
    for (const count of ['1', '2']) {
      expect((await one()).Attributes?.ApproximateReceiveCount).toBe(count);
      await aws.clock.advance(5_000);
    }
    expect(await aws.receive(url)).toEqual([]);
    const [letter] = await aws.receive(dead, { VisibilityTimeout: 0 });
    expect(letter).toMatchObject({ MessageId, Body: 'poison' });
    expect(letter?.Attributes?.['DeadLetterQueueSourceArn' as 'All']).toBe('arn:aws:sqs:us-east-1:000000000000:work');
    await aws.clock.advance(50_000);
    expect(await aws.receive(dead)).toEqual([]);
  });

  test('a FIFO queue’s dead-letter queue counts the age anew, and the group goes on', async () => {
    const dead = await aws.createFifo('dead.fifo', { MessageRetentionPeriod: '60' });
    const fifo = await aws.createFifo('work.fifo', { ...redrive('dead.fifo', 1), VisibilityTimeout: '5' });
    await aws.sendTo(fifo, 'g', 'poison');
    await aws.sendTo(fifo, 'g', 'next');
    expect(bodies(await aws.receive(fifo, { MaxNumberOfMessages: 1 }))).toEqual(['poison']);
    await aws.clock.advance(5_000);
    expect(bodies(await aws.receive(fifo))).toEqual(['next']);
    await aws.clock.advance(56_000);
    expect(bodies(await aws.receive(dead))).toEqual(['poison']);
  });

  test('without a dead-letter queue of that name the message stays', async () => {
    url = await aws.create('work', { ...redrive('nowhere', 1), VisibilityTimeout: '5' });
    await aws.send(url, 'x');
    await one();
    await aws.clock.advance(5_000);
    expect(bodies(await aws.receive(url))).toEqual(['x']);
  });
});
