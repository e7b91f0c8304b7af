/**
 * Which packets of a frame a client may publish.
 *
 * Rules of this file: what comes before a PUBLISH that is not allowed is dealt with, as before any other violation; the setting
 * `unauthorizedPublish` says whether the PUBLISH closes the connection or is acknowledged and dropped [MQTT-3.3.5-2].
 */
import type { ClientPacket, Publish } from '../mqtt/packets.ts';
import { ProtocolViolation } from '../mqtt/violation.ts';
import type { Connection } from '../session/connection.ts';
import { firstProblem, questionsOfPublish } from './authorize-connect.ts';
import type { Context } from './context.ts';

export interface Judged {
  /** Up to the first that closes the connection. */
  readonly packets: readonly ClientPacket[];
  readonly violation?: ProtocolViolation;
  /** Those of them that are acknowledged, and go nowhere. */
  readonly dropped: ReadonlySet<Publish>;
}

const NONE: ReadonlySet<Publish> = new Set();

/** @throws when AWS fails */
export async function judge(
  context: Context,
  packets: readonly ClientPacket[],
  admitted: Promise<Connection>,
): Promise<Judged> {
  if (context.authority.isOpen || !packets.some(isPublish)) return { packets, dropped: NONE };
  const { clientId, grant } = await admitted;
  const permit = await context.authority.permitOf(grant, clientId);
  const problems = new Map<ClientPacket, string>();
  for (const packet of packets) {
    const problem = isPublish(packet) ? firstProblem(permit, questionsOfPublish(packet)) : undefined;
    if (problem) problems.set(packet, problem);
  }
  const [first] = problems;
  if (first === undefined) return { packets, dropped: NONE };
  const [packet, detail] = first;
  if (context.settings.unauthorizedPublish === 'close') {
    return {
      packets: packets.slice(0, packets.indexOf(packet)),
      violation: new ProtocolViolation('not-authorized', detail),
      dropped: NONE,
    };
  }
  context.log('publish-dropped', { clientId, messages: problems.size, detail });
  return { packets, dropped: new Set([...problems.keys()].filter(isPublish)) };
}

const isPublish = (packet: ClientPacket): packet is Publish => packet.type === 'publish';
