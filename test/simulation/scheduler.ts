/**
 * A seeded scheduler: every port call of every Lambda waits until it is chosen, so that a seed is one interleaving. Lambdas
 * die where the seed says so: their calls are never answered again.
 */

/** mulberry32: a small generator of 32-bit numbers, the same everywhere for one seed. */
export function createRandom(seed: number) {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
  return {
    below: (limit: number): number => Math.floor(next() * limit),
    chance: (probability: number): boolean => next() < probability,
    pick: <T>(items: readonly T[]): T => items[Math.floor(next() * items.length)] as T,
  };
}
export type Random = ReturnType<typeof createRandom>;

interface Waiting {
  readonly lambda: Lambda;
  readonly name: string;
  readonly go: () => void;
}

export interface Lambda {
  readonly name: string;
  dead: boolean;
  done: boolean;
}

export function createScheduler(random: Random, deathRate: number, trace: (line: string) => void) {
  const waiting: Waiting[] = [];
  let current: Lambda | undefined;
  let deaths = 0;

  /** Wraps a port so that each call waits for its turn. */
  const guard = <P extends object>(portName: string, port: P, lambda: () => Lambda | undefined): P =>
    new Proxy(port, {
      get: (target, property) => {
        const method = target[property as keyof P];
        if (typeof method !== 'function') return method;
        return (...args: unknown[]) => {
          const caller = lambda();
          if (!caller) return method.apply(target, args);
          const name = `${portName}.${String(property)}`;
          return new Promise((resolve, reject) => {
            if (caller.dead) return;
            waiting.push({
              lambda: caller,
              name,
              go: () => {
                if (caller.dead) return;
                if (random.chance(deathRate)) {
                  const before = random.chance(0.5);
                  caller.dead = true;
                  deaths++;
                  trace(`${caller.name} dies ${before ? 'before' : 'after'} ${name}`);
                  if (!before) void method.apply(target, args);
                  return;
                }
                trace(`${caller.name}: ${name} ${show(args)}`);
                Promise.resolve(method.apply(target, args)).then(
                  (value) => {
                    if (!caller.dead) resolve(value);
                  },
                  (error) => {
                    if (!caller.dead) reject(error);
                  },
                );
              },
            });
          });
        };
      },
    });

  return {
    guard,
    waiting,
    deaths: () => deaths,
    /** Lets one waiting call go, chosen by the seed; false where none waits. */
    step: async (): Promise<boolean> => {
      for (let i = waiting.length - 1; i >= 0; i--) if (waiting[i]?.lambda.dead) waiting.splice(i, 1);
      if (waiting.length === 0) return false;
      const [chosen] = waiting.splice(random.below(waiting.length), 1);
      current = chosen?.lambda;
      chosen?.go();
      await settle();
      return true;
    },
    current: () => current,
  };
}

/** Lets every promise that can go on go on, without real time. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const show = (args: readonly unknown[]): string => {
  const text = JSON.stringify(args, (key, value) => (key === 'payload' ? '…' : value));
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
};
