/** The `@connections` side of the gateway emulator. Names are the lines of the emulator fidelity checklist. */
import {
  DeleteConnectionCommand,
  GetConnectionCommand,
  PostToConnectionCommand,
} from '@aws-sdk/client-apigatewaymanagementapi';
import { type Harness, startGateway } from './fixtures/gateway-harness.ts';
import { settle } from './fixtures/manual-clock.ts';

let gateway: Harness;
beforeEach(async () => {
  gateway = await startGateway({ limits: { clientBufferBytes: 65_536 } });
});
afterEach(() => gateway.stop());

const post = (ConnectionId: string, Data: string) =>
  gateway.client.send(new PostToConnectionCommand({ ConnectionId, Data }));

const failureOf = async (call: Promise<unknown>): Promise<{ name: string; status: number | undefined }> => {
  const error = await call.then(
    () => ({ name: 'none', $metadata: { httpStatusCode: 200 } }),
    (caught: { name: string; $metadata: { httpStatusCode?: number } }) => caught,
  );
  return { name: error.name, status: error.$metadata.httpStatusCode };
};

const GONE = { name: 'GoneException', status: 410 };

describe('a connection is there from the end of $connect to its close', () => {
  test('POST during $connect → 410', async () => {
    let outcome: unknown;
    gateway.on('$connect', async ({ requestContext }) => {
      outcome = await failureOf(post(requestContext.connectionId, 'too early'));
      return { statusCode: 200 };
    });
    const client = await gateway.connect();
    expect(outcome).toEqual(GONE);
    expect(await failureOf(post(client.id, 'now'))).toEqual({ name: 'none', status: 200 });
    expect((await client.next()).text).toBe('now');
  });

  test('POST, GET and DELETE after the close → 410', async () => {
    const client = await gateway.connect();
    client.socket.close();
    await gateway.event('$disconnect');
    expect(await failureOf(post(client.id, 'x'))).toEqual(GONE);
    expect(await failureOf(gateway.client.send(new GetConnectionCommand({ ConnectionId: client.id })))).toEqual(GONE);
    expect(await failureOf(gateway.client.send(new DeleteConnectionCommand({ ConnectionId: client.id })))).toEqual(
      GONE,
    );
  });

  test('DELETE closes 1000, and posts are 410 at once', async () => {
    const client = await gateway.connect();
    await gateway.client.send(new DeleteConnectionCommand({ ConnectionId: client.id }));
    expect(await failureOf(post(client.id, 'x'))).toEqual(GONE);
    expect((await client.closed).code).toBe(1000);
    expect((await gateway.event('$disconnect')).requestContext).toMatchObject({
      disconnectStatusCode: 1000,
      disconnectReason: 'Connection Closed Normally',
    });
  });
});

describe('on the wire', () => {
  test('every error carries x-amzn-errortype and a JSON body', async () => {
    const client = await gateway.connect();
    const large = 'a'.repeat(131_073);
    const raw = [
      await fetch(`${gateway.endpoint}/@connections/nobody%3D`, { method: 'POST', body: 'x' }),
      await fetch(`${gateway.endpoint}/@connections/${encodeURIComponent(client.id)}`, { method: 'POST', body: large }),
      await fetch(`${gateway.endpoint.replace('/mqtt', '/other')}/@connections/x`, { method: 'POST' }),
      await fetch(`${gateway.endpoint}/@connections/x`, { method: 'PATCH' }),
    ];
    gateway.faults.set({ posts: { throttle: { next: 1 } } });
    raw.push(
      await fetch(`${gateway.endpoint}/@connections/${encodeURIComponent(client.id)}`, { method: 'POST', body: 'x' }),
    );
    expect(raw.map(({ status, headers }) => [status, headers.get('x-amzn-errortype')])).toEqual([
      [410, 'GoneException'],
      [413, 'PayloadTooLargeException'],
      [403, 'ForbiddenException'],
      [403, 'ForbiddenException'],
      [429, 'LimitExceededException'],
    ]);
    for (const response of raw) expect(await response.json()).toEqual({ message: expect.any(String) });
  });

  test.each(['/@connections/', '//@connections/', '/%40connections/'])(
    'ids percent-decoded; %s accepted',
    async (path) => {
      const client = await gateway.connect();
      const response = await fetch(`${gateway.endpoint}${path}${encodeURIComponent(client.id)}`, {
        method: 'POST',
        body: path,
      });
      expect(response.status).toBe(200);
      expect((await client.next()).text).toBe(path);
    },
  );

  test('GET in camelCase with ISO dates', async () => {
    const client = await gateway.connect();
    const connectedAt = gateway.clock.now();
    await gateway.clock.advance(1_500);
    client.socket.send('alive');
    await gateway.event('$default');
    const response = await fetch(`${gateway.endpoint}/@connections/${encodeURIComponent(client.id)}`);
    expect(await response.json()).toEqual({
      connectedAt: new Date(connectedAt).toISOString(),
      identity: { sourceIp: '127.0.0.1', userAgent: '' },
      lastActiveAt: new Date(connectedAt + 1_500).toISOString(),
    });
    const read = await gateway.client.send(new GetConnectionCommand({ ConnectionId: client.id }));
    expect(read.ConnectedAt?.getTime()).toBe(connectedAt);
    expect(read.LastActiveAt?.getTime()).toBe(connectedAt + 1_500);
    expect(read.Identity?.SourceIp).toBe('127.0.0.1');
  });

  test('signatures are taken as they are', async () => {
    const client = await gateway.connect();
    const response = await fetch(`${gateway.endpoint}/@connections/${encodeURIComponent(client.id)}`, {
      method: 'DELETE',
    });
    expect(response.status).toBe(204);
  });
});

