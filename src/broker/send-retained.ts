/**
 * What is retained under the topics that a new subscription matches, on its way to the subscriber [MQTT-3.3.1-6].
 *
 * Rules of this file:
 * - The subscription is written before anything is read here (`retain.ts` says why).
 * - A SUBSCRIBE sends what a short time allows; the rest is left to background jobs, which come at least once and in any order.
 * - A copy is named after its SUBSCRIBE and its message: a second SUBSCRIBE gets everything again [MQTT-3.8.4-3], and a job that
 *   comes twice sends nothing twice to whom QoS 2 promises that.
 * - What was replaced while it was on its way is followed by what replaced it: a live message may have arrived before it.
 */
import type { Qos } from '../mqtt/packets.ts';
import { matches } from '../mqtt/topic.ts';
import { type Look, looksFor, looksUnder } from '../mqtt/topic-search.ts';
import type { MessageId } from '../session/ids.ts';
import { onePush } from '../session/one-push.ts';
import { isRetained, type RetainedMessage } from '../session/retained.ts';
import { isAlive, isConnected, type Message, type SessionAddress } from '../session/session.ts';
import type { Context } from './context.ts';
import { deliver } from './deliver.ts';
import { inParallel, together, WIDTH } from './in-parallel.ts';
import type { RetainedJob } from './ports.ts';
import { postOnce } from './publish.ts';

/** How long a SUBSCRIBE goes on by itself, ms. */
const BEFORE_SUBACK = 2_000;
/** Looks that are made at the same time. */
const AT_ONCE = 16;
/** A message of SQS has room for more, even where topics are as long as they may be. */
const LOOKS_IN_A_JOB = 50;
/** After so many copies it is time to look at the clock. */
const COPIES_AT_ONCE = 250;
/** Copies that wait for a client. A job adds nothing to that many. */
const ENOUGH_WAITING = 1_000;
/** Seconds after which a job comes again, where it has to wait for the client. */
const WAIT = 1;
const LONG_WAIT = 5;
/** How often what was replaced on the way is followed by what replaced it: enough for all but a topic that never rests. */
const MOST_ROUNDS = 5;

/** Something to look at for one filter of a SUBSCRIBE. */
interface Task {
  readonly filter: Omit<RetainedJob, 'looks'>;
  readonly look: Look;
}

/** To be called when the subscriptions of a SUBSCRIBE are written, before its SUBACK. */
export async function sendRetained(
  context: Context,
  { clientId, generation }: SessionAddress,
  granted: Iterable<readonly [topicFilter: string, qos: Qos]>,
): Promise<void> {
  const run = context.ids.message();
  const tasks = [...granted].flatMap(([topicFilter, qos]) => {
    const filter = { job: 'retained' as const, clientId, generation, topicFilter, qos, run };
    return looksFor(topicFilter).map((look): Task => ({ filter, look }));
  });
  await workOff(context, { clientId, generation }, tasks, BEFORE_SUBACK);
}

/** @throws when AWS fails: the job comes back */
export async function sendRetainedLater(context: Context, { looks, ...filter }: RetainedJob): Promise<void> {
  const filters = await context.filters.list(filter);
  if (!filters.some(({ topicFilter }) => topicFilter === filter.topicFilter)) return; // [MQTT-3.10.4-2]
  const { clientId, generation } = filter;
  const tasks = looks.map((look): Task => ({ filter, look }));
  await workOff(context, { clientId, generation }, tasks, context.timing.lambdaTimeout / 4);
}

/** Does as much of `tasks`, which are of one session, as `time` allows, ms, and leaves the rest to jobs. */
const workOff = async (context: Context, to: SessionAddress, tasks: readonly Task[], time: number): Promise<void> => {
  const until = context.clock.now() + time;
  let waiting = tasks;
  for (let isFirst = true; waiting.length > 0; isFirst = false) {
    const [wait, made] = await together([
      waitFor(context, to),
      inParallel(waiting.slice(0, AT_ONCE), AT_ONCE, async (task) => makeLook(context, task)),
    ]);
    if (wait === 'for ever') return;
    // However slow reading is, each job does something, or they would go on for ever.
    if (wait > 0 || (!isFirst && context.clock.now() >= until)) {
      await inParallel(jobsFor(waiting), WIDTH, (job) => context.timers.send(job, wait));
      return;
    }
    const fitting = thoseThatFit(made);
    await send(context, to, fitting);
    // What comes out of a look goes first, so that the list stays short.
    waiting = [...fitting.flatMap(({ more }) => more), ...waiting.slice(fitting.length)];
  }
};

const jobsFor = (tasks: readonly Task[]): readonly RetainedJob[] => {
  const jobs: { filter: Task['filter']; looks: Look[] }[] = [];
  for (const { filter, look } of tasks) {
    const last = jobs.at(-1);
    if (last?.filter === filter && last.looks.length < LOOKS_IN_A_JOB) last.looks.push(look);
    else jobs.push({ filter, looks: [look] });
  }
  return jobs.map(({ filter, looks }) => ({ ...filter, looks }));
};

