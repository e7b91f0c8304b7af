import { type Client, numbered, type Stack, startStack } from './stack.ts';

describe('MQTT.js over the local stack', () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack();
  });
  afterAll(() => stack.stop());

  it.each([0, 1] as const)('QoS %i arrives at every subscriber of a wildcard, in order', async (qos) => {
    const subscribers: Client[] = [];
    for (const name of ['a', 'b', 'c']) {
      const client = await stack.connect(`wild-${qos}-${name}`);
      await client.mqtt.subscribeAsync(`wild/${qos}/+/x/#`, { qos });
      subscribers.push(client);
    }
    const publisher = await stack.connect(`wild-${qos}-publisher`);
    for (const payload of numbered(20)) await publisher.mqtt.publishAsync(`wild/${qos}/any/x`, payload, { qos });
    for (const subscriber of subscribers) expect(await subscriber.until(20)).toEqual(numbered(20));
  });

  it('200 messages of one tick go out in few frames and arrive in order', async () => {
    const subscriber = await stack.connect('burst-subscriber');
    await subscriber.mqtt.subscribeAsync('burst', { qos: 1 });
    const publisher = await stack.connect('burst-publisher');
    const before = stack.counts().framesIn ?? 0;
    await Promise.all(numbered(200).map((payload) => publisher.mqtt.publishAsync('burst', payload, { qos: 1 })));
    expect(await subscriber.until(200)).toEqual(numbered(200));
    expect((stack.counts().framesIn ?? 0) - before).toBeLessThan(100);
  });

  it('[MQTT-7.1.1-1] a payload of 128 KiB goes both ways, byte for byte', async () => {
    const payload = Buffer.from(Uint8Array.from({ length: 131_072 }, (_, index) => (index * 31 + (index >> 8)) & 255));
    const client = await stack.connect('large');
    const arrived = new Promise<Buffer>((resolve) => client.mqtt.once('message', (_topic, bytes) => resolve(bytes)));
    await client.mqtt.subscribeAsync('large', { qos: 1 });
    await client.mqtt.publishAsync('large', payload, { qos: 1 });
    expect((await arrived).equals(payload)).toBe(true);
  });

  it('one byte more closes the connection, and says why', async () => {
    const client = await stack.connect('too-large', { reconnectPeriod: 0 });
    const error = new Promise<Error>((resolve) => client.mqtt.once('error', resolve));
    client.mqtt.publish('large', Buffer.alloc(131_073), { qos: 1 });
    expect((await error).message).toContain('packet-too-large');
  });

  it('[MQTT-3.1.2-5] a persistent session keeps subscriptions and messages while its client is away', async () => {
    const first = await stack.connect('away', { clean: false });
    expect(first.sessionPresent).toBe(false);
    await first.mqtt.subscribeAsync('away/#', { qos: 1 });
    await first.end();
    const publisher = await stack.connect('away-publisher');
    for (const payload of numbered(12)) await publisher.mqtt.publishAsync('away/x', payload, { qos: 1 });
    const back = await stack.connect('away', { clean: false });
    expect(back.sessionPresent).toBe(true);
    await back.until(10);
    // Live messages come while the stored ones are still being redelivered: behind them.
    for (const payload of numbered(5, 'live ')) await publisher.mqtt.publishAsync('away/x', payload, { qos: 1 });
    expect(await back.until(17)).toEqual([...numbered(12), ...numbered(5, 'live ')]);
    await back.end();
  });

  it('[MQTT-3.1.2-6] cleanSession 1 ends the session: nothing of it survives, not even its queue', async () => {
    const first = await stack.connect('ended', { clean: false });
    await first.mqtt.subscribeAsync('ended/#', { qos: 1 });
    await first.end();
    const publisher = await stack.connect('ended-publisher');
    await publisher.mqtt.publishAsync('ended/x', 'stored', { qos: 1 });
    await (await stack.connect('ended', { clean: true })).end();
    const back = await stack.connect('ended', { clean: false });
    expect(back.sessionPresent).toBe(false);
    await back.mqtt.subscribeAsync('ended/#', { qos: 1 });
    await publisher.mqtt.publishAsync('ended/x', 'new', { qos: 1 });
    expect(await back.until(1)).toEqual(['new']);
  });

  it('[MQTT-3.1.4-2] a second client with the same id takes over; the first is told why', async () => {
    const first = await stack.connect('twin', { reconnectPeriod: 0 });
    const told = new Promise<Error>((resolve) => first.mqtt.once('error', resolve));
    const closed = new Promise<void>((resolve) => first.mqtt.once('close', () => resolve()));
    const second = await stack.connect('twin');
    expect((await told).message).toContain('session-taken-over');
    await closed;
    expect(second.mqtt.connected).toBe(true);
  });

  it('[MQTT-3.2.2-5] a refused CONNECT reaches the library as its CONNACK', async () => {
    await expect(stack.connect('x'.repeat(300), { reconnectPeriod: 0 })).rejects.toMatchObject({ code: 2 });
  });

  it('a client that offers another sub-protocol is refused with 400, and the log says what to use', async () => {
    const { WebSocket } = await import('ws');
    const socket = new WebSocket(stack.url, 'mqtt');
    const status = await new Promise((resolve) =>
      socket.on('unexpected-response', (_request, response) => {
        resolve(response.statusCode);
        response.destroy();
      }),
    );
    expect(status).toBe(400);
    expect(stack.lines.find((line) => line.includes('handshake-refused'))).toContain('mqtt.base64');
  });
});
