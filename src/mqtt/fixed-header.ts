/**
 * The fixed header (§2.2): type, flags and length of a control packet, and which of them a client may send.
 */
import { ProtocolViolation } from './violation.ts';

export interface FixedHeader {
  /** 0–15, as in table 2.1. */
  readonly packetType: number;
  /** The low four bits of the first byte. */
  readonly flags: number;
  /** Where the variable header begins. */
  readonly bodyStart: number;
  /** Where the packet ends, within the bytes given. */
  readonly end: number;
}

export const CONNECT = 1;
const PUBLISH = 3;

/** The flags that table 2.2 prescribes for what a client sends, and the statement that says so. PUBLISH has its own. */
const prescribedFlags: Readonly<Record<number, readonly [flags: number, id: string]>> = {
  [CONNECT]: [0b0000, 'MQTT-2.2.2-2'],
  4: [0b0000, 'MQTT-2.2.2-2'], // PUBACK
  5: [0b0000, 'MQTT-2.2.2-2'], // PUBREC
  6: [0b0010, 'MQTT-3.6.1-1'], // PUBREL
  7: [0b0000, 'MQTT-2.2.2-2'], // PUBCOMP
  8: [0b0010, 'MQTT-3.8.1-1'], // SUBSCRIBE
  10: [0b0010, 'MQTT-3.10.1-1'], // UNSUBSCRIBE
  12: [0b0000, 'MQTT-2.2.2-2'], // PINGREQ
  14: [0b0000, 'MQTT-3.14.1-1'], // DISCONNECT
};

const serverOnly: Readonly<Record<number, string>> = { 2: 'CONNACK', 9: 'SUBACK', 11: 'UNSUBACK', 13: 'PINGRESP' };

/**
 * The fixed header of the packet that begins at `start`. The remaining length may be written with more bytes than it
 * needs: 3.1.1 does not forbid it.
 *
 * @throws ProtocolViolation `malformed-packet` where the packet is longer than the bytes, or its length than four bytes
 */
export function readFixedHeader(bytes: Uint8Array, start: number): FixedHeader {
  const first = byteAt(bytes, start);
  let length = 0;
  let bodyStart = start + 1;
  for (let shift = 0; ; shift += 7) {
    if (shift === 28) throw new ProtocolViolation('malformed-packet', 'a length of more than 4 bytes (§2.2.3)');
    const digit = byteAt(bytes, bodyStart++);
    length |= (digit & 0x7f) << shift;
    if (digit < 0x80) break;
  }
  const end = bodyStart + length;
  if (end > bytes.length) throw truncated();
  return { packetType: first >> 4, flags: first & 0x0f, bodyStart, end };
}

/** @throws ProtocolViolation where a client may not send this type, or not with these flags */
export function checkFixedHeader({ packetType, flags }: FixedHeader): void {
  const name = serverOnly[packetType];
  if (name) throw new ProtocolViolation('protocol-violation', `${name} is for a server to send`);
  const problem = packetType === PUBLISH ? publishFlagsProblem(flags) : flagsProblem(packetType, flags);
  if (problem) throw new ProtocolViolation('malformed-packet', problem);
}

function publishFlagsProblem(flags: number): string | undefined {
  const dup = (flags & 0b1000) !== 0;
  const qos = (flags >> 1) & 3;
  if (qos === 3) return '[MQTT-3.3.1-4] PUBLISH with both QoS bits set';
  if (qos === 0 && dup) return '[MQTT-3.3.1-2] PUBLISH with DUP and QoS 0';
  return undefined;
}

function flagsProblem(packetType: number, flags: number): string | undefined {
  const prescribed = prescribedFlags[packetType];
  if (!prescribed) return `packet type ${packetType} is reserved (§2.2.1)`;
  const [expected, id] = prescribed;
  return flags === expected ? undefined : `[${id}] packet type ${packetType} with the flags ${flags}`;
}

function byteAt(bytes: Uint8Array, index: number): number {
  const byte = bytes[index];
  if (byte === undefined) throw truncated();
  return byte;
}

function truncated(): ProtocolViolation {
  return new ProtocolViolation('malformed-packet', 'a truncated packet');
}
