/**
 * Who subscribes to a topic: tuple-space search over the shapes of filters.
 *
 * Rules of this file:
 * - The number of reads grows with the shapes in use, not with the subscriptions.
 * - The registry of shapes is read for every frame, in parallel with the queries for the shapes this process knows, so that
 *   a PUBLISH after a SUBACK never misses a subscription.
 */
import { type FilterShape, filterFor } from '../mqtt/filter-shape.ts';
import type { Context } from './context.ts';
import { inParallel, WIDTH } from './in-parallel.ts';
import type { Subscriber } from './ports.ts';

/** For each topic its subscribers: one entry per session, with the highest QoS it subscribed with [MQTT-3.3.5-1]. */
export type Audience = ReadonlyMap<string, readonly Subscriber[]>;

export async function audienceOf(context: Context, topics: ReadonlySet<string>): Promise<Audience> {
  const queries = new Map<string, Promise<readonly Subscriber[]>>();
  const registry = context.subscriptions.shapes();
  const early = query(context, filtersOf(topics, context.knownShapes), queries);
  const [shapes] = await Promise.all([registry, early]);
  for (const shape of shapes) context.knownShapes.add(shape);
  await query(context, filtersOf(topics, shapes), queries);

  const audience = new Map<string, readonly Subscriber[]>();
  for (const topic of topics) {
    const matching = filtersOf(new Set([topic]), shapes).map((filter) => queries.get(filter) ?? Promise.resolve([]));
    audience.set(topic, oncePerSession((await Promise.all(matching)).flat()));
  }
  return audience;
}

const filtersOf = (topics: ReadonlySet<string>, shapes: Iterable<FilterShape>): readonly string[] => {
  const filters = new Set<string>();
  for (const shape of shapes) {
    for (const topic of topics) {
      const filter = filterFor(shape, topic);
      if (filter !== undefined) filters.add(filter);
    }
  }
  return [...filters];
};

/** Starts the queries that are not under way yet, and waits for them. */
const query = async (
  context: Context,
  filters: readonly string[],
  queries: Map<string, Promise<readonly Subscriber[]>>,
): Promise<void> => {
  await inParallel(
    filters.filter((filter) => !queries.has(filter)),
    WIDTH,
    (filter) => {
      const subscribers = context.subscriptions.to(filter);
      queries.set(filter, subscribers);
      return subscribers;
    },
  );
};

const oncePerSession = (subscribers: readonly Subscriber[]): readonly Subscriber[] => {
  const bySession = new Map<string, Subscriber>();
  for (const subscriber of subscribers) {
    const key = `${subscriber.generation} ${subscriber.clientId}`;
    const known = bySession.get(key);
    if (!known || known.qos < subscriber.qos) bySession.set(key, subscriber);
  }
  return [...bySession.values()];
};
