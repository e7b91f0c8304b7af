/** What a data directory keeps: across stop, across kill -9, and against a second stack. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DynamoDBClient, GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import {
  CreateQueueCommand,
  DeleteMessageCommand,
  DeleteQueueCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { DataDirectoryTakenError } from '../../local/data-directory.ts';
import { eventIn, isEventOf } from './fixtures/lines.ts';
import { startFixtureStack, stopFixtureStacks } from './fixtures/stack-of-fixtures.ts';
import { temporaryDirectory } from './fixtures/temporary-directory.ts';
import { openClient } from './fixtures/web-socket-client.ts';

let data: ReturnType<typeof temporaryDirectory>;
beforeEach(() => {
  data = temporaryDirectory();
});
afterEach(async () => {
  await stopFixtureStacks();
  data.remove();
});

const start = (more: object = {}) => startFixtureStack({ dataDir: data.path, ...more });

/** The SDK's clients for a stack, and the little this file does with them. */
const clientsOf = (endpoint: string) => {
  const config = { endpoint, region: 'us-east-1', credentials: { accessKeyId: 'any', secretAccessKey: 'any' } };
  const dynamodb = new DynamoDBClient(config);
  const sqs = new SQSClient(config);
  const Key = { pk: { S: 'p' }, sk: { S: 's' } };
  const urlOf = (name: string): string => `${endpoint}/000000000000/${name}`;
  return {
    put: (value: string) =>
      dynamodb.send(new PutItemCommand({ TableName: 'sessions', Item: { ...Key, value: { S: value } } })),
    get: async () => (await dynamodb.send(new GetItemCommand({ TableName: 'sessions', Key }))).Item?.value?.S,
    createFifo: (QueueName: string) =>
      sqs.send(new CreateQueueCommand({ QueueName, Attributes: { FifoQueue: 'true', VisibilityTimeout: '600' } })),
    drop: (name: string) => sqs.send(new DeleteQueueCommand({ QueueUrl: urlOf(name) })),
    send: (name: string, body: string, id: string) =>
      sqs.send(
        new SendMessageCommand({
          QueueUrl: urlOf(name),
          MessageBody: body,
          MessageGroupId: body,
          MessageDeduplicationId: id,
        }),
      ),
    sendLater: (name: string, MessageBody: string, DelaySeconds: number) =>
      sqs.send(new SendMessageCommand({ QueueUrl: urlOf(name), MessageBody, DelaySeconds })),
    receive: async (name: string, most = 10) => {
      const command = new ReceiveMessageCommand({ QueueUrl: urlOf(name), MaxNumberOfMessages: most });
      return (await sqs.send(command)).Messages ?? [];
    },
    remove: (name: string, ReceiptHandle: string | undefined) =>
      sqs.send(new DeleteMessageCommand({ QueueUrl: urlOf(name), ReceiptHandle })),
    close: () => {
      dynamodb.destroy();
      sqs.destroy();
    },
  };
};

test('tables and queues: deleted stays deleted, hidden stays hidden, sent twice stays once, due comes when due', async () => {
  const first = await start();
  const before = clientsOf(first.endpoint);
  await before.put('kept');
  await before.createFifo('client.fifo');
  await before.createFifo('gone.fifo');
  await before.drop('gone.fifo');
  for (const body of ['1', '2', '3']) await before.send('client.fifo', body, `d${body}`);
  const [one, two] = await before.receive('client.fifo', 2);
  await before.remove('client.fifo', one?.ReceiptHandle);
  await before.sendLater('timers', 'wake up', 2);
  before.close();
  await first.stop();

  const second = await start();
  const after = clientsOf(second.endpoint);
  expect(await after.get()).toBe('kept');
  await after.send('client.fifo', '1', 'd1');
  expect((await after.receive('client.fifo')).map(({ Body }) => Body)).toEqual(['3']);
  // The receipt of the earlier run is as good as it was.
  await after.remove('client.fifo', two?.ReceiptHandle);
  await expect(after.createFifo('gone.fifo')).rejects.toThrow('60 seconds');
  const line = await second.lines.find(isEventOf('timer'));
  expect(eventIn<{ Records: object[] }>(line).Records).toMatchObject([{ body: 'wake up' }]);
  after.close();
});

test('connections that were open are gone, and get their $disconnect once, unless that is switched off', async () => {
  const first = await start();
  const client = await openClient(first.url);
  const [id] = first.connections();
  await first.stop();
  await client.closed;

  const second = await start({ reportLostConnections: false });
  expect(second.connections()).toEqual([]);
  await second.quiet();
  expect(second.invocations('disconnect')).toEqual([]);
  await second.stop();

  const third = await start();
  const event = eventIn<{ requestContext: object }>(await third.lines.find(isEventOf('disconnect')));
  expect(event.requestContext).toMatchObject({ connectionId: id, disconnectStatusCode: 1006 });
  await third.stop();

  const fourth = await start();
  await fourth.quiet();
  expect(fourth.invocations('disconnect')).toEqual([]);
});

/** A stack in another process. */
const startChild = async (): Promise<{ child: ChildProcess; url: string; endpoint: string }> => {
  const child = spawn(process.execPath, ['--import', 'tsx', 'test/local/fixtures/run-stack.ts', data.path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const line = await new Promise<string>((resolve, reject) => {
    let text = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes('\n')) resolve(text.slice(0, text.indexOf('\n')));
    });
    child.on('exit', (code) => reject(new Error(`exited with ${code}: ${text}`)));
  });
  return { child, ...(JSON.parse(line) as { url: string; endpoint: string }) };
};

const kill = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    child.on('exit', () => resolve());
    child.kill('SIGKILL');
  });

test('kill -9 loses nothing that was answered, and the next run tells of the open connections', async () => {
  const { child, url, endpoint } = await startChild();
  const client = await openClient(url);
  const before = clientsOf(endpoint);
  await before.put('kept');
  await before.createFifo('client.fifo');
  for (let n = 0; n < 20; n += 1) await before.send('client.fifo', String(n), `d${n}`);

  // A second stack is kept out while the first one lives.
  const refused = await start().catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(DataDirectoryTakenError);
  expect((refused as Error).message).toBe(
    `${data.path} is in use by another local stack (process ${child.pid}): stop it, or choose another directory`,
  );

  await kill(child);
  await client.closed;
  before.close();

  const stack = await start();
  expect(stack.lines.all.some(({ text }) => text.includes('was left behind by a stack that died'))).toBe(true);
  const after = clientsOf(stack.endpoint);
  expect(await after.get()).toBe('kept');
  const bodies = [...(await after.receive('client.fifo')), ...(await after.receive('client.fifo'))];
  expect(bodies.map(({ Body }) => Body)).toEqual(Array.from({ length: 20 }, (_, n) => String(n)));
  const event = eventIn<{ requestContext: object }>(await stack.lines.find(isEventOf('disconnect')));
  expect(event.requestContext).toMatchObject({ disconnectStatusCode: 1006 });
  after.close();
  await stack.stop();
  expect(readdirSync(data.path).sort()).toEqual(['connections.jsonl', 'dynamodb', 'sqs.jsonl']);
});

test('a damaged journal is refused, and the lock given back', async () => {
  writeFileSync(join(data.path, 'sqs.jsonl'), 'nonsense\n');
  await expect(start()).rejects.toThrow('line 1 is damaged');
  expect(existsSync(join(data.path, 'lock'))).toBe(false);
});
