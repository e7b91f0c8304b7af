/** The real paho-mqtt over the transport, against a broker in this process. */
import Paho from 'paho-mqtt';
import WebSocket from 'ws';
import { overServerlessMqtt, type PahoTransportOptions, restoreWebSocket } from '../../client/paho.ts';
import { type FakeBroker, startFakeBroker } from './fake-broker.ts';
import { createVirtualClock } from './virtual-clock.ts';

// paho leaves its timers behind. Nobody waits for them here.
const { setTimeout: setTimer } = globalThis;
globalThis.setTimeout = ((ring: () => void, milliseconds: number) =>
  setTimer(ring, milliseconds).unref()) as typeof setTimeout;

let broker: FakeBroker;
const end: (() => void)[] = [];

beforeEach(async () => {
  broker = await startFakeBroker();
});

afterEach(async () => {
  restoreWebSocket();
  for (const step of end.splice(0)) step();
  await broker.stop();
  expect(broker.violations).toEqual([]);
});

interface Connection {
  readonly client: Paho.Client;
  /** What it has connected with. */
  readonly options: Paho.ConnectionOptions;
  /** Everything that paho has said about the connection and its messages, in order. */
  readonly heard: string[];
  /** Errors that the transport has told. */
  readonly errors: string[];
  /** Resolves once paho has said it so often. */
  said(what: RegExp, times?: number): Promise<void>;
}

function connect(options: Paho.ConnectionOptions = {}, transport: PahoTransportOptions = {}): Connection {
  const heard: string[] = [];
  const errors: string[] = [];
  const ours = overServerlessMqtt(broker.url, {
    WebSocket,
    random: () => 0,
    onError: ({ message }) => errors.push(message),
    ...transport,
  });
  const client = new Paho.Client(broker.url, 'pump-7');
  // Not in the types of paho 1.0.
  Object.assign(client, {
    onConnected: (reconnect: boolean) => heard.push(reconnect ? 'connected again' : 'connected'),
  });
  client.onConnectionLost = ({ errorCode, errorMessage }) => heard.push(`lost ${errorCode} ${errorMessage}`);
  client.onMessageArrived = ({ payloadString }) => heard.push(`message ${payloadString}`);
  const all = {
    ...ours,
    onFailure: ({ errorMessage }: Paho.MQTTError) => heard.push(`failed ${errorMessage}`),
    ...options,
  };
  client.connect(all);
  end.push(() => client.isConnected() && client.disconnect());
  return {
    client,
    options: all,
    heard,
    errors,
    said: (what, times = 1) => until(() => heard.filter((each) => what.test(each)).length >= times),
  };
}

async function connected(options?: Paho.ConnectionOptions, transport?: PahoTransportOptions): Promise<Connection> {
  const connection = connect(options, transport);
  await connection.said(/^connected/);
  return connection;
}