/** Seconds until the client takes more. */
const waitFor = async (context: Context, to: SessionAddress): Promise<number | 'for ever'> => {
  const session = await context.sessions.read(to.clientId);
  if (!isAlive(session, to.generation)) return 'for ever';
  if (session.status === 'connecting') return WAIT; // its CONNACK is on the way: nothing may be posted yet
  const enough = Math.min(ENOUGH_WAITING, context.settings.maxStoredMessages / 2);
  return isConnected(session) && session.backlog >= enough ? LONG_WAIT : 0;
};

// ── Looking ────────────────────────────────────────────────────────────────────────────────────────────────────────

interface Made {
  readonly task: Task;
  /** What is, or was, retained under topics that the filter matches. */
  readonly found: readonly RetainedMessage[];
  readonly more: readonly Task[];
}

/** One call of a port. */
const makeLook = async (context: Context, task: Task): Promise<Made> => {
  const { filter, look } = task;
  const { topicFilter } = filter;
  const fitting = (found: readonly RetainedMessage[]) => found.filter(({ topic }) => matches(topicFilter, topic));
  const next = (looks: readonly Look[]): readonly Task[] => looks.map((look) => ({ filter, look }));
  switch (look.look) {
    case 'topic': {
      const message = await context.retained.read(look.topic);
      return { task, found: message ? [message] : [], more: [] };
    }
    case 'prefix': {
      const page = await context.retained.under(look.prefix, look.after);
      const rest: Look[] = page.next === undefined ? [] : [{ ...look, after: page.next }];
      return { task, found: fitting(page.found), more: next(rest) };
    }
    case 'levels': {
      const page = await context.retained.firstLevels(look.after);
      const rest: Look[] = page.next === undefined ? [] : [{ look: 'levels', after: page.next }];
      return {
        task,
        found: [],
        more: next([...page.found.flatMap((level) => looksUnder(level, topicFilter)), ...rest]),
      };
    }
  }
};

/** The first of them, at least one, that together find no more than can be sent before the next look at the clock. */
const thoseThatFit = (made: readonly Made[]): readonly Made[] => {
  let copies = 0;
  const end = made.findIndex(({ found }, index) => {
    copies += found.length;
    return index > 0 && copies > COPIES_AT_ONCE;
  });
  return end < 0 ? made : made.slice(0, end);
};

// ── Sending ────────────────────────────────────────────────────────────────────────────────────────────────────────

const send = async (context: Context, to: SessionAddress, made: readonly Made[]): Promise<void> => {
  let due: readonly Made[] = made.map((each) => ({ ...each, found: each.found.filter(isRetained) })).filter(hasFound);
  for (let round = 0; due.length > 0 && round < MOST_ROUNDS; round++) {
    await sendCopies(
      context,
      to,
      due.flatMap(({ task, found }) => found.map(copyFor(task))),
    );
    due = (await inParallel(due, AT_ONCE, async (sent) => replaced(context, sent))).filter(hasFound);
  }
};

const hasFound = ({ found }: Made): boolean => found.length > 0;

/** What is there now instead of what was found. What is new altogether has found the subscription. */
const replaced = async (context: Context, { task, found }: Made): Promise<Made> => {
  const sent = new Map(found.map(({ topic, id }) => [topic, id]));
  const instead: RetainedMessage[] = [];
  // New topics may have moved some of them to the pages behind: what was removed leaves a trace, so all of them are there.
  for (let next: Task | undefined = task; next && sent.size > 0; ) {
    const now: Made = await makeLook(context, next);
    for (const message of now.found) {
      const id = sent.get(message.topic);
      if (id !== undefined && id !== message.id) instead.push(message);
      sent.delete(message.topic);
    }
    [next] = now.more;
  }
  return { task, found: instead, more: [] };
};

/**
 * With RETAIN 1 [MQTT-3.3.1-8] and the lower of both QoS [MQTT-3.8.4-6]. That something was removed is no retained message: it
 * is told as it is to every subscriber.
 */
const copyFor =
  ({ filter: { run, qos } }: Task) =>
  (message: RetainedMessage): Message => ({
    id: `${run}.${message.id}` as MessageId,
    topic: message.topic,
    payload: message.payload,
    qos: message.qos < qos ? message.qos : qos,
    retain: isRetained(message),
  });

const sendCopies = async (context: Context, to: SessionAddress, copies: readonly Message[]): Promise<void> => {
  const [once, kept] = [copies.filter(({ qos }) => qos === 0), copies.filter(({ qos }) => qos > 0)];
  for (let rest = once; rest.length > 0; ) {
    const push = onePush(rest, COPIES_AT_ONCE);
    await postOnce(context, to, push);
    rest = rest.slice(push.length);
  }
  if (kept.length > 0) await deliver(context, to, kept);
};
