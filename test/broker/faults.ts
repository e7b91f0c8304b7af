/**
 * A world whose Lambdas fail: at the n-th call of a port AWS has an outage, or the Lambda dies, before the call takes effect
 * or after it. What comes back does so as in AWS: a tick or a job whose worker failed after 30 s, a client that got no reply
 * after 35 s, one that was told to close at once.
 */
import type { Settings } from '../../src/broker/context.ts';
import type { Job, Ports, RedeliveryTick } from '../../src/broker/ports.ts';
import { redeliver } from '../../src/broker/redeliver.ts';
import { runJob } from '../../src/broker/run-job.ts';
import { createWorld, type Packet, type parseReply, payloads, puback, publishPacket, type World } from './world.ts';

export const failures = ['outage', 'outage after its effect', 'death', 'death after its effect'] as const;
export type Failure = (typeof failures)[number];

const NO_REPLY = 35_000;
const COMES_BACK = 30_000;
const LAMBDA_TIMEOUT = 25_000;
const guarded = [
  'sessions',
  'wills',
  'inFlight',
  'copies',
  'incoming',
  'subscriptions',
  'filters',
  'retained',
  'connections',
  'identity',
  'authorizer',
  'gateway',
  'queues',
  'redelivery',
  'timers',
] as const;

export type FaultyWorld = ReturnType<typeof createFaultyWorld>;

export function createFaultyWorld(
  settings: Partial<Settings> = {},
  override: (ports: Ports) => Partial<Ports> = () => ({}),
) {
  let armed: { readonly call: number; readonly failure: Failure } | undefined;
  let calls = 0;
  let dead = false;
  let struck = false;

  const strike = async (failure: Failure, call: () => Promise<unknown>): Promise<never> => {
    struck = true;
    dead = failure.startsWith('death');
    if (failure.endsWith('effect')) await call();
    throw new Error(failure);
  };
  const guard = <T extends object>(port: T): T =>
    new Proxy(port, {
      get: (target, key) => {
        const method = Reflect.get(target, key) as (...parameters: unknown[]) => Promise<unknown>;
        return async (...parameters: unknown[]) => {
          const call = () => method.apply(target, parameters);
          if (!armed) return call();
          if (dead) throw new Error('a dead Lambda calls nobody');
          return ++calls === armed.call ? strike(armed.failure, call) : call();
        };
      },
    });
  const world = createWorld(settings, (ports) => {
    const used = { ...ports, ...override(ports) };
    return Object.fromEntries(guarded.map((name) => [name, guard<object>(used[name])]));
  });

  /** Runs one Lambda that fails at its `call`-th call of a port. `result` is absent where it died. */
  const during = async <T>(call: number, failure: Failure, lambda: () => Promise<T>) => {
    [armed, calls, dead, struck] = [{ call, failure }, 0, false, false];
    try {
      const result = await lambda();
      return { struck, died: dead, ...(dead ? {} : { result }) };
    } catch {
      return { struck, died: dead };
    } finally {
      armed = undefined;
    }
  };

  const take = <T>(queue: { readonly at: number; readonly body: T }[]): T | undefined => {
    const index = queue.findIndex(({ at }) => at <= world.context.clock.now());
    return index < 0 ? undefined : queue.splice(index, 1)[0]?.body;
  };
  const comesBack = <T>(queue: { readonly at: number; readonly body: T }[], body: T) => {
    queue.push({ at: world.context.clock.now() + COMES_BACK, body });
  };

  return {
    ...world,
    during,
    /** The next tick that is due, by a worker that fails. */
    failingTick: async (call: number, failure: Failure) => {
      const tick = take<RedeliveryTick>(world.ticks);
      if (!tick) throw new Error('no tick is due');
      const deadline = world.context.clock.now() + LAMBDA_TIMEOUT;
      const outcome = await during(call, failure, async () => {
        await redeliver(world.context, tick, deadline);
        return 'done';
      });
      if (outcome.result === undefined) comesBack(world.ticks, tick);
      return outcome.struck;
    },
    /** The next job that is due, by a worker that fails. */
    failingJob: async (call: number, failure: Failure) => {
      const job = take<Job>(world.jobs);
      if (!job) throw new Error('no job is due');
      const outcome = await during(call, failure, async () => {
        await runJob(world.context, job);
        return 'done';
      });
      if (outcome.result === undefined) comesBack(world.jobs, job);
      return outcome.struck;
    },
  };
}

/** A subscriber as it should be: it acknowledges what it gets, and connects again when its socket is closed. */
export async function createSubscriber(world: World, clientId: string, filter: string) {
  let socket = await world.connect(clientId, { clean: false });
  await socket.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: filter, qos: 1 }] });
  const seen: string[] = [];
  const reconnect = async () => {
    const former = socket;
    socket = await world.connect(clientId, { clean: false });
    await former.drop(); // late, as it may be
  };
  const subscriber = {
    seen,
    socket: () => socket,
    use: (other: typeof socket) => {
      socket = other;
    },
    reconnect,
    /** Reads what came, and acknowledges it. */
    read: async () => {
      const packets = socket.pushes().filter(({ cmd }) => cmd === 'publish');
      seen.push(...payloads(packets));
      if (packets.length > 0 && socket.isOpen())
        await socket.send(...packets.map(({ messageId }) => puback(messageId)));
    },
    /** Lets time pass, second by second, as long as the client is there. */
    stay: async (seconds: number) => {
      for (let second = 0; second < seconds; second++) {
        if (!socket.isOpen()) await reconnect();
        await world.runTicks();
        await world.runJobs();
        await subscriber.read();
        world.advance(1_000);
      }
    },
  };
  return subscriber;
}

export type Subscriber = Awaited<ReturnType<typeof createSubscriber>>;

/**
 * A publisher sends `texts` in one frame to a Lambda that fails at its `call`-th call; what is not acknowledged it sends
 * again on a new connection, until it is. Meanwhile `pass` lets the time pass. False: there was no such call.
 */
export async function publishInTheEnd(
  world: FaultyWorld,
  topic: string,
  texts: readonly string[],
  { call, failure }: { readonly call: number; readonly failure: Failure },
  pass: (seconds: number) => Promise<void>,
): Promise<boolean> {
  const publisher = await world.connect('publisher');
  const packets: readonly Packet[] = texts.map((text, index) => publishPacket(topic, text, 1, index + 1));
  const { struck, died, result } = await world.during(call, failure, () => publisher.send(...packets));
  const acknowledged = acknowledgedBy(result);
  const rest = packets.filter((_, index) => !acknowledged.has(index + 1));
  if (rest.length === 0) return struck;
  await pass(died ? NO_REPLY / 1_000 : 1);
  const again = await world.connect('publisher');
  const second = await again.send(...rest.map((packet) => ({ ...packet, dup: true }) as Packet));
  if (acknowledgedBy(second).size < rest.length) throw new Error('not acknowledged although nothing failed');
  return struck;
}

const acknowledgedBy = (reply: ReturnType<typeof parseReply> | undefined): ReadonlySet<number> =>
  new Set((reply?.packets ?? []).filter(({ cmd }) => cmd === 'puback').map(({ messageId }) => messageId as number));
