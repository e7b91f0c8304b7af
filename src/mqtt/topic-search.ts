/**
 * Where to look for the topics that a filter matches, if topics are kept in order under their first level.
 *
 * Rules of this file:
 * - A look finds every topic that it is made for, and may find others: what is found is compared with the filter (`matches`).
 * - Nothing is looked through that has another literal beginning than the filter, short of its first wildcard.
 */

export type Look =
  /** Exactly this one. */
  | { readonly look: 'topic'; readonly topic: string }
  /** All with the first level of `prefix` that begin with it, behind the topic `after`. */
  | { readonly look: 'prefix'; readonly prefix: string; readonly after?: string }
  /** The first levels in use, a look for each of which comes out of it. */
  | { readonly look: 'levels'; readonly after?: string };

/** Everything to look at for a valid filter. */
export function looksFor(topicFilter: string): readonly Look[] {
  const levels = topicFilter.split('/');
  const depth = levels.findIndex((level) => level === '+' || level === '#');
  if (depth < 0) return [{ look: 'topic', topic: topicFilter }];
  if (depth === 0) return [{ look: 'levels' }];
  const literal = levels.slice(0, depth).join('/');
  const below: Look = { look: 'prefix', prefix: `${literal}/` };
  if (levels[depth] === '+') return [below];
  // `#` also stands for no level at all. Under one first level there is nothing else that begins with it.
  return depth === 1 ? [{ look: 'prefix', prefix: literal }] : [{ look: 'topic', topic: literal }, below];
}

/** Everything to look at under one first level, for a filter whose own first level is a wildcard. */
export function looksUnder(firstLevel: string, topicFilter: string): readonly Look[] {
  if (firstLevel.startsWith('$')) return []; // [MQTT-4.7.2-1]
  return looksFor(topicFilter === '#' ? `${firstLevel}/#` : `${firstLevel}${topicFilter.slice(1)}`);
}
