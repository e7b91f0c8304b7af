/** What the codec refuses, each with the reason that the client is told and the detail that the log gets. */
import { decode, splitPackets } from '../../src/mqtt/codec.ts';
import { ProtocolViolation } from '../../src/mqtt/violation.ts';
import { bytes, packet, string } from './bytes.ts';

function violationOf(action: () => unknown): ProtocolViolation {
  try {
    action();
  } catch (error) {
    if (error instanceof ProtocolViolation) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

const connect = (afterLevel: string) => packet('10', `0004 4d515454 04 ${afterLevel}`);

const illFormed: readonly (readonly [name: string, hex: string])[] = [
  ['a surrogate, U+D800', 'eda080'],
  ['a surrogate, U+DFFF', 'edbfbf'],
  ['a surrogate pair in two parts (CESU-8)', 'eda0bdedb880'],
  ['an overlong slash', 'c0af'],
  ['an overlong U+0000', 'c080'],
  ['a continuation without a start', '80'],
  ['a start without a continuation', 'c3'],
  ['a sequence cut by the next character', 'e28261'],
  ['a code point above U+10FFFF', 'f4908080'],
  ['a byte that UTF-8 never has', 'ff'],
];

const field = (hex: string) => {
  const length = hex.replaceAll(' ', '').length / 2;
  return `${length.toString(16).padStart(4, '0')}${hex}`;
};

/** The places of a string in client packets. */
const places: readonly (readonly [id: string, name: string, packetWith: (string: string) => Uint8Array])[] = [
  ['MQTT-3.1.3-4', 'client id', (text) => connect(`02 0000 ${text}`)],
  ['MQTT-3.1.3-10', 'Will Topic', (text) => connect(`06 0000 000161 ${text} 0000`)],
  ['MQTT-3.1.3-11', 'user name', (text) => connect(`82 0000 000161 ${text}`)],
  ['MQTT-3.3.2-1', 'topic of a PUBLISH', (text) => packet('30', `${text} 00`)],
  ['MQTT-3.8.3-1', 'topic filter of a SUBSCRIBE', (text) => packet('82', `0001 000161 00 ${text} 01`)],
  ['MQTT-3.10.3-1', 'topic filter of an UNSUBSCRIBE', (text) => packet('a2', `0001 000161 ${text}`)],
];

describe.each(places)('[%s] %s', (_id, _name, packetWith) => {
  it.each(illFormed)('[MQTT-1.5.3-1] is refused with %s', (_illness, hex) => {
    for (const around of [hex, `61 ${hex}`, `${hex} 61`]) {
      expect(violationOf(() => decode(packetWith(field(around))))).toMatchObject({
        reason: 'malformed-packet',
        detail: expect.stringContaining('[MQTT-1.5.3-1]'),
      });
    }
  });

  it('[MQTT-1.5.3-2] is refused with U+0000', () => {
    for (const text of ['\u0000', 'a\u0000', '\u0000a']) {
      expect(violationOf(() => decode(packetWith(string(text))))).toMatchObject({
        reason: 'malformed-packet',
        detail: expect.stringContaining('[MQTT-1.5.3-2]'),
      });
    }
  });

  it('is read where its text is well-formed', () => {
    expect(decode(packetWith(string('ü/€/😀'))).type).not.toBe('unacceptable-protocol-level');
  });
});

describe('the fixed header', () => {
  it.each([
    ['MQTT-2.2.2-2', 'CONNECT', '11 0d 0004 4d515454 04 02 003c 0001 61'],
    ['MQTT-2.2.2-2', 'CONNECT of MQTT 5', '12 0e 0004 4d515454 05 02 003c 00 0001 61'],
    ['MQTT-2.2.2-2', 'PUBACK', '42 02 0001'],
    ['MQTT-2.2.2-2', 'PUBREC', '51 02 0001'],
    ['MQTT-3.6.1-1', 'PUBREL', '60 02 0001'],
    ['MQTT-2.2.2-2', 'PUBCOMP', '78 02 0001'],
    ['MQTT-3.8.1-1', 'SUBSCRIBE', '80 06 0001 0001 61 00'],
    ['MQTT-3.8.1-1', 'SUBSCRIBE with DUP', '8a 06 0001 0001 61 00'],
    ['MQTT-3.10.1-1', 'UNSUBSCRIBE', 'a0 05 0001 0001 61'],
    ['MQTT-2.2.2-2', 'PINGREQ', 'c1 00'],
    ['MQTT-3.14.1-1', 'DISCONNECT', 'e2 00'],
    ['MQTT-3.3.1-4', 'PUBLISH with both QoS bits', '36 05 0001 61 0001'],
    ['MQTT-3.3.1-2', 'PUBLISH with DUP and QoS 0', '38 03 0001 61'],
  ])('[%s] is refused with the wrong flags: %s', (id, _name, hex) => {
    expect(violationOf(() => decode(bytes(hex)))).toMatchObject({
      reason: 'malformed-packet',
      detail: expect.stringContaining(`[${id}]`),
    });
  });

  it.each([
    ['CONNACK', '20 02 0000'],
    ['SUBACK', '90 03 0001 00'],
    ['UNSUBACK', 'b0 02 0001'],
    ['PINGRESP', 'd0 00'],
  ])('is refused where only a server sends the packet: %s', (name, hex) => {
    expect(violationOf(() => decode(bytes(hex)))).toMatchObject({
      reason: 'protocol-violation',
      detail: expect.stringContaining(name),
    });
  });

  it.each([
    ['0', '00 00'],
    ['15, AUTH in MQTT 5', 'f0 00'],
  ])('is refused with the reserved packet type %s', (_name, hex) => {
    expect(violationOf(() => decode(bytes(hex)))).toMatchObject({
      reason: 'malformed-packet',
      detail: expect.stringContaining('reserved'),
    });
  });

  it('is refused with a remaining length of five bytes', () => {
    for (const read of [decode, splitPackets]) {
      expect(violationOf(() => read(bytes('c0 8080808000')))).toMatchObject({
        reason: 'malformed-packet',
        detail: expect.stringContaining('4 bytes'),
      });
    }
  });

  it.each([
    ['nothing but a type', 'c0'],
    ['a length that is not complete', '30 80'],
    ['a body that is not complete', '30 07 0003 612f62 68'],
  ])('is refused where the packet is truncated: %s', (_name, hex) => {
    for (const read of [decode, splitPackets]) {
      expect(violationOf(() => read(bytes(hex)))).toMatchObject({
        reason: 'malformed-packet',
        detail: 'a truncated packet',
      });
    }
  });

  it('is refused where the second packet of a frame is truncated', () => {
    expect(violationOf(() => splitPackets(bytes('c000 30 07 0003')))).toMatchObject({ detail: 'a truncated packet' });
  });
});

describe('a frame', () => {
  it('is refused where it holds no packet', () => {
    expect(violationOf(() => splitPackets(new Uint8Array()))).toMatchObject({ reason: 'malformed-frame' });
  });

  it('is not for decode: two packets are refused', () => {
    expect(violationOf(() => decode(bytes('c000 c000')))).toMatchObject({
      reason: 'malformed-packet',
      detail: expect.stringContaining('behind'),
    });
  });
});

describe('CONNECT', () => {
  it.each([
    ['MQTX', '10 0d 0004 4d515458 04 02 003c 0001 61'],
    ['mqtt', '10 0d 0004 6d717474 04 02 003c 0001 61'],
    ['MQT', '10 0c 0003 4d5154 04 02 003c 0001 61'],
    ['MQTTT', '10 0e 0005 4d51545454 04 02 003c 0001 61'],
    ['MQIsdpX', '10 10 0007 4d514973647058 03 02 003c 0001 61'],
    ['nothing', '10 09 0000 04 02 003c 0001 61'],
    ['the name of 3.1 with the level of 3.1.1', '10 0f 0006 4d5149736470 04 02 003c 0001 61'],
    ['a name longer than the packet', '10 06 ffff 4d515454'],
    ['no name at all', '10 00'],
  ])('[MQTT-3.1.2-1] is refused with the protocol name %s', (_name, hex) => {
    expect(violationOf(() => decode(bytes(hex)))).toMatchObject({
      reason: 'malformed-packet',
      detail: expect.stringContaining('[MQTT-3.1.2-1]'),
    });
  });

  it.each([
    ['MQTT-3.1.2-3', 'the reserved flag', '03 0000 000161'],
    ['MQTT-3.1.2-13', 'a Will QoS without a Will', '0a 0000 000161'],
    ['MQTT-3.1.2-14', 'Will QoS 3', '1e 0000 000161 000177 0000'],
    ['MQTT-3.1.2-15', 'Will Retain without a Will', '22 0000 000161'],
    ['MQTT-3.1.2-22', 'a password without a user name', '42 0000 000161 000170'],
    ['MQTT-4.7.3-1', 'an empty Will Topic', '06 0000 000161 0000 0000'],
  ])('[%s] is refused with %s', (id, _name, rest) => {
    expect(violationOf(() => decode(connect(rest)))).toMatchObject({
      reason: id === 'MQTT-4.7.3-1' ? 'topic-invalid' : 'malformed-packet',
      detail: expect.stringContaining(`[${id}]`),
    });
  });

  it.each([
    ['MQTT-3.1.3-3', 'its client id', '02 0000', 'Packet too short'],
    ['MQTT-3.1.2-9', 'the Will Topic that its flags announce', '06 0000 000161', 'Cannot parse will topic'],
    ['MQTT-3.1.2-9', 'the Will Message that its flags announce', '06 0000 000161 000177', 'Cannot parse will payload'],
    ['MQTT-3.1.2-19', 'the user name that its flags announce', '82 0000 000161', 'Cannot parse username'],
    ['MQTT-3.1.2-21', 'the password that its flags announce', 'c2 0000 000161 000175', 'Cannot parse password'],
  ])('[%s] is refused without %s', (_id, _name, rest, detail) => {
    expect(violationOf(() => decode(connect(rest)))).toMatchObject({ reason: 'malformed-packet', detail });
  });

  it.each([
    ['MQTT-3.1.2-11', 'a Will', '02 0000 000161 000177 000177'],
    ['MQTT-3.1.2-18', 'a user name', '02 0000 000161 000175'],
    ['MQTT-3.1.2-20', 'a password', '82 0000 000161 000175 000170'],
  ])('[%s] is refused with %s that its flags do not announce', (_id, _name, rest) => {
    expect(violationOf(() => decode(connect(rest)))).toMatchObject({
      reason: 'malformed-packet',
      detail: 'bytes that none of its fields accounts for',
    });
  });

  it('is refused where it ends before its protocol level', () => {
    for (const hex of ['10 06 0004 4d515454', '10 08 0006 4d5149736470']) {
      expect(violationOf(() => decode(bytes(hex))).detail).toBe('CONNECT without a protocol level');
    }
  });

  it('is refused where it ends before its flags', () => {
    expect(violationOf(() => decode(connect(''))).detail).toBe('CONNECT without flags');
  });

  it('is refused where it ends within its keep-alive', () => {
    expect(violationOf(() => decode(connect('02 00'))).reason).toBe('malformed-packet');
  });
});

describe('the packet identifier', () => {
  it.each([
    ['PUBLISH', '32 05 0001 61 0000'],
    ['PUBLISH with QoS 2', '34 05 0001 61 0000'],
    ['SUBSCRIBE', '82 06 0000 0001 61 00'],
    ['UNSUBSCRIBE', 'a2 05 0000 0001 61'],
  ])('[MQTT-2.3.1-1] of a %s is not 0', (_name, hex) => {
    expect(violationOf(() => decode(bytes(hex)))).toMatchObject({
      reason: 'malformed-packet',
      detail: expect.stringContaining('[MQTT-2.3.1-1]'),
    });
  });

  it.each([
    ['PUBACK', '40 02 0000'],
    ['PUBREC', '50 02 0000'],
    ['PUBREL', '62 02 0000'],
    ['PUBCOMP', '70 02 0000'],
  ])('of a %s is not 0, as no PUBLISH has that', (_name, hex) => {
    expect(violationOf(() => decode(bytes(hex)))).toMatchObject({ reason: 'malformed-packet' });
  });

  it.each([
    ['PUBLISH with QoS 1', '32 03 0001 61'],
    ['PUBLISH with QoS 1 and half of it', '32 04 0001 61 01'],
    ['PUBACK', '40 00'],
    ['SUBSCRIBE', '82 00'],
  ])('[MQTT-2.3.1-1] is not missing: %s', (_name, hex) => {
    expect(violationOf(() => decode(bytes(hex)))).toMatchObject({ reason: 'malformed-packet' });
  });
});

describe('SUBSCRIBE and UNSUBSCRIBE', () => {
  it.each([
    ['MQTT-3.8.3-3', 'SUBSCRIBE', '82 02 0001'],
    ['MQTT-3.10.3-2', 'UNSUBSCRIBE', 'a2 02 0001'],
  ])('[%s] are refused without a topic filter: %s', (id, _name, hex) => {
    expect(violationOf(() => decode(bytes(hex)))).toMatchObject({
      reason: 'malformed-packet',
      detail: expect.stringContaining(`[${id}]`),
    });
  });

  it.each([
    ['alone', '82 06 0001 0001 61'],
    ['behind a good one', '82 0a 0001 0001 61 00 0001 62'],
  ])('[MQTT-3.8.3-4] are refused with any QoS byte but 0, 1 and 2, in a subscription %s', (_where, start) => {
    for (let code = 3; code < 256; code++) {
      const hex = `${start} ${code.toString(16).padStart(2, '0')}`;
      expect(violationOf(() => decode(bytes(hex)))).toMatchObject({
        reason: 'malformed-packet',
        detail: expect.stringMatching(/^Invalid subscribe (QoS, must be <= 2|topic flag bits, bits 7-2 must be 0)$/),
      });
    }
  });

  it.each([
    ['a filter without a QoS', '82 05 0001 0001 61'],
    ['a filter longer than the packet', '82 06 0001 0002 61 00'],
    ['half of a length', 'a2 06 0001 0001 61 00'],
  ])('are refused with %s', (_name, hex) => {
    expect(violationOf(() => decode(bytes(hex)))).toMatchObject({ reason: 'malformed-packet' });
  });
});

describe('bytes behind the last field are refused', () => {
  it.each([
    ['CONNECT', '10 0e 0004 4d515454 04 02 003c 0001 61 00'],
    ['PUBACK with a reason code of MQTT 5', '40 03 0001 00'],
    ['PUBREC', '50 03 0001 00'],
    ['PUBREL', '62 03 0001 00'],
    ['PUBCOMP', '70 03 0001 00'],
    ['PINGREQ', 'c0 01 00'],
    ['DISCONNECT with a reason code of MQTT 5', 'e0 01 00'],
  ])('%s', (_name, hex) => {
    expect(violationOf(() => decode(bytes(hex)))).toMatchObject({
      reason: 'malformed-packet',
      detail: 'bytes that none of its fields accounts for',
    });
  });
});

it('a violation says in its message what the log needs', () => {
  const violation = new ProtocolViolation('unsupported', 'QoS 2');
  expect(violation).toBeInstanceOf(Error);
  expect(violation).toMatchObject({ name: 'ProtocolViolation', message: 'unsupported: QoS 2' });
});

it.each([
  ['a password without a user name', `42 0000 000161 ${string('hunter2')}`],
  ['ill-formed UTF-8', `82 0000 000161 ${field(`${Buffer.from('hunter2').toString('hex')}ff`)}`],
  ['U+0000', `82 0000 000161 ${string('hunter2\u0000')}`],
  ['trailing bytes', `c2 0000 000161 ${string('hunter2')} ${string('hunter2')} 00`],
  ['a password that is cut', `c2 0000 000161 ${string('hunter2')} 0008 ${Buffer.from('hunter2').toString('hex')}`],
])('a violation never says what the client sent: %s', (_name, rest) => {
  expect(violationOf(() => decode(connect(rest))).message).not.toContain('hunter2');
});
