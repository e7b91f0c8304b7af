/**
 * What MQTT forbids closes the connection it came in on, statement by statement: with its reason in the reply, one line in the
 * log that says what it was, and nothing else. What the codec makes of bytes: `test/mqtt/codec-refusals.test.ts`; packet types
 * and flags: `every-packet.test.ts`.
 */
import { packet, string } from '../mqtt/bytes.ts';
import { createWorld, encodeFrame, payloads, pingreq, publishPacket, subscribePacket, type World } from './world.ts';

type Row = readonly [id: string, what: string, bytes: Uint8Array, reason: string, detail: string];

const hex = (text: string): Uint8Array => Buffer.from(text.replaceAll(' ', ''), 'hex');
const publishTo = (topic: string): Uint8Array => packet('30', `${string(topic)} 00`);
const connectWith = (afterLevel: string): Uint8Array => packet('10', `0004 4d515454 04 ${afterLevel}`);

/** Where a string stands, with the hexadecimal digits of that string put in. */
const afterConnect: readonly (readonly [name: string, packetWith: (text: string) => Uint8Array])[] = [
  ['the topic of a PUBLISH with QoS 0', (text) => packet('30', `${text} 00`)],
  ['the topic of a PUBLISH with QoS 1', (text) => packet('32', `${text} 0001 00`)],
  ['the only topic filter of a SUBSCRIBE', (text) => packet('82', `0001 ${text} 01`)],
  ['the last topic filter of a SUBSCRIBE', (text) => packet('82', `0001 000161 00 ${text} 01`)],
  ['the only topic filter of an UNSUBSCRIBE', (text) => packet('a2', `0001 ${text}`)],
  ['the last topic filter of an UNSUBSCRIBE', (text) => packet('a2', `0001 000161 ${text}`)],
];
const inConnect: typeof afterConnect = [
  ['a client id', (text) => connectWith(`02 0000 ${text}`)],
  ['a Will Topic', (text) => connectWith(`06 0000 000161 ${text} 0000`)],
  ['a user name', (text) => connectWith(`82 0000 000161 ${text}`)],
];

const illFormed = '0003 61c328';
const withNull = '0003 610062';
const badStrings = (places: typeof afterConnect): readonly Row[] =>
  places.flatMap(([where, packetWith]): readonly Row[] => [
    ['MQTT-1.5.3-1', `ill-formed UTF-8 in ${where}`, packetWith(illFormed), 'malformed-packet', '[MQTT-1.5.3-1]'],
    ['MQTT-1.5.3-2', `U+0000 in ${where}`, packetWith(withNull), 'malformed-packet', '[MQTT-1.5.3-2]'],
  ]);

const secondConnect = Buffer.from(encodeFrame([{ cmd: 'connect', clientId: 'again', protocolVersion: 4 }]), 'base64');

