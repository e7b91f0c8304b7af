/** What a client may publish, be it as a PUBLISH or as its will. */
import type { Publish } from '../mqtt/packets.ts';
import { topicNameProblem } from '../mqtt/topic.ts';
import { ProtocolViolation } from '../mqtt/violation.ts';
import type { Settings } from './context.ts';
import { isReserved } from './lifecycle.ts';

/**
 * @param where for the log, in front of what is wrong
 * @throws ProtocolViolation
 */
export function checkMessage(
  settings: Settings,
  { qos, payload, topic }: Pick<Publish, 'qos' | 'payload' | 'topic'>,
  where = '',
): void {
  if (qos === 2 && settings.qos2 === 'off') throw new ProtocolViolation('unsupported', `${where}QoS 2`);
  if (payload.byteLength > settings.maxPayloadBytes) {
    throw new ProtocolViolation('packet-too-large', `${where}a payload of ${payload.byteLength} bytes`);
  }
  const problem = isReserved(topic) ? 'only the broker publishes to $aws/' : topicNameProblem(topic, settings);
  if (problem) throw new ProtocolViolation('topic-invalid', `${where}${problem}`);
}
