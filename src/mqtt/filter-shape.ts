/**
 * Which filters could match a topic, without looking at the filters: tuple-space search, as packet classifiers do it.
 *
 * The shape of a filter is the filter with its literal levels blanked. For one topic and one shape there is at most one
 * filter that matches, and it can be written down. A publish so asks for one filter per shape in use, however many
 * subscriptions there are.
 *
 * Rule of this file: it agrees exactly with `matches` of topic.ts. For every valid filter f and name t,
 * `matches(f, t) === (filterFor(shapeOf(f), t) === f)`; a property test holds them together.
 */

/** Levels joined by `/`: `L` for a literal one, `+` and `#` for themselves. `a/+/b/#` has the shape `L/+/L/#`. */
export type FilterShape = string;

export function shapeOf(topicFilter: string): FilterShape {
  return topicFilter
    .split('/')
    .map((level) => (level === '+' || level === '#' ? level : 'L'))
    .join('/');
}

/** The only filter of this shape that matches the topic, or `undefined` where none can. */
export function filterFor(shape: FilterShape, topicName: string): string | undefined {
  const slots = shape.split('/');
  if (topicName.startsWith('$') && slots[0] !== 'L') return undefined; // [MQTT-4.7.2-1]
  const levels = topicName.split('/');
  const openEnded = slots.at(-1) === '#';
  const needed = openEnded ? slots.length - 1 : slots.length; // `#` also stands for no level at all.
  if (levels.length < needed || (levels.length > needed && !openEnded)) return undefined;
  return slots.map((slot, depth) => (slot === 'L' ? levels[depth] : slot)).join('/');
}
