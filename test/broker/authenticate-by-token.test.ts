/** JSON Web Tokens: who a client is by its claims, what it may do, and until when. */
import type { Settings } from '../../src/broker/context.ts';
import type { Ports } from '../../src/broker/ports.ts';
import { plainToken, plainTokens } from './credentials.ts';
import { allowAll } from './policies.ts';
import { ARN_BASE, connectPacket, createWorld, type Packet, publishPacket } from './world.ts';

type Claims = Readonly<Record<string, unknown>>;

const NOW = Date.UTC(2026, 0, 1);
const IN_AN_HOUR = NOW / 1_000 + 3_600;

const forTenant = JSON.stringify({
  Version: '2012-10-17',
  Statement: [
    { Effect: 'Allow', Action: 'iot:Connect', Resource: '*' },
    { Effect: 'Allow', Action: 'iot:Publish', Resource: `${ARN_BASE}topic/\${jwt:tenant}/*` },
  ],
});

const createIssued = async (
  settings: Partial<Settings> = {},
  override: (ports: Ports) => Partial<Ports> = () => ({}),
) => {
  const world = createWorld({ authentication: 'jwt', jwtPolicies: 'all', ...settings }, (ports) => ({
    tokens: plainTokens,
    ...override(ports),
  }));
  await world.stores.identity.putPolicy('all', allowAll);
  await world.stores.identity.putPolicy('tenant', forTenant);
  let clients = 0;
  /** CONNECT with a token of these claims, on a socket of its own. */
  const login = async (claims: Claims, username = '') => {
    const token = plainToken({ sub: 'pump-7', exp: IN_AN_HOUR, ...claims });
    const socket = world.open();
    const clientId = `client-${++clients}`;
    const reply = await socket.send({ ...connectPacket(clientId), username, password: Buffer.from(token) } as Packet);
    const session = await world.session(clientId);
    const grant = session && (await world.stores.identity.grant(session.grant));
    return { socket, token, returnCode: reply.packets[0]?.returnCode, close: reply.close, grant, id: session?.grant };
  };
  return { world, login };
};

const refusal = { returnCode: 4, close: 'refused', grant: undefined };

describe('a CONNECT with a token', () => {
  it('is accepted, and its session knows whose it is and what the token says', async () => {
    const { login } = await createIssued();
    const { returnCode, grant } = await login({
      iss: 'https://issuer.example',
      aud: ['a', 'b'],
      admin: false,
      level: 3,
    });
    expect(returnCode).toBe(0);
    expect(grant).toEqual({
      principal: 'jwt:pump-7',
      records: [],
      policies: ['all'],
      documents: [],
      values: {
        'aws:userid': 'pump-7',
        'aws:username': 'pump-7',
        'jwt:sub': 'pump-7',
        'jwt:iss': 'https://issuer.example',
        'jwt:aud': ['a', 'b'],
        'jwt:admin': 'false',
        'jwt:level': '3',
      },
    });
  });

  it('may have it in the place of the user name', async () => {
    const { world } = await createIssued();
    const username = plainToken({ sub: 'pump-7', exp: IN_AN_HOUR });
    const reply = await world.open().send({ ...connectPacket('client'), username } as Packet);
    expect(reply.packets).toMatchObject([{ cmd: 'connack', returnCode: 0 }]);
  });

  it('is authorized until the token expires', async () => {
    const { world, login } = await createIssued();
    const { socket } = await login({ exp: IN_AN_HOUR + 0.5 });
    const connection = await world.stores.connections.read(socket.connectionId);
    expect(connection).toMatchObject({ authorizedUntil: NOW + 3_600_500, reauthorizeAt: 0 });
  });

  it('has the grant of the token before, if nothing but the token is new', async () => {
    const { login } = await createIssued({ jwtPoliciesClaim: 'groups' });
    const one = await login({ iat: 1, jti: 'a', nonce: 'x', groups: ['b', 'a'], tenant: 't' });
    const other = await login({ tenant: 't', groups: ['a', 'b', 'a'], jti: 'b', iat: 2, exp: IN_AN_HOUR + 60 });
    expect(other.id).toBeDefined();
    expect(other.grant?.policies).toEqual(['a', 'all', 'b']);
    // Only the values for policies tell the order of the groups, which is the token's own.
    expect(other.grant?.values).toMatchObject({ 'jwt:groups': ['a', 'b', 'a'] });
    const same = await login({ tenant: 't', groups: ['b', 'a'], jti: 'c', iat: 3 });
    expect(same.id).toBe(one.id);
  });

  it('is not believed what only the client says', async () => {
    const { login } = await createIssued();
    const { grant } = await login({}, 'admin');
    expect(JSON.stringify(grant)).not.toContain('admin');
  });

  it('is named by the claim that the operator has chosen', async () => {
    const { login } = await createIssued({ jwtPrincipalClaim: 'cognito:username' });
    const { grant } = await login({ 'cognito:username': 'ann' });
    expect(grant).toMatchObject({ principal: 'jwt:ann', values: { 'aws:username': 'ann', 'aws:userid': 'pump-7' } });
  });
});

