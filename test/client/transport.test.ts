/** What MQTT.js is given: options, the pause before connecting again, errors on the client. */
import { EventEmitter } from 'node:events';
import type { MqttSocket } from '../../client/mqtt-socket.ts';
import { overServerlessMqtt, type TransportOptions } from '../../client/transport.ts';
import { base64, CONNACK, CONNECT, DISCONNECT, reply, ScriptedSocket } from './scripted-socket.ts';
import { bytes } from './vectors.ts';
import { createVirtualClock, settle } from './virtual-clock.ts';

const URL = 'ws://broker.example/mqtt';

/** A transport, and every real WebSocket that it opens. */
function createTransport(options: TransportOptions = {}) {
  const clock = createVirtualClock();
  const opened: ScriptedSocket[] = [];
  const transport = overServerlessMqtt({
    clock,
    random: () => 1,
    WebSocket: class extends ScriptedSocket {
      constructor(url: string, protocols: string[]) {
        super(url, protocols);
        opened.push(this);
      }
    },
    ...options,
  });
  /** How long the opening of the next WebSocket is put off, in steps of 1 ms; its opening then fails. */
  const failOnce = async (): Promise<number> => {
    const before = opened.length;
    transport.createWebsocket(URL);
    let waited = 0;
    for (; opened.length === before && waited < 40_000; waited += 250) await clock.pass(250);
    opened.at(-1)?.tell('close', { code: 1006 });
    await clock.pass(0);
    return waited;
  };
  /** An MQTT connection that stands or was refused, and how it ended. */
  const connectOnce = async (
    answer: string,
    end: (inner: ScriptedSocket) => void,
    standsFor = 30_000,
  ): Promise<void> => {
    const socket = transport.createWebsocket(URL);
    await clock.pass(30_000);
    const inner = opened.at(-1);
    inner?.tell('open');
    socket.send(bytes(CONNECT));
    await settle();
    inner?.tell('message', { data: answer });
    await clock.pass(standsFor);
    if (inner) end(inner);
    await clock.pass(0);
  };
  return { transport, clock, opened, failOnce, connectOnce };
}

const inARow = async (times: number, once: () => Promise<number>): Promise<number[]> => {
  const all: number[] = [];
  for (let i = 0; i < times; i++) all.push(await once());
  return all;
};

const lose = (inner: ScriptedSocket): void => inner.tell('close', { code: 1001 });

