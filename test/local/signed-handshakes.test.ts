/** The IAM authorizer of the gateway emulator: handshakes that AWS would refuse are refused, and the log says why. */
import { get } from 'node:http';
import { type Harness, startGateway } from './fixtures/gateway-harness.ts';
import { type Signing, signedHeaders, signedQuery } from './fixtures/signing.ts';

const USER = 'arn:aws:iam::000000000000:user/local';
const MINUTE = 60_000;

let gateway: Harness;
beforeEach(async () => {
  gateway = await startGateway({ authorizer: 'iam' });
});
afterEach(() => gateway.stop());

type Shake = (signing?: Signing, url?: string) => Promise<unknown>;

/** Both ways to sign, at the time that the gateway has. */
const forms: readonly (readonly [string, Shake])[] = [
  [
    'in the Authorization header',
    async (signing = {}, url = gateway.url) =>
      gateway.connect('', [], await signedHeaders(url, { now: gateway.clock.now(), ...signing })),
  ],
  [
    'in the query string',
    async (signing = {}, url = gateway.url) =>
      gateway.connect(await signedQuery(url, { now: gateway.clock.now(), ...signing })),
  ],
];

const identity = async () => (await gateway.event('$connect')).requestContext.identity;

/** Refused with 403 before any Lambda runs, and one line of the log that says why. */
const refused = async (shaken: Promise<unknown>, why: string): Promise<void> => {
  await expect(shaken).rejects.toThrow('403');
  expect(gateway.events.$connect).toEqual([]);
  expect(gateway.lines).toEqual([expect.stringContaining(why)]);
};

describe.each(forms)('signed %s', (_, shake) => {
  test('it is accepted, and $connect is told who has signed', async () => {
    await shake();
    expect(await identity()).toMatchObject({
      accessKey: 'local',
      accountId: '000000000000',
      userArn: USER,
      user: 'AIDALOCAL',
      caller: 'AIDALOCAL',
      cognitoIdentityId: null,
      sourceIp: '127.0.0.1',
    });
    expect(gateway.lines).toEqual([]);
  });

  test.each<[string, string, string]>([
    ['assumed-role/pump/boot-17', 'arn:aws:sts::000000000000:assumed-role/pump/boot-17', 'AROALOCAL:boot-17'],
    ['federated-user/ann', 'arn:aws:sts::000000000000:federated-user/ann', '000000000000:ann'],
  ])('with the session token %s, it is by whom the token names', async (sessionToken, userArn, caller) => {
    await shake({ sessionToken });
    expect(await identity()).toMatchObject({ userArn, caller });
  });

  test.each(['assumed-role/pump', 'assumed-role/pump/a/b', 'federated-user/a/b', 'user/ann', 'x'.repeat(65)])(
    'with the session token %j, which is none, it is refused, and the log does not hold it',
    async (sessionToken) => {
      await refused(shake({ sessionToken }), 'the session token is neither');
      expect(gateway.lines.join()).not.toContain(sessionToken);
    },
  );

  test.each<[string, Signing, string]>([
    ['a wrong secret', { secretAccessKey: 'Local' }, 'the signature does not match'],
    ['another access key', { accessKeyId: 'AKIDEXAMPLE' }, 'the access key is not local'],
    ['another service', { service: 'iotdevicegateway' }, '"20270115/us-east-1/iotdevicegateway/aws4_request"'],
    ['another Region', { region: 'eu-central-1' }, '"20270115/eu-central-1/execute-api/aws4_request"'],
  ])('with %s it is refused', async (_what, signing, why) => {
    await refused(shake(signing), why);
  });

  test('for another path, it is refused', async () => {
    await refused(shake({}, `${gateway.url}/`), 'the signature does not match');
  });

  test('for another host, it is refused', async () => {
    await refused(shake({}, gateway.url.replace('127.0.0.1', 'localhost')), 'the signature does not match');
  });

  test('it is good for five minutes before and after its time, and not for longer', async () => {
    const now = gateway.clock.now();
    await shake({ now: now - 5 * MINUTE });
    await shake({ now: now + 5 * MINUTE });
    expect(gateway.events.$connect).toHaveLength(2);
    await expect(shake({ now: now - 5 * MINUTE - 1_000 })).rejects.toThrow('403');
    await expect(shake({ now: now + 5 * MINUTE + 1_000 })).rejects.toThrow('403');
    expect(gateway.events.$connect).toHaveLength(2);
    expect(gateway.lines).toEqual([
      expect.stringContaining('it was signed 301 s ago'),
      expect.stringContaining("it was signed 301 s from now: look at the client's clock"),
    ]);
  });
});

