/**
 * Writes that the SDK sends again because their answer was lost, though they were carried out. The table finds out, by the name
 * each write leaves in the item (docs/decisions/0008), unless somebody else has written in between: then the second is judged
 * like a stranger's.
 */
import type { Ports } from '../../src/broker/ports.ts';
import type { MemoryStores } from '../../src/memory/stores.ts';
import type { Change, Outcome } from '../../src/session/change.ts';
import type { Faults } from './faults.ts';
import type { Lambda } from './lambdas.ts';
import type { Time } from './time.ts';
import { spotOf } from './weak-spot.ts';

type Repeated = Pick<Ports, 'sessions' | 'connections' | 'wills' | 'inFlight'>;

export const withRepeats = (
  { sessions, connections, wills, inFlight }: Ports,
  memory: MemoryStores,
  lambda: Lambda,
  faults: Faults,
  time: Time,
  weakSpots: readonly number[],
): Repeated => {
  /** @param read the record as it is now */
  const twice = async <R>(
    change: Change<R>,
    write: () => Promise<Outcome<R>>,
    read: () => Promise<R | undefined>,
  ): Promise<Outcome<R>> => {
    const first = await write();
    const isWeak = weakSpots.includes(spotOf(change.name ?? ''));
    if (!first.done || !(isWeak ? faults.strikesAtWeakSpot('repeated') : faults.strikes('repeated'))) return first;
    await new Promise<void>((resolve) => time.after(0, resolve));
    const isNamed = (await read()) === first.record;
    return isNamed || lambda.state !== 'running' ? first : write();
  };
  return {
    sessions: {
      ...sessions,
      change: (clientId, change) =>
        twice(
          change,
          () => sessions.change(clientId, change),
          () => memory.sessions.read(clientId),
        ),
    },
    connections: {
      ...connections,
      change: (connectionId, change) =>
        twice(
          change,
          () => connections.change(connectionId, change),
          () => memory.connections.read(connectionId),
        ),
    },
    wills: {
      ...wills,
      change: (clientId, id, change) =>
        twice(
          change,
          () => wills.change(clientId, id, change),
          () => memory.wills.read(clientId, id),
        ),
      // an item that is gone has no name
      remove: async (...args) => (await wills.remove(...args)) && !faults.strikes('repeated'),
    },
    inFlight: {
      ...inFlight,
      remove: async (...args) => (await inFlight.remove(...args)) && !faults.strikes('repeated'),
    },
  };
};
