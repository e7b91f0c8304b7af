/**
 * [MQTT-4.3.3] MQTT.js both ways with QoS 2, on a broker whose Lambdas die at each of their calls: every message comes once, in
 * order. Both clients keep their sessions and what their library remembers of packet ids.
 */
import mqtt, { type MqttClient } from 'mqtt';
import type { FaultPatch } from '../../local/faults.ts';
import { numbered, type Stack, startStack } from './stack.ts';

type Kill = NonNullable<NonNullable<FaultPatch['lambda']>['kill']>[number];

/** A Lambda's lease on a session runs out, and what it received is visible again: ms. */
const LEASE = 31_000;

const around = (place: Omit<Kill, 'when'>): readonly Kill[] => [
  { ...place, when: 'before' },
  { ...place, when: 'after' },
];

/** A library that goes on with the same memory, however often its client is made anew. */
const createLibrary = (stack: Stack, clientId: string) => {
  const stores = { incomingStore: new mqtt.Store({ clean: false }), outgoingStore: new mqtt.Store({ clean: false }) };
  const received: string[] = [];
  const waiting = new Set<() => void>();
  let client: MqttClient;
  const come = async (): Promise<void> => {
    client = stack.open(clientId, { clean: false, ...stores });
    client.on('error', () => {}); // it connects again
    client.on('message', (_topic, payload, { qos }) => {
      received.push(`${payload} ${qos}`);
      for (const look of [...waiting]) look();
    });
    await new Promise((resolve) => client.once('connect', resolve));
  };
  return {
    received,
    come,
    drop: () => stack.cut(client),
    mqtt: () => client,
    until: (count: number) =>
      new Promise<void>((resolve) => {
        const look = (): void => {
          if (received.length < count) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
  };
};

describe('QoS 2', () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack({ settings: { redeliveryRate: 100, lifecycleEvents: 'off' } });
  });
  afterEach(async () => {
    stack.faults.clear();
    await stack.endAll();
  });
  afterAll(() => stack.stop());

  const meet = async (topic: string) => {
    const subscriber = createLibrary(stack, `${topic}-subscriber`);
    const publisher = createLibrary(stack, `${topic}-publisher`);
    await Promise.all([subscriber.come(), publisher.come()]);
    await subscriber.mqtt().subscribeAsync(topic, { qos: 2 });
    const published: string[] = [];
    return {
      subscriber,
      publish: async (count: number) => {
        const payloads = numbered(published.length + count).slice(-count);
        published.push(...payloads.map((payload) => `${payload} 2`));
        await Promise.all(payloads.map((payload) => publisher.mqtt().publishAsync(topic, payload, { qos: 2 })));
      },
      /** Everything has come, and what is sent now comes next: nothing came twice. */
      holds: async () => {
        await subscriber.until(published.length);
        expect(subscriber.received).toEqual(published);
      },
    };
  };

  it('a frame of either client dies at each of its calls', async () => {
    const { publish, holds } = await meet('frames');
    const kill = Array.from({ length: 8 }, (_, index) => around({ function: 'message', call: index + 1 })).flat();
    stack.faults.set({ lambda: { kill } });
    while (stack.faults.current().lambda.kill.length > 0) await publish(1);
    await publish(3);
    await holds();
  }, 120_000);

  it('the redelivery Lambda dies in one tick again and again, each time a step further', async () => {
    const { subscriber, publish, holds } = await meet('ticks');
    await subscriber.drop();
    await publish(5);
    const steps = ['ReceiveMessage', 'Query', 'PutItem', 'PostToConnection', 'DeleteMessageBatch', 'SendMessage'];
    for (const place of steps.flatMap((operation) => around({ function: 'redeliver', operation }))) {
      const before = stack.faults.struck('lambda.kill');
      stack.faults.set({ lambda: { kill: [place] } });
      await stack.skip(LEASE); // so that a tick is due at once
      await subscriber.come();
      await stack.faults.untilStruck('lambda.kill', before + 1);
      await stack.skip(LEASE);
      await subscriber.drop();
      await publish(1);
    }
    await subscriber.come();
    await holds();
    await publish(1);
    await holds();
  }, 120_000);
});
