/** What the codec accepts and writes, byte by byte. What it refuses: codec-refusals.test.ts. */
import { decode, encode, splitPackets } from '../../src/mqtt/codec.ts';
import type { ServerPacket } from '../../src/mqtt/packets.ts';
import { bytes, packet, string } from './bytes.ts';
import { clientVectors, serverVectors } from './vectors.ts';

const connectHeader = '0004 4d515454 04';

describe('decode', () => {
  it.each(clientVectors)('reads %s', (_name, hex, expected) => {
    expect(decode(bytes(hex))).toEqual(expected);
  });

  it.each([
    ['MQTT 3.1', '10 0f 0006 4d5149736470 03 02 003c 0001 61', 3],
    ['MQTT 5, whose fields this codec does not know', '10 0e 0004 4d515454 05 02 003c 00 0001 61', 5],
    ['level 0', '10 0d 0004 4d515454 00 02 003c 0001 61', 0],
    ['bridge mode', '10 0d 0004 4d515454 84 02 003c 0001 61', 0x84],
    ['a later version of which nothing else is known', '10 08 0004 4d515454 63 ff', 0x63],
  ])('gives the level of a CONNECT of another version, unread: %s', (_name, hex, level) => {
    expect(decode(bytes(hex))).toEqual({ type: 'unacceptable-protocol-level', level });
  });

  it('reads an empty client id without clean session, which the broker has to answer', () => {
    expect(decode(packet('10', `${connectHeader} 00 003c 0000`))).toEqual({
      type: 'connect',
      clientId: '',
      cleanSession: false,
      keepAlive: 60,
    });
  });

  it('reads an empty client id with clean session', () => {
    expect(decode(packet('10', `${connectHeader} 02 003c 0000`))).toMatchObject({ clientId: '', cleanSession: true });
  });

  it('reads every character that a client id may surely have', () => {
    for (const clientId of ['0123456789abcdefghijklm', 'nopqrstuvwxyzABCDEFGHIJ', 'KLMNOPQRSTUVWXYZ']) {
      expect(decode(packet('10', `${connectHeader} 02 0000 ${string(clientId)}`))).toMatchObject({ clientId });
    }
  });

  it('[MQTT-3.1.3-1] [MQTT-3.1.3-3] takes the fields of a CONNECT in their order, the client id first', () => {
    const fields = ['id', 'will/topic', 'will message', 'user', 'pass'].map(string).join('');
    expect(decode(packet('10', `${connectHeader} c6 0000 ${fields}`))).toMatchObject({
      clientId: 'id',
      will: { topic: 'will/topic', payload: new Uint8Array(Buffer.from('will message')) },
      userName: 'user',
      password: new Uint8Array(Buffer.from('pass')),
    });
  });

  it.each([
    ['at the start', '\ufeffa'],
    ['in the middle', 'a\ufeff/b'],
    ['alone', '\ufeff'],
  ])('[MQTT-1.5.3-3] keeps U+FEFF %s', (_name, topic) => {
    expect(decode(packet('30', string(topic)))).toMatchObject({ topic });
  });

  it('[MQTT-1.5.3-1] keeps what is well-formed: U+FFFD itself, the last code points before and after the surrogates, U+10FFFF', () => {
    const topic = '\ufffd\ud7ff\ue000\u{10ffff}';
    expect(decode(packet('30', string(topic)))).toMatchObject({ topic });
  });

  it.each(['\u0001', '\u001f', '\u007f', '\u009f', '\ufdd0', '\ufffe', '\uffff', '\u{1ffff}', '\u{10fffe}'])(
    '[MQTT-1.5.3-1] keeps %j, which a server may refuse and this one does not: it is well-formed',
    (character) => {
      const topic = `a/${character}`;
      expect(decode(packet('30', string(topic)))).toMatchObject({ topic });
    },
  );

  it('reads a remaining length with more bytes than it needs, which 3.1.1 allows', () => {
    expect(decode(bytes('c0 80808000'))).toEqual({ type: 'pingreq' });
    expect(decode(bytes('40 82808000 0001'))).toEqual({ type: 'puback', packetId: 1 });
  });

  it('reads the longest strings', () => {
    const topic = 't'.repeat(65_535);
    expect(decode(packet('30', string(topic)))).toMatchObject({ topic });
  });

  it('reads a PUBLISH without bytes in its payload, and leaves an empty topic to topic.ts', () => {
    expect(decode(bytes('30 02 0000'))).toMatchObject({ topic: '', payload: new Uint8Array() });
  });

  it('[MQTT-2.3.1-5] takes no packet identifier out of a PUBLISH with QoS 0: all behind the topic is payload', () => {
    expect(decode(bytes('30 05 0001 61 0009'))).toEqual({
      type: 'publish',
      topic: 'a',
      payload: bytes('0009'),
      qos: 0,
      dup: false,
      retain: false,
    });
  });

  it('copies payload and password out of the bytes it was given', () => {
    const publish = bytes('30 07 0003 612f62 6869');
    const connect = bytes('10 13 0004 4d515454 04 c2 0000 0001 61 0001 75 0001 70');
    const decoded = [decode(publish), decode(connect)];
    publish.fill(0);
    connect.fill(0);
    expect(decoded).toMatchObject([{ payload: bytes('6869') }, { password: bytes('70') }]);
  });

  it('reads a Buffer from the pool as it reads plain bytes', () => {
    const pooled = Buffer.from('31070003612f626869', 'hex');
    expect(decode(pooled)).toMatchObject({ topic: 'a/b', payload: bytes('6869') });
  });

  it('reads one packet as if there had been none before', () => {
    const mqtt5 = bytes('10 0e 0004 4d515454 05 02 003c 00 0001 61');
    const publish = bytes('30 05 0003 612f62');
    const alone = decode(publish);
    decode(mqtt5);
    expect(() => decode(bytes('32 03 0001 61'))).toThrow('no packet identifier');
    expect(decode(publish)).toEqual(alone);
  });
});

