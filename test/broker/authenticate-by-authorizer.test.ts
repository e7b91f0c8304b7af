/** CONNECT where the operator's authorizer says who a client is: what it is asked, and what becomes of its answer. */
import { readAnswer } from '../../src/broker/authorizer-answer.ts';
import { requestOf, type Surroundings } from '../../src/broker/authorizer-request.ts';
import { handleFrame } from '../../src/broker/handle-frame.ts';
import type { ClientId, ConnectionId } from '../../src/session/ids.ts';
import { acceptance, allButSecret, createCustomWorld, everything } from './custom-world.ts';
import { allow, anyConnect } from './guarded-world.ts';
import { ARN_BASE, connectPacket, encodeFrame, publishPacket } from './world.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const handshake = {
  callerArn: '',
  headers: { Host: 'broker.example:8443', 'X-Token': 'from a header', Cookie: 'a=b' },
  queryString: '?x-token=from%20the%20query&other=1',
};
const claim = {
  connectionId: 'connection=' as ConnectionId,
  sourceIp: '192.0.2.1',
  clientId: 'pump-7' as ClientId,
  userName: 'pump?x-amz-customauthorizer-name=mine&x-token=from%20the%20name',
  password: new Uint8Array([0, 255, 128, 10]),
};

describe('what the authorizer is asked', () => {
  const request = (changes: Partial<typeof claim> = {}, surroundings: Partial<Surroundings> = {}) =>
    JSON.parse(requestOf({ ...claim, ...changes }, { handshake, tokenKey: '', id: 'id', ...surroundings }));

  it('is in the words of IoT Core', () => {
    expect(request()).toEqual({
      signatureVerified: false,
      protocols: ['tls', 'http', 'mqtt'],
      protocolData: {
        tls: { serverName: 'broker.example' },
        http: { headers: handshake.headers, queryString: handshake.queryString },
        mqtt: { username: claim.userName, password: 'AP+ACg==', clientId: 'pump-7' },
      },
      connectionMetadata: { id: 'id' },
    });
  });

  it('leaves out what was not sent', () => {
    const bare = JSON.parse(
      requestOf(
        { ...claim, userName: undefined, password: undefined },
        { handshake: undefined, tokenKey: 'x-token', id: 'id' },
      ),
    );
    expect(bare).toEqual({
      signatureVerified: false,
      protocols: ['mqtt'],
      protocolData: { mqtt: { clientId: 'pump-7' } },
      connectionMetadata: { id: 'id' },
    });
  });

  it('has no server name where the handshake has told none', () => {
    expect(request({}, { handshake: { ...handshake, headers: {} } })).toMatchObject({
      protocols: ['http', 'mqtt'],
    });
  });

  it('carries a password of any length', () => {
    const password = Uint8Array.from({ length: 16_384 }, (_, index) => index % 256);
    expect(request({ password }).protocolData.mqtt.password).toBe(Buffer.from(password).toString('base64'));
  });

  it.each<readonly [string, Partial<typeof claim>, Partial<Surroundings>, string | undefined]>([
    ['a header, however it is spelt', {}, {}, 'from a header'],
    ['the query', {}, { handshake: { ...handshake, headers: {} } }, 'from the query'],
    ['the user name', {}, { handshake: { ...handshake, headers: {}, queryString: '' } }, 'from the name'],
    ['the user name, without a handshake', {}, { handshake: undefined }, 'from the name'],
    ['nowhere', { userName: 'x-token=1' }, { handshake: undefined }, undefined],
    ['nowhere where no key is set', {}, { tokenKey: '' }, undefined],
    ['nowhere where another key is set', {}, { tokenKey: 'x-other' }, undefined],
  ])('a token comes from %s', (_where, changes, surroundings, expected) => {
    expect(request(changes, { tokenKey: 'x-token', ...surroundings }).token).toBe(expected);
  });

  it('names the connection, and no other', async () => {
    const world = createCustomWorld();
    await world.connect('pump-7');
    await world.connect('pump-7');
    const [first, second] = world.authorizer.asked as { connectionMetadata: { id: string } }[];
    expect(first?.connectionMetadata.id).toMatch(UUID);
    expect(second?.connectionMetadata.id).toMatch(UUID);
    expect(second?.connectionMetadata.id).not.toBe(first?.connectionMetadata.id);
  });

  it('has what the handshake has told, and the token that it brought', async () => {
    const world = createCustomWorld({ customAuthorizerTokenKey: 'x-token' });
    const socket = world.open();
    await world.stores.connections.keepHandshake(socket.connectionId, handshake);
    await socket.send({ ...connectPacket('pump-7'), username: 'pump' });
    expect(world.authorizer.asked).toMatchObject([
      { token: 'from a header', protocolData: { http: { headers: handshake.headers }, mqtt: { username: 'pump' } } },
    ]);
  });
});

