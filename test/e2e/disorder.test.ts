/** Lambdas that are slow, finish in the wrong order and die, over posts that overtake each other. */
import { type Stack, startStack } from './stack.ts';
import { startStream } from './stream.ts';

describe('slow and reordered Lambdas', () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack();
  });
  afterAll(() => stack.stop());

  it('that also die: nothing is lost and order holds, with the subscriber there, away, and back', async () => {
    const stream = await startStream(stack, 'disorder');
    stack.faults.set({
      lambda: { slow: [{ function: '*', leastMs: 0, mostMs: 40 }], reorder: 2 },
      posts: { reorder: 2 },
    });
    const publishWhileDying = async (): Promise<void> => {
      const kill = [2, 4, 6].flatMap((call) => [
        { function: 'message', when: 'before', call } as const,
        { function: 'message', when: 'after', call } as const,
      ]);
      stack.faults.set({ lambda: { kill } });
      while (stack.faults.current().lambda.kill.length > 0) await stream.publish(2);
      await stream.publish(3, 'in one go');
    };

    await publishWhileDying();
    const faults = ['lambda.slow', 'lambda.reorder', 'posts.reorder'] as const;
    while (faults.some((name) => stack.faults.struck(name) === 0)) await stream.publish(1);
    await stream.subscriber.drop();
    await publishWhileDying();

    const killed = stack.faults.struck('lambda.kill');
    stack.faults.set({ lambda: { kill: [{ function: 'redeliver', when: 'after', operation: 'PutItem', call: 2 }] } });
    await stream.subscriber.come();
    await stack.faults.untilStruck('lambda.kill', killed + 1);
    await stack.skip(31_000);
    await publishWhileDying();

    await stream.holds();
  });
});
