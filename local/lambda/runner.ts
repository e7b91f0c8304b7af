/**
 * Lambda on the laptop: for each function a pool of environments that grows on demand up to a limit; invocations beyond
 * it wait in line.
 *
 * Rules of this file:
 * - An environment handles one invocation at a time, and concurrent invocations get environments of their own, so that
 *   handlers share no memory they would not share on AWS.
 * - Every environment knows its name and says it with each AWS call (`AWS_SDK_UA_APP_ID` in the user agent). That is how
 *   a call is traced to the invocation that made it, and a Lambda can be killed at its n-th call.
 * - What became of an invocation is a value. Nothing here throws because a handler did.
 */
import { randomUUID } from 'node:crypto';
import { pause, type SkippableClock } from '../clock.ts';
import type { FaultSource } from '../faults.ts';
import type { LogSink } from '../log.ts';
import { type ShuffleGate, shuffleGate } from '../shuffle-gate.ts';
import type { Bundles } from './bundle.ts';
import { type Environment, type Outcome, startEnvironment } from './environment.ts';

/** One invocation, running or over. */
export interface InvocationRecord {
  readonly functionName: string;
  readonly requestId: string;
  readonly startedAt: number;
  /** AWS operations it called, in the order they reached the services. */
  readonly calls: readonly string[];
  readonly outcome: 'running' | 'returned' | 'threw' | 'timeout' | 'killed' | 'crashed';
}

/** An invocation as the services see it when it calls them. */
export interface RunningInvocation {
  readonly functionName: string;
  readonly calls: string[];
  /** Ends its environment at once. */
  kill(): Promise<void>;
}

export interface Runner {
  /** Loads one environment of each function ahead. */
  prewarm(): Promise<void>;
  invoke(functionName: string, event: unknown): Promise<Outcome>;
  /** The invocation that the environment of this name is in. */
  runningIn(environmentId: string): RunningInvocation | undefined;
  /** Whether an environment of this name was ended on purpose. */
  wasKilled(environmentId: string): boolean;
  /** The latest invocations, oldest first. */
  invocations(): readonly InvocationRecord[];
  isQuiet(): boolean;
  /** Resolves when nothing runs or waits. */
  quiet(): Promise<void>;
  /** Takes no more invocations, gives those that run `graceMs` to end, and ends all environments. */
  stop(graceMs: number): Promise<void>;
}

export interface RunnerOptions {
  readonly bundles: Bundles;
  /** The environment variables of a function. */
  readonly variablesOf: (functionName: string) => Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  /** Environments of one function at most. */
  readonly concurrency: number;
  readonly clock: SkippableClock;
  readonly faults: FaultSource;
  readonly log: LogSink;
}

interface Pool {
  readonly name: string;
  readonly file: string;
  readonly environments: Set<Environment>;
  readonly idle: Environment[];
  readonly line: Array<() => void>;
  readonly completions: ShuffleGate;
}

type MutableRecord = { -readonly [K in keyof InvocationRecord]: InvocationRecord[K] } & { calls: string[] };

const MOST_RECORDS = 2_000;

