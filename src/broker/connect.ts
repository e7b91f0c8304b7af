/**
 * CONNECT: a session begins, goes on, or takes the place of an older one.
 *
 * Rules of this file:
 * - The session is written first, then the connection; a `$disconnect` that came in between has left its mark there.
 * - A resumed session's CONNACK is pushed and must be accepted before anything else may be posted; then the first tick
 *   is sent, and not before.
 */
import { encode } from '../mqtt/codec.ts';
import { encodePushedClose } from '../mqtt/frame.ts';
import type { Connack, Connect } from '../mqtt/packets.ts';
import { topicNameProblem, utf8Length } from '../mqtt/topic.ts';
import { ProtocolViolation } from '../mqtt/violation.ts';
import type { ClientId, ConnectionId } from '../session/ids.ts';
import { isExpired, type Session } from '../session/session.ts';
import { begin, resume } from '../session/transitions.ts';
import type { Context } from './context.ts';
import { together } from './in-parallel.ts';
import { CLOSE_DELAY, cleanUpLater, closeSocket, loseConnection } from './lose-connection.ts';
import { post } from './post.ts';
import { SESSION_REFRESH } from './time-to-live.ts';

/** What goes into the reply. `lost`: the connection was gone before CONNECT was through. */
export type Connected =
  | { readonly kind: 'accepted'; readonly packets: readonly Uint8Array[] }
  | { readonly kind: 'refused'; readonly packets: readonly Uint8Array[]; readonly detail: string }
  | { readonly kind: 'lost' };

/** Two clients with one id race for the session; a CONNECT that lost this often tells its client to come back later. */
const MOST_ATTEMPTS = 10;

export async function connect(context: Context, connectionId: ConnectionId, packet: Connect): Promise<Connected> {
  const problem = willProblem(context, packet);
  if (problem) throw new ProtocolViolation('topic-invalid', problem);
  if (packet.clientId === '' && !packet.cleanSession) {
    return refused(2, 'an empty client id needs cleanSession 1 [MQTT-3.1.3-8]');
  }
  if (utf8Length(packet.clientId) > context.settings.maxClientIdBytes) {
    return refused(2, `the client id is longer than maxClientIdBytes, ${context.settings.maxClientIdBytes}`);
  }
  const clientId = packet.clientId === '' ? context.ids.client() : (packet.clientId as ClientId);
  if (packet.will) context.log('will-ignored', { clientId, reason: 'Last Will is not supported yet' });

  for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
    const former = await context.sessions.read(clientId);
    const now = context.clock.now();
    const resumes = former !== undefined && !packet.cleanSession && mayResume(former, now);
    const created = {
      generation: context.ids.generation(),
      connectionId,
      persistent: !packet.cleanSession,
      windowLeft: context.settings.maxInFlight,
    };
    // Jobs before the write: should this Lambda die behind it, the older connection is closed all the same [MQTT-3.1.4-2],
    // and the older session cleaned up, or its subscriptions kept.
    if (former?.connectionId) {
      await context.timers.send({ job: 'close', connectionId: former.connectionId }, CLOSE_DELAY);
    }
    if (former && !resumes) await cleanUpLater(context, clientId);
    const written = await context.sessions.change(
      clientId,
      resumes
        ? resume(former, connectionId, context.settings.maxInFlight, await refresh(context, clientId, former, now), now)
        : begin(created, former, now),
    );
    if (!written.done) continue;
    return admit(context, clientId, connectionId, written.record, former, resumes);
  }
  return refused(3, 'other connections with this client id came first, again and again');
}

const mayResume = (session: Session, now: number): boolean =>
  session.persistent && session.status !== 'ended' && !isExpired(session, now);

const admit = async (
  context: Context,
  clientId: ClientId,
  connectionId: ConnectionId,
  session: Session,
  former: Session | undefined,
  resumed: boolean,
): Promise<Connected> => {
  const { generation, epoch, persistent } = session;
  const here = { clientId, generation, epoch, persistent };
  const [opened] = await together([
    context.connections.open(connectionId, here),
    former && takeOver(context, clientId, former),
    resumed && session.predecessors !== '' && cleanUpLater(context, clientId),
  ]);
  if (!opened) {
    await loseConnection(context, here);
    return { kind: 'lost' };
  }
  if (!resumed && former && former.status !== 'ended') {
    context.log('session-ended', { clientId, cause: isExpired(former, context.clock.now()) ? 'expired' : 'replaced' });
  }
  context.log('connected', { clientId, connectionId, sessionPresent: resumed, persistent });
  const connack = encode({ type: 'connack', sessionPresent: resumed, returnCode: 0 });
  if (!resumed) return { kind: 'accepted', packets: [connack] };

  if ((await post(context, connectionId, [connack], session.pushed + 1)) !== 'accepted') {
    await loseConnection(context, here);
    return { kind: 'lost' };
  }
  await context.redelivery.send({ clientId, generation, epoch, number: session.tick }, 0);
  return { kind: 'accepted', packets: [] };
};

/** The older connection of the same client is closed [MQTT-3.1.4-2]. No safety rests on it: its epoch is over. */
const takeOver = async (context: Context, clientId: ClientId, former: Session): Promise<void> => {
  if (former.status !== 'online' && former.status !== 'connecting') return;
  context.log('taken-over', { clientId, connectionId: former.connectionId });
  await together([
    context.connections.close(former.connectionId),
    context.gateway
      .post(former.connectionId, encodePushedClose('session-taken-over'))
      .then(() => closeSocket(context, former.connectionId)),
  ]);
};

/** Has the time to live of the session's subscriptions set anew, if it is time. Returns when that was done last. */
const refresh = async (context: Context, clientId: ClientId, session: Session, now: number): Promise<number> => {
  if (now - session.refreshedAt < SESSION_REFRESH) return session.refreshedAt;
  await context.timers.send({ job: 'refresh', clientId, generation: session.generation }, 0);
  return now;
};

const willProblem = (context: Context, { will }: Connect): string | undefined => {
  if (!will) return undefined;
  if (will.payload.byteLength > context.settings.maxPayloadBytes) return 'the payload of the will is too large';
  return topicNameProblem(will.topic, context.settings);
};

/** A CONNACK that refuses, after which the connection is closed [MQTT-3.2.2-5]. Session Present is 0 [MQTT-3.2.2-4]. */
export const refused = (returnCode: Connack['returnCode'], detail: string): Connected => ({
  kind: 'refused',
  packets: [encode({ type: 'connack', sessionPresent: false, returnCode })],
  detail,
});
