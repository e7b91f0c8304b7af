/**
 * A world in which a Lambda stalls between two calls, where `override` calls `pause`, while the rest of the world goes on:
 * what `meanwhile` was given runs there, once.
 */
import type { Settings } from '../../src/broker/context.ts';
import type { Ports } from '../../src/broker/ports.ts';
import { createGuardedWorld } from './guarded-world.ts';
import { createWorld } from './world.ts';

type Stalling = (ports: Ports, pause: () => Promise<void>) => Partial<Ports>;

const stalling =
  <W>(create: (settings: Partial<Settings>, override: (ports: Ports) => Partial<Ports>) => W) =>
  (override: Stalling, settings: Partial<Settings> = {}) => {
    let stall: (() => Promise<unknown>) | undefined;
    const pause = async () => {
      const meanwhile = stall;
      stall = undefined;
      await meanwhile?.();
    };
    const world = create(settings, (ports) => override(ports, pause));
    return {
      world,
      meanwhile: (act: () => Promise<unknown>) => {
        stall = act;
      },
    };
  };

export const createStallingWorld = stalling(createWorld);

/** The same, where clients have to say who they are. */
export const createStallingGuardedWorld = stalling(createGuardedWorld);

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
