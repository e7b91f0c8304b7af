/** The bridge on real sockets, in front of a broker that is small enough to see through. */
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { WebSocket, WebSocketServer } from 'ws';
import { type FakeBroker, startFakeBroker } from '../client/fake-broker.ts';
import { CONNACK, CONNECT, DISCONNECT, PINGREQ, PINGRESP, puback, publish } from '../client/scripted-socket.ts';
import { createCertificate, hasOpenSsl, type TestCertificate } from './certificate.ts';
import { listen, type RawClient, type RunningBridge, rawClient, startBridge, tcpClient } from './running.ts';

let broker: FakeBroker;
let undo: (() => unknown)[];

beforeEach(async () => {
  broker = await startFakeBroker();
  undo = [broker.stop];
});
afterEach(async () => {
  for (const step of undo.reverse()) await step();
  expect(broker.violations).toEqual([]);
});

const start = (options: Partial<Parameters<typeof startBridge>[0]> = {}): RunningBridge => {
  const bridge = startBridge({ to: broker.url, ...options });
  undo.push(bridge.stop);
  return bridge;
};

const connected = async (port: number): Promise<RawClient> => {
  const client = tcpClient(port);
  undo.push(() => client.socket.destroy());
  client.write(CONNECT);
  await client.until(CONNACK);
  return client;
};

