/**
 * What a client can try to do more than its policy says, over the wire. Each defence is named in docs/security.md; the rows say
 * what would happen without it.
 */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are the variables of policies
import { createAuthority } from '../../src/broker/authority.ts';
import { allow, anyConnect, createGuardedWorld, document, type Statement } from './guarded-world.ts';
import { ARN_BASE, payloads, publishPacket, subscribePacket } from './world.ts';

const ownBranch: readonly Statement[] = [
  ['iot:Connect', 'client/*'],
  ['iot:Publish', 'topic/up/${iot:ClientId}/*'],
  ['iot:Subscribe', 'topicfilter/down/${iot:ClientId}/#'],
  ['iot:Receive', 'topic/down/${iot:ClientId}/*'],
];

const attacker = async (clientId: string, policy = allow(...ownBranch), settings = {}) => {
  const world = createGuardedWorld(settings);
  await world.enter('attacker', policy);
  await world.enter('service', allow(anyConnect, ['iot:*', '*']));
  const service = await world.connectAs('service');
  await service.send(subscribePacket({ 'up/#': 1 }));
  return { world, service, client: await world.connectAs(clientId, { as: 'attacker' }) };
};

describe('a client id that means something to somebody', () => {
  it.each([
    ['+', 'down/+/#', 'the filter of every client'],
    ['#', 'down/#/#', 'a filter that MQTT forbids'],
    ['victim/#', 'down/victim/#/#', 'another one’s branch'],
    ['victim/x', 'down/victim/x/#', 'a part of another one’s branch'],
    ['', 'down//#', 'the branch of nobody'],
  ])('%j is no level of a topic filter: %s would be %s', async (clientId, filter) => {
    const { client } = await attacker(clientId || 'auto', allow(...ownBranch, ['iot:Subscribe', 'topicfilter/own']));
    const { packets } = await client.send(subscribePacket({ [filter]: 1, own: 0 }));
    expect(packets).toMatchObject([{ granted: [0x80, 0] }]);
  });

  it.each(['*', '?', '*/*', '${iot:ClientId}', '${*}', 'vic*'])('%j stands for itself in a topic', async (clientId) => {
    const { client, service } = await attacker(clientId, undefined, { unauthorizedPublish: 'drop' });
    await client.send(publishPacket('up/victim/x', 'forged', 1, 1), publishPacket('up/victim/*', 'forged', 1, 2));
    expect(payloads(service.pushes())).toEqual([]);
  });

  it.each(['*', 'other', 'owne?', 'OWNER', 'owner/', ' owner'])(
    '%j is not the id that a policy binds to the name',
    async (clientId) => {
      const world = createGuardedWorld();
      await world.enter('owner', allow(['iot:Connect', 'client/${aws:Username}']));
      expect((await world.tryConnect(clientId, { as: 'owner' })).returnCode).toBe(5);
      expect((await world.tryConnect('owner')).returnCode).toBe(0);
    },
  );

  it('cannot widen what is denied: a Deny takes it as it is', async () => {
    const deny = JSON.parse(document('Deny', [['iot:Publish', 'topic/up/${iot:ClientId}/secret']]));
    const policy = JSON.parse(allow(['iot:*', '*']));
    const both = JSON.stringify({ ...policy, Statement: [...policy.Statement, ...deny.Statement] });
    const { client } = await attacker('a/b', both);
    expect((await client.send(publishPacket('up/a/b/secret', 'x'))).close).toBe('not-authorized');
  });
});

