/**
 * PUBLISH packets of one client: from the frame to every subscriber.
 *
 * Rules of this file:
 * - QoS 1 [MQTT-4.3.2-2]: returns only when every copy is durable; throws when that is not known, and then no PUBACK leaves.
 * - QoS 2 [MQTT-4.3.3-2]: the same, and what was noted by `receive-once.ts` reaches nobody twice with QoS 2.
 * - QoS 0 [MQTT-4.3.1-1]: at most once. What cannot be posted is dropped; nothing is thrown, so nothing is sent twice.
 */
import { encode } from '../mqtt/codec.ts';
import type { Publish, Qos } from '../mqtt/packets.ts';
import type { MessageId } from '../session/ids.ts';
import type { Message, SessionAddress, SessionEpoch } from '../session/session.ts';
import { epochOf, isAlive, isForgotten } from '../session/session.ts';
import { type Audience, audienceOf } from './audience.ts';
import type { Judged } from './authorize-publish.ts';
import type { Context } from './context.ts';
import { type Delivered, deliver } from './deliver.ts';
import { inParallel, together, WIDTH } from './in-parallel.ts';
import { abandonConnection } from './lose-connection.ts';
import { receivableBy } from './may-receive.ts';
import type { Subscriber } from './ports.ts';
import { post } from './post.ts';
import { retainPublished } from './retain.ts';

/**
 * Delivers those of `packets`, which are all of one QoS, that are allowed, in order. Looking for the audience starts as soon as `begin`
 * says, if nothing is to be retained; `admitted` says whether the publisher may publish at all, and nothing is delivered before both
 * are fulfilled.
 * @param takenAt when the broker got their frame, ms since 1970
 */
export async function publish(
  context: Context,
  packets: readonly Publish[],
  admitted: Promise<SessionEpoch>,
  judged: Promise<Judged>,
  begin: Promise<unknown>,
  takenAt: number,
): Promise<void> {
  const messages = packets.map(
    ({ topic, payload, qos, retain }): Message => ({ id: context.ids.message(), topic, payload, qos, retain }),
  );
  const allowed = judged.then(({ isAllowed }) => messages.filter((_, index) => isAllowed(packets[index] as Publish)));
  allowed.catch(() => {});
  if (messages.some(({ retain }) => retain)) await retainPublished(context, await allowed, await admitted, takenAt);
  await distribute(
    context,
    messages,
    admitted.then(() => allowed),
    new Set(),
    begin,
  );
}

/**
 * The same for messages that have their ids already, and are all of one QoS.
 * @param allowed those of them that are delivered: their audience is looked for meanwhile
 * @param repeated those that may have been delivered before: with QoS 0 they are not sent again
 * @param begin looking for the audience: where that fails nothing is asked
 */
export async function distribute(
  context: Context,
  messages: readonly Message[],
  allowed: Promise<readonly Message[]> = Promise.resolve(messages),
  repeated: ReadonlySet<MessageId> = new Set(),
  begin: Promise<unknown> = Promise.resolve(),
): Promise<void> {
  const topics = new Set(messages.map(({ topic }) => topic));
  const [audience, delivered] = await together([begin.then(() => audienceOf(context, topics)), allowed]);
  await inParallel(perSubscriber(delivered, audience, repeated), WIDTH, async ({ subscriber, messages }) => {
    const outcome =
      messages[0]?.qos === 0
        ? await postOnce(context, subscriber, messages)
        : await deliver(context, subscriber, messages);
    if (outcome === 'forgotten') await removeLeftover(context, subscriber);
  });
}

/**
 * The messages each subscriber gets, in order, as they are sent to it: with the lower of both QoS [MQTT-3.8.4-6], and with
 * RETAIN 0, since its subscription is an established one [MQTT-3.3.1-9].
 */
const perSubscriber = (messages: readonly Message[], audience: Audience, repeated: ReadonlySet<MessageId>) => {
  const bySession = new Map<string, { subscriber: Subscriber; messages: Message[] }>();
  for (const message of messages) {
    for (const subscriber of audience.get(message.topic) ?? []) {
      const qos = lower(message.qos, subscriber.qos);
      if (qos === 0 && repeated.has(message.id)) continue;
      const key = `${subscriber.generation} ${subscriber.qos} ${subscriber.clientId}`;
      const entry = bySession.get(key) ?? { subscriber, messages: [] };
      entry.messages.push({ ...message, qos, retain: false });
      bySession.set(key, entry);
    }
  }
  return [...bySession.values()];
};

const lower = (a: Qos, b: Qos): Qos => (a < b ? a : b);

/** QoS 0: one attempt, whatever comes of it. */
export const postOnce = async (
  context: Context,
  to: SessionAddress,
  messages: readonly Message[],
): Promise<Delivered | 'dropped'> => {
  try {
    const session = await context.sessions.read(to.clientId);
    if (!isAlive(session, to.generation)) return isForgotten(session, to.generation) ? 'forgotten' : 'dead';
    if (session.status !== 'online') return 'dropped';
    const allowed = await receivableBy(context, to, session.grant, messages);
    if (allowed.length === 0) return 'dropped';
    const packets = allowed.map(({ topic, payload, retain }) =>
      encode({ type: 'publish', topic, payload, qos: 0, dup: false, retain }),
    );
    const posted = await post(context, session.connectionId, packets);
    if (posted === 'gone') await abandonConnection(context, epochOf(to.clientId, session), session.connectionId);
    if (posted === 'accepted') return 'delivered';
    context.log('qos0-dropped', { clientId: to.clientId, messages: messages.length, reason: posted });
    return 'dropped';
  } catch (error) {
    context.log('qos0-dropped', { clientId: to.clientId, messages: messages.length, reason: String(error) });
    return 'dropped';
  }
};

/**
 * A subscription that clean-up has missed. While clean-up is still to come, it stays: a Lambda of an older session that stalls
 * before its own SUBSCRIBE would find nothing in its way.
 */
const removeLeftover = (context: Context, { topicFilter, clientId, generation }: Subscriber): Promise<void> =>
  context.subscriptions.remove(topicFilter, clientId, [['=', 'generation', generation]]);
