/** Who has signed the handshake: principal, record, values for policies; and a session that moves. */
import { handleFrame } from '../../src/broker/handle-frame.ts';
import type { Handshake } from '../../src/broker/ports.ts';
import { allow, anyConnect, document } from './guarded-world.ts';
import { allowAll } from './policies.ts';
import { connectPacket, createWorld, encodeFrame, type Packet, publishPacket } from './world.ts';

const ACCOUNT = '123456789012';
const USER = `arn:aws:iam::${ACCOUNT}:user/plant/ann`;
const ROLE = `arn:aws:sts::${ACCOUNT}:assumed-role/pump`;
const COGNITO = `${ROLE}/CognitoIdentityCredentials`;
const IDENTITY = 'us-east-1:11111111-2222-3333-4444-555555555555';

type Signed = Pick<Handshake, 'callerArn'> & Partial<Handshake>;

/** A broker where every caller has the policy `all`. */
const signedWorld = async (iamPolicies = 'all', policy = allowAll) => {
  const world = createWorld({ authentication: 'iam', iamPolicies });
  await world.stores.identity.putPolicy('all', policy);
  const opened = async (signed: Signed | undefined) => {
    const socket = world.open();
    if (signed) {
      const handshake = { headers: {}, queryString: '', ...signed };
      await world.context.connections.keepHandshake(socket.connectionId, handshake);
    }
    return socket;
  };
  const connect = async (clientId: string, signed: Signed | undefined, options: Partial<Packet> = {}) => {
    const socket = await opened(signed);
    const reply = await socket.send({ ...connectPacket(clientId), ...options } as Packet);
    const connack = [...reply.packets, ...socket.pushes()].find(({ cmd }) => cmd === 'connack');
    return {
      socket,
      returnCode: connack?.returnCode,
      sessionPresent: connack?.sessionPresent,
      token: reply.token ?? '',
      close: reply.close,
    };
  };
  const grantOf = async (clientId: string) => {
    const session = await world.session(clientId);
    return session && world.stores.identity.grant(session.grant);
  };
  return { world, opened, connect, grantOf };
};

describe('a CONNECT on a signed handshake', () => {
  it.each<[string, Signed, string, Record<string, string>]>([
    [
      'of a user, whose name is what follows the path',
      { callerArn: USER, callerId: 'AIDA1' },
      `iam:${USER}`,
      { 'aws:principalarn': USER, 'aws:username': 'ann', 'aws:userid': 'AIDA1' },
    ],
    [
      'of a role that was assumed: the session name is no part of the principal',
      { callerArn: `${ROLE}/i-0123456789`, callerId: 'AROA1:i-0123456789' },
      `iam:${ROLE}`,
      { 'aws:principalarn': ROLE, 'sts:rolesessionname': 'i-0123456789', 'aws:userid': 'AROA1:i-0123456789' },
    ],
    [
      'of an identity of a Cognito identity pool',
      { callerArn: COGNITO, cognitoIdentityId: IDENTITY },
      `iam:${IDENTITY}`,
      {
        'aws:principalarn': ROLE,
        'sts:rolesessionname': 'CognitoIdentityCredentials',
        'cognito-identity.amazonaws.com:sub': IDENTITY,
      },
    ],
    [
      'of another partition',
      { callerArn: `arn:aws-cn:sts::${ACCOUNT}:assumed-role/pump/boot` },
      `iam:arn:aws-cn:sts::${ACCOUNT}:assumed-role/pump`,
      {
        'aws:principalarn': `arn:aws-cn:sts::${ACCOUNT}:assumed-role/pump`,
        'sts:rolesessionname': 'boot',
      },
    ],
    [
      'of a federated user',
      { callerArn: `arn:aws:sts::${ACCOUNT}:federated-user/ann` },
      `iam:arn:aws:sts::${ACCOUNT}:federated-user/ann`,
      { 'aws:principalarn': `arn:aws:sts::${ACCOUNT}:federated-user/ann` },
    ],
    [
      'of the account itself',
      { callerArn: `arn:aws:iam::${ACCOUNT}:root` },
      `iam:arn:aws:iam::${ACCOUNT}:root`,
      { 'aws:principalarn': `arn:aws:iam::${ACCOUNT}:root` },
    ],
  ])('%s', async (_, signed, principal, values) => {
    const { connect, grantOf } = await signedWorld();
    expect((await connect('pump-7', signed)).returnCode).toBe(0);
    expect(await grantOf('pump-7')).toMatchObject({ principal, policies: ['all'], documents: [] });
    expect((await grantOf('pump-7'))?.values).toEqual(values);
  });

  it.each<[string, Signed | undefined]>([
    ['that nobody has signed', { callerArn: '' }],
    ['of which nothing was kept', undefined],
  ])('%s is refused with 5, and one line says why', async (_, signed) => {
    const { world, connect } = await signedWorld();
    expect(await connect('pump-7', signed)).toMatchObject({ returnCode: 5, close: 'refused' });
    expect(world.logged('connect-refused')).toMatchObject([{ detail: 'nobody has signed the handshake' }]);
    expect(await world.session('pump-7')).toBeUndefined();
  });

  it('gets nothing where neither the setting nor a record gives policies', async () => {
    const { world, connect } = await signedWorld('');
    expect((await connect('pump-7', { callerArn: USER })).returnCode).toBe(5);
    expect(world.logged('connect-refused')).toMatchObject([
      { detail: `iam:${USER}: iot:Connect on client/pump-7 is not allowed` },
    ]);
  });

  it('knows where it comes from', async () => {
    const { world, grantOf, opened } = await signedWorld();
    const { connectionId } = await opened({ callerArn: USER });
    await handleFrame(world.context, {
      connectionId,
      sourceIp: '192.0.2.7',
      body: encodeFrame([connectPacket('pump-7')]),
      deadline: world.context.clock.now() + 25_000,
    });
    expect((await grantOf('pump-7'))?.values['aws:sourceip']).toBe('192.0.2.7');
  });
});