const openWebSocket = (port: number, protocols: string | string[] = 'mqtt', scheme = 'ws', options = {}) => {
  const socket = new WebSocket(`${scheme}://127.0.0.1:${port}/mqtt`, protocols, options);
  undo.push(() => socket.terminate());
  socket.on('error', () => {});
  let received = '';
  const waiting = new Set<() => void>();
  socket.on('message', (data, isBinary) => {
    received += isBinary ? (data as Buffer).toString('hex') : 'text';
    for (const look of [...waiting]) look();
  });
  return {
    socket,
    closed: new Promise<string>((resolve) => socket.once('close', (code, reason) => resolve(`${code} ${reason}`))),
    refused: new Promise<string>((resolve) =>
      socket.once('unexpected-response', (_request, response) => {
        let body = '';
        response.on('data', (text: Buffer) => {
          body += String(text);
        });
        response.on('end', () => resolve(`${response.statusCode} ${body.trim()}`));
      }),
    ),
    write: (hex: string) => socket.send(Buffer.from(hex, 'hex')),
    until: (hex: string) =>
      new Promise<void>((resolve) => {
        const look = (): void => {
          if (!received.includes(hex)) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
  };
};

describe('TCP', () => {
  test('a client publishes, is answered, and goes with a DISCONNECT', async () => {
    const bridge = start();
    const client = await connected(await listen(bridge, 'tcp'));
    client.write(publish(1));
    await client.until(puback(1));
    client.write(DISCONNECT);
    await client.ended;
    expect(await bridge.logged('client-ended')).toMatchObject({
      ...{ client: 1, reason: 'disconnected', listener: 'tcp', from: '127.0.0.1', bytesIn: 24 },
    });
    expect(broker.frames).toEqual([['connect'], ['publish'], ['disconnect']]);
    await bridge.stop();
    expect([bridge.clients, bridge.buffered.total]).toEqual([0, 0]);
  });

  test('a client may close its sending side at once and is still answered: printf … | nc', async () => {
    const bridge = start();
    const client = tcpClient(await listen(bridge, 'tcp'));
    client.socket.end(Buffer.from(`${CONNECT}${publish(1)}${publish(2)}${DISCONNECT}`, 'hex'));
    expect(await client.ended).toContain(CONNACK);
    expect(client.received()).toContain(puback(1));
    expect(client.received()).toContain(puback(2));
  });

  test('a client that is cut off is noticed, and its gateway connection closed', async () => {
    const bridge = start();
    const client = await connected(await listen(bridge, 'tcp'));
    client.socket.resetAndDestroy();
    expect(await bridge.logged('client-ended')).toMatchObject({ reason: 'client-gone' });
    await bridge.stop();
    expect(broker.closed).toEqual(['1000']);
  });

  test('a broker that refuses the handshake: the client is closed, and the log says with what status', async () => {
    broker.refuseWith = 403;
    const bridge = start({ to: `${broker.url}?token=secret` });
    const client = tcpClient(await listen(bridge, 'tcp'));
    client.write(CONNECT);
    expect(await client.ended).toBe('');
    const { reason, detail } = await bridge.logged('client-ended');
    expect(reason).toBe('cannot-open');
    expect(detail).toContain('403');
    expect(JSON.stringify(bridge.log)).not.toContain('secret');
  });

  test('no broker at all: the client is closed, and the log says so', async () => {
    const other = createServer();
    await once(other.listen(0, '127.0.0.1'), 'listening');
    const { port } = other.address() as { port: number };
    await new Promise((resolve) => other.close(resolve));
    const bridge = start({ to: `ws://127.0.0.1:${port}/mqtt` });
    const client = tcpClient(await listen(bridge, 'tcp'));
    client.write(CONNECT);
    await client.ended;
    expect((await bridge.logged('client-ended')).detail).toContain('ECONNREFUSED');
  });

  test('who says nothing is closed in time', async () => {
    const bridge = start({ limits: { connectMs: 50 } });
    const client = tcpClient(await listen(bridge, 'tcp'));
    expect(await client.ended).toBe('');
    expect(await bridge.logged('client-ended')).toMatchObject({ reason: 'connect-missing' });
    expect(broker.handshakes).toBe(0);
  });

  test('one client too many is refused, and has a place once another has gone', async () => {
    const bridge = start({ limits: { clients: 2 } });
    const port = await listen(bridge, 'tcp');
    const wsPort = await listen(bridge, 'ws');
    const first = await connected(port);
    const second = await connected(port);
    const third = tcpClient(port);
    expect(await third.ended).toBe('');
    expect(await bridge.logged('client-refused')).toMatchObject({ reason: 'too-many-clients', from: '127.0.0.1' });
    // All listeners together.
    await openWebSocket(wsPort).closed;
    expect(await bridge.logged('client-refused', { listener: 'ws' })).toMatchObject({ reason: 'too-many-clients' });
    first.write(DISCONNECT);
    await first.ended;
    // The bridge's end of the socket closes a moment later.
    while (bridge.clients === 2) await new Promise((resolve) => setImmediate(resolve));
    await connected(port);
    expect(second.socket.destroyed).toBe(false);
  });

  test('a client that sends too fast is slowed down by TCP, and nothing is lost', async () => {
    const bridge = start();
    const client = tcpClient(await listen(bridge, 'tcp'));
    client.write(CONNECT);
    await client.until(CONNACK);
    let letGo = (): void => {};
    const held = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    broker.interfere = async (_packets, usual) => {
      await held;
      return usual.replace(':', ';quiet=yes:'); // an answer of its own: this broker pushes nothing after it
    };
    const large = Buffer.concat([Buffer.from('30c0bb01000161', 'hex'), Buffer.alloc(23_997)]);
    const count = 500;
    for (let index = 0; index < count; index++) client.socket.write(large);
    // 12 MB: the buffers of the system are smaller. What does not fit waits with the client, once nothing moves any more.
    let before = -1;
    for (let still = 0; still < 10; ) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      still = client.socket.writableLength === before ? still + 1 : 0;
      before = client.socket.writableLength;
    }
    expect(before).toBeGreaterThan(500_000);
    expect(bridge.buffered.most).toBeLessThan(256 * 1024);
    letGo();
    client.write(`${publish(9)}`);
    await client.until(puback(9));
    const published = broker.frames.flat().filter((kind) => kind === 'publish').length;
    expect(published).toBe(count + 1);
    expect(bridge.buffered.most).toBeLessThan(512 * 1024);
  });

  test('a client that does not read what it is sent is closed at its bound; another one is not', async () => {
    const bridge = start();
    const port = await listen(bridge, 'tcp');
    const reader = await connected(port);
    const deaf = await connected(port);
    deaf.socket.pause();
    const payload = Buffer.alloc(100_000);
    const ended = bridge.logged('client-ended');
    let isOver = false;
    void ended.then(() => {
      isOver = true;
    });
    while (!isOver) {
      broker.push([{ cmd: 'publish', topic: 'a', payload, qos: 0, dup: false, retain: false }]);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await ended).toMatchObject({ client: 2, reason: 'client-too-slow' });
    reader.write(PINGREQ);
    await reader.until(PINGRESP);
    deaf.socket.destroy();
  });
});

describe('WebSocket', () => {
  test.each([
    ['mqtt', 'mqtt'],
    ['mqttv3.1', 'mqttv3.1'],
    [['other', 'mqttv3.1', 'mqtt'], 'mqtt'],
  ])('[MQTT-6.0.0-4] of %j the bridge takes mqtt, or else mqttv3.1', async (offered, chosen) => {
    const bridge = start();
    const client = openWebSocket(await listen(bridge, 'ws'), offered);
    await once(client.socket, 'open');
    expect(client.socket.protocol).toBe(chosen);
    client.write(`${CONNECT}${publish(1)}`);
    await client.until(puback(1));
    client.write(DISCONNECT);
    expect(await client.closed).toBe('1000 disconnected');
  });

  test('[MQTT-6.0.0-2] packets need not be whole in a message', async () => {
    const bridge = start();
    const client = openWebSocket(await listen(bridge, 'ws'));
    await once(client.socket, 'open');
    for (const byte of `${CONNECT}${publish(1)}`.match(/../g) ?? []) client.write(byte);
    await client.until(puback(1));
  });

  test.each([
    ['mqtt.base64', 'the broker speaks'],
    ['soap', 'a client offers the sub-protocol mqtt'],
  ])('a client that offers %s is refused, and told why', async (offered, why) => {
    const bridge = start();
    const refused = await openWebSocket(await listen(bridge, 'ws'), offered).refused;
    expect(refused).toMatch(/^400 /);
    expect(refused).toContain(why);
    expect(await bridge.logged('client-refused')).toMatchObject({ reason: 'sub-protocol', listener: 'ws' });
  });

  test('[MQTT-6.0.0-1] text closes the connection', async () => {
    const bridge = start();
    const client = openWebSocket(await listen(bridge, 'ws'));
    await once(client.socket, 'open');
    client.socket.send('CONNECT');
    expect(await client.closed).toBe('1003 text-message');
  });

  test('a browser that only looks is told what this is', async () => {
    const bridge = start();
    const asked = request({ host: '127.0.0.1', port: await listen(bridge, 'ws') }).end();
    const [response] = await once(asked, 'response');
    response.resume();
    expect(response.statusCode).toBe(426);
  });

  test('who does not even finish the handshake is closed in time', async () => {
    const bridge = start({ limits: { connectMs: 50 } });
    const client = tcpClient(await listen(bridge, 'ws'));
    client.socket.write('GET /mqtt HTTP/1.1\r\nHost: x\r\n');
    expect(Buffer.from(await client.ended, 'hex').toString()).toMatch(/^(HTTP\/1\.1 408|$)/);
    const silent = tcpClient(await listen(bridge, 'ws'));
    await silent.ended;
  });

  test('a message that never ends is counted, and closed at its bound', async () => {
    const bridge = start();
    const client = openWebSocket(await listen(bridge, 'ws'));
    await once(client.socket, 'open');
    client.write(CONNECT);
    await client.until(CONNACK);
    const piece = Buffer.alloc(50_000);
    let isClosed = false;
    void client.closed.then(() => {
      isClosed = true;
    });
    while (!isClosed) {
      if (client.socket.readyState === WebSocket.OPEN) client.socket.send(piece, { fin: false });
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(bridge.buffered.most).toBeGreaterThan(200_000);
    expect(bridge.buffered.most).toBeLessThan(1024 * 1024);
  });

  test('pings are answered, and no part of a message', async () => {
    const bridge = start();
    const client = openWebSocket(await listen(bridge, 'ws'));
    await once(client.socket, 'open');
    client.write(CONNECT);
    await client.until(CONNACK);
    for (let times = 0; times < 20; times++) {
      client.socket.ping(Buffer.alloc(100));
      await once(client.socket, 'pong');
    }
    client.write(PINGREQ);
    await client.until(PINGRESP);
    expect(bridge.buffered.most).toBeLessThan(1_000);
  });

  test('a reason of the broker that is too long for WebSocket is cut', async () => {
    const bridge = start();
    const client = openWebSocket(await listen(bridge, 'ws'));
    await once(client.socket, 'open');
    broker.interfere = () => `!0;close=${'é'.repeat(1_000)}:`;
    client.write(CONNECT);
    expect(await client.closed).toBe(`1011 ${'é'.repeat(41)}`);
  });

  test('what is no WebSocket frame is an end that the log explains', async () => {
    const bridge = start();
    const client = openWebSocket(await listen(bridge, 'ws'));
    await once(client.socket, 'open');
    (client.socket as unknown as { _socket: Socket })._socket.write(Buffer.from('ffffffff', 'hex'));
    expect(await client.closed).toMatch(/^1002 /);
    expect(await bridge.logged('client-ended')).toMatchObject({
      reason: 'websocket-error',
      detail: expect.stringContaining('Invalid WebSocket frame'),
    });
  });
});

const withTls = hasOpenSsl ? describe : describe.skip;

withTls(`TLS${hasOpenSsl ? '' : ' (skipped: openssl is not installed)'}`, () => {
  let certificate: TestCertificate;
  beforeAll(() => {
    certificate = createCertificate();
  });
  afterAll(() => certificate?.remove());

  test('MQTT over TLS, and over WebSocket and TLS', async () => {
    const bridge = start({ certificate });
    const ca = certificate.cert;
    const tls = rawClient(connectTls({ port: await listen(bridge, 'tls'), host: '127.0.0.1', ca }));
    tls.write(`${CONNECT}${publish(1)}`);
    await tls.until(puback(1));
    tls.write(DISCONNECT);
    await tls.ended;
    const wss = openWebSocket(await listen(bridge, 'wss'), 'mqtt', 'wss', { ca });
    await once(wss.socket, 'open');
    wss.write(`${CONNECT}${publish(1)}`);
    await wss.until(puback(1));
    wss.write(DISCONNECT);
    expect(await wss.closed).toBe('1000 disconnected');
  });

  test('the certificate of the broker is checked: against what Node trusts, and --ca', async () => {
    const gateway = createTlsServer(certificate);
    const sockets = new WebSocketServer({ server: gateway, handleProtocols: () => 'mqtt.base64' });
    sockets.on('connection', (socket) =>
      socket.on('message', () => socket.send(`!1:${Buffer.from(CONNACK, 'hex').toString('base64')}`)),
    );
    await once(gateway.listen(0, '127.0.0.1'), 'listening');
    undo.push(() => gateway.close());
    const to = `wss://localhost:${(gateway.address() as AddressInfo).port}/mqtt`;

    await connected(await listen(start({ to, ca: certificate.cert }), 'tcp'));
    const distrustful = start({ to });
    const client = tcpClient(await listen(distrustful, 'tcp'));
    client.write(CONNECT);
    expect(await client.ended).toBe('');
    const { reason, detail } = await distrustful.logged('client-ended');
    expect(reason).toBe('cannot-open');
    expect(detail).toContain('self-signed certificate');
  });

  test.each(['tls', 'wss'] as const)('%s: what is no TLS is refused, and what says nothing is closed', async (kind) => {
    const bridge = start({ certificate, limits: { connectMs: 50 } });
    const port = await listen(bridge, kind);
    const plain = tcpClient(port);
    plain.write(CONNECT);
    await plain.ended;
    await tcpClient(port).ended;
    expect(await bridge.logged('client-refused')).toMatchObject({ reason: 'tls-handshake', listener: kind });
    expect(bridge.clients).toBe(0);
  });

  test('TLS at the plain port is told from MQTT by its first byte', async () => {
    const bridge = start();
    const client = rawClient(connectTls({ port: await listen(bridge, 'tcp'), host: '127.0.0.1' }));
    expect(await client.ended).toBe('');
    expect(await bridge.logged('client-ended')).toMatchObject({ reason: 'not-mqtt' });
  });
});

describe('stopping', () => {
  test('what clients have sent is delivered and answered; nobody new comes in', async () => {
    const bridge = start();
    const port = await listen(bridge, 'tcp');
    const client = await connected(port);
    let letGo = (): void => {};
    const asked = new Promise<void>((resolve) => {
      broker.interfere = async () => {
        resolve();
        await new Promise<void>((go) => {
          letGo = go;
        });
        return undefined;
      };
    });
    client.write(publish(1));
    await asked;
    client.write(publish(2));
    const stopped = bridge.stop();
    const late = tcpClient(port);
    expect(await late.ended).toBe('');
    broker.interfere = () => undefined;
    letGo();
    await stopped;
    await client.ended;
    expect(client.received()).toContain(puback(1));
    expect(client.received()).toContain(puback(2));
    expect(broker.closed).toEqual(['1000']);
    expect(await bridge.logged('bridge-stopped')).toBeDefined();
  });

  test('a broker that does not answer holds it up for the time that is allowed, and not for ever', async () => {
    const bridge = start({ limits: { finishMs: 100 } });
    const client = await connected(await listen(bridge, 'tcp'));
    broker.interfere = () => new Promise(() => {});
    client.write(publish(1));
    await bridge.stop();
    await client.ended;
    expect(await bridge.logged('client-ended')).toMatchObject({ reason: 'bridge-stopping' });
  });

  test('twice is once', async () => {
    const bridge = start();
    await connected(await listen(bridge, 'tcp'));
    await Promise.all([bridge.stop(), bridge.stop()]);
    expect(bridge.log.filter(({ event }) => event === 'bridge-stopping')).toEqual([
      { event: 'bridge-stopping', clients: 1 },
    ]);
  });
});

test('a taken port is the error of the system', async () => {
  const bridge = start();
  const port = await listen(bridge, 'tcp');
  for (const kind of ['tcp', 'ws'] as const) {
    await expect(bridge.listen(kind, { host: '127.0.0.1', port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  }
});
