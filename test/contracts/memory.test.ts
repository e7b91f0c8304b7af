/** The contracts on the ports in memory. */
import { createWorld } from '../broker/world.ts';
import { gatewayContract } from './gateway.ts';
import { identityContract } from './identity.ts';
import { queuesContract } from './queues.ts';
import { retainedContract } from './retained.ts';
import { storesContract } from './stores.ts';
import type { Subject } from './subject.ts';

const createMemorySubject = (): Subject => {
  const world = createWorld();
  const due = <T>(queue: { at: number; body: T }[]): readonly T[] => {
    const now = world.context.clock.now();
    const ready = queue.filter(({ at }) => at <= now);
    for (const each of ready) queue.splice(queue.indexOf(each), 1);
    return ready.map(({ body }) => body);
  };
  return {
    ports: world.context,
    administration: world.stores.identity,
    passTime: world.advance,
    openSocket: async () => {
      const socket = world.open();
      return {
        connectionId: socket.connectionId,
        next: async () => world.sockets.get(socket.connectionId)?.frames.shift() ?? 'nothing came',
        closed: async () => {
          if (socket.isOpen()) throw new Error('the socket is open');
        },
        close: socket.drop,
      };
    },
    ticks: async () => due(world.ticks),
    jobs: async () => due(world.jobs),
    stop: async () => {},
  };
};

describe('ports in memory', () => {
  const subject = createMemorySubject();
  storesContract(() => subject);
  retainedContract(() => subject);
  identityContract(() => subject);
  queuesContract(() => subject);
  gatewayContract(() => subject);
});