describe('what a client with a token may do', () => {
  it('is what the policies say that its claim names', async () => {
    const { login } = await createIssued({ jwtPolicies: '', jwtPoliciesClaim: 'groups' });
    expect(await login({ groups: ['all'] })).toMatchObject({ returnCode: 0 });
    expect(await login({ groups: 'other, all' })).toMatchObject({ returnCode: 0 });
    expect(await login({ groups: ['unknown'] })).toMatchObject({ returnCode: 5 });
    expect(await login({ groups: [] })).toMatchObject({ returnCode: 5 });
    expect(await login({})).toMatchObject({ returnCode: 5 });
  });

  it.each<readonly [unknown, readonly string[]]>([
    ['a b,c,,  d', ['a', 'b', 'c', 'd']],
    [['a', 'Domain Users', 'b/c', '', 'x'.repeat(129), 7, null, { a: 1 }], ['a']],
    [{ a: 'b' }, []],
    [7, []],
    [null, []],
  ])('is not what the claim %j cannot name', async (groups, names) => {
    const { login } = await createIssued({ jwtPoliciesClaim: 'groups' });
    expect((await login({ groups })).grant?.policies).toEqual([...names, 'all'].sort());
  });

  it('may depend on its claims', async () => {
    const { login } = await createIssued({ jwtPolicies: 'tenant' });
    const { socket } = await login({ Tenant: 'acme' });
    expect(await socket.send(publishPacket('acme/a', 'x'))).toMatchObject({ packets: [{ cmd: 'puback' }] });
    expect(await socket.send(publishPacket('other/a', 'x'))).toMatchObject({ close: 'not-authorized', packets: [] });
  });
});

describe('a CONNECT with a token is refused with return code 4', () => {
  const sub = (value: unknown) => ({ sub: value });

  it.each<readonly [string, Claims]>([
    ['that is not valid', { problem: 'the token has a wrong signature' }],
    ['that has expired', { exp: NOW / 1_000 }],
    ['that expires at no time', { exp: 1e300 }],
    ['that never expires', { exp: undefined }],
    ['that names nobody', sub(undefined)],
    ['that names nobody in no letters', sub('')],
    ['that names somebody by a number', sub(7)],
    ['that names several', sub(['a', 'b'])],
    ['whose name is too long', sub('n'.repeat(257))],
    ['with too many claims', { text: 's3cret'.repeat(1_366) }],
    ['with two claims that policies cannot tell apart', { role: 'user', Role: 'admin' }],
  ])('%s: one line in the log, and nothing of the token there', async (_, claims) => {
    const { world, login } = await createIssued();
    const { token, ...answer } = await login({ name: 's3cret', ...claims });
    expect(answer).toMatchObject(refusal);
    expect(world.lines).toMatchObject([{ event: 'connect-refused', detail: expect.any(String) }]);
    expect(JSON.stringify(world.lines)).not.toMatch(/s3cret|pump-7|eyJ|nnnn/);
  });

  it('that was good once, and is sent again after its time', async () => {
    const { world, login } = await createIssued();
    expect(await login({})).toMatchObject({ returnCode: 0 });
    world.advance(3_599_999);
    expect(await login({})).toMatchObject({ returnCode: 0 });
    world.advance(1);
    expect(await login({})).toMatchObject(refusal);
  });
});

describe('bounds', () => {
  it('let a name of 256 characters in', async () => {
    const { login } = await createIssued();
    expect(await login({ sub: 'n'.repeat(256) })).toMatchObject({ returnCode: 0 });
  });

  it('let values of 8 KB in, and leave out what is no value', async () => {
    const { login } = await createIssued();
    const { returnCode, grant } = await login({
      text: 'x'.repeat(7_800),
      address: { street: 'y' },
      mixed: [{}],
      none: null,
    });
    expect(returnCode).toBe(0);
    expect(Object.keys(grant?.values ?? {})).toEqual(['aws:userid', 'aws:username', 'jwt:sub', 'jwt:text']);
  });
});

describe('where the keys of the issuer cannot be had', () => {
  it('a client is cut off without a CONNACK, and comes again', async () => {
    const { world, login } = await createIssued({}, () => ({
      tokens: { verify: () => Promise.reject(new Error("the issuer's keys cannot be had")) },
    }));
    expect(await login({ name: 's3cret' })).toMatchObject({ returnCode: undefined, close: 'internal-error' });
    expect(world.lines).toMatchObject([{ event: 'error', detail: "Error: the issuer's keys cannot be had" }]);
  });
});
