/**
 * One simulated run. A storm in which everything may go wrong; then calm, in which the broker must come to rest with
 * everything delivered; in some runs clients fall silent then, or the gateway cuts them off; at last all sessions end, by
 * themselves or by time, and nothing may be left.
 */
import type { ClientId, Generation } from '../../src/session/ids.ts';
import { isRetained } from '../../src/session/retained.ts';
import { createChoices, type Draw, seeded } from './choices.ts';
import { createCloud, type Spoil, timing } from './cloud.ts';
import { createFaults, type Fault, type FaultRates } from './faults.ts';
import { Broken, createJudge } from './judge.ts';
import { withLongLives } from './long-lives.ts';
import { createPublisher } from './publisher.ts';
import { createRights } from './rights.ts';
import { createRightsJudge, noRights } from './rights-judge.ts';
import { createScenario, withRights } from './scenario.ts';
import { createSchedule } from './schedule.ts';
import { createSubscriber } from './subscriber.ts';
import { createTime } from './time.ts';
import { createTimeJudge } from './time-judge.ts';

export { Broken } from './judge.ts';

/** What goes wrong more often than the seed says. */
export interface Trouble {
  /** The calls at which Lambdas hang or die most. */
  readonly weakSpots: readonly number[];
  readonly faults?: FaultRates;
}

export interface RunOptions {
  readonly seed: number;
  /** Clients have to say who they are, and the operator changes what they may receive. */
  readonly rights?: boolean | undefined;
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
const LONG = HOUR;
/** The gateway cuts a connection off then, ms. */
const LIMIT = 2 * HOUR;
const SWEEP_EVERY = 60_000;
const NO_GENERATION = '' as Generation;
/** The sweeper finds within this, ms, that a session was not cleaned up. */
const SWEEPS = 600_000;

/** @throws Broken with what went wrong */
export async function run({
  seed,
  rights: hasRights = false,
  draw = seeded(seed),
  spoil,
  trouble,
  trace,
}: RunOptions): Promise<RunResult> {
  const choices = createChoices(draw);
  const anybody = createScenario(choices);
  const scenario = hasRights ? withRights(anybody, choices) : anybody;
  const { settings } = scenario;
  const time = createTime();
  const faults = createFaults(choices, { ...scenario.faults, ...(trouble && { weakSpot: 0.3, ...trouble.faults }) });
  let steps = 0;
  /** DynamoDB has collected a session: of its queue nobody knows any more. */
  let forgotten = false;
  /** No Lambda lives any more that began in the storm. */
  let quietSince = Number.POSITIVE_INFINITY;
  const step = () => steps;
  trace?.(`settings: ${JSON.stringify(interesting(settings))}`);
  const rightsJudge = hasRights
    ? createRightsJudge({
        rights: () => rights,
        now: time.now,
        fail: (what) => judge.fail(what),
        policyCheck: settings.policyCheckSeconds * 1_000,
        lambdaTimeout: timing.lambdaTimeout,
      })
    : noRights;
  const judge = createJudge({
    settings,
    faults,
    step,
    now: time.now,
    lostCount: () => cloud.lambdas.lostCount(),
    publishers: scenario.publishers.length,
    exactRate: scenario.clockError === 0,
    mayHaveMissed: rightsJudge.mayHaveMissed,
    trace,
  });
  const timeJudge = createTimeJudge({
    judge,
    settings,
    faults,
    now: time.now,
    clockError: scenario.clockError,
    lostCount: () => cloud.lambdas.lostCount(),
    isQuiet: () => time.now() > quietSince,
    memory: () => cloud.memory,
    isSwept: () => sweeper.isRunning(),
    rights: rightsJudge,
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
      rightsJudge.watch(
        timeJudge.watch(
          judge.watch(scenario.longLives ? withLongLives(ports, choices, faults.isCalm) : ports, () => cloud),
        ),
      ),
    watchJob: timeJudge.watchJob,
    watchFrame: timeJudge.watchFrame,
    answered: timeJudge.answered,
    posted: judge.posted,
    posting: rightsJudge.posting,
    isForbidden: rightsJudge.isForbidden,
    // A client end that sees a push missing moves its session; one that ignores the rules has to have it stored.
    mayLose: (connectionId) => judge.isPersistent(connectionId) || timeJudge.keepsRules(connectionId),
    log: (event, fields) => {
      judge.log(event, fields);
      timeJudge.log(event, fields);
    },
    isSwept: scenario.isSwept,
    spoil,
    step,
  });
  const rights = createRights({
    choices,
    time,
    identity: cloud.memory.identity,
    principals: [...new Set(scenario.subscribers.flatMap(({ principal }) => principal ?? []))],
    publishers: scenario.publishers.map(({ name }) => name),
    trace,
  });
  const mayMove = () => !faults.isCalm() && choices.chance(scenario.moves);
  const parts = { choices, judge, timeJudge, mayMove, cloud, time };
  const subscribers = scenario.subscribers.map((plan) =>
    createSubscriber({ plan, window: settings.maxInFlight, ...parts }),
  );
  const impatient = choices.chance(0.2);
  const mayBegin = () => impatient || faults.isCalm() || subscribers.every((each) => each.hasSubscribed());
  const publishers = scenario.publishers.map((plan) => createPublisher({ plan, mayBegin, ...parts }));
  const clients = [...subscribers, ...publishers];
  const sweeper = createSchedule({ time, send: cloud.timers.send, job: { job: 'sweep' }, every: SWEEP_EVERY });
  if (scenario.isSwept) sweeper.start();
  const collectQueues = (): void => void cloud.timers.send({ job: 'collect-queues' }, 0);

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
    if (scenario.collectsQueues && choices.chance(0.002)) collectQueues();
    if (choices.chance(scenario.changesRights)) rights.change();
    if (!(await oneStep())) time.skip();
  }

