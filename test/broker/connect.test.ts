import type { Settings } from '../../src/broker/context.ts';
import type { ClientId } from '../../src/session/ids.ts';
import {
  connectPacket,
  createWorld,
  disconnect,
  type Packet,
  payloads,
  pingreq,
  publishPacket,
  subscribePacket,
  type World,
} from './world.ts';

const frameOf = (hex: string) => Buffer.from(hex.replaceAll(' ', ''), 'hex').toString('base64');

/** A CONNECT that is refused with a return code, on a socket of its own. */
const refusals: readonly (readonly [id: string, what: string, hex: string, returnCode: number])[] = [
  ['MQTT-3.1.2-2', 'protocol level 3', '10 10 0004 4d515454 03 02 003c 0004 61626364', 1],
  ['MQTT-3.1.2-2', 'protocol level 5', '10 11 0004 4d515454 05 02 003c 00 0004 61626364', 1],
  ['MQTT-3.1.3-8', 'no client id and cleanSession 0', '10 0c 0004 4d515454 04 00 003c 0000', 2],
  ['MQTT-3.1.3-9', 'a client id above maxClientIdBytes', `10 24 0004 4d515454 04 02 003c 0018 ${'61'.repeat(24)}`, 2],
];

describe('a CONNECT that is refused', () => {
  describe.each(refusals)('[%s] %s', (_id, _what, hex, returnCode) => {
    const refused = async () => {
      const world = createWorld({ maxClientIdBytes: 23 });
      const client = world.open();
      return { world, client, reply: await client.frame(frameOf(hex)) };
    };

    it('[MQTT-3.2.2-4] [MQTT-3.2.0-1] is answered with its return code and Session Present 0, and nothing else', async () => {
      const { client, reply } = await refused();
      expect(reply).toMatchObject({ taken: 1, packets: [{ cmd: 'connack', returnCode, sessionPresent: false }] });
      expect(reply.packets).toHaveLength(1);
      expect(client.frames()).toEqual([]);
    });

    it('[MQTT-3.2.2-5] closes the connection', async () => {
      const { world, client, reply } = await refused();
      expect(reply.close).toBe('refused');
      world.advance(2_000);
      await world.runJobs();
      expect(client.isOpen()).toBe(false);
    });

    it('[MQTT-3.1.4-5] leaves nothing that comes after it to be processed, not even another CONNECT', async () => {
      const world = createWorld({ maxClientIdBytes: 23 });
      const observer = await world.connect('observer');
      await observer.send(subscribePacket({ '#': 0 }));
      const client = world.open();
      const behind = Buffer.from('300700016166726f6d', 'hex'); // a PUBLISH in the same frame
      const reply = await client.frame(Buffer.concat([Buffer.from(frameOf(hex), 'base64'), behind]).toString('base64'));
      expect(reply).toMatchObject({ taken: 1, close: 'refused' });
      for (const packet of [publishPacket('a', 'after', 0), connectPacket('late')]) {
        expect(await client.send(packet)).toMatchObject({ taken: 0, close: 'not-connected', packets: [] });
      }
      expect(observer.pushes()).toEqual([]);
      expect(world.stores.sessions.all()).toHaveLength(1);
    });
  });
});