const sentAfterConnect: readonly Row[] = [
  ...badStrings(afterConnect),
  ['MQTT-2.2.2-2', 'a reserved flag', hex('c1 00'), 'malformed-packet', '[MQTT-2.2.2-2]'],
  [
    'MQTT-2.3.1-1',
    'a PUBLISH with packet identifier 0',
    hex('32 05 000161 0000'),
    'malformed-packet',
    '[MQTT-2.3.1-1]',
  ],
  ['MQTT-2.3.1-1', 'a SUBSCRIBE with it', hex('82 06 0000 000161 00'), 'malformed-packet', '[MQTT-2.3.1-1]'],
  ['MQTT-2.3.1-1', 'an UNSUBSCRIBE with it', hex('a2 05 0000 000161'), 'malformed-packet', '[MQTT-2.3.1-1]'],
  ['MQTT-3.1.0-2', 'a second CONNECT', secondConnect, 'protocol-violation', '[MQTT-3.1.0-2]'],
  ['MQTT-3.3.1-2', 'DUP with QoS 0', hex('38 03 000161'), 'malformed-packet', '[MQTT-3.3.1-2]'],
  ['MQTT-3.3.1-4', 'both QoS bits', hex('36 05 000161 0001'), 'malformed-packet', '[MQTT-3.3.1-4]'],
  ['MQTT-3.3.2-2', '+ in the topic of a PUBLISH', publishTo('a/+'), 'topic-invalid', '[MQTT-3.3.2-2]'],
  ['MQTT-3.3.2-2', '# in the topic of a PUBLISH', publishTo('a/#'), 'topic-invalid', '[MQTT-3.3.2-2]'],
  ['MQTT-4.7.1-1', '+ within a level of it', publishTo('a+b/c'), 'topic-invalid', '[MQTT-3.3.2-2]'],
  ['MQTT-4.7.1-1', '# within a level of it', publishTo('a/b#'), 'topic-invalid', '[MQTT-3.3.2-2]'],
  ['MQTT-4.7.3-1', 'an empty topic', publishTo(''), 'topic-invalid', '[MQTT-4.7.3-1]'],
  ['MQTT-4.7.3-2', 'U+0000 at the end of a topic', publishTo('a/\0'), 'malformed-packet', '[MQTT-1.5.3-2]'],
  ['MQTT-4.7.3-2', 'nothing but U+0000 as a filter', hex('82 06 0001 000100 00'), 'malformed-packet', '[MQTT-1.5.3-2]'],
  ['MQTT-3.6.1-1', 'a PUBREL with the flags 0000', hex('60 02 0001'), 'malformed-packet', '[MQTT-3.6.1-1]'],
  [
    'MQTT-3.8.1-1',
    'a SUBSCRIBE with the flags 0000',
    hex('80 06 0001 000161 00'),
    'malformed-packet',
    '[MQTT-3.8.1-1]',
  ],
  ['MQTT-3.8.3-3', 'a SUBSCRIBE without a filter', hex('82 02 0001'), 'malformed-packet', '[MQTT-3.8.3-3]'],
  ['MQTT-3.8.3-4', 'QoS 3 in a SUBSCRIBE', hex('82 06 0001 000161 03'), 'malformed-packet', 'Invalid subscribe QoS'],
  ['MQTT-3.8.3-4', 'reserved bits in a SUBSCRIBE', hex('82 06 0001 000161 81'), 'malformed-packet', 'flag bits'],
  [
    'MQTT-3.10.1-1',
    'an UNSUBSCRIBE with the flags 0000',
    hex('a0 05 0001 000161'),
    'malformed-packet',
    '[MQTT-3.10.1-1]',
  ],
  ['MQTT-3.10.3-2', 'an UNSUBSCRIBE without a filter', hex('a2 02 0001'), 'malformed-packet', '[MQTT-3.10.3-2]'],
  ['MQTT-3.14.1-1', 'a DISCONNECT with a reserved bit', hex('e2 00'), 'malformed-packet', '[MQTT-3.14.1-1]'],
];

const sentInstead: readonly Row[] = [
  ...badStrings(inConnect),
  ['MQTT-3.1.0-1', 'a PUBLISH', publishTo('a'), 'protocol-violation', '[MQTT-3.1.0-1]'],
  ['MQTT-3.1.2-1', 'another name', hex('10 0d 0004 4d515458 04 02 003c 000161'), 'malformed-packet', '[MQTT-3.1.2-1]'],
  ['MQTT-3.1.2-3', 'the reserved flag', connectWith('03 0000 000161'), 'malformed-packet', '[MQTT-3.1.2-3]'],
  ['MQTT-3.1.2-9', 'no Will Message', connectWith('06 0000 000161 000161'), 'malformed-packet', 'will payload'],
  ['MQTT-3.1.2-11', 'a Will without its flag', connectWith('02 0000 000161 000161 0000'), 'malformed-packet', 'fields'],
  ['MQTT-3.1.2-13', 'a Will QoS without a Will', connectWith('0a 0000 000161'), 'malformed-packet', '[MQTT-3.1.2-13]'],
  ['MQTT-3.1.2-14', 'Will QoS 3', connectWith('1e 0000 000161 000161 0000'), 'malformed-packet', '[MQTT-3.1.2-14]'],
  ['MQTT-3.1.2-15', 'Will Retain without a Will', connectWith('22 0000 000161'), 'malformed-packet', '[MQTT-3.1.2-15]'],
  ['MQTT-3.1.2-18', 'a user name without its flag', connectWith('02 0000 000161 000161'), 'malformed-packet', 'fields'],
  ['MQTT-3.1.2-19', 'no user name', connectWith('82 0000 000161'), 'malformed-packet', 'username'],
  [
    'MQTT-3.1.2-20',
    'a password without its flag',
    connectWith('82 0000 000161 000161 000161'),
    'malformed-packet',
    'fields',
  ],
  ['MQTT-3.1.2-21', 'no password', connectWith('c2 0000 000161 000161'), 'malformed-packet', 'password'],
  ['MQTT-3.1.2-22', 'a password only', connectWith('42 0000 000161 000161'), 'malformed-packet', '[MQTT-3.1.2-22]'],
  ['MQTT-3.1.3-3', 'no client id', connectWith('02 0000'), 'malformed-packet', 'too short'],
  ['MQTT-4.7.3-1', 'an empty Will Topic', connectWith('06 0000 000161 0000 0000'), 'topic-invalid', '[MQTT-4.7.3-1]'],
  ['MQTT-4.7.1-1', '+ in a Will Topic', connectWith('06 0000 000161 0001 2b 0000'), 'topic-invalid', '[MQTT-3.3.2-2]'],
  [
    'MQTT-4.7.1-1',
    '# in a Will Topic',
    connectWith('06 0000 000161 0003 612f23 0000'),
    'topic-invalid',
    '[MQTT-3.3.2-2]',
  ],
];