describe('a topic that looks like another one', () => {
  it.each([
    ['up/attacker', 'its branch, and not below it'],
    ['UP/attacker/x', 'upper case'],
    ['/up/attacker/x', 'an empty first level'],
    ['up//attacker/x', 'an empty level'],
    ['up/attacker2/x', 'a longer client id'],
    ['up/attacke\u0301r/x', 'a combining accent'],
    ['up/\u0430ttacker/x', 'a letter of another alphabet'],
    ['$aws/events/presence/connected/attacker', 'an event of the broker'],
  ])('%j is not allowed: %s', async (topic) => {
    const { world, client, service } = await attacker('attacker');
    await service.send(subscribePacket({ '#': 1, '$aws/#': 1 }, 9));
    service.pushes();
    const { close } = await client.send(publishPacket(topic, 'forged'));
    expect(close).toMatch(/^(not-authorized|topic-invalid)$/);
    expect(payloads(service.pushes())).toEqual([]);
    expect(world.logged('violation')).toHaveLength(1);
  });

  it.each(['#', '+/+/#', 'down/+/#', 'down/#', 'down/attacker/../victim/#', '+/victim/#', '$aws/#', '*', 'down/*'])(
    'the filter %s gets 0x80',
    async (filter) => {
      const { client } = await attacker('attacker');
      expect((await client.send(subscribePacket({ [filter]: 1 }))).packets).toMatchObject([{ granted: [0x80] }]);
    },
  );
});

describe('a PUBLISH of somebody who has not said who he is', () => {
  const publishes = Array.from({ length: 50 }, (_, index) => publishPacket(`up/${index}/x`, 'x', 0));

  const counting = async () => {
    const asked: string[] = [];
    let onAsked = () => {};
    const world = createGuardedWorld({}, ({ subscriptions }) => ({
      subscriptions: {
        ...subscriptions,
        to: async (topicFilter) => {
          asked.push(topicFilter);
          onAsked();
          return subscriptions.to(topicFilter);
        },
      },
    }));
    await world.enter('service', allow(anyConnect, ['iot:*', '*']));
    const service = await world.connectAs('service');
    await service.send(subscribePacket({ 'up/+/x': 0 }), publishPacket('up/0/x', 'x', 0));
    asked.length = 0;
    const next = () => {
      return new Promise<void>((resolve) => {
        onAsked = resolve;
      });
    };
    return { world, asked, next };
  };

  it('makes nobody look for its audience, or one handshake would cost as much as thousands', async () => {
    const { world, asked } = await counting();
    expect((await world.open().send(...publishes)).close).toBe('protocol-violation');
    const { socket } = await world.tryConnect('stranger');
    expect((await socket.send(...publishes)).close).toBe('not-connected');
    expect(asked).toEqual([]);
  });

  it('is not taken for one of a client that is connected: there the audience is looked for at once', async () => {
    const { world, asked, next } = await counting();
    const other = await world.connectAs('other', { as: 'service' });
    world.context.connections.read = () => new Promise(() => {});
    const looked = next();
    void other.send(publishPacket('up/1/x', 'x', 0));
    await looked;
    expect(asked).toEqual(['up/+/x']);
  });
});

describe('a wide subscription', () => {
  it('brings nothing that its client may not receive, whoever publishes it, and however', async () => {
    const policy = allow(['iot:Connect', 'client/*'], ['iot:Subscribe', '*'], ['iot:Receive', 'topic/down/attacker/*']);
    const { world, service, client } = await attacker('attacker', policy, { lifecycleEvents: 'on' });
    await client.send(subscribePacket({ '#': 2, '$aws/#': 2, 'down/#': 1 }));
    const texts = ['1', '2', '3'].map((text, index) => ({
      ...publishPacket('down/victim/x', text, index as 0 | 1 | 2, index + 1),
      retain: true,
    }));
    for (const packet of texts) await service.send(packet);
    await service.send(publishPacket('down/attacker/x', 'its own'));
    await world.connectAs('victim', { as: 'service' });
    await world.runJobs();
    await client.send(subscribePacket({ '#': 2 }, 8));
    await world.runJobs();
    expect(payloads(client.pushes())).toEqual(['its own']);
  });
});

