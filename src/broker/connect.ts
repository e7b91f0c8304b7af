/**
 * CONNECT: a session begins, goes on, or takes the place of an older one.
 *
 * Rules of this file:
 * - The session is written first, then the connection; a `$disconnect` that came in between has left its mark there.
 * - A resumed session's CONNACK is pushed and must be accepted before anything else may be posted; then the first tick
 *   is sent, and not before.
 */
import { encode } from '../mqtt/codec.ts';
import type { Connack, Connect } from '../mqtt/packets.ts';
import { encodeResumeToken } from '../mqtt/resume-token.ts';
import { utf8Length } from '../mqtt/topic.ts';
import { announce, open } from '../session/connection.ts';
import { type ClientId, type ConnectionId, NO_WILL } from '../session/ids.ts';
import { epochOf, isConnected, isExpired, type Session } from '../session/session.ts';
import { begin, resume } from '../session/transitions.ts';
import { type Admission, authorizeConnect } from './authorize-connect.ts';
import { checkMessage } from './check-message.ts';
import type { Context } from './context.ts';
import { together } from './in-parallel.ts';
import { announceConnected, announceConnectFailed, announceDisconnected } from './lifecycle.ts';
import { CLOSE_DELAY, cleanUpLater, loseConnection, pushClose, tellExpired } from './lose-connection.ts';
import { post } from './post.ts';
import { refreshIfDue } from './refresh.ts';
import { forgetWill, keepWill, publishWillLater } from './will.ts';

/** What goes into the reply. `lost`: the connection was gone before CONNECT was through. */
export type Connected =
  | { readonly kind: 'accepted'; readonly packets: readonly Uint8Array[]; readonly token: string }
  | {
      readonly kind: 'refused';
      readonly packets: readonly Uint8Array[];
      readonly detail: string;
      /** Left out where it may be of any length. */
      readonly clientId?: ClientId;
    }
  | { readonly kind: 'lost' };

/** Where a CONNECT comes from. */
export interface Origin {
  readonly connectionId: ConnectionId;
  readonly sourceIp: string | undefined;
}

/** Two clients with one id race for the session; a CONNECT that lost this often tells its client to come back later. */
const MOST_ATTEMPTS = 10;

export async function connect(context: Context, origin: Origin, packet: Connect): Promise<Connected> {
  if (packet.will) checkMessage(context.settings, packet.will, 'the will: ');
  if (packet.clientId === '' && !packet.cleanSession) {
    return refused(2, 'an empty client id needs cleanSession 1 [MQTT-3.1.3-8]');
  }
  if (utf8Length(packet.clientId) > context.settings.maxClientIdBytes) {
    return refused(2, `the client id is longer than maxClientIdBytes, ${context.settings.maxClientIdBytes}`);
  }
  const { connectionId } = origin;
  const clientId = packet.clientId === '' ? context.ids.client() : (packet.clientId as ClientId);
  const announced = await context.connections.change(connectionId, announce(clientId, context.clock.now()));
  if (!announced.done) return { kind: 'lost' };
  const claim = { ...origin, clientId, userName: packet.userName, password: packet.password };
  const admission = await authorizeConnect(context, claim, { persistent: !packet.cleanSession, will: packet.will });
  if (!admission.proved) {
    await announceConnectFailed(context, clientId, origin.sourceIp);
    return refused(admission.returnCode, admission.detail, clientId);
  }
  const { grant } = admission;
  const will = packet.will ? await keepWill(context, clientId, connectionId, packet.will, grant) : NO_WILL;
  const secret = context.secrets.create();
  const next = {
    connectionId,
    will,
    grant,
    resumption: context.secrets.hash(secret),
    windowLeft: context.settings.maxInFlight,
  };

  for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
    const former = await context.sessions.read(clientId);
    const now = context.clock.now();
    const resumes =
      former !== undefined &&
      !packet.cleanSession &&
      mayResume(former, now) &&
      (await isOfSamePrincipal(context, former, admission));
    // Jobs before the write: should this Lambda die behind it, the older connection is closed all the same [MQTT-3.1.4-2], its
    // will published, and the older session cleaned up, or its subscriptions kept.
    if (former && isConnected(former)) {
      await together([
        context.timers.send({ job: 'close', connectionId: former.connectionId }, CLOSE_DELAY),
        publishWillLater(context, epochOf(clientId, former), 'DUPLICATE_CLIENTID'),
      ]);
    }
    if (former && !resumes) await cleanUpLater(context, clientId);
    const written = await context.sessions.change(
      clientId,
      resumes
        ? resume(former, { ...next, refreshedAt: await refreshIfDue(context, clientId, former, now) }, now)
        : begin({ ...next, generation: context.ids.generation(), persistent: !packet.cleanSession }, former, now),
    );
    if (!written.done) continue;
    const admitted = { clientId, session: written.record, former, resumed: resumes, admission };
    const packets = await admit(context, origin, packet, admitted);
    return packets ? { kind: 'accepted', packets, token: encodeResumeToken(clientId, secret) } : { kind: 'lost' };
  }
  await forgetWill(context, { clientId, will });
  return refused(3, 'other connections with this client id came first, again and again', clientId);
}

