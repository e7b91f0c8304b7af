/** Retained messages through the bridge. */
import { type BridgedStack, bridgedClientsOf, startBridgedStack } from './bridged.ts';
import type { Clients } from './stack.ts';

describe('a message with RETAIN, through the bridge', () => {
  let stack: BridgedStack;
  let clients: Clients;
  beforeAll(async () => {
    stack = await startBridgedStack({ settings: { lifecycleEvents: 'off' } });
    clients = bridgedClientsOf(stack, 'tcp');
  });
  afterEach(() => clients.endAll());
  afterAll(() => stack.stop());

  /** The messages that a new subscriber gets, up to one that is published after its SUBACK. */
  const heardByNewSubscriber = async (topic: string, clientId: string): Promise<string[]> => {
    const subscriber = await clients.connect(clientId);
    const heard: string[] = [];
    const last = new Promise<void>((resolve) => {
      subscriber.mqtt.on('message', (_topic, payload, { retain, qos }) => {
        heard.push(`${payload}, retain ${retain}, QoS ${qos}`);
        if (String(payload) === 'last') resolve();
      });
    });
    await subscriber.mqtt.subscribeAsync(`${topic}/#`, { qos: 1 });
    await subscriber.mqtt.publishAsync(`${topic}/last`, 'last', { qos: 1 });
    await last;
    return heard;
  };

  it('[MQTT-3.3.1-8] reaches who subscribes later, with RETAIN set', async () => {
    const publisher = await clients.connect('publisher');
    await publisher.mqtt.publishAsync('kept/x', 'kept', { qos: 1, retain: true });
    expect(await heardByNewSubscriber('kept', 'later')).toEqual([
      'kept, retain true, QoS 1',
      'last, retain false, QoS 1',
    ]);
  });

  it('[MQTT-3.3.1-9] reaches who is there with RETAIN not set', async () => {
    const subscriber = await clients.connect('there');
    const arrived = new Promise<boolean>((resolve) =>
      subscriber.mqtt.once('message', (_topic, _payload, { retain }) => resolve(retain)),
    );
    await subscriber.mqtt.subscribeAsync('live/x', { qos: 1 });
    await subscriber.mqtt.publishAsync('live/x', 'live', { qos: 1, retain: true });
    expect(await arrived).toBe(false);
  });

  it('[MQTT-3.3.1-10] is removed by an empty one', async () => {
    const publisher = await clients.connect('remover');
    await publisher.mqtt.publishAsync('gone/x', 'gone', { qos: 1, retain: true });
    await publisher.mqtt.publishAsync('gone/x', '', { qos: 1, retain: true });
    expect(await heardByNewSubscriber('gone', 'after')).toEqual(['last, retain false, QoS 1']);
  });
});