describe('a session that would move for years', () => {
  const anybody = allow(anyConnect, ['iot:*', '*']);
  const scene = async () => {
    const world = createGuardedWorld();
    await world.enter('client', anybody);
    const client = await world.connectAs('client', { from: '192.0.2.1' });
    return { world, move: () => world.open('192.0.2.1').move(client.token) };
  };

  it('does so while a CONNECT would be accepted, and whatever else its operator changes', async () => {
    const { world, move } = await scene();
    const principal = await world.stores.identity.principal('client');
    if (principal) await world.stores.identity.putPrincipal('client', { ...principal, attributes: { site: 'x' } });
    world.advance(20_000);
    expect((await move()).close).toBeUndefined();
  });

  it.each([
    ['has another password', { passwordHash: 'plain:another' }, 'has to connect anew'],
    ['has no password any more', { passwordHash: '' }, 'has to connect anew'],
    ['may not connect any more', { policies: [] }, 'iot:Connect on client/client is not allowed'],
  ])('stays where it is once its principal %s', async (_, change, detail) => {
    const { world, move } = await scene();
    const principal = await world.stores.identity.principal('client');
    if (principal) await world.stores.identity.putPrincipal('client', { ...principal, ...change });
    world.advance(20_000);
    expect((await move()).close).toBe('not-connected');
    expect(world.logged('violation')).toMatchObject([{ detail: expect.stringContaining(detail) }]);
  });

  it('stays where it is once its principal is removed, or is another one of the same name', async () => {
    const { world, move } = await scene();
    await world.stores.identity.removePrincipal('client');
    world.advance(20_000);
    expect((await move()).close).toBe('not-connected');
    await world.stores.identity.addPrincipal('client', {
      passwordHash: 'plain:x',
      policies: ['client'],
      attributes: {},
    });
    world.advance(20_000);
    expect((await move()).close).toBe('not-connected');
  });

  it('stays where it is once its way to prove who it is has been switched off', async () => {
    const { world, move } = await scene();
    Object.assign(world.context.settings, { authentication: 'jwt' });
    expect((await move()).close).toBe('not-connected');
  });
});

it('a broker that was open and is not any more: who is connected may nothing more, and what was stored is nobody’s', async () => {
  const world = createGuardedWorld({ authentication: 'none' });
  const client = await world.connectAs('client', { clean: false });
  await client.send(subscribePacket({ 'a/#': 1 }));
  const settings = { ...world.context.settings, authentication: 'password' };
  Object.assign(world.context, {
    settings,
    authority: createAuthority({ ...world.context, settings, arnBase: ARN_BASE }),
  });
  await world.enter('client', allow(anyConnect, ['iot:*', '*']));
  const publisher = await world.connectAs('publisher', { as: 'client' });
  await publisher.send(publishPacket('a/b', 'secret'));
  expect(payloads(client.pushes())).toEqual([]);
  expect((await client.send(subscribePacket({ 'b/#': 1 }, 8))).packets).toMatchObject([{ granted: [0x80] }]);
  expect((await world.open().move(client.token)).close).toBe('not-connected');
  expect((await client.send(publishPacket('a/b', 'x'))).close).toBe('not-authorized');
  expect(await world.connectAs('client', { clean: false })).toMatchObject({ sessionPresent: false });
});

describe('a resume token', () => {
  const moving = async (policy: string) => {
    const world = createGuardedWorld();
    await world.enter('client', policy);
    const client = await world.connectAs('client', { from: '192.0.2.1' });
    const thief = world.open('198.51.100.7');
    return { world, client, moved: await thief.move(client.token) };
  };
  const onlyFrom = { Condition: { IpAddress: { 'aws:SourceIp': '192.0.2.0/24' } } };

  it('is good where its client may not connect from only if no policy asks', async () => {
    const { moved } = await moving(allow(['iot:Connect', 'client/*']));
    expect(moved.close).toBeUndefined();
  });

  it('is refused from where its client may not connect', async () => {
    const { world, client, moved } = await moving(allow(['iot:Connect', 'client/*', onlyFrom]));
    expect(moved.close).toBe('not-connected');
    expect(world.logged('violation')).toMatchObject([
      { detail: 'password:client: iot:Connect on client/client is not allowed' },
    ]);
    expect((await world.session('client'))?.connectionId).toBe(client.connectionId);
  });
});
