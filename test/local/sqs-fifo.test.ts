/** The SQS stand-in, asked by the real SDK: FIFO queues. */
import { DeleteMessageBatchCommand, type Message, SendMessageBatchCommand } from '@aws-sdk/client-sqs';
import { bodies, failureOf, type SqsHarness, startSqs } from './fixtures/sqs-harness.ts';

let aws: SqsHarness;
let url: string;
beforeEach(async () => {
  aws = await startSqs();
  url = await aws.createFifo('q.fifo', { VisibilityTimeout: '10' });
});
afterEach(async () => {
  await aws.stop();
  expect(aws.clock.pending()).toBe(0);
});

const sendAll = async (group: string, ...messages: string[]): Promise<void> => {
  for (const body of messages) await aws.sendTo(url, group, body);
};

describe('groups', () => {
  test('Receive(10) returns 10 of one group, in order', async () => {
    const numbers = Array.from({ length: 12 }, (_, n) => String(n));
    await sendAll('g', ...numbers);
    expect(bodies(await aws.receive(url))).toEqual(numbers.slice(0, 10));
  });

  test('FIFO group blocking: nothing of a group while one of it is in flight', async () => {
    await sendAll('g', '1', '2', '3');
    const [first] = await aws.receive(url, { MaxNumberOfMessages: 1 });
    expect(await aws.receive(url)).toEqual([]);
    await aws.delete(url, first);
    expect(bodies(await aws.receive(url))).toEqual(['2', '3']);
  });

  test('FIFO group blocking: another group goes on', async () => {
    await sendAll('g', 'g1', 'g2');
    await sendAll('h', 'h1', 'h2');
    expect(bodies(await aws.receive(url, { MaxNumberOfMessages: 1 }))).toEqual(['g1']);
    expect(bodies(await aws.receive(url))).toEqual(['h1', 'h2']);
  });

  test('a visibility timeout that ends hands the same messages out again, first ones first', async () => {
    await sendAll('g', '1', '2', '3');
    await aws.receive(url, { MaxNumberOfMessages: 2 });
    await aws.clock.advance(10_000);
    expect(bodies(await aws.receive(url))).toEqual(['1', '2', '3']);
  });

  test('a group stays blocked while the last of a batch is in flight', async () => {
    await sendAll('g', '1', '2', '3');
    const [first] = await aws.receive(url, { MaxNumberOfMessages: 2 });
    await aws.delete(url, first);
    expect(await aws.receive(url)).toEqual([]);
    await aws.clock.advance(10_000);
    expect(bodies(await aws.receive(url))).toEqual(['2', '3']);
  });

  test('long poll: woken when a group is unblocked by a delete', async () => {
    await sendAll('g', '1', '2');
    const [first] = await aws.receive(url, { MaxNumberOfMessages: 1 });
    const receiving = aws.receive(url, { WaitTimeSeconds: 20 });
    while (aws.clock.pending() === 0) await new Promise((resolve) => setImmediate(resolve));
    await aws.delete(url, first);
    expect(bodies(await receiving)).toEqual(['2']);
  });

  test('sequence numbers grow, group and deduplication id are told', async () => {
    const sent = [
      await aws.send(url, '1', { MessageGroupId: 'g', MessageDeduplicationId: 'd1' }),
      await aws.send(url, '2', { MessageGroupId: 'g', MessageDeduplicationId: 'd2' }),
    ].map(({ SequenceNumber }) => SequenceNumber as string);
    expect(sent[0]).toMatch(/^\d{20}$/);
    expect(BigInt(sent[1] ?? 0)).toBeGreaterThan(BigInt(sent[0] ?? 0));
    const received = await aws.receive(url);
    expect(received.map(({ Attributes }) => Attributes)).toMatchObject([
      { MessageGroupId: 'g', MessageDeduplicationId: 'd1', SequenceNumber: sent[0] },
      { MessageGroupId: 'g', MessageDeduplicationId: 'd2', SequenceNumber: sent[1] },
    ]);
  });

  test('a message needs a group id; ids are 1 to 128 printable characters', async () => {
    const ids = (MessageGroupId: string | undefined, MessageDeduplicationId: string) =>
      failureOf(aws.send(url, 'x', { MessageGroupId, MessageDeduplicationId }));
    expect((await ids(undefined, 'd')).name).toBe('MissingParameter');
    for (const bad of ['a b', 'ä', 'a'.repeat(129)]) {
      expect((await ids(bad, 'd')).name).toBe('InvalidParameterValue');
      expect((await ids('g', bad)).name).toBe('InvalidParameterValue');
    }
    expect((await ids('!"#$%&\'()*+,-./:;<=>?@[]^_`{|}~', 'a'.repeat(128))).name).toBe('none');
  });

  test('no delay per message', async () => {
    const delayed = { MessageGroupId: 'g', MessageDeduplicationId: 'd', DelaySeconds: 1 };
    expect((await failureOf(aws.send(url, 'x', delayed))).name).toBe('InvalidParameterValue');
    await aws.send(url, 'x', { ...delayed, DelaySeconds: 0 });
    expect(bodies(await aws.receive(url))).toEqual(['x']);
  });
});