/** A client that hears all that is published, and what it has heard so far. */
const observed = async (world: World) => {
  const observer = await world.connect('observer');
  await observer.send(subscribePacket({ '#': 1 }));
  return { ...observer, heard: () => payloads(observer.pushes()) };
};

const closes = async (
  world: World,
  client: ReturnType<World['open']>,
  [, , bytes, reason, detail]: Row,
): Promise<void> => {
  const reply = await client.frame(Buffer.from(bytes).toString('base64'));
  expect(reply).toMatchObject({ taken: 0, packets: [], close: reason });
  expect(world.logged('violation')).toMatchObject([
    { connectionId: client.connectionId, reason, detail: expect.stringContaining(detail) },
  ]);
  expect(await client.send(pingreq)).toMatchObject({ taken: 0, packets: [], close: 'not-connected' });
  await world.pass(3);
  expect(client.isOpen()).toBe(false);
};

describe('after CONNECT', () => {
  it.each(sentAfterConnect)(
    '[%s] %s closes the connection, and is no DISCONNECT: the Will is published',
    async (...row) => {
      const world = createWorld();
      const observer = await observed(world);
      const client = await world.connect('client', {
        will: { topic: 'will', payload: Buffer.from('gone'), qos: 1, retain: false },
      });
      await closes(world, client, row);
      expect(observer.isOpen()).toBe(true);
      expect(observer.heard()).toEqual(['gone']);
      expect(world.stores.subscriptions.all()).toHaveLength(1);
    },
  );

  it.each([
    ['SUBSCRIBE', '82 0a 0001 000161 01 000162 03'],
    ['SUBSCRIBE with an ill-formed filter', '82 0b 0001 000161 01 0002 c328 01'],
  ])(
    '[MQTT-3.8.3-4] [MQTT-3.8.3-1] nothing of a %s is in force where one of its filters is forbidden',
    async (_what, frame) => {
      const world = createWorld();
      const client = await world.connect('client', { clean: false });
      expect((await client.frame(Buffer.from(hex(frame)).toString('base64'))).close).toBe('malformed-packet');
      const back = await world.connect('client', { clean: false });
      await world.runTicks();
      await (await world.connect('publisher')).send(publishPacket('a', 'x'));
      expect(payloads(back.pushes())).toEqual([]);
      expect(world.stores.filters.all()).toEqual([]);
    },
  );
});

describe('instead of CONNECT', () => {
  it.each(sentInstead)('[%s] %s closes the connection without a CONNACK, and leaves no session', async (...row) => {
    const world = createWorld();
    const observer = await observed(world);
    await closes(world, world.open(), row);
    expect(observer.isOpen()).toBe(true);
    expect(observer.heard()).toEqual([]);
    expect(world.stores.sessions.all()).toHaveLength(1);
    expect(world.stores.wills.all()).toEqual([]);
  });
});
