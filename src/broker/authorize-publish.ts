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
  /** Whether a packet goes where it is to go. */
  readonly isAllowed: (packet: Publish) => boolean;
  /** The first that closes the connection, and why. */
  readonly end?: { readonly packet: ClientPacket; readonly violation: ProtocolViolation };
}

const everything: Judged = { isAllowed: () => true };

/** @throws when AWS fails */
export async function judge(
  context: Context,
  packets: readonly ClientPacket[],
  admitted: Promise<Connection>,
): Promise<Judged> {
  if (context.authority.isOpen || !packets.some(isPublish)) return everything;
  const { clientId, grant } = await admitted;
  const permit = await context.authority.permitOf(grant, clientId);
  const problems = new Map<ClientPacket, string>();
  for (const packet of packets) {
    const problem = isPublish(packet) ? firstProblem(permit, questionsOfPublish(packet)) : undefined;
    if (problem) problems.set(packet, problem);
  }
  const [first] = problems;
  if (first === undefined) return everything;
  const [packet, detail] = first;
  if (context.settings.unauthorizedPublish === 'drop') {
    context.log('publish-dropped', { clientId, messages: problems.size, detail });
    return { isAllowed: (each) => !problems.has(each) };
  }
  const before = new Set(packets.slice(0, packets.indexOf(packet)));
  return {
    isAllowed: (each) => before.has(each),
    end: { packet, violation: new ProtocolViolation('not-authorized', detail) },
  };
}

const isPublish = (packet: ClientPacket): packet is Publish => packet.type === 'publish';