/** Lets the event loop turn until it holds, or the test is over. */
async function until(holds: () => boolean): Promise<void> {
  const { currentTestName } = expect.getState();
  while (!holds() && expect.getState().currentTestName === currentTestName) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('connect, subscribe, publish with QoS 0 and 1, receive, disconnect', async () => {
  const { client, said, heard } = await connected();
  await new Promise((resolve) => client.subscribe('a/+', { qos: 1, onSuccess: resolve }));
  client.send('a/b', 'nought', 0);
  client.send('a/b', 'one', 1);
  await said(/^message/, 2);
  client.disconnect();
  expect(heard).toEqual(['connected', 'message nought', 'message one', 'lost 0 AMQJSC0000I OK.']);
  await until(() => broker.closed.length > 0);
  expect(broker.closed).toEqual(['1000']);
  expect(broker.frames.at(-1)).toEqual(['disconnect']);
});

test('its URL may be made anew, and later, for every connection', async () => {
  const made: string[] = [];
  await connected(
    {},
    {
      transformWsUrl: async (url) => {
        made.push(url);
        return `${url}?token=${made.length}`;
      },
    },
  );
  expect(made).toEqual([broker.url]);
});

test('wire §4, §5: any bytes, up to 128 KiB, go both ways', async () => {
  const { client } = await connected();
  const payload = Uint8Array.from({ length: 131_072 }, (_, index) => (index * 7919) >> 3);
  const received: (Uint8Array | ArrayBuffer)[] = [];
  client.onMessageArrived = ({ payloadBytes }) => received.push(payloadBytes as Uint8Array);
  client.send('large', payload.buffer, 1);
  client.send('large', payload.buffer, 0);
  await until(() => received.length === 2);
  for (const copy of received) expect(Buffer.compare(copy as Uint8Array, payload)).toBe(0);
});

describe('what reaches the user', () => {
  test('wire §1: a refused handshake', async () => {
    broker.refuseWith = 403;
    const { heard, said, errors } = connect();
    await said(/^failed/);
    const why =
      `serverless-mqtt: cannot open ${broker.url} (Unexpected server response: 403): ` +
      'is it the URL of the broker, and is that up?';
    expect(heard).toEqual([`failed AMQJS0007E Socket error:${why}.`]);
    expect(errors).toEqual([why]);
    expect(broker.handshakes).toBe(1);
  });

  test('no broker there', async () => {
    await broker.stop();
    const { heard, said } = connect();
    await said(/^failed/);
    expect(heard).toEqual([expect.stringMatching(/^failed AMQJS0007E .*cannot open ws:.*ECONNREFUSED/)]);
  });

  test('wire §3: why the broker closed; then paho connects again', async () => {
    const { client, heard, said } = await connected();
    broker.interfere = ([packet]) => (packet?.cmd === 'publish' ? '!1;close=session-taken-over:' : undefined);
    client.send('a', 'b');
    await said(/^connected again/);
    expect(heard).toEqual([
      'connected',
      'lost 7 AMQJS0007E Socket error:serverless-mqtt: the broker closed the connection: session-taken-over ' +
        '(the same client id has connected elsewhere).',
      'connected again',
    ]);
  });

  test('wire §3: a refused CONNECT is the CONNACK that paho understands', async () => {
    broker.interfere = () => `!1;close=refused:${Buffer.from('20020005', 'hex').toString('base64')}`;
    const { heard, said } = connect();
    await said(/^failed/);
    expect(heard).toEqual(['failed AMQJS0006E Bad Connack return code:5 Connection Refused: not authorized.']);
  });
});

describe('connecting again', () => {
  const lose = ({ client }: Connection): void => {
    broker.interfere = ([packet]) =>
      packet?.cmd === 'publish' && packet.topic === 'lost' ? '!1;close=internal-error:' : undefined;
    client.send('lost', '');
  };

  test('paho hears of no failure while it is connecting again: the transport goes on by itself, and tells', async () => {
    const connection = await connected();
    broker.refuseWith = 503;
    lose(connection);
    await until(() => broker.handshakes === 4);
    // The README tells of this defect of paho.
    expect(() => connection.client.disconnect()).toThrow(TypeError);
    broker.refuseWith = undefined;
    await connection.said(/^connected again/);
    expect(connection.heard).toHaveLength(3);
    expect(connection.errors[0]).toContain('internal-error');
    expect(connection.errors.slice(1, 4)).toEqual(Array(3).fill(expect.stringContaining('cannot open')));
    connection.client.send('a', 'works');
    await connection.said(/^message works/);
  });

  test('wire §7: after a pause that grows', async () => {
    const clock = createVirtualClock();
    const connection = await connected({}, { clock, random: () => 1 });
    broker.refuseWith = 503;
    lose(connection);
    await until(() => broker.closed.length === 1);
    // The library's 100 ms to look at what it was handed are a part of the pause.
    await clock.pass(100);
    expect(connection.heard).toHaveLength(2);
    for (const [failures, pause] of [900, 2_000, 4_000].entries()) {
      await clock.pass(pause - 1);
      expect(broker.handshakes).toBe(failures + 1);
      await clock.pass(1);
      await until(() => {
        void clock.pass(0);
        return connection.errors.length === failures + 2;
      });
    }
    expect(broker.handshakes).toBe(4);
    // It would go on for ever.
    broker.refuseWith = undefined;
    await clock.pass(8_000);
    await until(() => {
      void clock.pass(0);
      return connection.client.isConnected();
    });
  });

  test('a session that is resumed gets what was not acknowledged', async () => {
    const connection = await connected({ cleanSession: false });
    const delivered: string[] = [];
    connection.client.onMessageDelivered = ({ payloadString }) => delivered.push(payloadString);
    let failures = 0;
    broker.interfere = ([packet]) =>
      packet?.cmd === 'publish' && failures++ === 0 ? '{"message":"Internal server error"}' : undefined;
    connection.client.send('a', 'b', 1);
    await until(() => delivered.length > 0);
    expect(delivered).toEqual(['b']);
    expect(failures).toBe(2);
  });
});

test('wire §7: connect() right after disconnect(): the DISCONNECT goes first', async () => {
  const { client, options, said } = await connected();
  // The reply to a PUBLISH is under way, so the DISCONNECT has to wait.
  client.send('a', 'b');
  client.disconnect();
  client.connect(options);
  await said(/^connected/, 2);
  expect(broker.frames).toEqual([['connect'], ['publish', 'disconnect'], ['connect']]);
});

describe('the global WebSocket', () => {
  const { WebSocket: before } = globalThis;

  test('is the same as before for every other URL, and again after restoreWebSocket()', () => {
    overServerlessMqtt(broker.url, { WebSocket });
    const wrapped = globalThis.WebSocket;
    expect(wrapped).not.toBe(before);
    const other = new globalThis.WebSocket(`${broker.url}/other`, ['mqtt']);
    expect(other).toBeInstanceOf(before ?? WebSocket);
    expect(other).toBeInstanceOf(wrapped);
    expect(wrapped.OPEN).toBe(1);
    other.onerror = () => {};
    other.close();
    restoreWebSocket();
    expect(globalThis.WebSocket).toBe(before);
  });

  test('a client that paho makes a second socket for has given the first one up', async () => {
    const { hosts } = overServerlessMqtt(broker.url, { WebSocket, random: () => 0 });
    const heard: string[] = [];
    const build = (name: string): void => {
      const socket = new globalThis.WebSocket(hosts[0] ?? '', ['mqtt']);
      for (const type of ['open', 'message', 'error', 'close'] as const) {
        socket[`on${type}`] = () => heard.push(`${name} ${type}`);
      }
      end.push(() => {
        socket.onclose = null;
        socket.close();
      });
    };
    build('first');
    build('second');
    await until(() => heard.length > 0);
    expect(heard).toEqual(['second open']);
  });

  test('each client has its own', () => {
    const urls = [1, 2].flatMap(() => overServerlessMqtt(broker.url, { WebSocket }).hosts);
    expect(new Set(urls).size).toBe(2);
  });
});