describe('sizes', () => {
  test('POST > 131,072 B → 413, socket stays', async () => {
    const client = await gateway.connect();
    expect(await failureOf(post(client.id, 'a'.repeat(131_073)))).toEqual({
      name: 'PayloadTooLargeException',
      status: 413,
    });
    await post(client.id, 'still here');
    expect((await client.next()).text).toBe('still here');
  });

  test('POST of 131,072 B arrives as one text frame (assumption)', async () => {
    const client = await gateway.connect();
    await post(client.id, 'a'.repeat(131_072));
    expect((await client.next()).text).toHaveLength(131_072);
  });

  test('a client that does not read gets 429 for its posts', async () => {
    const client = await gateway.connect();
    client.socket.pause();
    let outcome = await failureOf(post(client.id, 'a'.repeat(131_072)));
    for (let posts = 0; outcome.status === 200 && posts < 500; posts += 1) {
      outcome = await failureOf(post(client.id, 'a'.repeat(131_072)));
    }
    expect(outcome).toEqual({ name: 'LimitExceededException', status: 429 });
    client.socket.terminate();
  });
});

describe('faults of posts', () => {
  test('429 injectable: for the next N', async () => {
    const client = await gateway.connect();
    gateway.faults.set({ posts: { throttle: { next: 2 } } });
    const throttled = { name: 'LimitExceededException', status: 429 };
    expect(await failureOf(post(client.id, '1'))).toEqual(throttled);
    expect(await failureOf(post(client.id, '2'))).toEqual(throttled);
    await post(client.id, '3');
    expect((await client.next()).text).toBe('3');
  });

  test('429 injectable: for a share', async () => {
    const client = await gateway.connect();
    // The harness always draws 0.5.
    gateway.faults.set({ posts: { throttle: { share: 0.4 } } });
    expect(await failureOf(post(client.id, '1'))).toEqual({ name: 'none', status: 200 });
    gateway.faults.set({ posts: { throttle: { share: 0.6 } } });
    expect((await failureOf(post(client.id, '1'))).status).toBe(429);
  });

  test('410 for a connection that is open', async () => {
    const [one, other] = [await gateway.connect(), await gateway.connect()];
    gateway.faults.set({ posts: { gone: [one.id] } });
    expect(await failureOf(post(one.id, 'x'))).toEqual(GONE);
    expect((await failureOf(post(other.id, 'x'))).status).toBe(200);
    gateway.faults.clear();
    expect((await failureOf(post(one.id, 'x'))).status).toBe(200);
  });

  test('fails after it was delivered', async () => {
    const client = await gateway.connect();
    gateway.faults.set({ posts: { failAfterDelivery: { next: 1 } } });
    expect((await failureOf(post(client.id, 'delivered'))).status).toBe(500);
    expect((await client.next()).text).toBe('delivered');
  });

  test('lost pushes: accepted, never delivered', async () => {
    const client = await gateway.connect();
    gateway.faults.set({ posts: { lose: { next: 1 } } });
    await post(client.id, 'lost');
    await post(client.id, 'found');
    expect((await client.next()).text).toBe('found');
  });

  test('delay; a connection that closes meanwhile is 410', async () => {
    const client = await gateway.connect();
    gateway.faults.set({ posts: { delayMs: 2_000 } });
    const late = failureOf(post(client.id, 'late'));
    while (gateway.clock.pending() < 3) await settle();
    client.socket.close();
    await gateway.event('$disconnect');
    await gateway.clock.advance(2_000);
    expect(await late).toEqual(GONE);
  });

  test('concurrent posts reordered', async () => {
    const client = await gateway.connect();
    gateway.faults.set({ posts: { reorder: 3 } });
    const before = gateway.clock.pending();
    const first = post(client.id, 'first');
    while (gateway.clock.pending() === before) await settle();
    const rest = [post(client.id, 'second'), post(client.id, 'third')];
    await Promise.all([first, ...rest]);
    const order = [await client.next(), await client.next(), await client.next()].map(({ text }) => text);
    expect([
      ['third', 'second', 'first'],
      ['second', 'third', 'first'],
    ]).toContainEqual(order);
    expect(gateway.faults.struck('posts.reorder')).toBe(1);
  });

  test('a post is not held for ever where no other comes', async () => {
    const client = await gateway.connect();
    gateway.faults.set({ posts: { reorder: 2 } });
    const before = gateway.clock.pending();
    const only = post(client.id, 'only');
    while (gateway.clock.pending() === before) await settle();
    await gateway.clock.advance(250);
    await only;
    expect((await client.next()).text).toBe('only');
    expect(gateway.faults.struck('posts.reorder')).toBe(0);
  });
});
