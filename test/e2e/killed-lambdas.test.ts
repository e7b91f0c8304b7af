/** Lambdas that die between any two of their AWS calls, again and again, while a subscriber comes and goes. */
import type { FaultPatch } from '../../local/faults.ts';
import { numbered, type Stack, startStack } from './stack.ts';
import { startStream } from './stream.ts';

type Kill = NonNullable<NonNullable<FaultPatch['lambda']>['kill']>[number];

/** A Lambda's lease on a session runs out, and what it received is visible again: ms. */
const LEASE = 31_000;

const around = (place: Omit<Kill, 'when'>): Kill[] => [
  { ...place, when: 'before' },
  { ...place, when: 'after' },
];

/** The first invocation dies at the first of its AWS calls, and so on. */
const aroundEachCall = (functionName: string, calls: number): Kill[] =>
  Array.from({ length: calls }, (_, index) => around({ function: functionName, call: index + 1 })).flat();

describe('killed Lambdas', () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack({ settings: { redeliveryRate: 20, lifecycleEvents: 'off' } });
  });
  afterEach(async () => {
    stack.faults.clear();
    await stack.endAll();
  });
  afterAll(() => stack.stop());

  /** Each kill strikes once, and time passes until somebody may go on with the work. */
  const killOneAfterTheOther = async (kill: readonly Kill[], begin: () => Promise<unknown>): Promise<void> => {
    const before = stack.faults.struck('lambda.kill');
    stack.faults.set({ lambda: { kill } });
    await begin();
    for (let dead = 1; dead <= kill.length; dead++) {
      await stack.faults.untilStruck('lambda.kill', before + dead);
      await stack.skip(LEASE);
    }
  };

  it('a Lambda that handles a frame dies at each of its calls, with the subscriber there, away, and back', async () => {
    const stream = await startStream(stack, 'message');
    const publishWhileDying = async (calls: number): Promise<void> => {
      stack.faults.set({ lambda: { kill: aroundEachCall('message', calls) } });
      while (stack.faults.current().lambda.kill.length > 0) await stream.publish(1);
    };
    await publishWhileDying(6);
    await stream.subscriber.drop();
    await publishWhileDying(6);
    await stream.publish(10, 'in one go');
    await stream.subscriber.come();
    await publishWhileDying(6);
    await stream.publish(3, 'in one go');
    await stream.holds();
  });

  it('CONNECT of a client that comes back dies at each of its calls, until one attempt is through', async () => {
    const stream = await startStream(stack, 'connect');
    await stream.subscriber.leave();
    await stream.publish(3, 'in one go');
    const before = stack.faults.struck('lambda.kill');
    const kill = aroundEachCall('message', 7);
    stack.faults.set({ lambda: { kill } });
    await stream.subscriber.come();
    await stack.faults.untilStruck('lambda.kill', before + kill.length);
    await stream.publish(1);
    await stream.holds();
  });

  it('$disconnect dies at each of its calls', async () => {
    const stream = await startStream(stack, 'disconnect');
    for (const kill of aroundEachCall('disconnect', 2)) {
      const before = stack.faults.struck('lambda.kill');
      stack.faults.set({ lambda: { kill: [kill] } });
      await stream.subscriber.drop();
      await stack.faults.untilStruck('lambda.kill', before + 1);
      await stream.publish(2);
      await stream.subscriber.come();
      await stream.holds();
    }
  });

  it('the redelivery Lambda dies in one tick again and again, each time a step further', async () => {
    const stream = await startStream(stack, 'tick');
    await stream.subscriber.leave();
    await stream.publish(20, 'in one go');
    const steps = ['UpdateItem', 'ReceiveMessage', 'Query', 'PutItem', 'PostToConnection', 'DeleteMessageBatch'];
    const kill = steps.flatMap((operation) => around({ function: 'redeliver', operation }));
    await killOneAfterTheOther(kill, stream.subscriber.come);
    await stream.holds();
  });

  const once: readonly (readonly [string, number, readonly Kill[]])[] = [
    [
      'in a tick',
      4,
      [
        { function: 'redeliver', when: 'after', operation: 'PutItem', call: 5 },
        { function: 'redeliver', when: 'before', operation: 'PostToConnection' },
        ...around({ function: 'redeliver', operation: 'DeleteMessageBatch' }),
      ],
    ],
    ['between two ticks', 12, around({ function: 'redeliver', operation: 'SendMessage' })],
  ];
  it.each(once)('the redelivery Lambda dies once, %s: the next one takes over', async (where, count, places) => {
    const stream = await startStream(stack, where.replaceAll(' ', '-'));
    for (const place of places) {
      await stream.subscriber.leave();
      await stream.publish(count, 'in one go');
      await stack.skip(LEASE); // so that the tick is due at once
      await killOneAfterTheOther([place], stream.subscriber.come);
      await stream.holds();
    }
  });

  it("the timer Lambda dies while it makes the absent subscriber's queue", async () => {
    const stream = await startStream(stack, 'timer');
    const kill = [
      ...around({ function: 'timer', operation: 'GetItem' }),
      ...around({ function: 'timer', operation: 'CreateQueue' }),
      ...around({ function: 'timer', operation: 'UpdateItem' }),
    ];
    await killOneAfterTheOther(kill, stream.subscriber.leave);
    await stream.publish(3);
    await stream.subscriber.come();
    await stream.holds();
  });

  it('the timer Lambda dies, and a publisher makes the queue meanwhile', async () => {
    const stream = await startStream(stack, 'timer-late');
    const struck = stack.faults.struck('lambda.kill');
    stack.faults.set({ lambda: { kill: [{ function: 'timer', when: 'before', operation: 'CreateQueue' }] } });
    await stream.subscriber.leave();
    await stack.faults.untilStruck('lambda.kill', struck + 1);
    await stream.publish(3);
    await stack.skip(LEASE);
    await stream.publish(2);
    await stream.subscriber.come();
    await stream.holds();
  });

  it("the timer Lambda dies while it cleans up: the client's next session loses nothing", async () => {
    const persistent = { clean: false };
    const first = await stack.connect('reborn', persistent);
    await first.mqtt.subscribeAsync('reborn', { qos: 1 });
    await first.end();
    const publisher = await stack.connect('reborn-publisher');
    const publish = async (payloads: readonly string[]) => {
      for (const payload of payloads) await publisher.mqtt.publishAsync('reborn', payload, { qos: 1 });
    };
    await publish(numbered(3, 'old '));
    await (await stack.connect('reborn', { clean: true })).end();
    const second = await stack.connect('reborn', persistent);
    await second.mqtt.subscribeAsync('reborn', { qos: 1 });
    await second.end();

    const kill = ['Query', 'DeleteItem', 'DeleteQueue'].flatMap((operation) =>
      around({ function: 'timer', operation }),
    );
    await killOneAfterTheOther(kill, async () => {
      await publish(numbered(3, 'new '));
      await stack.skip(LEASE);
    });
    await publish(numbered(3, 'newer '));
    const back = await stack.connect('reborn', persistent);
    expect(back.sessionPresent).toBe(true);
    expect(await back.until(6)).toEqual([...numbered(3, 'new '), ...numbered(3, 'newer ')]);
  });
});