const mayResume = (session: Session, now: number): boolean =>
  session.persistent && session.status !== 'ended' && !isExpired(session, now);

/** What a session has is its principal's: whoever else may use its client id begins a session of its own. */
const isOfSamePrincipal = async (context: Context, { grant }: Session, admission: Admission): Promise<boolean> =>
  grant === admission.grant || (await context.authority.principalOf(grant)) === admission.principal;

/** A CONNECT whose session is written. */
interface Admitted {
  readonly clientId: ClientId;
  readonly session: Session;
  readonly former: Session | undefined;
  readonly resumed: boolean;
  readonly admission: Admission;
}

/** The packets of the reply; undefined where the connection is lost by now. */
const admit = async (
  context: Context,
  { connectionId, sourceIp }: Origin,
  { keepAlive }: Connect,
  { clientId, session, former, resumed, admission }: Admitted,
): Promise<readonly Uint8Array[] | undefined> => {
  const here = epochOf(clientId, session);
  const { authorizedUntil, reauthorizeAt } = admission;
  const terms = { keepAlive, authorizedUntil, reauthorizeAt };
  const [opened] = await together([
    context.connections.change(connectionId, open(here, terms, context.clock.now())),
    former && takeOver(context, clientId, former),
    resumed && session.predecessors !== '' && cleanUpLater(context, clientId),
  ]);
  if (!resumed && former) await tellEnded(context, clientId, former);
  if (!opened.done) {
    await loseConnection(context, here, 'CONNECTION_LOST');
    return undefined;
  }
  context.log('connected', { clientId, connectionId, sessionPresent: resumed, persistent: session.persistent });
  const connack = encode({ type: 'connack', sessionPresent: resumed, returnCode: 0 });
  if (resumed) {
    if ((await post(context, connectionId, [connack], session.pushed + 1)) !== 'accepted') {
      await loseConnection(context, here, 'CONNECTION_LOST');
      return undefined;
    }
    const { generation, epoch } = session;
    await context.redelivery.send({ clientId, generation, epoch, number: session.tick }, 0);
  }
  await announceConnected(context, clientId, session, sourceIp, admission.principal);
  return resumed ? [] : [connack];
};

/** The older connection of the same client is closed [MQTT-3.1.4-2]. No safety rests on it: its epoch is over. */
const takeOver = async (context: Context, clientId: ClientId, former: Session): Promise<void> => {
  if (!isConnected(former)) return;
  context.log('taken-over', { clientId, connectionId: former.connectionId });
  await together([
    context.connections.close(former.connectionId, context.clock.now()),
    pushClose(context, former.connectionId, 'session-taken-over'),
    announceDisconnected(context, clientId, former, 'DUPLICATE_CLIENTID'),
  ]);
};

/** The session before this one has ended by the same write. */
const tellEnded = async (context: Context, clientId: ClientId, former: Session): Promise<void> => {
  if (former.status === 'ended') return;
  if (isExpired(former, context.clock.now())) await tellExpired(context, { clientId, generation: former.generation });
  else context.log('session-ended', { clientId, cause: 'replaced' });
};

/** A CONNACK that refuses, after which the connection is closed [MQTT-3.2.2-5]. Session Present is 0 [MQTT-3.2.2-4]. */
export const refused = (returnCode: Connack['returnCode'], detail: string, clientId?: ClientId): Connected => ({
  kind: 'refused',
  packets: [encode({ type: 'connack', sessionPresent: false, returnCode })],
  detail,
  ...(clientId !== undefined && { clientId }),
});
