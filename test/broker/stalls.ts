/**
 * A world in which a Lambda stalls between two calls, where `override` calls `pause`, while the rest of the world goes on:
 * what `meanwhile` was given runs there, once.
 */
import type { Ports } from '../../src/broker/ports.ts';
import { createWorld } from './world.ts';

export const createStallingWorld = (
  override: (ports: Ports, pause: () => Promise<void>) => Partial<Ports>,
  settings: Parameters<typeof createWorld>[0] = {},
) => {
  let stall: (() => Promise<unknown>) | undefined;
  const pause = async () => {
    const meanwhile = stall;
    stall = undefined;
    await meanwhile?.();
  };
  const world = createWorld(settings, (ports) => override(ports, pause));
  return {
    world,
    meanwhile: (act: () => Promise<unknown>) => {
      stall = act;
    },
  };
};

/** Where a Lambda is about to make the change of a session that has this name. */
export const beforeChange =
  (name: string) =>
  ({ sessions }: Ports, pause: () => Promise<void>): Partial<Ports> => ({
    sessions: {
      ...sessions,
      change: async (clientId, change) => {
        if (change.name === name) await pause();
        return sessions.change(clientId, change);
      },
    },
  });
