/** Event sources: queues to Lambdas, with a Lambda that is a function and a clock moved by hand. */
import { type EventSource, startEventSource } from '../../local/event-sources/event-source.ts';
import { noFaults } from '../../local/faults.ts';
import type { Outcome } from '../../local/lambda/environment.ts';
import { silentLog } from '../../local/log.ts';
import { openQueues, type Queues, queueArn } from '../../local/sqs/queues.ts';
import { type ManualClock, manualClock, settle } from './fixtures/manual-clock.ts';

interface Batch {
  readonly Records: readonly { readonly messageId: string; readonly body: string; readonly [name: string]: unknown }[];
}

let clock: ManualClock;
let queues: Queues;
let source: EventSource;
let batches: Batch[];
let lambda: (batch: Batch) => Promise<Outcome> | Outcome;

const returned = (result: unknown): Outcome => ({ kind: 'returned', result });
const threw: Outcome = { kind: 'failed', reason: 'threw', error: { errorType: 'Error', errorMessage: 'as asked' } };
const bodiesOf = (batch: Batch | undefined) => batch?.Records.map(({ body }) => body).sort();

const start = (concurrency = 1): void => {
  source = startEventSource({
    queues,
    queueName: 'work',
    batchSize: 3,
    concurrency,
    invoke: async (event) => {
      batches.push(event as Batch);
      return lambda(event as Batch);
    },
    clock,
    log: silentLog,
  });
};

const send = (body: string, delaySeconds = 0): string =>
  queues.find('work').queue.send({ body, attributes: {}, delaySeconds }, clock.now()).id;
const left = () => queues.find('work').queue.counts(clock.now());

beforeEach(() => {
  clock = manualClock();
  queues = openQueues({ clock, log: silentLog, faults: noFaults() });
  const redrive = JSON.stringify({ deadLetterTargetArn: queueArn('dead'), maxReceiveCount: 2 });
  queues.create('dead', {});
  queues.create('work', { VisibilityTimeout: '30', RedrivePolicy: redrive });
  batches = [];
  lambda = () => returned(undefined);
});
afterEach(async () => {
  await source.stop();
  queues.close();
  expect(clock.pending()).toBe(0);
});

test('a batch has at most batchSize messages, and what was handled is deleted', async () => {
  for (const body of ['1', '2', '3', '4']) send(body);
  start();
  await settle();
  expect(batches.map(({ Records }) => Records.length)).toEqual([3, 1]);
  expect(left()).toEqual({ visible: 0, inFlight: 0, delayed: 0 });
});

test('records have the shape of AWS', async () => {
  const messageId = send('hello');
  start();
  await settle();
  expect(batches[0]?.Records[0]).toEqual({
    messageId,
    receiptHandle: expect.any(String),
    body: 'hello',
    attributes: {
      ApproximateReceiveCount: '1',
      SentTimestamp: String(clock.now()),
      SenderId: expect.any(String),
      ApproximateFirstReceiveTimestamp: String(clock.now()),
    },
    messageAttributes: {},
    md5OfBody: '5d41402abc4b2a76b9719d911017c592',
    eventSource: 'aws:sqs',
    eventSourceARN: 'arn:aws:sqs:us-east-1:000000000000:work',
    awsRegion: 'us-east-1',
  });
});

test('idle costs nothing: no timer, no call', async () => {
  start();
  await clock.advance(86_400_000);
  expect(batches).toEqual([]);
  expect(clock.pending()).toBe(0);
});

test('a delayed message is handed over the moment it is due', async () => {
  start();
  send('later', 900);
  await clock.advance(899_999);
  expect(batches).toEqual([]);
  await clock.advance(1);
  expect(bodiesOf(batches[0])).toEqual(['later']);
});

test('partial batch response: those named come back after their visibility, the others are deleted', async () => {
  const bad = send('bad');
  send('good');
  lambda = () => returned({ batchItemFailures: [{ itemIdentifier: bad }] });
  start();
  await settle();
  expect(left()).toEqual({ visible: 0, inFlight: 1, delayed: 0 });
  lambda = () => returned({ batchItemFailures: [] });
  await clock.advance(29_999);
  expect(batches).toHaveLength(1);
  await clock.advance(1);
  expect(bodiesOf(batches[1])).toEqual(['bad']);
  expect(left()).toEqual({ visible: 0, inFlight: 0, delayed: 0 });
});

test.each([
  ['a handler that throws', threw],
  ['a failure that is not of the batch', returned({ batchItemFailures: [{ itemIdentifier: 'somebody' }] })],
  ['a failure without a name', returned({ batchItemFailures: [{}] })],
])('%s leaves the whole batch', async (_what, outcome) => {
  send('1');
  send('2');
  lambda = () => outcome;
  start();
  await settle();
  expect(left()).toEqual({ visible: 0, inFlight: 2, delayed: 0 });
  lambda = () => returned(null);
  await clock.advance(30_000);
  expect(bodiesOf(batches[1])).toEqual(['1', '2']);
});

test('after maxReceiveCount failures a message is a dead letter', async () => {
  send('poison');
  lambda = () => threw;
  start();
  await clock.advance(120_000);
  expect(batches).toHaveLength(2);
  expect(left()).toEqual({ visible: 0, inFlight: 0, delayed: 0 });
  expect(queues.find('dead').queue.counts(clock.now()).visible).toBe(1);
});

test('as many batches at once as allowed, and no more', async () => {
  const finish: (() => void)[] = [];
  lambda = () => new Promise((resolve) => finish.push(() => resolve(returned(null))));
  for (let n = 0; n < 9; n += 1) send(String(n));
  start(2);
  await settle();
  expect(batches).toHaveLength(2);
  finish.shift()?.();
  await settle();
  expect(batches).toHaveLength(3);
  lambda = () => returned(null);
  for (const one of finish) one();
  await settle();
});

test('stop waits for the batch under way', async () => {
  let finish: () => void = () => {};
  lambda = () => new Promise((resolve) => (finish = () => resolve(returned(null))));
  send('x');
  start();
  await settle();
  let stopped = false;
  const stopping = source.stop().then(() => (stopped = true));
  await settle();
  expect(stopped).toBe(false);
  finish();
  await stopping;
  expect(left()).toEqual({ visible: 0, inFlight: 0, delayed: 0 });
});
