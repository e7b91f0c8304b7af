/**
 * The fault switches: everything AWS may do to the broker and a laptop never would. One typed object, changed at run
 * time in process or through `/_local/faults`.
 *
 * Rules of this file:
 * - Everything is off by default. A change is merged into what is set: objects by name, arrays as a whole.
 * - A `Chance` strikes the next `next` occasions for sure (each counts it down), and beyond them a `share` of all.
 * - The emulators ask here and carry out; nothing here knows how.
 * - Every strike is counted under the name of its switch, so that a test can tell that its fault was there.
 */
import * as v from 'valibot';

const count = v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 0);
const milliseconds = v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(3_600_000)), 0);
const share = v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1)), 0);
const chanceEntries = { next: count, share };
const chance = v.optional(v.strictObject(chanceEntries), {});
const functionName = v.pipe(v.string(), v.minLength(1));

const schema = v.strictObject({
  /** `$disconnect`, which AWS delivers at its best effort. */
  disconnect: v.optional(v.strictObject({ drop: chance, double: chance, delayMs: milliseconds }), {}),
  /** Client frames that the gateway answers itself, with `message`, without calling a Lambda. */
  frames: v.optional(
    v.strictObject({
      refuse: v.optional(
        v.strictObject({ ...chanceEntries, message: v.optional(v.string(), 'Too Many Requests') }),
        {},
      ),
    }),
    {},
  ),
  posts: v.optional(
    v.strictObject({
      /** 429 LimitExceededException, not delivered. */
      throttle: chance,
      /** 410 GoneException for these connection ids though they are open; `*` is every connection. */
      gone: v.optional(v.array(v.string()), []),
      /** 500, after the frame was delivered. */
      failAfterDelivery: chance,
      /** 200, and the frame is never delivered. */
      lose: chance,
      delayMs: milliseconds,
      /** Holds the posts of a connection until this many wait, and delivers them last first. 0 and 1 are off. */
      reorder: count,
    }),
    {},
  ),
  lambda: v.optional(
    v.strictObject({
      /** Waits a random time within the bounds before an invocation starts. `*` is every function. */
      slow: v.optional(
        v.array(v.strictObject({ function: functionName, leastMs: milliseconds, mostMs: milliseconds })),
        [],
      ),
      /** Holds the results of a function until this many wait, and hands them out last first. 0 and 1 are off. */
      reorder: count,
      /**
       * Kills the function at the `call`-th AWS call of one invocation, counted from 1 (only calls of `operation` are
       * counted where it is given, such as `UpdateItem`): before the call is carried out, or after it and before its
       * answer. `times` invocations die so.
       */
      kill: v.optional(
        v.array(
          v.strictObject({
            function: functionName,
            when: v.picklist(['before', 'after']),
            call: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1)), 1),
            operation: v.optional(v.string()),
            times: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1)), 1),
          }),
        ),
        [],
      ),
    }),
    {},
  ),
  sqs: v.optional(
    v.strictObject({
      /** A message received from a standard queue is handed out a second time, deleted or not. */
      double: chance,
      /** ReceiveMessage answers nothing though messages are there. */
      emptyReceive: chance,
      /** CreateQueue fails with RequestThrottled. */
      throttleCreateQueue: chance,
      /** How long after CreateQueue a queue does not exist yet. AWS says to wait a second. */
      newQueueDelayMs: milliseconds,
    }),
    {},
  ),
  dynamodb: v.optional(
    v.strictObject({
      /** Fails calls of `operation` (`*` is every one) with `error`, not carried out. */
      fail: v.optional(
        v.array(
          v.strictObject({
            operation: v.string(),
            error: v.optional(
              v.picklist([
                'ProvisionedThroughputExceededException',
                'InternalServerError',
                'ThrottlingException',
                'RequestLimitExceeded',
                'TransactionConflictException',
              ]),
              'ProvisionedThroughputExceededException',
            ),
            ...chanceEntries,
          }),
        ),
        [],
      ),
      /** A batch call does its first half and hands the rest back as unprocessed. */
      unprocessed: chance,
    }),
    {},
  ),
});

export type FaultSwitches = v.InferOutput<typeof schema>;
export type Chance = { next: number; share: number };
export type KillRule = FaultSwitches['lambda']['kill'][number];
/** A switch by its place, such as `posts.throttle`. */
export type SwitchName = {
  [Group in keyof FaultSwitches]: `${Group}.${keyof FaultSwitches[Group] & string}`;
}[keyof FaultSwitches];

type Patch<T> = T extends readonly (infer E)[]
  ? readonly Patch<E>[]
  : T extends object
    ? { readonly [K in keyof T]?: Patch<T[K]> | undefined }
    : T;

/** What `set` takes: any part of the switches. */
export type FaultPatch = Patch<FaultSwitches>;

/** A change of the switches that makes no sense. The message names each place. */
export class FaultsError extends Error {
  override readonly name = 'FaultsError';
}

export interface Faults {
  /** The switches as they are, counted down. A copy. */
  current(): FaultSwitches;
  /** Merges `patch` into the switches. @throws FaultsError */
  set(patch: FaultPatch): FaultSwitches;
  /** All off. */
  clear(): void;
  /** How often a switch has struck since the stack started, whether it is still on or not. */
  struck(name: SwitchName): number;
  /** Resolves when a switch has struck so often since the stack started. */
  untilStruck(name: SwitchName, times: number): Promise<void>;
}

/** What the emulators see of the switches. */
export interface FaultSource {
  readonly live: FaultSwitches;
  /** Whether the `chance` of a switch strikes now; counts it down, and the strike. */
  strikes(name: SwitchName, chance: Chance): boolean;
  /** Counts a strike of a switch that is no chance. */
  strike(name: SwitchName): void;
  random(): number;
}

export const createFaults = (random: () => number = Math.random): Faults & FaultSource => {
  let live = v.parse(schema, {});
  const counts = new Map<SwitchName, number>();
  const waiting = new Set<() => void>();
  const struck = (name: SwitchName): number => counts.get(name) ?? 0;
  const strike = (name: SwitchName): void => {
    counts.set(name, struck(name) + 1);
    for (const look of [...waiting]) look();
  };
  return {
    get live() {
      return live;
    },
    random,
    strike,
    strikes: (name, chance) => {
      if (chance.next > 0) chance.next -= 1;
      else if (chance.share === 0 || random() >= chance.share) return false;
      strike(name);
      return true;
    },
    struck,
    untilStruck: (name, times) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (struck(name) < times) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
    current: () => structuredClone(live),
    set: (patch) => {
      if (!isObject(patch)) throw new FaultsError('the switches are set by a JSON object');
      const result = v.safeParse(schema, merged(live, patch));
      if (!result.success) {
        throw new FaultsError(
          result.issues.map((issue) => `${v.getDotPath(issue) ?? 'switches'}: ${issue.message}`).join('\n'),
        );
      }
      live = result.output;
      return structuredClone(live);
    },
    clear: () => {
      live = v.parse(schema, {});
    },
  };
};

/** The switches of an undisturbed stack, for emulators used on their own. */
export const noFaults = (): Faults & FaultSource => createFaults();

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const merged = (base: unknown, patch: unknown): unknown => {
  if (!isObject(base) || !isObject(patch)) return patch;
  const result: Record<string, unknown> = { ...base };
  for (const [name, value] of Object.entries(patch)) {
    if (value !== undefined) result[name] = name in base ? merged(base[name], value) : value;
  }
  return result;
};
