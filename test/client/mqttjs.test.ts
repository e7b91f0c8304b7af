/** The real MQTT.js over the transport, against a broker in this process. */
import { randomBytes } from 'node:crypto';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import WebSocket from 'ws';
import type { MqttSocket } from '../../client/mqtt-socket.ts';
import { overServerlessMqtt, type TransportOptions } from '../../client/transport.ts';
import { type FakeBroker, startFakeBroker } from './fake-broker.ts';
import { createVirtualClock } from './virtual-clock.ts';

let broker: FakeBroker;
const clients: MqttClient[] = [];

beforeEach(async () => {
  broker = await startFakeBroker();
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.end(true);
  await broker.stop();
  expect(broker.violations).toEqual([]);
});

function connect(options: IClientOptions = {}, transport: TransportOptions = {}): MqttClient {
  const client = mqtt.connect(broker.url, {
    ...overServerlessMqtt({ WebSocket, random: () => 0, ...transport }),
    clientId: 'pump-7',
    ...options,
  });
  clients.push(client);
  return client;
}

async function connected(options?: IClientOptions, transport?: TransportOptions): Promise<MqttClient> {
  const client = connect(options, transport);
  await next(client, 'connect');
  return client;
}

/** Waits for an event of the client, whatever errors come first. */
const next = (client: MqttClient, event: 'connect' | 'close' | 'reconnect'): Promise<unknown> =>
  new Promise((resolve) => client.once(event, resolve));

/** Lets the event loop turn until it holds. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

/** As many turns of the event loop as a loopback round trip could need, several times over. */
async function turns(): Promise<void> {
  for (let left = 100; left > 0; left--) await new Promise((resolve) => setImmediate(resolve));
}

/** Everything that the client says about its connection, in order. */
function record(client: MqttClient): string[] {
  const heard: string[] = [];
  client.on('error', (error) => heard.push(`error: ${error.message}`));
  for (const event of ['connect', 'close', 'reconnect', 'end'] as const) client.on(event, () => heard.push(event));
  return heard;
}

const payloads = async (client: MqttClient, count: number): Promise<Buffer[]> => {
  const all: Buffer[] = [];
  return new Promise((resolve) => {
    client.on('message', (_topic, payload) => {
      all.push(payload);
      if (all.length === count) resolve(all);
    });
  });
};

test('connect, subscribe, publish with QoS 0 and 1, receive, unsubscribe', async () => {
  const client = await connected();
  const [granted] = await client.subscribeAsync('a/+', { qos: 1 });
  expect(granted).toMatchObject({ topic: 'a/+', qos: 1 });
  const received = payloads(client, 3);
  await client.publishAsync('a/b', 'nought');
  await client.publishAsync('a/b', 'one', { qos: 1 });
  await client.publishAsync('a/b', 'two', { qos: 1 });
  expect((await received).map(String)).toEqual(['nought', 'one', 'two']);
  await client.unsubscribeAsync('a/+');
});

test('wire §4, §5: a payload of 128 KiB goes both ways', async () => {
  const client = await connected();
  const payload = Buffer.from(Uint8Array.from({ length: 131_072 }, (_, index) => (index * 7919) >> 3));
  const received = payloads(client, 2);
  await client.publishAsync('large', payload, { qos: 1 });
  await client.publishAsync('large', payload, { qos: 0 });
  for (const copy of await received) expect(Buffer.compare(copy, payload)).toBe(0);
});

test('wire §3: 200 publishes in one tick: one frame in flight, few frames, in order', async () => {
  const client = await connected();
  const received = payloads(client, 200);
  const texts = Array.from({ length: 200 }, (_, index) => `message ${index}`);
  await Promise.all(texts.map((text) => client.publishAsync('a', text, { qos: 1 })));
  expect((await received).map(String)).toEqual(texts);
  const publishing = broker.frames.filter((frame) => frame.includes('publish'));
  expect(publishing.length).toBeLessThan(5);
  // That no frame came before the reply to the one before is looked at after each test.
});

test('wire §2, §4: what MQTT.js merges into one write is cut where packets end, small and large, of any bytes', async () => {
  const client = await connected();
  const sent = Array.from({ length: 60 }, (_, index) => randomBytes(index % 4 === 0 ? 131_072 : index * 10));
  const received = payloads(client, sent.length);
  await Promise.all(sent.map((payload, index) => client.publishAsync('a', payload, { qos: index % 3 === 0 ? 0 : 1 })));
  expect((await received).map((payload, index) => sent[index]?.equals(payload))).toEqual(sent.map(() => true));
  // That no frame is larger than it may be is looked at after each test.
});

