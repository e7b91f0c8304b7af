/** What else AWS may do: DynamoDB and SQS fail, the gateway refuses frames, queues hand out twice or not at all. */
import type { FaultPatch, SwitchName } from '../../local/faults.ts';
import { type Stack, startStack } from './stack.ts';
import { startStream } from './stream.ts';

describe('what AWS may do to the broker', () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack({ settings: { redeliveryRate: 100 } });
  });
  afterEach(async () => {
    stack.faults.clear();
    await stack.endAll();
  });
  afterAll(() => stack.stop());

  it.each<readonly [string, SwitchName, FaultPatch]>([
    ['DynamoDB throttles writes', 'dynamodb.fail', { dynamodb: { fail: [{ operation: 'UpdateItem', next: 4 }] } }],
    [
      'DynamoDB fails until the SDK gives up',
      'dynamodb.fail',
      { dynamodb: { fail: [{ operation: 'PutItem', error: 'InternalServerError', next: 12 }] } },
    ],
    ['the gateway refuses frames', 'frames.refuse', { frames: { refuse: { next: 4 } } }],
    ['ticks and jobs are doubled', 'sqs.double', { sqs: { double: { share: 1 } } }],
    ['a queue seems to be empty', 'sqs.emptyReceive', { sqs: { emptyReceive: { next: 2 } } }],
    ['making queues is throttled', 'sqs.throttleCreateQueue', { sqs: { throttleCreateQueue: { next: 2 } } }],
    ['a new queue is not there yet', 'sqs.newQueueDelayMs', { sqs: { newQueueDelayMs: 500 } }],
  ])('no acknowledged message is lost and order holds when %s', async (what, name, fault) => {
    const stream = await startStream(stack, what.replaceAll(' ', '-'));
    const struck = stack.faults.struck(name);
    await stream.publish(2);
    stack.faults.set(fault);
    await stream.publish(3);
    await stream.subscriber.leave();
    await stream.publish(3);
    await stream.subscriber.come();
    await stream.publish(3);
    await stream.holds();
    expect(stack.faults.struck(name)).toBeGreaterThan(struck);
  });
});