describe('in the Authorization header', () => {
  const signed = (signing: Signing = {}) => signedHeaders(gateway.url, { now: gateway.clock.now(), ...signing });
  const shake = (headers: Record<string, string>) => gateway.connect('', [], headers);

  test('a signature that another implementation has made is right', async () => {
    await shake({
      host: 'broker.example',
      'x-amz-date': '20270115T080000Z',
      'x-spaces': ' a   b ',
      authorization:
        'AWS4-HMAC-SHA256 Credential=local/20270115/us-east-1/execute-api/aws4_request,SignedHeaders=host;x-amz-date;x-spaces,' +
        'Signature=1fe61f2e081fb469eb0d89d0747a4ea2db33417ccde1cf04a3e273eb4dccd028',
    });
    expect(await identity()).toMatchObject({ userArn: USER });
  });

  test('other headers may be there that are not signed', async () => {
    await shake({ ...(await signed()), 'X-Extra': 'anything', 'User-Agent': 'anybody' });
    expect(await identity()).toMatchObject({ userArn: USER });
  });

  test('but no header X-Amz-… (assumption)', async () => {
    await refused(shake({ ...(await signed()), 'X-Amz-Extra': 'anything' }), 'the header x-amz-extra is not signed');
  });

  test('a session token that was not signed is refused', async () => {
    const headers = { ...(await signed()), 'X-Amz-Security-Token': 'assumed-role/admin/x' };
    await refused(shake(headers), 'the header x-amz-security-token is not signed');
  });

  test('a header that was signed must be there, as it was', async () => {
    const headers = await signed({ headers: { 'x-tenant': 'a' } });
    const { 'x-tenant': _, ...without } = headers;
    await shake(headers);
    expect(gateway.events.$connect).toHaveLength(1);
    await expect(shake({ ...headers, 'x-tenant': 'b' })).rejects.toThrow('403');
    await expect(shake(without)).rejects.toThrow('403');
    expect(gateway.lines).toEqual([
      expect.stringContaining('the signature does not match'),
      expect.stringContaining('the header "x-tenant" was signed and is not there'),
    ]);
  });

  test('a query string that was not signed is refused', async () => {
    await refused(gateway.connect('?a=b', [], await signed()), 'the signature does not match');
  });

  test.each<[string, Record<string, string>, string]>([
    ['no date', { 'x-amz-date': '' }, 'X-Amz-Date is not of the form'],
    ['a date of another form', { 'x-amz-date': 'Fri, 15 Jan 2027 08:00:00 GMT' }, 'X-Amz-Date is not of the form'],
    ['another date than the one that was signed', { 'x-amz-date': '20270115T075959Z' }, 'the signature does not match'],
    ['another scheme', { authorization: 'Bearer secret' }, 'the algorithm is not AWS4-HMAC-SHA256'],
    ['another algorithm', { authorization: 'AWS4-ECDSA-P256-SHA256 Credential=local' }, 'the algorithm is not'],
    [
      'nothing behind the algorithm',
      { authorization: 'AWS4-HMAC-SHA256' },
      'its Authorization header has no Credential',
    ],
    [
      'no signature',
      {
        authorization:
          'AWS4-HMAC-SHA256 Credential=local/20270115/us-east-1/execute-api/aws4_request, SignedHeaders=host',
      },
      'its Authorization header has no Signature',
    ],
    [
      'a host that is not signed',
      {
        authorization:
          'AWS4-HMAC-SHA256 Credential=local/20270115/us-east-1/execute-api/aws4_request, SignedHeaders=x-amz-date, Signature=1',
      },
      'the header host is not signed',
    ],
  ])('with %s it is refused', async (_, changes, why) => {
    await refused(shake({ ...(await signed()), ...changes }), why);
  });

  test('without X-Amz-Date it is refused', async () => {
    const { 'x-amz-date': _, ...headers } = await signed();
    await refused(shake(headers), 'it has no header X-Amz-Date');
  });
});

