/**
 * Sessions that have lived long: some reconnects add nearly a whole round of packet ids, as if that many messages had passed
 * on a connection in between, and so do some publishers. So packet ids come to be used again while old messages still hold
 * them, or Lambdas that hang still remember them.
 */
import type { Ports } from '../../src/broker/ports.ts';
import type { Choices } from './choices.ts';

const PACKET_IDS = 65_535;

export const withLongLives = (ports: Ports, choices: Choices, isCalm: () => boolean): Ports => ({
  ...ports,
  sessions: {
    ...ports.sessions,
    change: (clientId, change) => {
      const chance = { resume: 0.5, allocate: 0.1 }[change.name ?? ''] ?? 0;
      if (isCalm() || !choices.chance(chance)) return ports.sessions.change(clientId, change);
      const passed = PACKET_IDS - choices.below(6) + (change.add?.sequence ?? 0);
      return ports.sessions.change(clientId, { ...change, add: { ...change.add, sequence: passed } });
    },
  },
});
