/**
 * How long the sweeper takes for many sessions that expire in the same minute: the broker on memory ports, every call of a
 * port taking its time, in virtual time.
 *
 *     npx tsx bench/expired-sessions.ts [--sessions 100000] [--latency 8] [--lambdas 50]
 *
 * Rules of this file: it prints numbers and judges nothing.
 */
import { parseArgs } from 'node:util';
import type { Context } from '../src/broker/context.ts';
import type { Job, Ports } from '../src/broker/ports.ts';
import { runJob } from '../src/broker/run-job.ts';
import { type ClientId, type ConnectionId, type Generation, NO_GRANT, NO_WILL } from '../src/session/ids.ts';
import { begin, goOffline } from '../src/session/transitions.ts';
import { createWorld } from '../test/broker/world.ts';

const help = `Usage: npx tsx bench/expired-sessions.ts [options]

  --sessions N   how many expire together (100000)
  --latency MS   what one call of DynamoDB or SQS takes (8)
  --lambdas N    timer Lambdas at once; each works on up to 5 jobs (50)`;

const { values } = parseArgs({
  options: {
    sessions: { type: 'string', default: '100000' },
    latency: { type: 'string', default: '8' },
    lambdas: { type: 'string', default: '50' },
    help: { type: 'boolean', short: 'h' },
  },
});
if (values.help) {
  console.log(help);
  process.exit(0);
}
const [sessions, latency, lambdas] = [Number(values.sessions), Number(values.latency), Number(values.lambdas)];

/** A session with a filter and a queue, as a client with a persistent session leaves it behind. */
const EXPIRY_SECONDS = 60;
const world = createWorld({ sessionExpirySeconds: EXPIRY_SECONDS });
const progress = (text: string): void => {
  process.stderr.write(`${text}\n`);
};

progress(`making ${sessions} sessions …`);
for (let index = 0; index < sessions; index++) {
  const clientId = `client ${index}` as ClientId;
  const session = await leaveBehind(clientId, index);
  await world.stores.filters.change(session, `t/${index}`, { if: [], set: { epoch: session.epoch } });
  await world.stores.subscriptions.change(`t/${index}`, clientId, {
    if: [],
    set: { qos: 1, generation: session.generation, epoch: session.epoch, active: true },
  });
  await world.stores.queues.create(session);
}

async function leaveBehind(clientId: ClientId, index: number) {
  const created = {
    generation: `generation ${index}` as Generation,
    connectionId: 'c=' as ConnectionId,
    resumption: '',
    will: NO_WILL,
    grant: NO_GRANT,
    windowLeft: 100,
    persistent: true,
  };
  const now = world.context.clock.now();
  const begun = await world.stores.sessions.change(clientId, begin(created, undefined, now));
  if (!begun.done) throw new Error('it is the first');
  const { epoch, generation } = begun.record;
  await world.stores.sessions.change(clientId, goOffline(epoch, now + EXPIRY_SECONDS * 1_000));
  return { clientId, generation, epoch };
}

// ── Virtual time: what is to happen, by when ─────────────────────────────────────────────────────────────────────────

let now = world.context.clock.now() + EXPIRY_SECONDS * 1_000;
const startedAt = now;
const events = new Map<number, (() => void)[]>();
const after = (milliseconds: number, happen: () => void): void => {
  const at = now + milliseconds;
  const sameTime = events.get(at);
  if (sameTime) sameTime.push(happen);
  else events.set(at, [happen]);
};

const calls = new Map<string, number>();
const slow = <P extends object>(name: string, port: P): P =>
  new Proxy(port, {
    get:
      (target, method) =>
      async (...args: unknown[]) => {
        const call = `${name}.${String(method)}`;
        calls.set(call, (calls.get(call) ?? 0) + 1);
        await new Promise<void>((resolve) => after(latency, resolve));
        return (target[method as keyof P] as (...args: unknown[]) => unknown).apply(target, args);
      },
  });

let running = 0;
const waiting: Job[] = [];
let jobs = 0;
const dispatch = (): void => {
  while (running < lambdas && waiting.length > 0) {
    const batch = waiting.splice(0, 5);
    running++;
    jobs += batch.length;
    void Promise.all(batch.map((job) => runJob(context, job))).then(() => {
      running--;
      dispatch();
    });
  }
};
const ports = ['sessions', 'filters', 'inFlight', 'subscriptions', 'queues', 'wills'] as const;
let ended = { count: 0, at: now };
const context: Context = {
  ...world.context,
  log: (event) => {
    if (event === 'session-ended') ended = { count: ended.count + 1, at: now };
  },
  ...(Object.fromEntries(ports.map((name) => [name, slow(name, world.stores[name])])) as Partial<Ports>),
  clock: { now: () => now, pause: (milliseconds) => new Promise((resolve) => after(milliseconds, resolve)) },
  timers: slow('timers', {
    send: async (job: Job, delaySeconds: number) => {
      after(delaySeconds * 1_000, () => {
        waiting.push(job);
        dispatch();
      });
    },
  }),
};

let left = sessions;
let looked = now;
for (let sweeps = 0; left > 0; ) {
  if (now - startedAt >= sweeps * 60_000) {
    waiting.push({ job: 'sweep' });
    dispatch();
    sweeps++;
  }
  await new Promise(setImmediate);
  const next = Math.min(...events.keys(), startedAt + sweeps * 60_000);
  now = next;
  for (const happen of events.get(next) ?? []) happen();
  events.delete(next);
  await new Promise(setImmediate);
  if (now - looked >= 1_000) {
    looked = now;
    left = world.stores.sessions.all().length;
    progress(`${Math.round((now - startedAt) / 1_000)} s: ${left} records are left`);
  }
}

const seconds = (at: number): string => ((at - startedAt) / 1_000).toFixed(1);
const total = [...calls.values()].reduce((sum, count) => sum + count, 0);
console.log(`${sessions} sessions expired together; ${latency} ms a call, ${lambdas} Lambdas at once`);
console.log(`${ended.count} ended after ${seconds(ended.at)} s, nothing left after ${seconds(now)} s`);
console.log(`${jobs} jobs, ${(total / sessions).toFixed(1)} calls a session:`);
for (const [call, count] of [...calls].sort((a, b) => b[1] - a[1]))
  console.log(`  ${call} ${(count / sessions).toFixed(2)}`);