describe('encode', () => {
  it.each([...clientVectors, ...serverVectors])('writes %s', (_name, hex, decoded) => {
    if (decoded.type === 'unacceptable-protocol-level') throw new Error('has no bytes');
    expect(encode(decoded)).toEqual(bytes(hex));
  });

  it('[MQTT-2.2.2-1] writes the reserved flags as table 2.2 has them', () => {
    const packetId = 7;
    const written: readonly (readonly [packet: ServerPacket, firstByte: number])[] = [
      [{ type: 'connack', sessionPresent: true, returnCode: 0 }, 0x20],
      [{ type: 'puback', packetId }, 0x40],
      [{ type: 'pubrec', packetId }, 0x50],
      [{ type: 'pubrel', packetId }, 0x62],
      [{ type: 'pubcomp', packetId }, 0x70],
      [{ type: 'suback', packetId, returnCodes: [1] }, 0x90],
      [{ type: 'unsuback', packetId }, 0xb0],
      [{ type: 'pingresp' }, 0xd0],
    ];
    for (const [packet, firstByte] of written)
      expect([packet.type, encode(packet)[0]]).toEqual([packet.type, firstByte]);
  });

  it('[MQTT-2.3.1-5] writes no packet identifier into a PUBLISH with QoS 0', () => {
    const publish = { type: 'publish', topic: 'a', payload: bytes('ff'), qos: 0, dup: false, retain: false } as const;
    expect(encode({ ...publish, packetId: 9 })).toEqual(bytes('30 04 0001 61 ff'));
  });

  it('gives plain bytes with memory of their own, not a Buffer of the pool', () => {
    const written = encode({ type: 'puback', packetId: 1 });
    expect([written.constructor, written.buffer.byteLength]).toEqual([Uint8Array, 4]);
  });

  it('throws what is no ProtocolViolation where the caller forgot the packet identifier', () => {
    const publish = { type: 'publish', topic: 'a', payload: bytes(''), qos: 1, dup: false, retain: false } as const;
    expect(() => encode(publish)).toThrow('Invalid messageId');
  });
});

describe('splitPackets', () => {
  it('cuts at packet boundaries', () => {
    expect(splitPackets(bytes('c000 40020001 30050003612f62'))).toEqual([
      bytes('c000'),
      bytes('40020001'),
      bytes('30050003612f62'),
    ]);
  });

  it('does not read what it cuts', () => {
    expect(splitPackets(bytes('0000 ff0100'))).toEqual([bytes('0000'), bytes('ff0100')]);
  });

  it('cuts behind lengths of one to four bytes', () => {
    for (const length of [127, 128, 16_383, 16_384, 2_097_151, 2_097_152]) {
      const one = packet('30', '00'.repeat(length));
      expect(splitPackets(new Uint8Array([...one, 0xc0, 0])).map((piece) => piece.length)).toEqual([one.length, 2]);
    }
  });
});