describe('connecting again', () => {
  test('wire §7: the pause is at most 1 s × 2ⁿ, and 30 s', async () => {
    const { failOnce } = createTransport();
    expect(await inARow(8, failOnce)).toEqual([0, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
  });

  test('wire §7: full jitter: any time between none and that', async () => {
    expect(await inARow(4, createTransport({ random: () => 0 }).failOnce)).toEqual([0, 0, 0, 0]);
    expect(await inARow(4, createTransport({ random: () => 0.25 }).failOnce)).toEqual([0, 250, 500, 1_000]);
  });

  test('wire §7: a connection that stood for 30 s resets the count; its loss is failure 0', async () => {
    const { failOnce, connectOnce } = createTransport();
    await inARow(5, failOnce);
    await connectOnce(reply(1, CONNACK), lose);
    expect(await inARow(3, failOnce)).toEqual([1_000, 2_000, 4_000]);
  });

  test('wire §7: one that is closed sooner, though it was accepted, is one failure more', async () => {
    const { failOnce, connectOnce } = createTransport();
    await inARow(3, failOnce);
    await connectOnce(reply(1, CONNACK), lose, 29_000);
    expect(await failOnce()).toBe(8_000);
  });

  test('wire §5, §7: and so does one that resumed a session', async () => {
    const { clock, opened, failOnce, connectOnce } = createTransport();
    await inARow(5, failOnce);
    await connectOnce('!1:', (inner) => inner.tell('message', { data: `>7:${base64('20020100')}` }), 0);
    await clock.pass(30_000);
    const [last] = opened.slice(-1);
    if (last) lose(last);
    await clock.pass(0);
    expect(await failOnce()).toBe(1_000);
  });

  test('a refused CONNECT resets nothing: wrong passwords must not storm', async () => {
    const { failOnce, connectOnce } = createTransport();
    await inARow(3, failOnce);
    await connectOnce(`!1;close=refused:${base64('20020005')}`, () => {}, 0);
    expect(await failOnce()).toBe(8_000);
  });

  test('after a DISCONNECT there is nothing to wait for', async () => {
    const { transport, clock, opened, failOnce } = createTransport();
    const socket = transport.createWebsocket(URL);
    opened[0]?.tell('open');
    socket.send(bytes(CONNECT));
    await settle();
    opened[0]?.tell('message', { data: reply(1, CONNACK) });
    socket.send(bytes(DISCONNECT));
    socket.close();
    await settle();
    opened[0]?.tell('message', { data: '!1;close=disconnected:' });
    await clock.pass(0);
    expect(await failOnce()).toBe(0);
  });

  test('each transport counts for itself', async () => {
    await inARow(5, createTransport().failOnce);
    expect(await createTransport().failOnce()).toBe(0);
  });
});

describe('options for MQTT.js', () => {
  test('MQTT.js comes back at once, never gives up on its own account, and looks at a full buffer often', () => {
    const { transport } = createTransport();
    expect(transport).toMatchObject({
      forceNativeWebSocket: true,
      reconnectPeriod: 100,
      // The longest pause, opening, and the reply to CONNECT.
      connectTimeout: 30_000 + 35_000 + 35_000,
      browserBufferTimeout: 100,
    });
  });

  test.each<[string, (url: string) => string | Promise<string>]>([
    ['at once', (url) => url],
    ['later', async (url) => url],
  ])('a URL may be made anew for every connection, %s', async (_, made) => {
    let token = 0;
    const { transport, failOnce, opened } = createTransport({
      transformWsUrl: (url) => made(`${url}?token=${++token}`),
    });
    const client = new EventEmitter().on('error', () => {});
    expect(transport.transformWsUrl(URL, {}, client)).toBe(URL);
    await failOnce();
    await failOnce();
    expect(opened.map(({ url }) => url)).toEqual([`${URL}?token=1`, `${URL}?token=2`]);
  });

  test('without a WebSocket to build on it says what to do; the global one is found', () => {
    const had = Object.getOwnPropertyDescriptor(globalThis, 'WebSocket');
    try {
      Object.defineProperty(globalThis, 'WebSocket', { value: undefined, configurable: true });
      expect(() => overServerlessMqtt()).toThrow('serverless-mqtt: no WebSocket here: install ws');
      Object.defineProperty(globalThis, 'WebSocket', { value: ScriptedSocket, configurable: true });
      const socket = overServerlessMqtt().createWebsocket(URL);
      expect(socket.readyState).toBe(0);
      socket.close();
    } finally {
      Object.defineProperty(globalThis, 'WebSocket', had ?? { value: undefined, configurable: true });
    }
  });
});

describe('the URL that a session moves to', () => {
  /** The URLs of all real WebSockets, the last of them opened because a session moves. */
  const urls = async (begin: (transport: ReturnType<typeof overServerlessMqtt>) => MqttSocket): Promise<string[]> => {
    let count = 0;
    const { transport, clock, opened } = createTransport({ transformWsUrl: (url) => `${url}?token=${++count}` });
    const socket = begin(transport);
    await clock.pass(1_000);
    const inner = opened.at(-1);
    inner?.tell('open');
    socket.send(bytes(CONNECT));
    await settle();
    inner?.tell('message', { data: `!1;token=t:${base64(CONNACK)}` });
    await clock.pass(6_900_000);
    socket.close();
    return opened.map(({ url }) => url);
  };

  test('wire §8: has a fresh token of its own', async () => {
    const client = new EventEmitter();
    expect(await urls((transport) => transport.createWebsocket(transport.transformWsUrl(URL, {}, client)))).toEqual([
      `${URL}?token=1`,
      `${URL}?token=2`,
    ]);
  });
});

describe('the client', () => {
  test('errors are emitted on the client, before its socket closes', async () => {
    const { transport, clock, opened } = createTransport();
    const client = new EventEmitter();
    const heard: string[] = [];
    client.on('error', (error: Error) => heard.push(error.message));
    transport.transformWsUrl(URL, {}, client);
    transport.createWebsocket(URL).onclose = () => heard.push('close');
    opened[0]?.tell('close', { code: 1006 });
    await clock.pass(0);
    expect(heard).toEqual([expect.stringContaining('serverless-mqtt: cannot open'), 'close']);
  });

  test('a client that ends takes the socket with it that is still waiting to open', async () => {
    const { transport, clock, opened, failOnce } = createTransport();
    await failOnce();
    const client = new EventEmitter();
    transport.transformWsUrl(URL, {}, client);
    transport.createWebsocket(URL);
    client.emit('end');
    await clock.pass(60_000);
    expect(opened).toHaveLength(1);
    expect(clock.pending).toBe(0);
  });

  test('a client is left alone when its socket has closed', async () => {
    const { transport, clock, opened } = createTransport();
    const client = new EventEmitter();
    client.on('error', () => {});
    for (let i = 0; i < 20; i++) {
      transport.transformWsUrl(URL, {}, client);
      transport.createWebsocket(URL);
      await clock.pass(30_000);
      opened.at(-1)?.tell('close', { code: 1006 });
      await clock.pass(0);
    }
    expect(client.listenerCount('end')).toBe(0);
  });
});
