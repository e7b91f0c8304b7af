/**
 * Writes that the SDK sends again because their answer was lost, though they were carried out. The table finds out, by the name
 * each write leaves in the item (docs/decisions/0008), unless somebody else has written in between: then the second is judged
 * like a stranger's.
 */
import type { Ports } from '../../src/broker/ports.ts';
import type { MemoryStores } from '../../src/memory/stores.ts';
import type { Faults } from './faults.ts';
import type { Lambda } from './lambdas.ts';
import type { Time } from './time.ts';
import { spotOf } from './weak-spot.ts';

export const withRepeats = (
  { sessions, inFlight }: Ports,
  memory: MemoryStores,
  lambda: Lambda,
  faults: Faults,
  time: Time,
  weakSpots: readonly number[],
): Pick<Ports, 'sessions' | 'inFlight'> => ({
  sessions: {
    ...sessions,
    change: async (clientId, change) => {
      const first = await sessions.change(clientId, change);
      const isWeak = weakSpots.includes(spotOf(change.name ?? ''));
      if (!first.done || !(isWeak ? faults.strikesAtWeakSpot('repeated') : faults.strikes('repeated'))) return first;
      await new Promise<void>((resolve) => time.after(0, resolve));
      const isNamed = (await memory.sessions.read(clientId)) === first.record;
      return isNamed || lambda.state !== 'running' ? first : sessions.change(clientId, change);
    },
  },
  inFlight: {
    ...inFlight,
    // an item that is gone has no name
    remove: async (...args) => (await inFlight.remove(...args)) && !faults.strikes('repeated'),
  },
});
