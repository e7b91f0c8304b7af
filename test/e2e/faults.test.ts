import type { FaultPatch } from '../../local/faults.ts';
import { type Client, numbered, type Stack, startStack } from './stack.ts';

/** Each payload at its first arrival. */
const firsts = (payloads: readonly string[]): readonly string[] => [...new Set(payloads)];

const untilAll = async (subscriber: Client, expected: readonly string[]): Promise<void> => {
  for (let count = expected.length; firsts(subscriber.received).length < expected.length; count++) {
    await subscriber.until(count);
  }
};

describe('what AWS may do to the broker', () => {
  let stack: Stack;
  let run = 0;
  beforeAll(async () => {
    stack = await startStack();
  });
  afterEach(() => stack.faults.clear());
  afterAll(() => stack.stop());

  /** A publisher and a persistent subscriber that stays connected; the fault strikes in the middle of the stream. */
  const stream = async (fault: FaultPatch) => {
    const topic = `faults/${++run}`;
    // The short keep-alive is how a client whose connection the broker has given up finds out.
    const subscriber = await stack.connect(`subscriber-${run}`, { clean: false, keepalive: 1 });
    await subscriber.mqtt.subscribeAsync(topic, { qos: 1 });
    const publisher = await stack.connect(`publisher-${run}`, { clean: false });
    const publish = (payload: string) => publisher.mqtt.publishAsync(topic, payload, { qos: 1 });
    const sent = numbered(12);
    for (const payload of sent.slice(0, 4)) await publish(payload);
    stack.faults.set(fault);
    for (const payload of sent.slice(4)) await publish(payload);
    if (fault.posts?.gone) stack.faults.clear();
    await untilAll(subscriber, sent);
    return { sent, subscriber };
  };

  it.each<readonly [string, FaultPatch]>([
    ...[1, 2, 3, 4, 5, 6].flatMap((call) =>
      (['before', 'after'] as const).map(
        (when) =>
          [
            `a publisher's Lambda dies ${when} its AWS call ${call}`,
            { lambda: { kill: [{ function: 'message', when, call }] } },
          ] as const,
      ),
    ),
    ['posts are throttled', { posts: { throttle: { next: 2 } } }],
    ['a post fails after it was delivered', { posts: { failAfterDelivery: { next: 1 } } }],
    ['a post is accepted and lost', { posts: { lose: { next: 1 } } }],
    ['a post finds the connection gone though it is open', { posts: { gone: ['*'] } }],
    ['posts overtake each other', { posts: { reorder: 2 } }],
    ['DynamoDB throttles writes', { dynamodb: { fail: [{ operation: 'UpdateItem', next: 2 }] } }],
    ['DynamoDB fails', { dynamodb: { fail: [{ operation: 'PutItem', error: 'InternalServerError', next: 6 }] } }],
    ['$disconnect is dropped', { disconnect: { drop: { share: 1 } }, posts: { failAfterDelivery: { next: 1 } } }],
    ['$disconnect comes twice', { disconnect: { double: { share: 1 } }, posts: { failAfterDelivery: { next: 1 } } }],
    ['the gateway throttles frames', { frames: { refuse: { next: 2 } } }],
    ['ticks and jobs are doubled', { sqs: { double: { share: 1 } }, posts: { failAfterDelivery: { next: 1 } } }],
  ])('no acknowledged message is lost and order holds when %s', async (_, fault) => {
    const { sent, subscriber } = await stream(fault);
    expect(firsts(subscriber.received)).toEqual(sent);
  });

  it('a redelivery Lambda that dies between post and delete is taken over: all arrives, in order', async () => {
    const subscriber = await stack.connect('taken-over', { clean: false });
    await subscriber.mqtt.subscribeAsync('taken-over', { qos: 1 });
    await subscriber.end();
    const publisher = await stack.connect('taken-over-publisher');
    const sent = numbered(15);
    for (const payload of sent) await publisher.mqtt.publishAsync('taken-over', payload, { qos: 1 });
    stack.faults.set({
      lambda: { kill: [{ function: 'redeliver', when: 'after', operation: 'PostToConnection' }] },
    });
    const back = await stack.connect('taken-over', { clean: false });
    await untilAll(back, sent);
    expect(firsts(back.received)).toEqual(sent);
    expect(stack.invocations('redeliver').some(({ outcome }) => outcome === 'killed')).toBe(true);
    // The tick message comes back after its visibility timeout of 30 s.
  }, 120_000);
});