describe('a CONNECT that is not one', () => {
  it.each([
    ['another protocol name', '10 10 0004 4d515458 04 02 003c 0004 61626364'],
    ['the reserved connect flag', '10 10 0004 4d515454 04 03 003c 0004 61626364'],
    ['Will QoS 3', '10 15 0004 4d515454 04 1e 003c 0004 61626364 0001 77 0000'],
    ['a client id that is not UTF-8', '10 0e 0004 4d515454 04 02 003c 0002 c328'],
    ['a cut payload', '10 0c 0004 4d515454 04 02 003c 0004'],
  ])('[MQTT-3.1.4-1] [MQTT-3.2.2-6] closes the connection without a CONNACK: %s', async (_what, hex) => {
    const world = createWorld();
    const client = world.open();
    const reply = await client.frame(frameOf(hex));
    expect(reply).toMatchObject({ taken: 0, packets: [], close: 'malformed-packet' });
    expect(client.frames()).toEqual([]);
    world.advance(2_000);
    await world.runJobs();
    expect(client.isOpen()).toBe(false);
    expect(world.stores.sessions.all()).toEqual([]);
  });

  it.each<[string, Packet]>([
    ['PUBLISH', publishPacket('a', 'x', 0)],
    ['SUBSCRIBE', subscribePacket({ a: 0 })],
    ['PUBACK', { cmd: 'puback', messageId: 1 }],
    ['PINGREQ', pingreq],
    ['DISCONNECT', disconnect],
  ])('[MQTT-3.1.0-1] closes the connection where a %s comes first', async (_what, packet) => {
    const world = createWorld();
    const observer = await world.connect('observer');
    await observer.send(subscribePacket({ '#': 0 }));
    const client = world.open();
    const reply = await client.send(packet, connectPacket('client'));
    expect(reply).toMatchObject({ taken: 0, packets: [], close: 'protocol-violation' });
    expect(observer.pushes()).toEqual([]);
    world.advance(2_000);
    await world.runJobs();
    expect(client.isOpen()).toBe(false);
  });

  it.each<[string, readonly Packet[], number]>([
    ['alone', [connectPacket('client')], 0],
    ['behind other packets, which are dealt with', [pingreq, connectPacket('client')], 1],
  ])('[MQTT-3.1.0-2] closes the connection as a second one, %s', async (_what, packets, taken) => {
    const world = createWorld();
    const client = await world.connect('client');
    expect(await client.send(...packets)).toMatchObject({ taken, close: 'protocol-violation' });
    world.advance(2_000);
    await world.runJobs();
    expect(client.isOpen()).toBe(false);
    await world.cleanUp();
    expect(world.stores.sessions.all()).toEqual([]);
  });
});

describe('a packet that comes while its CONNECT is under way', () => {
  it.each<[string, Packet]>([
    ['PUBLISH', publishPacket('a', 'early')],
    ['PUBLISH with QoS 0', publishPacket('a', 'early', 0)],
    ['SUBSCRIBE', subscribePacket({ a: 0 })],
    ['PUBACK', { cmd: 'puback', messageId: 1 }],
    ['PINGREQ', pingreq],
    ['DISCONNECT', disconnect],
  ])('[MQTT-3.2.0-1] [MQTT-3.1.4-5] is neither dealt with nor answered: %s', async (_what, packet) => {
    let meanwhile = async () => {};
    const world = createWorld({}, ({ sessions }) => ({
      sessions: {
        ...sessions,
        change: async (...change) => {
          await meanwhile();
          return sessions.change(...change);
        },
      },
    }));
    const observer = await world.connect('observer');
    await observer.send(subscribePacket({ '#': 1 }));
    const client = world.open();
    let early: unknown;
    meanwhile = async () => {
      meanwhile = async () => {};
      early = await client.send(packet);
    };
    expect(await client.send(connectPacket('client'))).toMatchObject({ taken: 0, packets: [], close: 'not-connected' });
    expect(early).toMatchObject({ taken: 0, packets: [], close: 'not-connected' });
    expect(observer.pushes()).toEqual([]);
  });
});

describe('client ids', () => {
  it.each([
    ['one character', 'a'],
    ['23 of the characters that every server allows', '0123456789abcdefABCDEFZ'],
    ['more than that', 'sensor/7 ünïcode 😀'],
    ['as long as the setting allows', 'x'.repeat(256)],
  ])('[MQTT-3.1.3-5] [MQTT-3.1.4-4] are accepted: %s', async (_what, clientId) => {
    const world = createWorld();
    const { packets, close } = await world.open().send(connectPacket(clientId));
    expect(packets).toMatchObject([{ cmd: 'connack', returnCode: 0 }]);
    expect(close).toBeUndefined();
  });

  it.each(['7', '0123456789abcdefghijklm', 'nopqrstuvwxyzABCDEFGHIJ', 'KLMNOPQRSTUVWXYZ'])(
    '[MQTT-3.1.3-5] are accepted where the setting is as narrow as it can be: %s',
    async (clientId) => {
      const { packets } = await createWorld({ maxClientIdBytes: 23 }).open().send(connectPacket(clientId));
      expect(packets).toMatchObject([{ cmd: 'connack', returnCode: 0 }]);
    },
  );

  it('are measured in bytes of UTF-8', async () => {
    const world = createWorld();
    const { packets } = await world.open().send(connectPacket('€'.repeat(86)));
    expect(packets).toMatchObject([{ cmd: 'connack', returnCode: 2 }]);
  });

  it('[MQTT-3.1.3-6] are unique where the server makes them, and do all that others do', async () => {
    const world = createWorld();
    const [one, two] = [await world.connect(''), await world.connect('')];
    for (const client of [one, two]) await client.send(subscribePacket({ a: 1 }));
    await one.send(publishPacket('a', 'x'));
    expect([one.isOpen(), two.isOpen()]).toEqual([true, true]);
    expect([payloads(one.pushes()), payloads(two.pushes())]).toEqual([['x'], ['x']]);
  });

  it('[MQTT-3.1.3-2] are what a session is found by: not a character more, not a letter in another case', async () => {
    const world = createWorld();
    await (await world.connect('client', { clean: false })).drop();
    for (const other of ['Client', 'client ', 'clien']) {
      expect((await world.connect(other, { clean: false })).sessionPresent).toBe(false);
    }
    expect((await world.connect('client', { clean: false })).sessionPresent).toBe(true);
  });
});