test('wire §3: PUBACKs of one push leave in one frame', async () => {
  const client = await connected();
  broker.frames.length = 0;
  const received = payloads(client, 10);
  broker.push(
    Array.from({ length: 10 }, (_, index) => ({
      ...({ cmd: 'publish', topic: 'a', payload: `${index}`, retain: false, dup: false } as const),
      ...({ qos: 1, messageId: index + 1 } as const),
    })),
  );
  await received;
  await client.endAsync();
  expect(broker.frames[0]).toEqual(Array(10).fill('puback'));
});

test('wire §7: end() sends DISCONNECT and waits for its reply', async () => {
  const client = await connected();
  let answered = false;
  broker.interfere = async ([packet]) => {
    if (packet?.cmd !== 'disconnect') return undefined;
    await turns();
    expect(broker.closed).toEqual([]);
    answered = true;
    return undefined;
  };
  await client.endAsync();
  expect(answered).toBe(true);
  expect(broker.frames.at(-1)).toEqual(['disconnect']);
  await until(() => broker.closed.length > 0);
  expect(broker.closed).toEqual(['1000']);
});

test('what was published before end() arrives before the DISCONNECT', async () => {
  const client = await connected();
  for (let i = 0; i < 50; i++) client.publish('a', `${i}`);
  client.publish('a', Buffer.alloc(100_000));
  await client.endAsync();
  expect(broker.frames.flat()).toEqual(['connect', ...Array(51).fill('publish'), 'disconnect']);
});

describe('what reaches the user', () => {
  test('wire §3: why the broker closed, as an error on the client; then it connects again', async () => {
    const client = await connected();
    const heard = record(client);
    broker.interfere = ([packet]) => (packet?.cmd === 'publish' ? '!1;close=session-taken-over:' : undefined);
    client.publish('a', 'b');
    await next(client, 'connect');
    expect(heard).toEqual([
      'error: serverless-mqtt: the broker closed the connection: session-taken-over (the same client id has connected elsewhere)',
      'close',
      'reconnect',
      'connect',
    ]);
  });

  test('wire §6: what the gateway said; and a QoS 1 publish that was not acknowledged is sent again', async () => {
    const client = await connected();
    const heard = record(client);
    let failures = 0;
    broker.interfere = ([packet]) =>
      packet?.cmd === 'publish' && failures++ === 0 ? '{"message":"Internal server error"}' : undefined;
    await client.publishAsync('a', 'b', { qos: 1 });
    expect(heard).toContain(
      'error: serverless-mqtt: API Gateway answered instead of the broker: Internal server error',
    );
    expect(failures).toBe(2);
  });

  test('wire §3: a refused CONNECT is the CONNACK that MQTT.js understands, and it does not come back', async () => {
    broker.interfere = () => `!1;close=refused:${Buffer.from('20020005', 'hex').toString('base64')}`;
    const client = connect();
    const heard = record(client);
    await next(client, 'close');
    expect(heard).toEqual(['error: Connection refused: Not authorized', 'close']);
    expect(client.reconnecting).toBe(false);
  });

  test('wire §1: a refused handshake', async () => {
    broker.refuseWith = 403;
    const client = connect();
    const heard = record(client);
    await next(client, 'reconnect');
    broker.refuseWith = undefined;
    await next(client, 'connect');
    expect(heard).toEqual([
      `error: serverless-mqtt: cannot open ${broker.url} (Unexpected server response: 403): is it the URL of the broker, and is that up?`,
      'close',
      'reconnect',
      'connect',
    ]);
  });

  test.each(['127.0.0.1', 'localhost'])('no broker at %s', async (host) => {
    const options = { ...overServerlessMqtt({ WebSocket }), clientId: 'pump-7' };
    await expect(mqtt.connectAsync(`ws://${host}:9/mqtt`, options)).rejects.toThrow(
      /^serverless-mqtt: cannot open ws:\/\/\w+[^ ]*:9\/mqtt \(.*ECONNREFUSED.*\): is it the URL of the broker, and is that up\?$/,
    );
  });

  test('connectAsync rejects with the reason', async () => {
    broker.refuseWith = 400;
    const options = { ...overServerlessMqtt({ WebSocket }), clientId: 'pump-7' };
    await expect(mqtt.connectAsync(broker.url, options)).rejects.toMatchObject({ code: 'cannot-open' });
  });
});

