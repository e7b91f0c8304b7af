/** Input that the wire or the settings of this broker forbid. What MQTT forbids: `violations.test.ts`. */
import { connectPacket, createWorld, encodeFrame, payloads, publishPacket, subscribePacket } from './world.ts';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex').toString('base64');
/** A QoS 0 PUBLISH whose topic no encoder would let through. */
const publishTo = (topic: string): string => {
  const bytes = Buffer.from(topic);
  const body = Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes, Buffer.from('x')]);
  const length = body.length < 128 ? [body.length] : [(body.length & 127) | 128, body.length >> 7];
  return Buffer.concat([Buffer.from([0x30, ...length]), body]).toString('base64');
};

describe('bad input after CONNECT', () => {
  it.each([
    ['not base64', '????', 'malformed-frame'],
    ['base64 without its padding', 'wAA', 'malformed-frame'],
    ['an empty frame', '', 'malformed-frame'],
    ['a move without a token', '^', 'malformed-frame'],
    ['a move with what is no token', '^a:b', 'malformed-frame'],
    ['a move to a connection that has a session', '^Y2xpZW50.secret', 'protocol-violation'],
    ['a part without a head', '~wAA=', 'malformed-frame'],
    ['a part beyond its count', '~2.2:wAA=', 'malformed-frame'],
    ['a last part whose others are missing', '~2.3:wAA=', 'malformed-frame'],
    ['more parts than the largest packet has', '~0.999:wAA=', 'packet-too-large'],
    ['a truncated packet', hex('30 05 00 01 61'), 'malformed-packet'],
    ['a remaining length of five bytes', hex('30 ff ff ff ff 01'), 'malformed-packet'],
    ['a topic above maxTopicBytes', publishTo('x'.repeat(513)), 'topic-invalid'],
    ['a topic above maxTopicLevels', publishTo('/'.repeat(16)), 'topic-invalid'],
    ['a second CONNECT', encodeFrame([connectPacket('again')]), 'protocol-violation'],
    [
      'a second CONNECT behind a PINGREQ',
      encodeFrame([{ cmd: 'pingreq' }, connectPacket('again')]),
      'protocol-violation',
    ],
    ['a packet only a server sends', hex('d0 00'), 'protocol-violation'],
    ['QoS 2, switched off', encodeFrame([publishPacket('a', 'x', 2)]), 'unsupported'],
  ])('%s closes the connection with the reason, and nobody else notices', async (_, body, reason) => {
    const world = createWorld({ qos2: 'off' });
    const other = await world.connect('other');
    await other.send(subscribePacket({ '#': 1 }));
    const client = await world.connect('client');

    const reply = await client.frame(body);
    expect(reply.close).toBe(reason);
    expect(world.logged('violation')).toMatchObject([{ reason, connectionId: client.connectionId }]);
    expect(await client.send({ cmd: 'pingreq' })).toMatchObject({ taken: 0, close: 'not-connected', packets: [] });
    world.advance(2_000);
    await world.runJobs();
    expect(client.isOpen()).toBe(false);

    expect(other.isOpen()).toBe(true);
    expect((await other.send({ cmd: 'pingreq' })).packets).toMatchObject([{ cmd: 'pingresp' }]);
    expect(payloads(other.pushes())).toEqual([]);
  });

  it('deals with the packets before the bad one', async () => {
    const world = createWorld();
    const client = await world.connect('client');
    await client.send(subscribePacket({ a: 0 }));
    const good = Buffer.from(encodeFrame([publishPacket('a', 'good', 1, 9)]), 'base64');
    const reply = await client.frame(Buffer.concat([good, Buffer.from([0xc1, 0])]).toString('base64'));
    expect(reply).toMatchObject({ taken: 1, close: 'malformed-packet', packets: [{ cmd: 'puback', messageId: 9 }] });
    expect(payloads(client.pushes())).toEqual(['good']);
  });
});

describe('a CONNECT that is refused', () => {
  it.each([
    ['protocol level 3', hex('10 10 00 04 4d 51 54 54 03 02 00 3c 00 04 61 62 63 64'), 1],
    ['protocol level 5', hex('10 11 00 04 4d 51 54 54 05 02 00 3c 00 00 04 61 62 63 64'), 1],
    ['no client id and cleanSession 0', hex('10 0c 00 04 4d 51 54 54 04 00 00 3c 00 00'), 2],
    ['a client id above maxClientIdBytes', encodeFrame([connectPacket('x'.repeat(257))]), 2],
  ])('[MQTT-3.2.2-5] %s is refused with its return code, then closed', async (_, body, returnCode) => {
    const world = createWorld();
    const client = world.open();
    const reply = await client.frame(body);
    expect(reply).toMatchObject({ close: 'refused', packets: [{ cmd: 'connack', returnCode, sessionPresent: false }] });
    expect(world.logged('connect-refused')).toHaveLength(1);
    expect(world.stores.sessions.all()).toEqual([]);
    world.advance(2_000);
    await world.runJobs();
    expect(client.isOpen()).toBe(false);
  });

  it('[MQTT-3.1.3-6] a client without an id gets one of its own', async () => {
    const world = createWorld();
    const reply = await world.open().send({ ...connectPacket(''), clean: true });
    expect(reply.packets).toMatchObject([{ cmd: 'connack', returnCode: 0, sessionPresent: false }]);
    expect(world.stores.sessions.all()).toHaveLength(1);
  });
});