describe('the record of a caller', () => {
  /** Each record lets its client connect by the name of the record. */
  const recordOf = async (signed: Signed, names: readonly string[]) => {
    const { world, connect } = await signedWorld('all', allow(['iot:Connect', `client/\${principal:name}`]));
    for (const name of names) {
      await world.stores.identity.putPrincipal(name, { passwordHash: '', policies: [], attributes: { name } });
    }
    const letIn: string[] = [];
    for (const name of names) if ((await connect(name, signed)).returnCode === 0) letIn.push(name);
    return letIn.join();
  };
  const session = `${ROLE}/boot-17`;

  it.each<[string, Signed, readonly string[], string]>([
    ['none', { callerArn: session }, ['another'], ''],
    ['that of the role', { callerArn: session }, [ROLE], ROLE],
    ['that of the session before that of the role', { callerArn: session }, [ROLE, session], session],
    ['not that of another session', { callerArn: session }, [`${ROLE}/boot-18`], ''],
    [
      'that of a Cognito identity before all others',
      { callerArn: COGNITO, cognitoIdentityId: IDENTITY },
      [ROLE, COGNITO, IDENTITY],
      IDENTITY,
    ],
    ['that of the role of a Cognito identity', { callerArn: COGNITO, cognitoIdentityId: IDENTITY }, [ROLE], ROLE],
    ['that of a user', { callerArn: USER }, [USER], USER],
  ])('%s', async (_, signed, names, record) => {
    expect(await recordOf(signed, names)).toBe(record);
  });

  it('counts for a client that was connected before it was entered, as soon as any change of policies does', async () => {
    const { world, connect } = await signedWorld();
    await world.stores.identity.putPolicy('nothing', document('Deny', [['iot:*', '*']]));
    const { socket } = await connect('pump-7', { callerArn: session });
    await world.stores.identity.putPrincipal(ROLE, { passwordHash: '', policies: ['nothing'], attributes: {} });
    world.advance(20_000);
    expect((await socket.send(publishPacket('a', 'x'))).close).toBe('not-authorized');
  });

  it('gives its policies and its attributes', async () => {
    const { world, connect } = await signedWorld('', allow(['iot:Connect', `client/\${principal:serial}`]));
    await world.stores.identity.putPrincipal(ROLE, {
      passwordHash: '',
      policies: ['all'],
      attributes: { serial: 'pump-7' },
    });
    expect((await connect('pump-7', { callerArn: session })).returnCode).toBe(0);
    expect((await connect('pump-8', { callerArn: session })).returnCode).toBe(5);
  });
});