describe('deduplication', () => {
  const send = (group: string, id: string, body = 'x') =>
    aws.send(url, body, { MessageGroupId: group, MessageDeduplicationId: id });

  test('a repeat within 5 minutes is accepted and dropped', async () => {
    const first = await send('g', 'd', 'one');
    const second = await send('g', 'd', 'two');
    expect(second).toMatchObject({ MessageId: first.MessageId, SequenceNumber: first.SequenceNumber });
    expect(bodies(await aws.receive(url))).toEqual(['one']);
  });

  test('the id is remembered after the message was deleted, for 5 minutes', async () => {
    await send('g', 'd', 'one');
    await aws.delete(url, (await aws.receive(url))[0]);
    await aws.clock.advance(299_999);
    await send('g', 'd', 'two');
    expect(await aws.receive(url)).toEqual([]);
    await aws.clock.advance(1);
    await send('g', 'd', 'three');
    expect(bodies(await aws.receive(url))).toEqual(['three']);
  });

  test('scope: the whole queue, or each group', async () => {
    await send('g', 'd');
    await send('h', 'd');
    expect(await aws.receive(url)).toHaveLength(1);
    url = await aws.createFifo('scoped.fifo', { DeduplicationScope: 'messageGroup' });
    await send('g', 'd');
    await send('h', 'd');
    expect(await aws.receive(url)).toHaveLength(2);
  });

  test('by content where the queue says so; else an id is needed', async () => {
    expect((await failureOf(aws.send(url, 'x', { MessageGroupId: 'g' }))).name).toBe('InvalidParameterValue');
    url = await aws.createFifo('content.fifo', { ContentBasedDeduplication: 'true' });
    for (const body of ['x', 'x', 'y']) await aws.send(url, body, { MessageGroupId: 'g' });
    expect(bodies(await aws.receive(url))).toEqual(['x', 'y']);
  });

  test('within one batch too', async () => {
    const Entries = ['a', 'b'].map((Id) => ({ Id, MessageBody: Id, MessageGroupId: 'g', MessageDeduplicationId: 'd' }));
    const { Successful } = await aws.client.send(new SendMessageBatchCommand({ QueueUrl: url, Entries }));
    expect(Successful?.[0]?.MessageId).toBe(Successful?.[1]?.MessageId);
    expect(bodies(await aws.receive(url))).toEqual(['a']);
  });
});

describe('receipts', () => {
  const expired = { name: 'InvalidParameterValue', message: expect.stringContaining('The receipt handle has expired') };

  test('a delete after the visibility ended does not delete', async () => {
    await sendAll('g', '1');
    const [message] = await aws.receive(url);
    await aws.clock.advance(10_000);
    expect(await failureOf(aws.delete(url, message))).toMatchObject(expired);
    expect(bodies(await aws.receive(url))).toEqual(['1']);
    expect(await failureOf(aws.delete(url, message))).toMatchObject(expired);
  });

  test('a visibility of 0 makes a receipt that is expired at once', async () => {
    await sendAll('g', '1');
    const [message] = await aws.receive(url, { VisibilityTimeout: 0 });
    expect(await failureOf(aws.delete(url, message))).toMatchObject(expired);
  });

  test('an expired receipt of a message that is deleted meanwhile is no success (assumption)', async () => {
    await sendAll('g', '1');
    const [old] = await aws.receive(url);
    await aws.clock.advance(10_000);
    await aws.delete(url, (await aws.receive(url))[0]);
    expect(await failureOf(aws.delete(url, old))).toMatchObject(expired);
  });

  test('deleting twice while the receipt is good is no error (assumption)', async () => {
    await sendAll('g', '1');
    const [message] = await aws.receive(url);
    await aws.delete(url, message);
    expect((await failureOf(aws.delete(url, message))).name).toBe('none');
  });

  test('in a batch the expired entries fail, the others are deleted', async () => {
    await sendAll('g', '1');
    await sendAll('h', '2');
    const [short] = await aws.receive(url, { MaxNumberOfMessages: 1, VisibilityTimeout: 1 });
    const [long] = await aws.receive(url);
    await aws.clock.advance(1_000);
    const Entries = [short, long].map((message, index) => ({
      Id: String(index),
      ReceiptHandle: (message as Message).ReceiptHandle,
    }));
    const result = await aws.client.send(new DeleteMessageBatchCommand({ QueueUrl: url, Entries }));
    expect(result.Successful).toEqual([{ Id: '1' }]);
    expect(result.Failed).toEqual([
      { Id: '0', SenderFault: true, Code: 'ReceiptHandleIsInvalid', Message: 'The receipt handle has expired' },
    ]);
  });
});
