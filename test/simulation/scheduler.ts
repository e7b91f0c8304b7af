/**
 * A seeded scheduler: every port call of every Lambda waits until it is chosen, so that a seed is one interleaving. Lambdas
 * die where the seed says so, before a call or after it: then nothing of theirs goes on.
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

export interface Lambda {
  readonly name: string;
  dead: boolean;
}

type Method = (...args: unknown[]) => Promise<unknown>;

export function createScheduler(random: Random, deathRate: number, trace: (line: string) => void) {
  const waiting: { readonly lambda: Lambda; readonly go: () => void }[] = [];
  let deaths = 0;

  const carryOut = (lambda: Lambda, name: string, call: () => Promise<unknown>): Promise<unknown> | undefined => {
    if (lambda.dead) return undefined;
    if (!random.chance(deathRate)) return call();
    lambda.dead = true;
    deaths++;
    const after = random.chance(0.5);
    trace(`${lambda.name} dies ${after ? 'after' : 'before'} ${name}`);
    if (after) void call();
    return undefined;
  };

  return {
    /** The same port, each call of which waits for its turn. */
    guard: <P extends object>(portName: string, port: P, lambda: Lambda): P =>
      new Proxy(port, {
        get: (target, property) => {
          const method = target[property as keyof P] as Method;
          const name = `${portName}.${String(property)}`;
          return (...args: unknown[]) =>
            new Promise((resolve, reject) => {
              const go = (): void => {
                trace(`${lambda.name}: ${name} ${show(args)}`);
                void carryOut(lambda, name, () => method.apply(target, args))?.then(
                  (value) => !lambda.dead && resolve(value),
                  (error: unknown) => !lambda.dead && reject(error),
                );
              };
              waiting.push({ lambda, go });
            });
        },
      }),
    waiting: (): number => waiting.length,
    deaths: (): number => deaths,
    /** Lets one waiting call go, chosen by the seed. */
    step: async (): Promise<void> => {
      const [chosen] = waiting.splice(random.below(waiting.length), 1);
      chosen?.go();
      // Every promise that can go on does so before the next choice.
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

const show = (args: readonly unknown[]): string =>
  JSON.stringify(args, (key, value) => (key === 'payload' ? '…' : value)).slice(0, 300);