describe('a policy that binds the client id to the caller', () => {
  it.each<[string, string, Signed, string, string]>([
    ['a user', 'aws:username', { callerArn: USER }, 'ann', 'bob'],
    ['the session of a role', 'sts:RoleSessionName', { callerArn: `${ROLE}/i-0123` }, 'i-0123', 'i-0124'],
    [
      'a Cognito identity',
      'cognito-identity.amazonaws.com:sub',
      { callerArn: COGNITO, cognitoIdentityId: IDENTITY },
      IDENTITY,
      'us-east-1:another',
    ],
  ])('lets %s connect by its own name, and by no other', async (_, variable, signed, own, other) => {
    const { connect } = await signedWorld('all', allow(['iot:Connect', `client/\${${variable}}`]));
    expect((await connect(own, signed)).returnCode).toBe(0);
    expect((await connect(other, signed)).returnCode).toBe(5);
  });

  it('lets nobody connect of whom that is not known', async () => {
    const { connect } = await signedWorld(
      'all',
      allow(['iot:Connect', `client/\${cognito-identity.amazonaws.com:sub}`]),
    );
    expect((await connect(IDENTITY, { callerArn: COGNITO })).returnCode).toBe(5);
    expect((await connect('', { callerArn: COGNITO })).returnCode).toBe(5);
  });
});

describe('a persistent session', () => {
  const persistent = { clean: false };
  const granted = allow(anyConnect);

  it('is there again after the next login to the same role', async () => {
    const { connect } = await signedWorld('all', granted);
    const { socket } = await connect('pump-7', { callerArn: `${ROLE}/login-1` }, persistent);
    await socket.drop();
    expect(await connect('pump-7', { callerArn: `${ROLE}/login-2` }, persistent)).toMatchObject({
      returnCode: 0,
      sessionPresent: true,
    });
  });

  it('is not there for another Cognito identity, though its ARN is the same', async () => {
    const { connect } = await signedWorld('all', granted);
    const { socket } = await connect('pump-7', { callerArn: COGNITO, cognitoIdentityId: IDENTITY }, persistent);
    await socket.drop();
    const other = { callerArn: COGNITO, cognitoIdentityId: 'us-east-1:another' };
    expect(await connect('pump-7', other, persistent)).toMatchObject({ returnCode: 0, sessionPresent: false });
  });
});

describe('a session that moves', () => {
  const moving = async (to: Signed | undefined) => {
    const { world, connect, opened } = await signedWorld();
    const { token } = await connect('pump-7', { callerArn: `${ROLE}/login-1` });
    const next = await opened(to);
    return { world, reply: await next.move(token) };
  };

  it('goes to a socket whose handshake the same principal has signed, by whatever login', async () => {
    const { reply } = await moving({ callerArn: `${ROLE}/login-2` });
    expect(reply).toMatchObject({ close: undefined, token: expect.any(String) });
  });

  it.each<[string, Signed | undefined]>([
    ['another principal has signed', { callerArn: USER }],
    ['nobody has signed', { callerArn: '' }],
    ['nothing is known of', undefined],
  ])('does not go to one that %s, token or not', async (_, signed) => {
    const { world, reply } = await moving(signed);
    expect(reply.close).toBe('not-connected');
    expect(world.logged('violation')).toMatchObject([{ detail: expect.stringContaining(`not signed by iam:${ROLE}`) }]);
  });
});

describe('with another method on as well', () => {
  it('a CONNECT that brings credentials is judged by them, and not by who has signed', async () => {
    const world = createWorld({ authentication: 'password,iam', iamPolicies: 'all' });
    await world.stores.identity.putPolicy('all', allowAll);
    const socket = world.open();
    await world.context.connections.keepHandshake(socket.connectionId, {
      callerArn: USER,
      headers: {},
      queryString: '',
    });
    const packet = { ...connectPacket('pump-7'), username: 'ann', password: Buffer.from('wrong') };
    expect((await socket.send(packet as Packet)).packets).toMatchObject([{ cmd: 'connack', returnCode: 4 }]);
  });
});
