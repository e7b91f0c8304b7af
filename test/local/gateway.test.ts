/** The WebSocket side of the gateway emulator. Each test names what AWS does. */
import { DeleteConnectionCommand, PostToConnectionCommand } from '@aws-sdk/client-apigatewaymanagementapi';
import { type Harness, startGateway } from './fixtures/gateway-harness.ts';
import { settle } from './fixtures/manual-clock.ts';

let gateway: Harness;
beforeEach(async () => {
  gateway = await startGateway();
});
afterEach(async () => {
  await gateway.stop();
  expect(gateway.clock.pending()).toBe(0);
});

const echo = (event: { readonly body?: string }) => ({ statusCode: 200, body: event.body });

describe('text only', () => {
  test('server → client is always a text frame', async () => {
    gateway.on('$default', echo);
    const client = await gateway.connect();
    client.socket.send('hello');
    expect(await client.next()).toEqual({ text: 'hello', isBinary: false });
    const bytes = Buffer.from('pushed');
    await gateway.client.send(new PostToConnectionCommand({ ConnectionId: client.id, Data: bytes }));
    expect(await client.next()).toEqual({ text: 'pushed', isBinary: false });
  });

  test('client binary closes 1003', async () => {
    const client = await gateway.connect();
    client.socket.send(Buffer.from([16, 1, 2, 3]));
    expect((await client.closed).code).toBe(1003);
    expect((await gateway.event('$disconnect')).requestContext.disconnectStatusCode).toBe(1003);
    expect(gateway.events.$default).toEqual([]);
  });

  test('nothing that follows a binary message is handled', async () => {
    const client = await gateway.connect();
    client.socket.send(Buffer.from([1]));
    client.socket.send('too late');
    await client.closed;
    expect(gateway.events.$default).toEqual([]);
  });
});

describe('sizes', () => {
  test('frame of 32,768 B passes', async () => {
    gateway.on('$default', echo);
    const client = await gateway.connect();
    client.socket.send('a'.repeat(32_768));
    expect((await client.next()).text).toHaveLength(32_768);
  });

  test('frame > 32,768 B closes 1009', async () => {
    const client = await gateway.connect();
    client.socket.send('a'.repeat(32_769));
    expect((await client.closed).code).toBe(1009);
    expect((await gateway.event('$disconnect')).requestContext.disconnectStatusCode).toBe(1009);
    expect(gateway.events.$default).toEqual([]);
  });

  test('frame > 32,768 B closes 1009, also as the second fragment of a small message', async () => {
    const client = await gateway.connect();
    client.socket.send('a', { fin: false });
    client.socket.send('b'.repeat(32_769), { fin: true });
    expect((await client.closed).code).toBe(1009);
    expect(gateway.events.$default).toEqual([]);
  });

  test('message of 131,072 B in frames of 32,768 B passes', async () => {
    const client = await gateway.connect();
    for (const last of [false, false, false, true]) client.socket.send('a'.repeat(32_768), { fin: last });
    expect((await gateway.event('$default')).body).toHaveLength(131_072);
  });

  test('message > 131,072 B closes 1009, though every frame is small', async () => {
    const client = await gateway.connect();
    for (let frame = 0; frame < 4; frame += 1) client.socket.send('a'.repeat(32_768), { fin: false });
    client.socket.send('a', { fin: true });
    expect((await client.closed).code).toBe(1009);
    expect((await gateway.event('$disconnect')).requestContext.disconnectStatusCode).toBe(1009);
    expect(gateway.events.$default).toEqual([]);
  });
});