describe('an answer', () => {
  it('lets the client in, for a day where it says no time', () => {
    expect(readAnswer(acceptance())).toEqual({
      accepted: true,
      principalId: 'pump7',
      disconnectAfter: 86_400,
      refreshAfter: 86_400,
      documents: [everything],
    });
  });

  it.each([
    [300, 86_400],
    [86_400, 300],
  ])('may say %d and %d s', (disconnectAfterInSeconds, refreshAfterInSeconds) => {
    expect(readAnswer(acceptance({ disconnectAfterInSeconds, refreshAfterInSeconds }))).toMatchObject({
      disconnectAfter: disconnectAfterInSeconds,
      refreshAfter: refreshAfterInSeconds,
    });
  });

  it('may bring policies as objects, and as texts, which stay as they are', () => {
    const spaced = JSON.stringify(JSON.parse(everything), undefined, 400);
    expect(readAnswer(acceptance({}, JSON.parse(everything), spaced))).toMatchObject({
      documents: [everything, spaced],
    });
  });

  it('may bring ten policies, and none', () => {
    expect(readAnswer(acceptance({ policyDocuments: Array(10).fill(everything) }))).toMatchObject({ accepted: true });
    expect(readAnswer(acceptance({ policyDocuments: [] }))).toMatchObject({ accepted: true, documents: [] });
  });

  it('may bring a policy of 2,048 characters', () => {
    const ofLength = (length: number): string => {
      const short = allow(['iot:Connect', 'client/']);
      return short.replace('client/', `client/${'x'.repeat(length - short.length)}`);
    };
    expect(readAnswer(acceptance({}, ofLength(2_048)))).toMatchObject({ accepted: true });
    expect(readAnswer(acceptance({}, ofLength(2_049)))).toEqual({
      accepted: false,
      problem: "the authorizer's answer: policyDocuments[0] has 2049 characters, 2048 at most",
    });
  });

  it('that says no is no fault', () => {
    expect(readAnswer({ isAuthenticated: false })).toEqual({
      accepted: false,
      problem: 'the authorizer has turned the client away',
    });
  });

  const faulty: readonly (readonly [unknown, string])[] = [
    [null, 'is no object'],
    [true, 'is no object'],
    ['{"isAuthenticated":true}', 'is no object'],
    [[acceptance()], 'is no object'],
    [{}, 'isAuthenticated is neither true nor false'],
    [acceptance({ isAuthenticated: 'true' }), 'isAuthenticated is neither true nor false'],
    [acceptance({ isAuthenticated: 1 }), 'isAuthenticated is neither true nor false'],
    ...[undefined, '', 'pump-7', 'pump 7', 'pümp', 'x'.repeat(129), 7, 'a\n'].map(
      (principalId) =>
        [acceptance({ principalId }), 'principalId is not a text of 1 to 128 letters and digits'] as const,
    ),
    ...[299, 86_401, 300.5, '300', null, Number.NaN].flatMap(
      (time) =>
        [
          [
            acceptance({ disconnectAfterInSeconds: time }),
            'disconnectAfterInSeconds is not a whole number from 300 to 86400',
          ],
          [
            acceptance({ refreshAfterInSeconds: time }),
            'refreshAfterInSeconds is not a whole number from 300 to 86400',
          ],
        ] as const,
    ),
    ...[undefined, null, everything, {}, Array(11).fill(everything)].map(
      (policyDocuments) => [acceptance({ policyDocuments }), 'policyDocuments is not a list of 10 at most'] as const,
    ),
    [acceptance({}, everything, '{'), 'policyDocuments[1] cannot be read: '],
    [acceptance({}, 7), 'policyDocuments[0] cannot be read: '],
    [acceptance({}, null), 'policyDocuments[0] cannot be read: '],
    [acceptance({}, { Version: '2012-10-17' }), 'policyDocuments[0] cannot be read: '],
    [
      acceptance({}, { Version: '2012-10-17', Statement: [{ Effect: 'Permit' }] }),
      'policyDocuments[0] cannot be read: ',
    ],
  ];

  it.each(faulty)('%j is refused', (answer, fault) => {
    expect(readAnswer(answer)).toEqual({
      accepted: false,
      problem: expect.stringContaining(`the authorizer's answer: ${fault}`),
    });
  });

  it.each(faulty)('refuses the CONNECT where it is %j, and says why in the log alone', async (answer, fault) => {
    const world = createCustomWorld();
    world.authorizer.answers(answer);
    const socket = world.open();
    const reply = await socket.send({ ...connectPacket('pump-7'), username: 'pump', password: Buffer.from('hush') });
    expect(reply).toMatchObject({ close: 'refused', packets: [{ cmd: 'connack', returnCode: 5 }] });
    expect(world.logged('connect-refused')).toMatchObject([{ detail: expect.stringContaining(fault) }]);
    expect(JSON.stringify(world.lines)).not.toMatch(/hush|aHVzaA==/);
  });
});

