/** MQTT.js as anybody uses it, over TCP, WebSocket and TLS, through the bridge to the local stack. */
import type { IClientOptions } from 'mqtt';
import { createCertificate, hasOpenSsl, type TestCertificate } from '../bridge/certificate.ts';
import { type BridgedStack, bridgedClientsOf, everyQos, startBridgedStack } from './bridged.ts';
import { type Clients, numbered } from './stack.ts';
import { startStream } from './stream.ts';

let stack: BridgedStack;
let certificate: TestCertificate | undefined;
beforeAll(async () => {
  certificate = hasOpenSsl ? createCertificate() : undefined;
  stack = await startBridgedStack({ certificate, settings: { redeliveryRate: 1000, lifecycleEvents: 'off' } });
});
afterAll(async () => {
  await stack?.stop();
  certificate?.remove();
});

const withTls = hasOpenSsl ? describe : describe.skip;

withTls.each(['tls', 'wss'] as const)('MQTT.js over %s, through the bridge (needs openssl)', (kind) => {
  it.each(everyQos)('QoS %i arrives', async (qos) => {
    const clients = bridgedClientsOf(stack, kind, certificate?.cert);
    const client = await clients.connect(`${kind}-${qos}`);
    await client.mqtt.subscribeAsync(`${kind}/${qos}`, { qos });
    for (const payload of numbered(5)) await client.mqtt.publishAsync(`${kind}/${qos}`, payload, { qos });
    expect(await client.until(5)).toEqual(numbered(5));
    await client.end();
  });
});

describe.each(['tcp', 'ws'] as const)('MQTT.js over %s, through the bridge', (kind) => {
  let clients: Clients;
  beforeAll(() => {
    clients = bridgedClientsOf(stack, kind);
  });
  afterEach(() => clients.endAll());

  it.each(everyQos)('QoS %i arrives, in a clean session and in a persistent one', async (qos) => {
    for (const clean of [true, false]) {
      const name = `${kind}-${qos}-${clean}`;
      const subscriber = await clients.connect(`subscriber-${name}`, { clean });
      expect(subscriber.sessionPresent).toBe(false);
      await subscriber.mqtt.subscribeAsync(`plant/${name}/+`, { qos });
      const publisher = await clients.connect(`publisher-${name}`, { clean });
      for (const payload of numbered(5)) await publisher.mqtt.publishAsync(`plant/${name}/x`, payload, { qos });
      expect(await subscriber.until(5)).toEqual(numbered(5));
      await subscriber.end();
      await publisher.end();
    }
  });

  it.each([1, 2] as const)('QoS %i waits for a client that is away', async (qos) => {
    const options: IClientOptions = { clean: false };
    const first = await clients.connect(`away-${kind}-${qos}`, options);
    await first.mqtt.subscribeAsync(`away/${kind}/${qos}`, { qos });
    await first.end();
    const publisher = await clients.connect(`away-publisher-${kind}-${qos}`);
    for (const payload of numbered(8)) await publisher.mqtt.publishAsync(`away/${kind}/${qos}`, payload, { qos });
    const back = await clients.connect(`away-${kind}-${qos}`, options);
    expect(back.sessionPresent).toBe(true);
    expect(await back.until(8)).toEqual(numbered(8));
  });

  it('[MQTT-3.1.2-8] a will is published where a client is cut off, and not where it leaves', async () => {
    const watcher = await clients.connect('watcher');
    await watcher.mqtt.subscribeAsync(`will/${kind}/#`, { qos: 1 });
    const will = (topic: string) => ({ will: { topic, payload: Buffer.from(topic), qos: 1, retain: false } as const });
    await (await clients.connect('leaves', will(`will/${kind}/left`))).end();
    await clients.cut((await clients.connect('is-cut', will(`will/${kind}/cut`))).mqtt);
    expect(await watcher.until(1)).toEqual([`will/${kind}/cut`]);
  });

  it('[MQTT-7.1.1-1] a payload of 128 KiB goes both ways, byte for byte', async () => {
    const payload = Buffer.from(Uint8Array.from({ length: 131_072 }, (_, index) => (index * 31 + (index >> 8)) & 255));
    const client = await clients.connect('large');
    const arrived = new Promise<Buffer>((resolve) => client.mqtt.once('message', (_topic, bytes) => resolve(bytes)));
    await client.mqtt.subscribeAsync('large', { qos: 1 });
    await client.mqtt.publishAsync('large', payload, { qos: 1 });
    expect((await arrived).equals(payload)).toBe(true);
  });

  it('a persistent session that is cut off in the middle of a stream misses nothing, and stays in order', async () => {
    const stream = await startStream(clients, `cut-${kind}`);
    await stream.publish(3);
    for (let times = 0; times < 2; times++) {
      const cut = stream.subscriber.dropAtNextMessage();
      await stream.publish(4, 'in one go');
      await cut;
      await stream.publish(2);
      await stream.subscriber.come();
      await stream.publish(2);
    }
    await stream.holds();
  }, 60_000);

  it('[MQTT-3.2.2-5] a refused CONNECT reaches the client as its CONNACK', async () => {
    await expect(clients.connect('x'.repeat(300), { reconnectPeriod: 0 })).rejects.toMatchObject({ code: 2 });
  });

  it('the broker closes with a reason: the log of the bridge has it, and no secret', async () => {
    const client = await clients.connect('violates', { reconnectPeriod: 0, username: 'ann', password: 'no-secret' });
    const closed = new Promise<void>((resolve) => client.mqtt.once('close', () => resolve()));
    client.mqtt.publish('too/large', Buffer.alloc(131_073), { qos: 1 });
    await closed;
    expect(stack.bridgeLog).toContainEqual(
      expect.objectContaining({ event: 'client-ended', reason: 'packet-too-large', listener: kind }),
    );
    expect(JSON.stringify(stack.bridgeLog)).not.toMatch(/ann|no-secret|token/);
  });
});

describe('many messages', () => {
  it.each([
    [0, 1_000],
    [1, 1_000],
    [2, 200],
  ] as const)(
    'with QoS %i: %i arrive in order, over TCP in and over WebSocket out',
    async (qos, count) => {
      const [tcp, ws] = [bridgedClientsOf(stack, 'tcp'), bridgedClientsOf(stack, 'ws')];
      const subscriber = await ws.connect(`many-subscriber-${qos}`);
      await subscriber.mqtt.subscribeAsync(`many/${qos}`, { qos });
      const publisher = await tcp.connect(`many-publisher-${qos}`);
      await Promise.all(numbered(count).map((payload) => publisher.mqtt.publishAsync(`many/${qos}`, payload, { qos })));
      expect(await subscriber.until(count)).toEqual(numbered(count));
      await Promise.all([tcp.endAll(), ws.endAll()]);
    },
    120_000,
  );
});