describe('times', () => {
  test('idle 600 s closes the socket (1001, assumption)', async () => {
    const client = await gateway.connect();
    await gateway.clock.advance(599_999);
    expect(client.socket.readyState).toBe(client.socket.OPEN);
    await gateway.clock.advance(1);
    expect((await client.closed).code).toBe(1001);
    expect((await gateway.event('$disconnect')).requestContext.disconnectStatusCode).toBe(1001);
  });

  test('a message of the client resets idle, a ping does not', async () => {
    const client = await gateway.connect();
    await gateway.clock.advance(400_000);
    client.socket.send('alive');
    await gateway.event('$default');
    await gateway.clock.advance(400_000);
    const pong = new Promise((resolve) => client.socket.once('pong', resolve));
    client.socket.ping();
    await pong;
    expect(client.socket.readyState).toBe(client.socket.OPEN);
    await gateway.clock.advance(200_000);
    expect((await client.closed).code).toBe(1001);
  });

  test('a push resets idle', async () => {
    const client = await gateway.connect();
    await gateway.clock.advance(400_000);
    await gateway.client.send(new PostToConnectionCommand({ ConnectionId: client.id, Data: 'x' }));
    await gateway.clock.advance(400_000);
    expect(gateway.gateway.connections()).toEqual([client.id]);
  });

  test('lifetime 7,200 s closes the socket, however busy (1001, assumption)', async () => {
    const client = await gateway.connect();
    for (let seconds = 0; seconds < 7_200; seconds += 400) {
      client.socket.send('alive');
      await gateway.event('$default', seconds / 400 + 1);
      expect(gateway.gateway.connections()).toEqual([client.id]);
      await gateway.clock.advance(400_000);
    }
    expect((await client.closed).code).toBe(1001);
  });

  test('a client that does not answer a close is dropped', async () => {
    const client = await gateway.connect();
    client.socket.pause();
    await gateway.client.send(new DeleteConnectionCommand({ ConnectionId: client.id }));
    await gateway.clock.advance(1_000);
    expect((await gateway.event('$disconnect')).requestContext.disconnectStatusCode).toBe(1000);
    client.socket.resume();
  });
});

describe('$connect', () => {
  test('the upgrade response waits for $connect', async () => {
    let finish: (result: object) => void = () => {};
    gateway.on('$connect', () => new Promise((resolve) => (finish = resolve)));
    let opened = false;
    const connecting = gateway.connect().then((client) => {
      opened = true;
      return client;
    });
    await gateway.event('$connect');
    await settle();
    expect(opened).toBe(false);
    expect(gateway.gateway.connections()).toEqual([]);
    finish({ statusCode: 200 });
    const { id } = await connecting;
    expect(gateway.gateway.connections()).toEqual([id]);
  });

  test.each([400, 401, 403, 500])('non-2xx becomes an HTTP error: %d', async (statusCode) => {
    gateway.on('$connect', () => ({ statusCode }));
    await expect(gateway.connect()).rejects.toThrow(`Unexpected server response: ${statusCode}`);
    expect(gateway.events.$disconnect).toEqual([]);
  });

  test('a $connect that throws becomes 502 (assumption)', async () => {
    gateway.on('$connect', () => {
      throw new Error('no');
    });
    await expect(gateway.connect()).rejects.toThrow('Unexpected server response: 502');
  });

  test('a $connect beyond 29 s becomes 504 (assumption)', async () => {
    gateway.on('$connect', () => new Promise(() => {}));
    const refused = expect(gateway.connect()).rejects.toThrow('Unexpected server response: 504');
    await gateway.event('$connect');
    await gateway.clock.advance(29_000);
    await refused;
  });

  test('another stage is 403', async () => {
    const { openClient } = await import('./fixtures/web-socket-client.ts');
    await expect(openClient(gateway.url.replace('/mqtt', '/other'))).rejects.toThrow('403');
    expect(gateway.events.$connect).toEqual([]);
  });

  test('Sec-WebSocket-Protocol only if the integration returned it', async () => {
    await expect(gateway.connect('', ['mqtt.base64', 'mqtt'])).rejects.toThrow('Server sent no subprotocol');
    await gateway.event('$disconnect');
    gateway.on('$connect', () => ({ statusCode: 200, headers: { 'sec-websocket-protocol': 'mqtt' } }));
    const client = await gateway.connect('', ['mqtt.base64', 'mqtt']);
    expect(client.socket.protocol).toBe('mqtt');
  });

  test('a client that left while $connect ran is disconnected (assumption)', async () => {
    let finish: (result: object) => void = () => {};
    gateway.on('$connect', () => new Promise((resolve) => (finish = resolve)));
    const { WebSocket } = await import('ws');
    const socket = new WebSocket(gateway.url);
    socket.on('error', () => {});
    const closed = new Promise((resolve) => socket.once('close', resolve));
    await gateway.event('$connect');
    socket.terminate();
    await closed;
    await settle();
    finish({ statusCode: 200 });
    const event = await gateway.event('$disconnect');
    expect(event.requestContext.disconnectStatusCode).toBe(1006);
    expect(gateway.gateway.connections()).toEqual([]);
  });
});

