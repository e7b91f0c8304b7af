/**
 * What the broker tells about its clients, as messages on `$aws/events/…` with the topics and fields of AWS IoT Core, and one more
 * for sessions that expire.
 *
 * Rules of this file:
 * - An event is told after the fact, by a background job: it may come late, out of order, twice, or, where a Lambda dies in
 *   between, not at all. Nothing of the broker rests on it.
 * - None for client ids with a wildcard, which are no topic levels.
 */
import type { ClientId } from '../session/ids.ts';
import type { Session, SessionAddress, SessionEpoch } from '../session/session.ts';
import { ANONYMOUS } from './authority.ts';
import type { Context } from './context.ts';

/** As IoT Core names them. */
export type DisconnectReason =
  | 'CLIENT_INITIATED_DISCONNECT'
  | 'CLIENT_ERROR'
  | 'FORBIDDEN_ACCESS'
  | 'CUSTOMAUTH_TTL_EXPIRATION'
  | 'CONNECTION_LOST'
  | 'DUPLICATE_CLIENTID'
  | 'MQTT_KEEP_ALIVE_TIMEOUT'
  | 'SERVER_ERROR'
  | 'SERVER_INITIATED_DISCONNECT'
  | 'WEBSOCKET_TTL_EXPIRATION';

/** Topics that only the broker publishes to. */
export const isReserved = (topic: string): boolean => topic.startsWith('$aws/');

export const announceConnected = (
  context: Context,
  clientId: ClientId,
  { generation, version }: Session,
  sourceIp: string | undefined,
  principal: string,
): Promise<void> =>
  announce(
    context,
    'presence/connected',
    { clientId, generation },
    { principalIdentifier: principal, ipAddress: sourceIp, versionNumber: version },
  );

/** Nobody knows who it was. */
export const announceConnectFailed = (
  context: Context,
  clientId: ClientId,
  sourceIp: string | undefined,
): Promise<void> =>
  announce(
    context,
    'presence/connect_failed',
    { clientId, generation: context.ids.generation() },
    { connectFailureReason: 'AUTHORIZATION_FAILED', principalIdentifier: ANONYMOUS, ipAddress: sourceIp },
  );

/** @param session as it was on the connection that is over */
export const announceDisconnected = (
  context: Context,
  clientId: ClientId,
  { generation, version, grant }: Session,
  disconnectReason: DisconnectReason,
): Promise<void> =>
  announce(
    context,
    'presence/disconnected',
    { clientId, generation, grant },
    {
      clientInitiatedDisconnect: disconnectReason === 'CLIENT_INITIATED_DISCONNECT',
      disconnectReason,
      versionNumber: version,
    },
  );

export const announceSubscriptions = (
  context: Context,
  eventType: 'subscribed' | 'unsubscribed',
  session: SessionEpoch,
  topics: readonly string[],
): Promise<void> =>
  topics.length === 0 ? Promise.resolve() : announce(context, `subscriptions/${eventType}`, session, { topics });

export const announceExpired = (context: Context, session: SessionAddress): Promise<void> =>
  announce(context, 'session/expired', session, {});

const announce = async (
  context: Context,
  event: string,
  { clientId, generation, grant }: SessionAddress & Partial<Pick<SessionEpoch, 'grant'>>,
  fields: Readonly<Record<string, unknown>>,
): Promise<void> => {
  if (context.settings.lifecycleEvents === 'off' || /[+#]/.test(clientId)) return;
  try {
    const payload = {
      clientId,
      timestamp: context.clock.now(),
      eventType: event.slice(event.indexOf('/') + 1),
      sessionIdentifier: uuidOf(context.secrets.hash(generation)),
      ...(grant !== undefined && { principalIdentifier: await context.authority.principalOf(grant) }),
      ...fields,
    };
    await context.timers.send(
      { job: 'announce', topic: `$aws/events/${event}/${clientId}`, payload: JSON.stringify(payload) },
      0,
    );
  } catch (error) {
    context.log('event-lost', { clientId, kind: event, reason: String(error) });
  }
};

/** What is hashed stays with the broker: the names of queues are made of a generation. */
export const uuidOf = (hash: string): string =>
  hash.slice(0, 32).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
