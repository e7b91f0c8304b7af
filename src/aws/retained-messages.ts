/**
 * What is retained, on its own table: topics in order under their first level, and the registry of first levels.
 *
 * Rules of this file:
 * - A first level is registered before anything is retained under it, and never removed: whoever publishes under it at that very
 *   moment believes that it is there.
 * - No scan: what matches a filter is found by the literal beginning of the filter (`topic-search.ts`).
 */
import type { RetainedMessages } from '../broker/ports.ts';
import { REMOVED_TIME_TO_LIVE, RETAINED_TIME_TO_LIVE } from '../broker/time-to-live.ts';
import { firstLevelOf, isRetained, type RetainedMessage } from '../session/retained.ts';
import { LEVEL_PARTS, levelKey, levelsPrefix, retainedKey, retainedPrefix } from './keys.ts';
import type { Table } from './table.ts';

/** Items in one page: what is found in it is sent before the next look at the clock. */
const PAGE = 250;
/** First levels that a process remembers. */
const MOST_REMEMBERED = 10_000;

export function createRetainedMessages(table: Table): RetainedMessages {
  const registered = new Set<string>();
  const register = async (firstLevel: string): Promise<void> => {
    if (registered.has(firstLevel)) return;
    await table.put(levelKey(firstLevel), {}, RETAINED_TIME_TO_LIVE);
    if (registered.size >= MOST_REMEMBERED) registered.clear();
    registered.add(firstLevel);
  };
  return {
    read: (topic) => table.get<RetainedMessage>(retainedKey(topic)),
    change: async (topic, change) => {
      const removes = change.set?.payload !== undefined && !isRetained({ payload: change.set.payload });
      if (!removes) await register(firstLevelOf(topic));
      return table.change(retainedKey(topic), change, removes ? REMOVED_TIME_TO_LIVE : RETAINED_TIME_TO_LIVE);
    },
    under: async (prefix, after) => {
      const { found, next } = await table.page<RetainedMessage>(retainedPrefix(prefix), PAGE, after);
      return { found: found.map(({ record }) => record), next };
    },
    // A place is the number of a part, a colon, and the last sort key in it, if there was one.
    firstLevels: async (after) => {
      const part = after === undefined ? 0 : Number.parseInt(after, 10);
      const behind = after?.slice(after.indexOf(':') + 1) || undefined;
      const { found, next } = await table.page<object>(levelsPrefix(part), PAGE, behind);
      const nextPart = part + 1 < LEVEL_PARTS ? `${part + 1}:` : undefined;
      return {
        found: found.map(({ key }) => key.sk.slice(0, -1)),
        next: next === undefined ? nextPart : `${part}:${next}`,
      };
    },
  };
}