describe('events', () => {
  test('CONNECT has headers and query', async () => {
    await gateway.connect('?k=v&k=w&one=1');
    const event = await gateway.event('$connect');
    expect(event).toMatchObject({
      queryStringParameters: { k: 'w', one: '1' },
      multiValueQueryStringParameters: { k: ['v', 'w'], one: ['1'] },
      headers: {
        Host: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
        'Sec-WebSocket-Version': '13',
        'X-Forwarded-For': '127.0.0.1',
        'X-Forwarded-Proto': 'https',
      },
      multiValueHeaders: { 'Sec-WebSocket-Version': ['13'] },
      isBase64Encoded: false,
    });
    const { requestContext } = event;
    expect(requestContext).toEqual({
      routeKey: '$connect',
      eventType: 'CONNECT',
      messageDirection: 'IN',
      extendedRequestId: requestContext.requestId,
      requestId: expect.any(String),
      requestTime: expect.stringMatching(/^\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000$/),
      requestTimeEpoch: gateway.clock.now(),
      connectedAt: gateway.clock.now(),
      connectionId: expect.stringMatching(/^[A-Za-z0-9+/]{15}=$/),
      stage: 'mqtt',
      apiId: 'local',
      domainName: expect.any(String),
      identity: { sourceIp: '127.0.0.1', userAgent: '' },
    });
  });

  test('CONNECT without a query has no query keys', async () => {
    await gateway.connect();
    const event = await gateway.event('$connect');
    expect(event).not.toHaveProperty('queryStringParameters');
    expect(event).not.toHaveProperty('multiValueQueryStringParameters');
  });

  test('MESSAGE has no headers and no query', async () => {
    const client = await gateway.connect('?k=v');
    client.socket.send('ECYABE1RVFQE');
    const event = await gateway.event('$default');
    expect(Object.keys(event).sort()).toEqual(['body', 'isBase64Encoded', 'requestContext']);
    expect(event).toMatchObject({ body: 'ECYABE1RVFQE', isBase64Encoded: false });
    expect(event.requestContext).toMatchObject({
      routeKey: '$default',
      eventType: 'MESSAGE',
      messageId: expect.any(String),
      connectionId: client.id,
    });
  });

  test('DISCONNECT has disconnectStatusCode and disconnectReason, and a reduced set of headers', async () => {
    const client = await gateway.connect();
    client.socket.close(1001, 'leaving');
    const event = await gateway.event('$disconnect');
    expect(event).toMatchObject({ headers: { 'x-api-key': '', 'x-restapi': '' }, isBase64Encoded: false });
    expect(event.requestContext).toMatchObject({
      routeKey: '$disconnect',
      eventType: 'DISCONNECT',
      disconnectStatusCode: 1001,
      disconnectReason: 'leaving',
      connectionId: client.id,
    });
  });

  test('a client that vanishes is 1006', async () => {
    const client = await gateway.connect();
    client.socket.terminate();
    expect((await gateway.event('$disconnect')).requestContext.disconnectStatusCode).toBe(1006);
  });
});