  // ── Calm ─────────────────────────────────────────────────────────────────────────────────────────────────────────
  trace?.('CALM: nothing goes wrong any more');
  faults.calmDown();
  rights.mend();
  quietSince = time.now() + timing.lambdaTimeout;
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
    main.every((each) => each.isConnected() || each.isSilent()) &&
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
    return `${(await Promise.all(waiting)).join(', ')}; missing ${judge.missing().join(', ') || 'nothing'}; to come ${cloud.pending().join(', ') || 'nothing'}`;
  };
  /** A check that comes weeks late finds that its connection's record was collected. */
  const mayBelieve = (): boolean => faults.counts.collected * faults.counts.longPause > 0;
  /** Whoever is connected has what it is owed, and of whoever is not the broker knows so. */
  const judgeRest = async (): Promise<void> => {
    for (const { status, connectionId } of cloud.memory.sessions.all()) {
      if (status !== 'offline' && status !== 'ended' && !cloud.sockets.isOpen(connectionId) && !mayBelieve())
        throw new Broken(`a session believes in ${connectionId}, which is closed`);
    }
    timeJudge.rest();
    judge.check();
    if (main.some((each) => each.isSilent())) return;
    for (const { clientId } of scenario.subscribers) {
      const session = await cloud.memory.sessions.read(clientId as ClientId);
      const stored = [...cloud.memory.queues.all()].some(
        ([key, held]) => key === `${session?.generation} ${clientId}` && held.length > 0,
      );
      if (session?.mode !== 'direct' || session.backlog !== 0 || stored)
        throw new Broken(`silent: ${await describe()}`);
    }
    if (judge.missing().length > 0) throw new Broken(`lost: ${await describe()}`);
    for (const { clientId, unreleased } of main) {
      const session = await cloud.memory.sessions.read(clientId);
      const inFlight = cloud.memory.inFlight.all({ clientId, generation: session?.generation ?? NO_GENERATION });
      const forgotten = unreleased().filter((id) => inFlight.every(({ packetId }) => packetId !== id));
      if (forgotten.length > 0) throw new Broken(`${clientId} waits for PUBREL of ${forgotten}, and none will come`);
    }
  };
  await settle(allSettled, true);
  await judgeRest();
  if (cloud.memory.inFlight.all().length > 0) {
    trace?.('what a worker of an older connection has left in flight too late comes again on the next one');
    cloud.sockets.closeAll();
    await settle(allSettled, true);
    await judgeRest();
    if (cloud.memory.inFlight.all().length > 0) throw new Broken(`in flight for ever: ${await describe()}`);
  }
  if (scenario.fallsSilent) {
    trace?.('SILENCE: some are gone, and neither they nor the gateway say so');
    for (const each of main) if (choices.chance(0.5)) each.fallSilent();
    await settle(allSettled, true);
    await judgeRest();
    for (const each of main) each.wake();
    await settle(allSettled, true);
    await judgeRest();
  }
  if (scenario.isCut) {
    trace?.('LIMIT: the connections reach their two hours');
    time.pass(LIMIT);
    timeJudge.jumped();
    for (const each of main) if (choices.chance(0.3)) each.fallSilent();
    cloud.sockets.closeAll();
    await settle(allSettled, true);
    await judgeRest();
    for (const each of main) each.wake();
    await settle(allSettled, true);
    await judgeRest();
  }
  const open = cloud.sockets.allOpen();
  const connected = new Map<string, number>();
  for (const { id } of open) {
    const connection = await cloud.memory.connections.read(id);
    if (connection) connected.set(connection.clientId, (connected.get(connection.clientId) ?? 0) + 1);
  }
  for (const [clientId, count] of connected)
    if (count > 1) throw new Broken(`${count} live connections of ${clientId}`);

  /** Brings the sweeper until no session is there any more, `since` it had to. */
  const sweepUntilGone = async (since: number): Promise<void> => {
    if (!sweeper.isRunning()) sweeper.start();
    const until = Math.max(time.now(), since) + SWEEPS;
    while (cloud.memory.sessions.all().length > 0) {
      if (time.now() > until) throw new Broken(`sessions outlive their time: ${await describe()}`);
      if (!(await oneStep())) time.skip();
    }
    await settle(() => true, true);
  };
  /** The sweeper begins before the first of the sessions expires. */
  const letExpire = async (): Promise<void> => {
    const expiring = cloud.memory.sessions
      .all()
      .flatMap(({ status, expiresAt }) => (status === 'offline' ? [expiresAt] : []));
    if (expiring.length === 0) return;
    time.skipTo(Math.max(time.now(), Math.min(...expiring) - choices.below(2 * SWEEP_EVERY)));
    await sweepUntilGone(Math.max(...expiring));
  };

  // ── The end of all sessions ──────────────────────────────────────────────────────────────────────────────────────
  // A session that believes in a connection never expires (`mayBelieve`).
  const expires = scenario.expires && !mayBelieve();
  if (expires) {
    trace?.('END: every session is left, and expires');
    for (const each of clients) each.retire();
  } else {
    trace?.('END: every session is ended');
    for (const each of main) {
      each.endSession();
      each.link()?.reset();
    }
    for (const each of publishers) each.endSession();
    await settle(allSettled);
    for (const each of clients) each.retire();
  }
  await settle(
    () => publishers.every((each) => each.isGone()) && main.every((each) => each.link() === undefined),
    true,
  );
  timeJudge.rest();
  if (expires) await letExpire();
  else if (cloud.timers.deadLetters() > 0) await sweepUntilGone(time.now());
  if (scenario.collectsQueues) {
    collectQueues();
    await settle(() => true, true);
  }
  sweeper.stop();
  time.skipTo(time.now() + LATER);
  cloud.memory.collect();
  const { sessions, wills, inFlight, filters, subscriptions, retained, connections, queues } = cloud.memory;
  const left = Object.entries({
    sessions: sessions.all(),
    wills: wills.all().filter(({ id }) => !timeJudge.isOrphan(id)),
    inFlight: inFlight.all(),
    filters: filters.all(),
    subscriptions: subscriptions.all(),
    removals: retained.all().filter((each) => !isRetained(each)),
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
