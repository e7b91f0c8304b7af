/**
 * MQTT 3.1.1 control packets from and to bytes.
 *
 * Rules of this file:
 * - It alone imports mqtt-packet. That parser is made for streams and is lenient: it replaces ill-formed UTF-8, ignores
 *   trailing bytes and accepts packet identifier 0. So what it read is *encoded again, and must give the bytes that came*
 *   (the length prefix aside, see fixed-header.ts). Only what survives that unseen is checked by hand.
 * - One parser per packet: a parser keeps state, and a CONNECT changes its settings.
 * - Bytes are copied both ways: nothing returned shares memory with what was given.
 * - Topics are not judged here, because the limits on them are settings; see topic.ts.
 */
import { Buffer } from 'node:buffer';
import { generate, type Packet as LibraryPacket, parser, writeToStream } from 'mqtt-packet';
import { checkConnectFlags, MQTT_3_1_1, protocolLevel } from './connect-header.ts';
import { CONNECT, checkFixedHeader, readFixedHeader } from './fixed-header.ts';
import type { ClientPacket, Connect, ServerPacket, UnacceptableProtocolLevel } from './packets.ts';
import { ProtocolViolation } from './violation.ts';

/** What has a form on the wire. */
type Encodable = ServerPacket | Exclude<ClientPacket, UnacceptableProtocolLevel>;

// mqtt-packet would make 65,536 buffers at its first packet: tens of milliseconds of every cold start.
writeToStream.cacheNumbers = false;

/**
 * Cuts bytes into control packets, which share memory with them.
 *
 * @throws ProtocolViolation `malformed-frame` where there is nothing, `malformed-packet` where the last one is not whole
 */
export function splitPackets(bytes: Uint8Array): readonly Uint8Array[] {
  if (bytes.length === 0) throw new ProtocolViolation('malformed-frame', 'no packet in the frame');
  const packets: Uint8Array[] = [];
  for (let start = 0; start < bytes.length; ) {
    const { end } = readFixedHeader(bytes, start);
    packets.push(bytes.subarray(start, end));
    start = end;
  }
  return packets;
}

/**
 * Reads one whole control packet of a client.
 *
 * @throws ProtocolViolation `malformed-packet`, `protocol-violation` or `topic-invalid`; nothing else, whatever the bytes
 */
export function decode(packet: Uint8Array): ClientPacket {
  const header = readFixedHeader(packet, 0);
  if (header.end !== packet.length) throw malformed('bytes behind the packet');
  checkFixedHeader(header);
  const body = packet.subarray(header.bodyStart);
  if (header.packetType === CONNECT) {
    const level = protocolLevel(body);
    if (level !== MQTT_3_1_1) return { type: 'unacceptable-protocol-level', level };
    checkConnectFlags(body);
  }
  const decoded = fromLibrary(parse(packet));
  checkStrings(decoded);
  checkSameBytes(decoded, packet[0], body);
  return decoded;
}

/**
 * Bytes of one control packet. Client packets too, which tests and local clients need.
 *
 * @throws Error where a value does not fit its field: a mistake of the caller, not of a peer
 */
export function encode(packet: Encodable): Uint8Array {
  return new Uint8Array(generate(toLibrary(packet)));
}

function parse(packet: Uint8Array): LibraryPacket {
  let parsed: LibraryPacket | undefined;
  let failure: unknown;
  const onePacketParser = parser();
  onePacketParser.on('packet', (read) => {
    parsed = read;
  });
  onePacketParser.on('error', (error) => {
    failure = error;
  });
  try {
    onePacketParser.parse(asBuffer(packet));
  } catch (error) {
    failure = error; // No input is known for which it throws; but what it might throw would be the client's doing.
  }
  // mqtt-packet's texts name fields and rules, never what a client sent.
  if (!parsed) throw malformed(failure instanceof Error ? failure.message : 'unreadable');
  return parsed;
}

function fromLibrary(parsed: LibraryPacket): Encodable & ClientPacket {
  switch (parsed.cmd) {
    case 'connect':
      return {
        type: 'connect',
        clientId: parsed.clientId,
        cleanSession: parsed.clean === true,
        keepAlive: parsed.keepalive ?? 0,
        ...(parsed.will && {
          will: {
            topic: parsed.will.topic,
            payload: copyOf(parsed.will.payload),
            qos: parsed.will.qos ?? 0,
            retain: parsed.will.retain === true,
          },
        }),
        ...(parsed.username !== undefined && { userName: parsed.username }),
        ...(parsed.password !== undefined && { password: copyOf(parsed.password) }),
      };
    case 'publish': {
      const { topic, qos, dup, retain } = parsed;
      const payload = copyOf(parsed.payload);
      if (qos === 0) return { type: 'publish', topic, payload, qos, dup, retain };
      return { type: 'publish', topic, payload, qos, dup, retain, packetId: packetIdOf(parsed, 'MQTT-2.3.1-1') };
    }
    case 'puback':
    case 'pubrec':
    case 'pubrel':
    case 'pubcomp':
      return { type: parsed.cmd, packetId: packetIdOf(parsed, 'MQTT-2.3.1-6') };
    case 'subscribe': {
      const subscriptions = parsed.subscriptions.map(({ topic, qos }) => ({ topicFilter: topic, qos }));
      if (subscriptions.length === 0) throw malformed('[MQTT-3.8.3-3] SUBSCRIBE without a topic filter');
      return { type: 'subscribe', packetId: packetIdOf(parsed, 'MQTT-2.3.1-1'), subscriptions };
    }
    case 'unsubscribe': {
      const topicFilters = parsed.unsubscriptions;
      if (topicFilters.length === 0) throw malformed('[MQTT-3.10.3-2] UNSUBSCRIBE without a topic filter');
      return { type: 'unsubscribe', packetId: packetIdOf(parsed, 'MQTT-2.3.1-1'), topicFilters };
    }
    case 'pingreq':
    case 'disconnect':
      return { type: parsed.cmd };
    case 'connack':
    case 'suback':
    case 'unsuback':
    case 'pingresp':
    case 'auth':
      throw malformed(`${parsed.cmd} from a client`); // checkFixedHeader has refused it before.
  }
}

