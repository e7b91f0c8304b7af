/**
 * One simulated run. A storm in which everything may go wrong; then calm, in which the broker must come to rest with
 * everything delivered; then all sessions end, and nothing may be left.
 */
import type { ClientId } from '../../src/session/ids.ts';
import { createChoices, type Draw, seeded } from './choices.ts';
import { createCloud, type Spoil } from './cloud.ts';
import { createFaults, type Fault, type FaultRates } from './faults.ts';
import { Broken, createJudge } from './judge.ts';
import { withLongLives } from './long-lives.ts';
import { createPublisher } from './publisher.ts';
import { createScenario } from './scenario.ts';
import { createSubscriber } from './subscriber.ts';
import { createTime } from './time.ts';

export { Broken } from './judge.ts';

/** What goes wrong more often than the seed says. */
export interface Trouble {
  /** The calls at which Lambdas hang or die most. */
  readonly weakSpots: readonly number[];
  readonly faults?: FaultRates;
}

export interface RunOptions {
  readonly seed: number;
  /** Where the choices come from, if not from the seed. */
  readonly draw?: Draw;
  readonly spoil?: Spoil;
  readonly trouble?: Trouble | undefined;
  readonly trace?: (line: string) => void;
}

export interface RunResult {
  readonly steps: number;
  readonly faults: Readonly<Record<Fault, number>>;
  readonly deadLetters: number;
}

const MOST_STEPS = 30_000;
const MOST_STORM_STEPS = 2_000;
const HOUR = 3_600_000;
/** Longer than any record may live that is not removed when a session ends, ms. */
const LATER = 4 * HOUR;
/** What a session owns must be kept from being collected after this, ms. */
const WEEKS = 21 * 24 * HOUR;
/** Longer than anything waits for in calm, ms. */
const LONG = 15 * 60_000;

