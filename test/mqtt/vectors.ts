/** Control packets with their bytes, one table for decode and encode. */
import type { ClientPacket, ServerPacket } from '../../src/mqtt/packets.ts';
import { bytes } from './bytes.ts';

export const clientVectors: readonly (readonly [name: string, hex: string, packet: ClientPacket])[] = [
  [
    'CONNECT, the least',
    '10 0d 0004 4d515454 04 02 003c 0001 61',
    { type: 'connect', clientId: 'a', cleanSession: true, keepAlive: 60 },
  ],
  [
    'CONNECT with everything',
    '10 25 0004 4d515454 04 ec ffff 0003 646576 0005 6c6173742f 0004 00ff0001 0002 c3bc 0003 00c3ff',
    {
      type: 'connect',
      clientId: 'dev',
      cleanSession: false,
      keepAlive: 65_535,
      will: { topic: 'last/', payload: bytes('00ff0001'), qos: 1, retain: true },
      userName: 'ü',
      password: bytes('00c3ff'),
    },
  ],
  [
    'CONNECT with an empty Will Message, user name and password',
    '10 16 0004 4d515454 04 c6 0000 0001 61 0001 77 0000 0000 0000',
    {
      type: 'connect',
      clientId: 'a',
      cleanSession: true,
      keepAlive: 0,
      will: { topic: 'w', payload: bytes(''), qos: 0, retain: false },
      userName: '',
      password: bytes(''),
    },
  ],
  [
    'PUBLISH, QoS 0, retained',
    '31 07 0003 612f62 6869',
    { type: 'publish', topic: 'a/b', payload: bytes('6869'), qos: 0, dup: false, retain: true },
  ],
  [
    'PUBLISH, QoS 1, DUP',
    '3a 07 0003 612f62 ffff',
    { type: 'publish', topic: 'a/b', payload: bytes(''), qos: 1, dup: true, retain: false, packetId: 65_535 },
  ],
  [
    'PUBLISH, QoS 2',
    '34 06 0001 61 0001 00',
    { type: 'publish', topic: 'a', payload: bytes('00'), qos: 2, dup: false, retain: false, packetId: 1 },
  ],
  ['PUBACK', '40 02 0102', { type: 'puback', packetId: 0x0102 }],
  ['PUBREC', '50 02 0001', { type: 'pubrec', packetId: 1 }],
  ['PUBREL', '62 02 0001', { type: 'pubrel', packetId: 1 }],
  ['PUBCOMP', '70 02 0001', { type: 'pubcomp', packetId: 1 }],
  [
    'SUBSCRIBE',
    '82 0f 000a 0003 612f62 01 0004 2b2f2f23 02',
    {
      type: 'subscribe',
      packetId: 10,
      subscriptions: [
        { topicFilter: 'a/b', qos: 1 },
        { topicFilter: '+//#', qos: 2 },
      ],
    },
  ],
  ['UNSUBSCRIBE', 'a2 0a 000a 0003 612f62 0001 23', { type: 'unsubscribe', packetId: 10, topicFilters: ['a/b', '#'] }],
  ['PINGREQ', 'c0 00', { type: 'pingreq' }],
  ['DISCONNECT', 'e0 00', { type: 'disconnect' }],
];

export const serverVectors: readonly (readonly [name: string, hex: string, packet: ServerPacket])[] = [
  ['CONNACK, accepted', '20 02 00 00', { type: 'connack', sessionPresent: false, returnCode: 0 }],
  ['CONNACK, session present', '20 02 01 00', { type: 'connack', sessionPresent: true, returnCode: 0 }],
  ['CONNACK, not authorized', '20 02 00 05', { type: 'connack', sessionPresent: false, returnCode: 5 }],
  ['SUBACK', '90 06 000a 00 01 02 80', { type: 'suback', packetId: 10, returnCodes: [0, 1, 2, 0x80] }],
  ['UNSUBACK', 'b0 02 000a', { type: 'unsuback', packetId: 10 }],
  ['PINGRESP', 'd0 00', { type: 'pingresp' }],
];