export const startRunner = (options: RunnerOptions): Runner => {
  const { clock, faults, log, concurrency } = options;
  const pools = new Map<string, Pool>(
    Object.entries(options.bundles.functions).map(([name, file]) => [
      name,
      {
        name,
        file,
        environments: new Set(),
        idle: [],
        line: [],
        completions: shuffleGate(clock, () => faults.strike('lambda.reorder')),
      },
    ]),
  );
  const records: MutableRecord[] = [];
  const running = new Map<string, RunningInvocation>();
  const killed = new Set<string>();
  const stopping = new AbortController();
  let count = 0;
  let active = 0;
  let whenQuiet: Array<() => void> = [];

  const start = (pool: Pool): Environment => {
    count += 1;
    const id = `${pool.name}.${count}`;
    const environment = startEnvironment({
      id,
      functionName: pool.name,
      workerFile: options.bundles.worker,
      functionFile: pool.file,
      clock,
      print: (line) => log(line, pool.name),
      variables: { ...options.variablesOf(pool.name), AWS_LAMBDA_FUNCTION_NAME: pool.name, AWS_SDK_UA_APP_ID: id },
    });
    pool.environments.add(environment);
    return environment;
  };

  /** An environment for one invocation, as soon as there is one; none when the stack stops. */
  const take = async (pool: Pool): Promise<Environment | undefined> => {
    for (;;) {
      if (stopping.signal.aborted) return undefined;
      const environment = pool.idle.pop();
      if (environment?.isAlive()) return environment;
      if (environment !== undefined) pool.environments.delete(environment);
      else if (pool.environments.size < concurrency) return start(pool);
      else await new Promise<void>((resolve) => pool.line.push(resolve));
    }
  };

  const giveBack = (pool: Pool, environment: Environment): void => {
    if (environment.isAlive()) pool.idle.push(environment);
    else pool.environments.delete(environment);
    pool.line.shift()?.();
  };

  const kill = (environment: Environment): Promise<void> => {
    killed.add(environment.id);
    return environment.kill();
  };

  const keep = (record: MutableRecord): void => {
    records.push(record);
    if (records.length > MOST_RECORDS) records.shift();
  };

  const slowness = (name: string): number => {
    const rule = faults.live.lambda.slow.find((slow) => slow.function === '*' || slow.function === name);
    return rule === undefined ? 0 : rule.leastMs + faults.random() * Math.max(0, rule.mostMs - rule.leastMs);
  };

  const run = async (pool: Pool, event: unknown): Promise<Outcome> => {
    const environment = await take(pool);
    if (environment === undefined) return refused;
    const requestId = randomUUID();
    const record: MutableRecord = {
      functionName: pool.name,
      requestId,
      startedAt: clock.now(),
      calls: [],
      outcome: 'running',
    };
    keep(record);
    running.set(environment.id, {
      functionName: pool.name,
      calls: record.calls,
      kill: () => kill(environment),
    });
    const slowMs = slowness(pool.name);
    if (slowMs > 0) {
      faults.strike('lambda.slow');
      await pause(clock, slowMs, stopping.signal);
    }
    const outcome = await environment.invoke(requestId, event, options.timeoutMs);
    record.outcome = outcome.kind === 'returned' ? 'returned' : outcome.reason;
    running.delete(environment.id);
    giveBack(pool, environment);
    await pool.completions.pass(faults.live.lambda.reorder);
    return outcome;
  };

  return {
    prewarm: async () => {
      await Promise.all(
        Array.from(pools.values(), async (pool) => {
          const environment = start(pool);
          await environment.loaded;
          giveBack(pool, environment);
        }),
      );
    },

    invoke: async (functionName, event) => {
      const pool = pools.get(functionName);
      if (pool === undefined) throw new Error(`there is no Lambda named ${functionName}`);
      if (stopping.signal.aborted) return refused;
      active += 1;
      try {
        return await run(pool, event);
      } finally {
        active -= 1;
        if (active === 0) {
          const waiting = whenQuiet;
          whenQuiet = [];
          for (const resolve of waiting) resolve();
        }
      }
    },

    runningIn: (environmentId) => running.get(environmentId),
    wasKilled: (environmentId) => killed.has(environmentId),
    invocations: () => records.map((record) => ({ ...record, calls: [...record.calls] })),
    isQuiet: () => active === 0,
    quiet: () => (active === 0 ? Promise.resolve() : new Promise((resolve) => whenQuiet.push(resolve))),

    stop: async (graceMs) => {
      stopping.abort();
      const over = new AbortController();
      const quiet = active === 0 ? Promise.resolve() : new Promise<void>((resolve) => whenQuiet.push(resolve));
      for (const { completions, line } of pools.values()) {
        completions.open();
        for (const go of line.splice(0)) go();
      }
      await Promise.race([quiet, pause(clock, graceMs, over.signal)]);
      over.abort();
      const environments = Array.from(pools.values(), (pool) => [...pool.environments]).flat();
      await Promise.all(environments.map((environment) => environment.kill()));
    },
  };
};

/** What becomes of an invocation that comes when the stack is stopping. */
const refused: Outcome = {
  kind: 'failed',
  reason: 'killed',
  error: { errorType: 'ServiceException', errorMessage: 'The local stack is stopping.' },
};