describe('a client that the authorizer', () => {
  it('lets in is who it says, with the policies that came with it', async () => {
    const world = createCustomWorld();
    await handleFrame(world.context, {
      connectionId: world.open().connectionId,
      body: encodeFrame([connectPacket('pump-7')]),
      deadline: world.context.clock.now() + 25_000,
      sourceIp: '192.0.2.1',
    });
    expect(await world.grantOf('pump-7')).toEqual({
      principal: 'custom:pump7',
      records: [],
      policies: [],
      documents: [everything],
      values: { 'aws:userid': 'pump7', 'aws:username': 'pump7', 'aws:sourceip': '192.0.2.1' },
    });
  });

  it('lets in may do what those policies say', async () => {
    const world = createCustomWorld();
    const mine = {
      Version: '2012-10-17',
      Statement: [
        { Effect: 'Allow', Action: 'iot:Publish', Resource: `${ARN_BASE}topic/\${aws:username}/\${iot:ClientId}` },
      ],
    };
    world.authorizer.answers(acceptance({}, allow(anyConnect), mine));
    const client = await world.connect('pump-7');
    expect((await client.send(publishPacket('pump7/pump-7', 'x'))).close).toBeUndefined();
    expect((await client.send(publishPacket('pump8/pump-7', 'x'))).close).toBe('not-authorized');
  });

  it.each<readonly [string, () => Promise<unknown>, string]>([
    ['turns away', async () => ({ isAuthenticated: false }), 'has turned the client away'],
    [
      'does not answer about',
      async () => {
        throw new Error('no answer within 5000 ms');
      },
      'the authorizer: no answer within 5000 ms',
    ],
    ['does not allow to connect', async () => acceptance({}, allow(['iot:Publish', '*'])), 'custom:pump7: iot:Connect'],
    ['gives no policy', async () => acceptance({ policyDocuments: [] }), 'custom:pump7: iot:Connect'],
  ])('%s is refused, and nothing is kept of it', async (_what, does, detail) => {
    const world = createCustomWorld();
    world.authorizer.does(does);
    const socket = world.open();
    const packet = { ...connectPacket('pump-7'), clean: false, username: 'pump', password: Buffer.from('hush') };
    expect(await socket.send(packet)).toMatchObject({
      close: 'refused',
      token: undefined,
      packets: [{ returnCode: 5 }],
    });
    expect(world.logged('connect-refused')).toMatchObject([{ detail: expect.stringContaining(detail) }]);
    expect(await world.session('pump-7')).toBeUndefined();
    expect(await world.stores.connections.readRequest(socket.connectionId)).toBeUndefined();
    expect(JSON.stringify(world.lines)).not.toMatch(/hush|aHVzaA==/);
  });

  it('lets in for two times is asked again at the first, and leaves at the second', async () => {
    const world = createCustomWorld();
    world.authorizer.answers(acceptance({ disconnectAfterInSeconds: 7_200, refreshAfterInSeconds: 3_600 }));
    const { connectionId } = await world.connect('pump-7');
    const now = world.context.clock.now();
    expect(await world.stores.connections.read(connectionId)).toMatchObject({
      authorizedUntil: now + 2 * HOUR,
      reauthorizeAt: now + HOUR,
    });
    expect(JSON.parse((await world.stores.connections.readRequest(connectionId)) ?? '')).toEqual(
      world.authorizer.asked[0],
    );
  });

  it.each([
    ['later than', 7_200],
    ['when', 3_600],
  ])(
    'would be asked about %s it leaves is never asked about again, and its credentials are not kept',
    async (_when, refresh) => {
      const world = createCustomWorld();
      world.authorizer.answers(acceptance({ disconnectAfterInSeconds: 3_600, refreshAfterInSeconds: refresh }));
      const { connectionId } = await world.connect('pump-7');
      expect(await world.stores.connections.read(connectionId)).toMatchObject({
        authorizedUntil: world.context.clock.now() + HOUR,
        reauthorizeAt: 0,
      });
      expect(await world.stores.connections.readRequest(connectionId)).toBeUndefined();
    },
  );

  it('says nothing more about may stay for a day', async () => {
    const world = createCustomWorld();
    const { connectionId } = await world.connect('pump-7');
    expect(await world.stores.connections.read(connectionId)).toMatchObject({
      authorizedUntil: world.context.clock.now() + DAY,
      reauthorizeAt: 0,
    });
  });

  it('calls by another name begins a session of its own', async () => {
    const world = createCustomWorld();
    await world.connect('pump-7', { clean: false });
    expect((await world.connect('pump-7', { clean: false })).sessionPresent).toBe(true);
    world.authorizer.answers(acceptance({ principalId: 'pump8' }));
    expect((await world.connect('pump-7', { clean: false })).sessionPresent).toBe(false);
  });

  it('allows less than before has its session, and less', async () => {
    const world = createCustomWorld();
    await world.connect('pump-7', { clean: false });
    world.authorizer.answers(acceptance({}, allButSecret));
    const client = await world.connect('pump-7', { clean: false });
    expect(client.sessionPresent).toBe(true);
    expect((await client.send(publishPacket('secret', 'x'))).close).toBe('not-authorized');
  });
});

describe('where passwords are good as well', () => {
  it.each([
    ['pump?x-amz-customauthorizer-name=any', 1],
    ['pump?X-Amz-CustomAuthorizer-Name=any', 1],
    ['pump', 0],
  ])('the authorizer is asked where the user name asks for it: %s', async (username, times) => {
    const world = createCustomWorld({ authentication: 'password,custom' });
    await world.open().send({ ...connectPacket('pump-7'), username, password: Buffer.from('x') });
    expect(world.authorizer.asked).toHaveLength(times);
  });
});