describe('$default', () => {
  test('concurrent MESSAGE invocations of one connection: the second does not wait for the first', async () => {
    const answers = new Map<string, (result: object) => void>();
    gateway.on('$default', ({ body = '' }) => new Promise((resolve) => answers.set(body, resolve)));
    const client = await gateway.connect();
    client.socket.send('first');
    client.socket.send('second');
    await gateway.event('$default', 2);
    answers.get('second')?.({ statusCode: 200, body: 'to the second' });
    expect((await client.next()).text).toBe('to the second');
    answers.get('first')?.({ statusCode: 200, body: 'to the first' });
    expect((await client.next()).text).toBe('to the first');
  });

  test('route response: the body, and nothing where there is none', async () => {
    gateway.on('$default', ({ body }) => (body === 'quiet' ? { statusCode: 200 } : { statusCode: 200, body }));
    const client = await gateway.connect();
    client.socket.send('quiet');
    client.socket.send('loud');
    expect((await client.next()).text).toBe('loud');
    expect(client.waiting).toEqual([]);
  });

  test('an empty body sends nothing (assumption)', async () => {
    gateway.on('$default', ({ body }) => ({ statusCode: 200, body: body === 'empty' ? '' : body }));
    const client = await gateway.connect();
    client.socket.send('empty');
    client.socket.send('full');
    expect((await client.next()).text).toBe('full');
  });

  test.each([
    ['throws', () => Promise.reject(new Error('bug'))],
    ['returns nothing', () => undefined],
    ['returns no status code', () => ({ body: 'x' })],
    ['returns a body that is no string', () => ({ statusCode: 200, body: { x: 1 } })],
    ['returns a body above 128 KB', () => ({ statusCode: 200, body: 'a'.repeat(131_073) })],
  ])('gateway error JSON frame: a Lambda that %s', async (_what, lambda) => {
    gateway.on('$default', lambda);
    const client = await gateway.connect();
    client.socket.send('x');
    expect(JSON.parse((await client.next()).text)).toEqual({
      message: 'Internal server error',
      connectionId: client.id,
      requestId: (await gateway.event('$default')).requestContext.requestId,
    });
  });

  test('gateway error JSON frame: integration timeout of 29 s', async () => {
    gateway.on('$default', () => new Promise(() => {}));
    const client = await gateway.connect();
    client.socket.send('x');
    await gateway.event('$default');
    await gateway.clock.advance(28_999);
    expect(client.waiting).toEqual([]);
    await gateway.clock.advance(1);
    expect(JSON.parse((await client.next()).text)).toMatchObject({
      message: 'Endpoint request timed out',
      connectionId: client.id,
    });
  });

  test('gateway error JSON frame: injected for the next N client frames, without calling the Lambda', async () => {
    gateway.on('$default', echo);
    gateway.faults.set({ frames: { refuse: { next: 2 } } });
    const client = await gateway.connect();
    for (const frame of ['a', 'b', 'c']) client.socket.send(frame);
    const frames = [await client.next(), await client.next(), await client.next()].map(({ text }) => text);
    const refusal = expect.stringContaining('"message":"Too Many Requests"');
    expect(frames).toEqual(expect.arrayContaining([refusal, 'c']));
    expect(frames.filter((text) => text.startsWith('{'))).toHaveLength(2);
    expect(gateway.events.$default.map(({ body }) => body)).toEqual(['c']);
  });
});

test('route responses only when configured', async () => {
  const bare = await startGateway({ routeResponse: false });
  bare.on('$default', ({ body }) => {
    if (body === 'bug') throw new Error('bug');
    return { statusCode: 200, body };
  });
  const client = await bare.connect();
  client.socket.send('bug');
  client.socket.send('x');
  await bare.event('$default', 2);
  await bare.client.send(new PostToConnectionCommand({ ConnectionId: client.id, Data: 'a push' }));
  expect((await client.next()).text).toBe('a push');
  await bare.stop();
});

describe('$disconnect', () => {
  test('droppable', async () => {
    gateway.faults.set({ disconnect: { drop: { next: 1 } } });
    const first = await gateway.connect();
    const second = await gateway.connect();
    first.socket.close();
    await first.closed;
    second.socket.close();
    const event = await gateway.event('$disconnect');
    expect(event.requestContext.connectionId).toBe(second.id);
    expect(gateway.events.$disconnect).toHaveLength(1);
  });

  test('late', async () => {
    gateway.faults.set({ disconnect: { delayMs: 5_000 } });
    const client = await gateway.connect();
    client.socket.close();
    await client.closed;
    await gateway.clock.advance(4_999);
    expect(gateway.events.$disconnect).toEqual([]);
    await gateway.clock.advance(1);
    expect(gateway.events.$disconnect).toHaveLength(1);
  });

  test('duplicated', async () => {
    gateway.faults.set({ disconnect: { double: { next: 1 } } });
    const client = await gateway.connect();
    client.socket.close();
    const [first, second] = [await gateway.event('$disconnect', 1), await gateway.event('$disconnect', 2)];
    expect(first.requestContext.connectionId).toBe(second.requestContext.connectionId);
  });
});
