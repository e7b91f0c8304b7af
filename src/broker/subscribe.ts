/**
 * SUBSCRIBE and UNSUBSCRIBE of one client.
 *
 * Rules of this file:
 * - The shape is registered first, the subscription written second, what is retained read third, SUBACK comes last: a PUBLISH
 *   after it never misses, and one before it is either live or retained.
 * - The filter is noted with the session before the subscription is written, so that cleaning up finds everything.
 * - A subscription carries the epoch that wrote it; a stalled packet of an older epoch changes nothing, and is not acknowledged.
 */

import { shapeOf } from '../mqtt/filter-shape.ts';
import type { Qos, SubackReturnCode, Subscribe, Unsubscribe } from '../mqtt/packets.ts';
import { topicFilterProblem } from '../mqtt/topic.ts';
import type { Change } from '../session/change.ts';
import { isAlive, type SessionEpoch } from '../session/session.ts';
import { storesMessages } from '../session/transitions.ts';
import { firstProblem } from './authorize-connect.ts';
import type { Context } from './context.ts';
import { inParallel, together, WIDTH } from './in-parallel.ts';
import { announceSubscriptions } from './lifecycle.ts';
import { NotConnected } from './not-connected.ts';
import type { Subscription } from './ports.ts';
import { sendRetained } from './send-retained.ts';

/** What the session has subscribed. @throws NotConnected where it has ended: nobody would clean up what is written for it. */
const filtersOf = async (context: Context, session: SessionEpoch): Promise<readonly string[]> => {
  const [current, filters] = await together([context.sessions.read(session.clientId), context.filters.list(session)]);
  if (!isAlive(current, session.generation)) throw new NotConnected();
  return filters.map(({ topicFilter }) => topicFilter);
};

/** The return codes, one for each filter in its place [MQTT-3.9.3-1]. Where QoS 2 is switched off, QoS 1 is granted [MQTT-3.8.4-6]. */
export async function subscribe(
  context: Context,
  session: SessionEpoch,
  packet: Subscribe,
): Promise<readonly SubackReturnCode[]> {
  const held = new Set(await filtersOf(context, session));
  const permit = await context.authority.permitOf(session.grant, session.clientId);
  const decisions = packet.subscriptions.map(({ topicFilter, qos }) => {
    const problem =
      topicFilterProblem(topicFilter, context.settings) ??
      firstProblem(permit, [{ action: 'iot:Subscribe', resource: `topicfilter/${topicFilter}` }]) ??
      tooMany(context, held, topicFilter);
    if (!problem) held.add(topicFilter);
    return { topicFilter, qos: qos === 2 && context.settings.qos2 === 'off' ? 1 : qos, problem };
  });

  // A filter may stand in one packet twice; they take effect in turn, so the last one counts [MQTT-3.8.4-4].
  const granted = new Map<string, Qos>();
  for (const { topicFilter, qos, problem } of decisions) if (!problem) granted.set(topicFilter, qos);
  if ([...granted.values()].some((qos) => qos > 0)) {
    await context.sessions.change(session.clientId, storesMessages(session.generation));
  }
  const written = await inParallel([...granted], WIDTH, async ([topicFilter, qos]) => ({
    topicFilter,
    problem: await write(context, session, topicFilter, qos),
  }));
  const fitting = written.filter(({ problem }) => !problem).map(({ topicFilter }) => topicFilter);
  await announceSubscriptions(context, 'subscribed', session, fitting);
  await sendRetained(
    context,
    session,
    [...granted].filter(([topicFilter]) => fitting.includes(topicFilter)),
  );
  logRefused(context, session, [...decisions, ...written]);
  return decisions.map(({ topicFilter, qos, problem }) => (problem || !fitting.includes(topicFilter) ? 0x80 : qos));
}

/** One line for a packet, however many of its filters are refused. */
const logRefused = (
  context: Context,
  { clientId }: SessionEpoch,
  decided: readonly { readonly problem: string | undefined }[],
): void => {
  const problems = decided.flatMap(({ problem }) => problem ?? []);
  const [reason] = problems;
  if (reason) context.log('subscribe-refused', { clientId, refused: problems.length, reason });
};

const tooMany = (context: Context, held: ReadonlySet<string>, topicFilter: string): string | undefined =>
  held.size >= context.settings.maxSubscriptions && !held.has(topicFilter)
    ? `the session has maxSubscriptions, ${context.settings.maxSubscriptions}, already`
    : undefined;

/** Returns why not: the broker has as many shapes of filters as it may have. */
const write = async (
  context: Context,
  session: SessionEpoch,
  topicFilter: string,
  qos: Qos,
): Promise<string | undefined> => {
  const shape = shapeOf(topicFilter);
  const [registered] = await together([
    context.subscriptions.addShape(shape, context.settings.maxFilterShapes),
    context.filters.change(session, topicFilter, { name: 'note', if: [], set: { epoch: session.epoch } }),
  ]);
  if (!registered) {
    await forget(context, session, topicFilter);
    return `maxFilterShapes, ${context.settings.maxFilterShapes}, are in use already, and ${shape} is none of them`;
  }
  const written = await context.subscriptions.change(topicFilter, session.clientId, subscriptionOf(session, qos, true));
  if (!written.done) throw new NotConnected();
  return undefined;
};

export async function unsubscribe(context: Context, session: SessionEpoch, packet: Unsubscribe): Promise<void> {
  // A filter that is not subscribed needs no writes, and one that could not be subscribed cannot be a key.
  const held = new Set(await filtersOf(context, session));
  const filters = [...new Set(packet.topicFilters)].filter((topicFilter) => held.has(topicFilter));
  await inParallel(filters, WIDTH, async (topicFilter) => {
    const gone = await context.subscriptions.change(topicFilter, session.clientId, subscriptionOf(session, 0, false));
    if (!gone.done) throw new NotConnected();
    await forget(context, session, topicFilter);
  });
  await announceSubscriptions(context, 'unsubscribed', session, filters);
}

const forget = (context: Context, session: SessionEpoch, topicFilter: string): Promise<void> =>
  context.filters.remove(session, topicFilter, [
    ['<=', 'epoch', session.epoch], // else what the next connection subscribes to is cleaned up by nobody
  ]);

const subscriptionOf = ({ generation, epoch }: SessionEpoch, qos: Qos, active: boolean): Change<Subscription> => ({
  name: active ? 'subscribe' : 'unsubscribe',
  // A newer epoch, or a newer session of the same client, has the last word. Epochs rise across sessions.
  if: [['any', [['absent'], ['<=', 'epoch', epoch]]]],
  set: { qos, generation, epoch, active },
});
