/**
 * The index on the sessions' time of expiry, which may show what was true a while ago: whoever came back since is still in it,
 * whoever left is not yet.
 */
import type { Sessions } from '../../src/broker/ports.ts';
import type { ClientId } from '../../src/session/ids.ts';
import type { Session } from '../../src/session/session.ts';
import type { Faults } from './faults.ts';
import type { Time } from './time.ts';

/** Milliseconds. */
const LAG = 30_000;

export const withLaggingIndex = <S extends Sessions>(sessions: S, time: Time, faults: Faults): S => {
  const changes = new Map<ClientId, { readonly before: Session | undefined; readonly at: number }>();
  return {
    ...sessions,
    change: async (clientId, change) => {
      const before = await sessions.read(clientId);
      const outcome = await sessions.change(clientId, change);
      if (outcome.done && before?.expiresAt !== outcome.record.expiresAt)
        changes.set(clientId, { before, at: time.now() });
      return outcome;
    },
    expired: async (part, until, after) => {
      const page = await sessions.expired(part, until, after);
      if (changes.size === 0 || !faults.strikes('indexLags')) return page;
      const found = new Set(page.found);
      for (const [clientId, { before, at }] of changes) {
        if (time.now() - at > LAG) continue;
        const wasThere = before?.expiryPart === part && before.expiresAt > 0 && before.expiresAt <= until;
        if (wasThere) found.add(clientId);
        else found.delete(clientId);
      }
      return { ...page, found: [...found] };
    },
  } as S;
};