test('wire §5: a resumed session: the CONNACK comes in a push, and what was early comes after it', async () => {
  const stored = (id: number) =>
    ({ cmd: 'publish', topic: 'a', payload: `${id}`, qos: 1, messageId: id, dup: true, retain: false }) as const;
  broker.interfere = ([packet]) => {
    if (packet?.cmd !== 'connect') return undefined;
    broker.push([stored(42)], 42);
    broker.push([stored(41)], 41);
    setImmediate(() => broker.push([{ cmd: 'connack', returnCode: 0, sessionPresent: true }], 41));
    return '!1:';
  };
  const client = connect({ clean: false });
  const received = payloads(client, 2);
  expect(await next(client, 'connect')).toMatchObject({ sessionPresent: true });
  expect((await received).map(String)).toEqual(['41', '42']);
});

test('MQTT.js waits where the broker does not keep up', async () => {
  const options = overServerlessMqtt({ WebSocket });
  let socket: MqttSocket | undefined;
  const client = await connected({
    createWebsocket: (url: string) => {
      socket = options.createWebsocket(url);
      return socket;
    },
  });
  let letGo = (): void => {};
  const held = new Promise<undefined>((resolve) => {
    letGo = () => resolve(undefined);
  });
  broker.interfere = () => held;
  const received = payloads(client, 6);
  for (let i = 0; i < 5; i++) client.publish('a', Buffer.alloc(131_072));
  await until(() => (socket?.bufferedAmount ?? 0) >= 5 * 131_072);
  const full = socket?.bufferedAmount;
  client.publish('a', 'waits');
  await turns();
  expect(socket?.bufferedAmount).toBe(full);
  letGo();
  expect(String((await received)[5])).toBe('waits');
});

test('wire §8: the session moves to a new socket, and neither MQTT.js nor the application notices', async () => {
  const clock = createVirtualClock();
  const client = await connected({}, { clock });
  const heard = record(client);
  await client.subscribeAsync('a', { qos: 1 });
  const received = payloads(client, 3);
  await client.publishAsync('a', 'before', { qos: 1 });
  // Only the timer of the move is left: every frame has its reply.
  await until(() => broker.frames.at(-1)?.[0] === 'puback' && clock.pending === 1);
  await clock.pass(6_900_000);
  await Promise.all([
    until(() => broker.moves === 1),
    client.publishAsync('a', 'meanwhile', { qos: 1 }),
    client.publishAsync('a', Buffer.alloc(100_000, 'x'), { qos: 1 }),
  ]);
  await clock.pass(5_000);
  await until(() => broker.closed.length > 0);
  expect((await received).map((payload) => String(payload).slice(0, 9))).toEqual(['before', 'meanwhile', 'xxxxxxxxx']);
  expect(broker.closed).toEqual(['1000']);
  expect(broker.frames.filter(([cmd]) => cmd === 'connect')).toHaveLength(1);
  expect(heard).toEqual([]);
});

test('wire §5, §8: where a push is missing, the session moves and goes on', async () => {
  const clock = createVirtualClock();
  const client = await connected({}, { clock });
  const heard = record(client);
  const message = (id: number) =>
    ({ cmd: 'publish', topic: 'a', payload: `${id}`, qos: 1, messageId: id, dup: id < 3, retain: false }) as const;
  const received = payloads(client, 3);
  broker.push([message(2)], 2);
  // The timers of the move and of the hole.
  await until(() => clock.pending === 2);
  await clock.pass(2_000);
  await until(() => broker.moves === 1);
  broker.push([message(1), message(2)]);
  broker.push([message(3)]);
  expect((await received).map(String)).toEqual(['1', '2', '3']);
  expect(heard).toEqual([]);
});

test('wire §7: end() during the pause before connecting again leaves nothing behind', async () => {
  const clock = createVirtualClock();
  broker.refuseWith = 400;
  const client = connect({}, { clock, random: () => 1 });
  const heard = record(client);
  await until(() => broker.handshakes === 1 && clock.pending === 1);
  const reconnects = next(client, 'reconnect');
  await until(() => {
    void clock.pass(0);
    return heard.includes('close');
  });
  await reconnects;
  expect(clock.pending).toBe(1);
  await client.endAsync();
  await clock.pass(60_000);
  expect(clock.pending).toBe(0);
  expect(broker.handshakes).toBe(1);
  expect(heard.slice(-3)).toEqual(['reconnect', 'end', 'close']);
});