describe('in the query string', () => {
  const signed = (signing: Signing = {}, url = gateway.url) =>
    signedQuery(url, { now: gateway.clock.now(), ...signing });

  test('a signature that another implementation has made is right, also without X-Amz-Expires', async () => {
    const query =
      'X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=local%2F20270115%2Fus-east-1%2Fexecute-api%2Faws4_request' +
      '&X-Amz-Date=20270115T080000Z&X-Amz-SignedHeaders=host&a%20b=c%20d%2F%C3%A9&a=2' +
      '&X-Amz-Signature=eded0cd5ab49e222262383c0669356250573226559eb138312162996268a1558';
    await gateway.connect(`?${query}`, [], { host: 'broker.example' });
    expect(await identity()).toMatchObject({ userArn: USER });
  });

  test('parameters of the application are signed with it, and reach $connect', async () => {
    await gateway.connect(await signed({}, `${gateway.url}?b=2&a=1&a=0`));
    expect((await gateway.event('$connect')).multiValueQueryStringParameters).toMatchObject({
      a: ['1', '0'],
      b: ['2'],
    });
  });

  test('their order does not matter', async () => {
    const query = new URLSearchParams(await signed({}, `${gateway.url}?b=2&a=1`));
    await gateway.connect(`?${new URLSearchParams([...query].reverse())}`);
    expect(gateway.events.$connect).toHaveLength(1);
  });

  test.each<[string, (query: URLSearchParams) => void]>([
    ['one is added', (query) => query.append('a', '1')],
    ['one is added that JavaScript takes for something else', (query) => query.append('__proto__', '1')],
    ['one is changed', (query) => query.set('tenant', 'b')],
    ['one is left out', (query) => query.delete('tenant')],
    ['one is doubled', (query) => query.append('tenant', 'a')],
    ['X-Amz-Expires is changed', (query) => query.set('X-Amz-Expires', '301')],
    ['X-Amz-Expires is left out', (query) => query.delete('X-Amz-Expires')],
    ['the date is changed', (query) => query.set('X-Amz-Date', '20270115T080001Z')],
    ['the signature is cut', (query) => query.set('X-Amz-Signature', query.get('X-Amz-Signature')?.slice(1) ?? '')],
    // As IoT Core has it: there, the token is not signed.
    [
      'the session token is added behind the signature',
      (query) => query.set('X-Amz-Security-Token', 'federated-user/ann'),
    ],
  ])('where %s, it is refused', async (_, change) => {
    const query = new URLSearchParams(await signed({}, `${gateway.url}?tenant=a`));
    change(query);
    await refused(gateway.connect(`?${query}`), 'the signature does not match');
  });

  test.each(['X-Amz-Credential', 'X-Amz-Date', 'X-Amz-SignedHeaders', 'X-Amz-Signature', 'X-Amz-Algorithm'])(
    'without %s, or with two, it is refused',
    async (name) => {
      const query = new URLSearchParams(await signed());
      query.append(name, query.get(name) ?? '');
      await expect(gateway.connect(`?${query}`)).rejects.toThrow('403');
      query.delete(name);
      await expect(gateway.connect(`?${query}`)).rejects.toThrow('403');
      expect(gateway.lines).toEqual(
        Array(2).fill(expect.stringContaining(`its query string has no ${name}, or several`)),
      );
      expect(gateway.events.$connect).toEqual([]);
    },
  );

  test('a header X-Amz-… is refused there, too', async () => {
    const shaken = gateway.connect(await signed(), [], { 'x-amz-security-token': 'federated-user/ann' });
    await refused(shaken, 'the header x-amz-security-token is not signed');
  });

  test('X-Amz-Expires makes its time shorter', async () => {
    const query = await signed({ expiresIn: 60 });
    await gateway.clock.advance(60_000);
    await gateway.connect(query);
    expect(gateway.events.$connect).toHaveLength(1);
    await gateway.clock.advance(1_000);
    await expect(gateway.connect(query)).rejects.toThrow('403');
    expect(gateway.lines).toEqual([expect.stringContaining('it was signed 61 s ago, for 60 s')]);
  });

  test('… and not longer', async () => {
    const query = await signed({ expiresIn: 86_400 });
    await gateway.clock.advance(5 * MINUTE + 1_000);
    await refused(gateway.connect(query), 'it was signed 301 s ago, and a signature is good for 300 s');
  });

  test.each(['0', '-1', 'x', '604801', '1e3'])('X-Amz-Expires %s is none', async (expires) => {
    const query = new URLSearchParams(await signed());
    query.set('X-Amz-Expires', expires);
    await refused(gateway.connect(`?${query}`), 'X-Amz-Expires is not a number of seconds');
  });
});

test('a handshake that is not signed is refused', async () => {
  await refused(gateway.connect(), 'it is not signed');
});

test('one that is signed twice is refused', async () => {
  const signing = { now: gateway.clock.now() };
  const query = await signedQuery(gateway.url, signing);
  await refused(
    gateway.connect(query, [], await signedHeaders(`${gateway.url}${query}`, signing)),
    'it is signed twice',
  );
});

test('the answer says nothing but that it is forbidden', async () => {
  const response = await new Promise<{ status: number | undefined; body: string }>((resolve, reject) => {
    const headers = { connection: 'Upgrade', upgrade: 'websocket' };
    get(gateway.endpoint, { headers }, (message) => {
      message.setEncoding('utf8');
      let body = '';
      message.on('data', (text: string) => {
        body += text;
      });
      message.on('end', () => resolve({ status: message.statusCode, body }));
    }).on('error', reject);
  });
  expect(response).toEqual({ status: 403, body: '{"message":"Forbidden"}' });
});

test('who has signed is told with CONNECT alone (assumption)', async () => {
  const headers = await signedHeaders(gateway.url, { now: gateway.clock.now() });
  const client = await gateway.connect('', [], headers);
  client.socket.send('hello');
  expect((await gateway.event('$default')).requestContext.identity).toEqual({
    sourceIp: '127.0.0.1',
    userAgent: expect.any(String),
  });
  client.socket.close();
  expect((await gateway.event('$disconnect')).requestContext.identity).not.toHaveProperty('userArn');
});

test('without the authorizer nobody is asked to sign, and a signature says nothing', async () => {
  const open = await startGateway();
  try {
    await open.connect('', [], await signedHeaders(open.url, { secretAccessKey: 'wrong' }));
    expect((await open.event('$connect')).requestContext.identity).not.toHaveProperty('userArn');
  } finally {
    await open.stop();
  }
});