function toLibrary(packet: Encodable): LibraryPacket {
  switch (packet.type) {
    case 'connect':
      return connectToLibrary(packet);
    case 'connack':
      return { cmd: 'connack', sessionPresent: packet.sessionPresent, returnCode: packet.returnCode };
    case 'publish': {
      const { topic, qos, dup, retain, packetId } = packet;
      const payload = asBuffer(packet.payload);
      return {
        cmd: 'publish',
        topic,
        payload,
        qos,
        dup,
        retain,
        ...(packetId !== undefined && { messageId: packetId }),
      };
    }
    case 'puback':
    case 'pubrec':
    case 'pubrel':
    case 'pubcomp':
      return { cmd: packet.type, messageId: packet.packetId };
    case 'subscribe': {
      const subscriptions = packet.subscriptions.map(({ topicFilter, qos }) => ({ topic: topicFilter, qos }));
      return { cmd: 'subscribe', messageId: packet.packetId, subscriptions };
    }
    case 'suback':
      return { cmd: 'suback', messageId: packet.packetId, granted: [...packet.returnCodes] };
    case 'unsubscribe':
      return { cmd: 'unsubscribe', messageId: packet.packetId, unsubscriptions: [...packet.topicFilters] };
    case 'unsuback':
      return { cmd: 'unsuback', messageId: packet.packetId, granted: [] };
    case 'pingreq':
    case 'pingresp':
    case 'disconnect':
      return { cmd: packet.type };
  }
}

function connectToLibrary({ clientId, cleanSession, keepAlive, will, userName, password }: Connect): LibraryPacket {
  return {
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: MQTT_3_1_1,
    // mqtt-packet refuses an empty string where cleanSession is 0. Such a CONNECT is the broker's to answer, with return
    // code 2 [MQTT-3.1.3-8], so it must come through here: an empty buffer does.
    clientId: Buffer.from(clientId) as unknown as string,
    clean: cleanSession,
    keepalive: keepAlive,
    ...(will && { will: { ...will, payload: asBuffer(will.payload) } }),
    ...(userName !== undefined && { username: userName }),
    ...(password !== undefined && { password: asBuffer(password) }),
  };
}

/** The id is the statement that demands the packet identifier. */
function packetIdOf({ messageId }: LibraryPacket, id: string): number {
  // mqtt-packet gives -1 where the packet is too short to hold one.
  if (messageId === undefined || messageId < 1) throw malformed(`[${id}] no packet identifier, or 0`);
  return messageId;
}

function checkStrings(packet: ClientPacket): void {
  if (stringsOf(packet).some((text) => text.includes('\u0000'))) throw malformed('[MQTT-1.5.3-2] U+0000 in a string');
  if (packet.type === 'connect' && packet.will?.topic === '') {
    throw new ProtocolViolation('topic-invalid', '[MQTT-4.7.3-1] an empty Will Topic');
  }
}

function stringsOf(packet: ClientPacket): readonly string[] {
  switch (packet.type) {
    case 'connect':
      return [packet.clientId, packet.will?.topic ?? '', packet.userName ?? ''];
    case 'publish':
      return [packet.topic];
    case 'subscribe':
      return packet.subscriptions.map(({ topicFilter }) => topicFilter);
    case 'unsubscribe':
      return packet.topicFilters;
    default:
      return [];
  }
}

function checkSameBytes(decoded: Encodable & ClientPacket, firstByte: number | undefined, body: Uint8Array): void {
  const again = encode(decoded);
  const { bodyStart } = readFixedHeader(again, 0);
  if (again[0] === firstByte && asBuffer(body).equals(again.subarray(bodyStart))) return;
  // Node decodes ill-formed UTF-8 to U+FFFD.
  const replaced = stringsOf(decoded).some((text) => text.includes('\ufffd'));
  throw malformed(replaced ? '[MQTT-1.5.3-1] ill-formed UTF-8' : 'bytes that none of its fields accounts for');
}

function malformed(detail: string): ProtocolViolation {
  return new ProtocolViolation('malformed-packet', detail);
}

/** The same memory, as the class that mqtt-packet takes. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** mqtt-packet's types allow a string; its parser gives buffers only. */
function copyOf(bytes: Buffer | string): Uint8Array {
  return new Uint8Array(bytes as Buffer);
}