describe('[MQTT-3.1.4-3] clean session', () => {
  type Former = (world: World) => Promise<unknown>;
  const connected =
    (clean: boolean): Former =>
    (world) =>
      world.connect('client', { clean });
  const gone =
    (...cleans: readonly boolean[]): Former =>
    async (world) => {
      for (const clean of cleans) await (await world.connect('client', { clean })).drop();
    };
  const expired: Former = async (world) => {
    await gone(false)(world);
    world.advance(60_000);
  };

  const matrix: readonly (readonly [before: string, former: Former, resumed: boolean])[] = [
    ['nothing', async () => {}, false],
    ['a clean session that is connected', connected(true), false],
    ['a clean session that has ended', gone(true), false],
    ['a persistent session that is connected', connected(false), true],
    ['a persistent session that is offline', gone(false), true],
    ['a persistent session that has expired', expired, false],
    ['a persistent session that a clean one has replaced', gone(false, true), false],
    ['a persistent session that came after a clean one', gone(true, false), true],
  ];
  const settings: Partial<Settings> = { sessionExpirySeconds: 60 };

  it.each(matrix)('[MQTT-3.2.2-1] 1 begins a new session after %s, with Session Present 0', async (_what, former) => {
    const world = createWorld(settings);
    await former(world);
    const client = world.open();
    const { packets } = await client.send({ ...connectPacket('client'), clean: true });
    expect(packets).toMatchObject([{ cmd: 'connack', returnCode: 0, sessionPresent: false }]);
    await client.drop();
    await world.cleanUp();
    expect(world.stores.sessions.all()).toEqual([]);
  });

  it.each(matrix)(
    '[MQTT-3.1.2-4] [MQTT-3.2.2-2] [MQTT-3.2.2-3] 0 goes on with what is stored, if anything is, after %s',
    async (_what, former, resumed) => {
      const world = createWorld(settings);
      await former(world);
      const before = await world.stores.sessions.read('client' as ClientId);
      const client = await world.connect('client', { clean: false });
      expect(client.sessionPresent).toBe(resumed);
      const after = await world.stores.sessions.read('client' as ClientId);
      expect(after?.generation === before?.generation).toBe(resumed);
      await client.drop();
      await world.cleanUp();
      expect((await world.connect('client', { clean: false })).sessionPresent).toBe(true);
    },
  );

  it.each([true, false])('[MQTT-3.1.2-6] 1 leaves nothing to the session after it, cleanSession %s', async (clean) => {
    const world = createWorld();
    const first = await world.connect('client', { clean: true });
    await first.send(subscribePacket({ a: 1 }));
    await (await world.connect('publisher')).send(publishPacket('a', 'unacknowledged'));
    await first.drop();
    const second = await world.connect('client', { clean });
    await (await world.connect('publisher')).send(publishPacket('a', 'new'));
    await world.drain(2_000);
    expect(second.pushes()).toEqual([]);
  });
});

describe('the CONNACK of a resumed session', () => {
  it('[MQTT-3.2.0-1] [MQTT-3.2.2-2] is pushed alone before anything else, and the reply is empty', async () => {
    const world = createWorld();
    const away = await world.connect('client', { clean: false });
    await away.send(subscribePacket({ '#': 1 }));
    await away.drop();
    await world.runJobs();
    const publisher = await world.connect('publisher');
    await publisher.send(publishPacket('a', 'stored'));

    const back = world.open();
    const reply = await back.send({ ...connectPacket('client'), clean: false });
    expect(reply).toMatchObject({ taken: 1, close: undefined, packets: [] });
    await publisher.send(publishPacket('a', 'live'), publishPacket('a', 'QoS 0', 0));
    expect(back.pushes()).toMatchObject([{ cmd: 'connack', returnCode: 0, sessionPresent: true }]);
    await world.runTicks();
    expect(payloads(back.pushes())).toEqual(['stored', 'live']);
  });
});
