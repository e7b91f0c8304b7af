/**
 * What must be known of a CONNECT before its fields can be read: protocol name, level and connect flags (§3.1.2).
 */
import { ProtocolViolation } from './violation.ts';

/** The protocol level of MQTT 3.1.1. */
export const MQTT_3_1_1 = 4;

/**
 * The protocol level of a CONNECT, from the bytes behind its fixed header. Where it is not `MQTT_3_1_1`, what follows is
 * in the format of another version.
 *
 * @throws ProtocolViolation `malformed-packet` where the protocol name is not MQTT's
 */
export function protocolLevel(body: Uint8Array): number {
  const start = String.fromCharCode(...body.subarray(0, 8));
  if (start.startsWith('\u0000\u0004MQTT')) return levelAt(body, 6);
  // The name of MQTT 3.1. It is none of 3.1.1's, but who bears it understands return code 1.
  if (start === '\u0000\u0006MQIsdp' && body[8] !== MQTT_3_1_1) return levelAt(body, 8);
  throw new ProtocolViolation('malformed-packet', '[MQTT-3.1.2-1] an unknown protocol name');
}

/**
 * @param body of a CONNECT whose protocol level is `MQTT_3_1_1`
 * @throws ProtocolViolation `malformed-packet` where its flags contradict each other
 */
export function checkConnectFlags(body: Uint8Array): void {
  const flags = body[7];
  if (flags === undefined) throw new ProtocolViolation('malformed-packet', 'CONNECT without flags');
  const problem = connectFlagsProblem(flags);
  if (problem) throw new ProtocolViolation('malformed-packet', problem);
}

function connectFlagsProblem(flags: number): string | undefined {
  const userName = (flags & 0x80) !== 0;
  const password = (flags & 0x40) !== 0;
  const willRetain = (flags & 0x20) !== 0;
  const willQos = (flags >> 3) & 3;
  const will = (flags & 0x04) !== 0;
  if (flags & 0x01) return '[MQTT-3.1.2-3] the reserved connect flag is set';
  if (!will && willQos !== 0) return '[MQTT-3.1.2-13] a Will QoS without a Will';
  if (willQos === 3) return '[MQTT-3.1.2-14] Will QoS 3';
  if (!will && willRetain) return '[MQTT-3.1.2-15] Will Retain without a Will';
  if (password && !userName) return '[MQTT-3.1.2-22] a password without a user name';
  return undefined;
}

function levelAt(body: Uint8Array, index: number): number {
  const level = body[index];
  if (level === undefined) throw new ProtocolViolation('malformed-packet', 'CONNECT without a protocol level');
  return level;
}
