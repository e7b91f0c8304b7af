/** Posts to a connection fail, in the middle of live messages and in the middle of redelivery. */
import type { FaultPatch, SwitchName } from '../../local/faults.ts';
import { type Stack, startStack } from './stack.ts';
import { type Stream, type Subscriber, startStream } from './stream.ts';

/** After a post that failed, stored messages wait until it must be over: ms. */
const POST_OVER = 10_000;
const HOUR = 3_600_000;

interface Case {
  readonly what: string;
  readonly name: SwitchName;
  /** So often among live messages, and so often in a drain. The broker tries a throttled post six times. */
  readonly times: readonly [live: number, stored: number];
  readonly posts: (times: number, connectionId: string) => FaultPatch['posts'];
}

const cases: readonly Case[] = [
  {
    what: '410 for an open connection',
    name: 'posts.gone',
    times: [1, 1],
    posts: (_, connectionId) => ({ gone: [connectionId] }),
  },
  { what: '429 that lasts', name: 'posts.throttle', times: [20, 7], posts: (next) => ({ throttle: { next } }) },
  {
    what: '500 after it was delivered',
    name: 'posts.failAfterDelivery',
    times: [3, 2],
    posts: (next) => ({ failAfterDelivery: { next } }),
  },
  {
    what: 'nothing in time, and not delivered',
    name: 'posts.delayMs',
    times: [3, 1],
    posts: () => ({ delayMs: HOUR }),
  },
  { what: '200 and not delivered', name: 'posts.lose', times: [3, 1], posts: (next) => ({ lose: { next } }) },
];

describe('a post is answered with', () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack();
  });
  afterEach(async () => {
    stack.faults.clear();
    await stack.endAll();
  });
  afterAll(() => stack.stop());

  /** The newest connection of a client. */
  const connectionOf = ({ clientId }: Subscriber): string => {
    const line = stack.lines.findLast((each) => each.includes('"event":"connected"') && each.includes(`"${clientId}"`));
    return (JSON.parse(line ?? '') as { connectionId: string }).connectionId;
  };

  const strike = async (stream: Stream, { name, posts }: Case, times: number, meanwhile = async () => {}) => {
    const before = stack.faults.struck(name);
    stack.faults.set({ posts: posts(times, connectionOf(stream.subscriber)) });
    const done = meanwhile();
    await stack.faults.untilStruck(name, before + times);
    stack.faults.clear();
    await done;
    await stack.skip(POST_OVER);
    // A client whose connection was given up hears of it by its next frame.
    stream.subscriber.ping();
    // What AWS says it has delivered is missed when the next message comes. All else the broker mends by itself.
    if (name !== 'posts.lose') await stream.holds();
    await stream.publish(2);
    await stream.holds();
  };

  it.each(cases)('$what, in the middle of live messages: nothing is lost', async (fault) => {
    const stream = await startStream(stack, `live-${fault.name}`);
    await stream.publish(3);
    await strike(stream, fault, fault.times[0], () => stream.publish(1));
  });

  it.each(cases)('$what, in the middle of redelivery: nothing is lost', async (fault) => {
    const stream = await startStream(stack, `stored-${fault.name}`);
    await stream.subscriber.leave();
    await stream.publish(8, 'in one go');
    await stream.subscriber.come();
    await stream.subscriber.until(10);
    await strike(stream, fault, fault.times[1]);
  });
});