/** @throws Broken with what went wrong */
export async function run({ seed, draw = seeded(seed), spoil, trouble, trace }: RunOptions): Promise<RunResult> {
  const choices = createChoices(draw);
  const scenario = createScenario(choices);
  const { settings } = scenario;
  const time = createTime();
  const faults = createFaults(choices, { ...scenario.faults, ...(trouble && { weakSpot: 0.3, ...trouble.faults }) });
  let steps = 0;
  /** DynamoDB has collected a session: of its queue nobody knows any more. */
  let forgotten = false;
  const step = () => steps;
  trace?.(`settings: ${JSON.stringify(interesting(settings))}`);
  const judge = createJudge({
    settings,
    faults,
    step,
    now: time.now,
    lostCount: () => cloud.lambdas.lostCount(),
    publishers: scenario.publishers.length,
    exactRate: scenario.clockError === 0,
    trace,
  });
  const cloud = createCloud({
    choices,
    faults,
    time,
    settings,
    clockError: scenario.clockError,
    weakSpots: trouble?.weakSpots ?? [scenario.weakSpot],
    trace,
    watch: (ports) =>
      judge.watch(scenario.longLives ? withLongLives(ports, choices, faults.isCalm) : ports, () => cloud),
    posted: judge.posted,
    mayLose: judge.mayLose,
    log: judge.log,
    spoil,
    step,
  });
  const subscribers = scenario.subscribers.map((plan) =>
    createSubscriber({ plan, choices, judge, window: settings.maxInFlight, cloud, time }),
  );
  const impatient = choices.chance(0.2);
  const mayBegin = () => impatient || faults.isCalm() || subscribers.every((each) => each.hasSubscribed());
  const publishers = scenario.publishers.map((plan) =>
    createPublisher({ plan, choices, judge, mayBegin, cloud, time }),
  );
  const clients = [...subscribers, ...publishers];

  /** Lets one thing happen. False: there was nothing to do now. */
  const oneStep = async (): Promise<boolean> => {
    if (steps++ > MOST_STEPS) throw new Broken(`no rest after ${MOST_STEPS} steps`);
    const urgent = time.urgent();
    if (urgent >= 0) time.happen(urgent);
    else {
      const calls = cloud.lambdas.waitingCount();
      const events = time.dueCount();
      const eager = clients.filter((client) => client.wantsTurn());
      const total = calls * CALL_WEIGHT + events * EVENT_WEIGHT + eager.length;
      if (total === 0) return false;
      const chosen = choices.below(total);
      if (chosen < calls * CALL_WEIGHT) cloud.lambdas.go(Math.floor(chosen / CALL_WEIGHT));
      else if (chosen < calls * CALL_WEIGHT + events * EVENT_WEIGHT) {
        time.happen(Math.floor((chosen - calls * CALL_WEIGHT) / EVENT_WEIGHT));
      } else eager[chosen - calls * CALL_WEIGHT - events * EVENT_WEIGHT]?.act();
    }
    // Comes back when every promise that can go on has done so.
    await new Promise<void>(process.nextTick);
    judge.check();
    return true;
  };

  // ── Storm ────────────────────────────────────────────────────────────────────────────────────────────────────────
  const stormEnds = 100 + choices.below(MOST_STORM_STEPS);
  let weeksPassed = false;
  while (steps < stormEnds && !publishers.every((each) => each.isDone())) {
    // While somebody hangs, clients get restless.
    const mischief = scenario.mischief * (cloud.lambdas.isAnyStalled() ? 4 : 1);
    if (choices.chance(mischief)) choices.pick(clients).mischief();
    if (choices.chance(0.1)) time.pass(choices.below(20 * scenario.pace));
    if (faults.strikes('longPause')) {
      // Weeks once: what nobody has come back to for twice as long was collected.
      const pause: number = choices.pick([60_000 + choices.below(60_000), LATER, weeksPassed ? LATER : WEEKS]);
      weeksPassed ||= pause === WEEKS;
      time.pass(pause);
      if (pause > 2 * HOUR) cloud.sockets.closeAll();
    }
    if (faults.strikes('collected')) {
      const known = cloud.memory.sessions.all().length;
      cloud.memory.collect(() => choices.chance(0.5));
      forgotten ||= cloud.memory.sessions.all().length < known;
    }
    if (!(await oneStep())) time.skip();
  }

  // ── Calm ─────────────────────────────────────────────────────────────────────────────────────────────────────────
  trace?.('CALM: nothing goes wrong any more');
  faults.calmDown();
  const main = subscribers.filter((_, index) => {
    const plan = scenario.subscribers[index];
    return plan?.name === plan?.clientId;
  });
  for (const each of subscribers) {
    if (main.includes(each)) each.calmDown();
    else each.retire();
  }
  const allSettled = () =>
    publishers.every((each) => each.isDone()) &&
    main.every((each) => each.isConnected()) &&
    !clients.some((each) => each.wantsTurn());
  /** Until nothing is left to do but to wait. */
  const settle = async (settled: () => boolean, everything = false): Promise<void> => {
    const until = time.now() + LONG;
    while (!settled() || !cloud.isIdle() || time.isAnythingToCome(everything)) {
      if (await oneStep()) continue;
      if (time.now() > until || !time.skip()) throw new Broken(`wedged: ${await describe()}`);
    }
  };
  const describe = async (): Promise<string> => {
    const waiting = scenario.subscribers.map(async ({ clientId }) => {
      const session = await cloud.memory.sessions.read(clientId as ClientId);
      return `${clientId} ${session?.status}/${session?.mode} backlog ${session?.backlog} windowLeft ${session?.windowLeft}`;
    });
    return `${(await Promise.all(waiting)).join(', ')}; missing ${judge.missing().join(', ') || 'nothing'}`;
  };
  let deadLetters = 0;
  const atRest = async (): Promise<boolean> => {
    // A write whose answer was lost may have begun a session that nobody knows of; a $disconnect that comes weeks late finds
    // that its connection's record was collected.
    const { disconnectLost, outage, collected, longPause } = faults.counts;
    if (cloud.lambdas.lostCount() + disconnectLost + outage + collected * longPause === 0) {
      for (const { status, connectionId } of cloud.memory.sessions.all()) {
        if (status !== 'offline' && status !== 'ended' && !cloud.sockets.isOpen(connectionId))
          throw new Broken(`a session believes in ${connectionId}, which is closed`);
      }
    }
    // A tick that is lost is sent again by the next message, or not needed any more after the next CONNECT.
    if (cloud.redelivery.deadLetters() > deadLetters) {
      deadLetters = cloud.redelivery.deadLetters();
      return false;
    }
    for (const { clientId } of scenario.subscribers) {
      const session = await cloud.memory.sessions.read(clientId as ClientId);
      const stored = [...cloud.memory.queues.all()].some(
        ([key, held]) => key === `${session?.generation} ${clientId}` && held.length > 0,
      );
      if (session?.mode !== 'direct' || session.backlog !== 0 || stored)
        throw new Broken(`silent: ${await describe()}`);
    }
    return cloud.memory.inFlight.all().length === 0 && judge.missing().length === 0;
  };
  await settle(allSettled, true);
  for (let reconnects = 0; !(await atRest()); reconnects++) {
    // What was lost on a connection that stays is sent again on the next one, after two hours at the latest.
    if (reconnects === 2) throw new Broken(`lost: ${await describe()}`);
    trace?.('the connections reach their two hours');
    cloud.sockets.closeAll();
    await oneStep();
    await settle(allSettled, true);
  }
  const open = cloud.sockets.allOpen();
  const connected = new Map<string, number>();
  for (const { id } of open) {
    const connection = await cloud.memory.connections.read(id);
    if (connection) connected.set(connection.clientId, (connected.get(connection.clientId) ?? 0) + 1);
  }
  for (const [clientId, count] of connected)
    if (count > 1) throw new Broken(`${count} live connections of ${clientId}`);

  // ── The end of all sessions ──────────────────────────────────────────────────────────────────────────────────────
  trace?.('END: every session ends');
  for (const each of main) {
    each.endSession();
    each.link()?.reset();
  }
  for (const each of publishers) each.endSession();
  await settle(allSettled);
  for (const each of clients) each.retire();
  await settle(
    () => publishers.every((each) => each.isGone()) && main.every((each) => each.link() === undefined),
    true,
  );
  time.skipTo(time.now() + LATER);
  cloud.memory.collect();
  const { sessions, inFlight, filters, subscriptions, connections, queues } = cloud.memory;
  const left = Object.entries({
    sessions: sessions.all(),
    inFlight: inFlight.all(),
    filters: filters.all(),
    subscriptions: subscriptions.all(),
    connections: connections.all(),
    queues: [...queues.all().keys()],
  }).filter(([, each]) => each.length > 0);
  if (left.length > 0 && !forgotten)
    throw new Broken(
      `left behind: ${left.map(([name, each]) => `${each.length} ${name}: ${JSON.stringify(each)}`).join(', ')}`,
    );
  return { steps, faults: faults.counts, deadLetters: cloud.redelivery.deadLetters() + cloud.timers.deadLetters() };
}

const CALL_WEIGHT = 4;
const EVENT_WEIGHT = 2;

const interesting = ({
  redeliveryRate,
  maxInFlight,
  maxStoredMessages,
  sessionExpirySeconds,
  liveTraffic,
}: ReturnType<typeof createScenario>['settings']) => ({
  redeliveryRate,
  maxInFlight,
  maxStoredMessages,
  sessionExpirySeconds,
  liveTraffic,
});
