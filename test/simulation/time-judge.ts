/**
 * What the broker promises where time is a part of the promise: keep-alives, wills, and how long sessions live. Checked at the
 * moment it would be broken, or where the cloud has come to rest.
 *
 * Rules of this file: as for judge.ts, to which it tells what wills are owed to whom. A will is known by its WillId, the
 * connection of its CONNECT, and is in force from the write of its session to the one that ends its connection.
 */
import type { Settings } from '../../src/broker/context.ts';
import type { Job, Log, Ports, WillJob } from '../../src/broker/ports.ts';
import type { MemoryStores } from '../../src/memory/stores.ts';
import { parseResumeToken } from '../../src/mqtt/resume-token.ts';
import type { Change } from '../../src/session/change.ts';
import type { Connection } from '../../src/session/connection.ts';
import type { ClientId, ConnectionId, GrantId, WillId } from '../../src/session/ids.ts';
import { isConnected, type Session } from '../../src/session/session.ts';
import type { Faults } from './faults.ts';
import type { Judge } from './judge.ts';
import type { RightsJudge } from './rights-judge.ts';
import type { Socket } from './sockets.ts';

/** What a modelled client says of itself in CONNECT. */
export interface Introduction {
  readonly clientId: string;
  readonly keepAlive: number;
  /** Ignores the rules of the wire. */
  readonly bare: boolean;
}

interface KnownWill {
  readonly clientId: ClientId;
  readonly payload: string;
  readonly topic: string;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly messageId: string;
  readonly grant: GrantId;
  readonly putAt: number;
  state: 'put' | 'in force' | 'over';
  endedAt: number;
  endedInQuiet: boolean;
  /** When its last connection was made. */
  connectedAt: number;
  /** When the jobs that publish it were sent. */
  readonly ordered: number[];
  /** Somebody has claimed it: what comes from now on comes too late. */
  isClaimed: boolean;
  /** How often publishing it has begun, and has ended well. */
  begun: number;
  published: number;
  /** Its client kept silent for too long. */
  timedOut: boolean;
  /** It was not in force for a while. */
  wasOver: boolean;
  /** The broker has taken the client's DISCONNECT. */
  hasLeft: boolean;
  /** A CONNECT came after the cut. */
  cameBack: boolean;
  /** It came in time. */
  isCancelled: boolean;
}

interface Heard {
  readonly from: number;
  readonly until: number;
}

export interface TimeJudgeOptions {
  readonly judge: Judge;
  readonly settings: Settings;
  readonly faults: Faults;
  readonly now: () => number;
  readonly clockError: number;
  readonly lostCount: () => number;
  /** Nothing goes wrong, and nobody hangs any more from when it did. */
  readonly isQuiet: () => boolean;
  readonly memory: () => MemoryStores;
  /** The sweeper comes every minute. */
  readonly isSwept: () => boolean;
  readonly rights: Pick<RightsJudge, 'mayBeMute' | 'isOfSamePrincipal'>;
}

/** Where nothing goes wrong, a will is published so long after the end of its connection, ms, at most. */
const WILL_COMES_WITHIN = 5_000;
/** The gateway cuts every connection off at this age, ms; so close to it the broker takes any end for that. */
const AT_ITS_LIMIT = 7_140_000;
/** How long a client may take to come back then, ms. */
const GRACE = 60_000;
/** The gateway notices within this, ms, that nobody has sent anything, and the broker asks it as often. */
const IDLE_LIMIT = 600_000;
/** What a check takes once it is due, ms. */
const CHECK_TAKES = 5_000;
/** The sweeper comes every minute and needs a moment, ms. */
const SWEPT_WITHIN = 70_000;
/** A frame of nothing else. */
const DISCONNECT = Buffer.of(0xe0, 0).toString('base64');
/** Longer than a Lambda lives, ms. */
const LAMBDA_LIFE = 25_000;

export function createTimeJudge(options: TimeJudgeOptions) {
  const { judge, settings, faults, now, lostCount, memory } = options;
  const { fail } = judge;
  /** Two clocks differ by so much. */
  const skew = 2 * options.clockError;
  const expiry = settings.sessionExpirySeconds * 1_000;
  const latest = new Map<ClientId, Session>();
  const wills = new Map<WillId, KnownWill>();
  const willOn = new Map<ConnectionId, WillId>();
  const payloads = new Map<string, KnownWill>();
  const introductions = new Map<ConnectionId, Introduction>();
  const heard = new Map<ConnectionId, Heard[]>();
  /** Clients that have gone without a word while nothing else went wrong. */
  const vanished = new Map<ConnectionId, number>();
  const leaving = new Set<ConnectionId>();
  /** Sessions that went offline while nothing else went wrong, and a sweeper was there. */
  const offlineInQuiet = new Set<string>();
  /** Publishes whatever is in force for good: as if it were sent for as long as the run lasts. */
  const broker = { working: 1, state: 'closed', workedLast: 0 } as Socket;

  // ── Sessions ─────────────────────────────────────────────────────────────────────────────────────────────────────

  const changed = (clientId: ClientId, change: Change<Session>, after: Session): void => {
    const before = latest.get(clientId);
    latest.set(clientId, after);
    const isConnect = change.name === 'begin' || change.name === 'resume';
    if (isConnect) came(clientId);
    if (before && isConnected(before) && before.epoch !== after.epoch && after.will !== before.will) over(before);
    if (before && isConnected(before) && !isConnected(after)) {
      over(before);
      lost(before);
    }
    if (change.name === 'move' && !isConnected(after)) fail(`the session of ${clientId} moves and was given up`);
    const will = wills.get(after.will);
    if (will && isConnected(after)) {
      // sent twice, with a takeover in between, a CONNECT takes its session twice (docs/decisions/0008)
      if (will.state === 'over' && faults.counts.repeated === 0) fail(`${will.payload} is in force again`);
      will.wasOver ||= will.state === 'over';
      will.state = 'in force';
      will.connectedAt = after.connectedAt;
    }
    if (before) judgeExpiry(clientId, change, before, after);
  };

  const judgeExpiry = (clientId: ClientId, change: Change<Session>, before: Session, after: Session): void => {
    if (change.name === 'goOffline') {
      const late = now() + expiry - after.expiresAt;
      if (late > LAMBDA_LIFE + skew || late < -skew) fail(`${clientId} expires ${late} ms too early`);
      if (options.isQuiet() && options.isSwept()) offlineInQuiet.add(`${clientId} ${after.epoch}`);
    }
    const remains = before.expiresAt - now();
    const ends = change.name === 'end' || (change.name === 'begin' && after.persistent);
    if (!ends || !before.persistent || before.status === 'ended') return;
    if (!options.rights.isOfSamePrincipal(before.grant, after.grant)) return;
    if (before.status !== 'offline') fail(`the session of ${clientId} ends while it is ${before.status}`);
    else if (remains > skew) fail(`the session of ${clientId} ends ${remains} ms before it expires`);
    else if (
      change.name === 'end' &&
      offlineInQuiet.has(`${clientId} ${before.epoch}`) &&
      -remains > SWEPT_WITHIN + skew
    )
      fail(`the session of ${clientId} ends ${-remains} ms after it has expired`);
  };

  /** The connection of a client that had vanished is given up: in time? */
  const lost = ({ connectionId }: Session): void => {
    const since = vanished.get(connectionId);
    if (since === undefined) return;
    const keepAlive = introductions.get(connectionId)?.keepAlive ?? 0;
    const last = Math.max(since, ...(heard.get(connectionId) ?? []).map(({ until }) => until));
    const most = keepAlive === 0 || keepAlive * 1_000 > IDLE_LIMIT ? 2 * IDLE_LIMIT : keepAlive * 2_000;
    const took = now() - last;
    if (took > most + CHECK_TAKES + skew) fail(`${connectionId} was silent for ${took} ms before it was given up`);
  };

  // ── Wills ────────────────────────────────────────────────────────────────────────────────────────────────────────

  const over = ({ will: id }: Session): void => {
    const will = wills.get(id);
    if (!will || will.state === 'over') return;
    will.state = 'over';
    will.endedAt = now();
    will.endedInQuiet = options.isQuiet();
  };

  const age = (will: KnownWill, at: number): number => at - will.connectedAt;

  /** A CONNECT: wills of connections that were cut off at their limit are not due any more. */
  const came = (clientId: ClientId): void => {
    for (const will of wills.values()) {
      if (will.clientId !== clientId || will.state === 'put' || will.isClaimed) continue;
      if (age(will, now()) < AT_ITS_LIMIT - skew) continue;
      will.cameBack = true;
      const [first = Number.NEGATIVE_INFINITY] = will.ordered;
      // In a storm there are other reasons why a connection ends, however old it is.
      if (!options.isQuiet() || will.timedOut) continue;
      if (age(will, first) >= AT_ITS_LIMIT + skew && now() < first + GRACE) will.isCancelled = true;
    }
  };

  const ordered = ({ will: id }: WillJob): void => {
    wills.get(id)?.ordered.push(now());
  };

  /** A job is about to publish it. `claimed`: what was true of it when the job claimed the will. */
  const begins = (
    { will: id, clientId }: WillJob,
    claimed: Pick<KnownWill, 'hasLeft' | 'isCancelled'> | undefined,
  ): void => {
    const will = wills.get(id);
    if (!will) {
      fail(`a will of ${clientId} is published, and nobody has brought it`);
      return;
    }
    const { payload, topic, qos, retain } = will;
    if (will.state !== 'over' && !will.wasOver) fail(`${payload} is published and ${will.state}`);
    const { hasLeft, isCancelled } = claimed ?? will;
    if (hasLeft) fail(`${payload} is published after its DISCONNECT [MQTT-3.1.2-10]`);
    if (isCancelled) fail(`${payload} is published although its client came back in time`);
    if (qos === 0 && will.begun > 0) fail(`${payload} is published twice`);
    if (will.begun > 0 && lostCount() + faults.counts.outage === 0)
      fail(`${payload} is published twice, and nothing had gone wrong`);
    const late = now() - will.endedAt;
    if (will.endedInQuiet && will.begun === 0 && age(will, will.endedAt) < AT_ITS_LIMIT - skew) {
      if (late > WILL_COMES_WITHIN + skew) fail(`${payload} is published ${late} ms after the end of its connection`);
    }
    if (will.begun++ > 0) return;
    const publication = { publisher: payload, number: 1, topic, qos, inOrder: false, retain, removes: false };
    judge.writing(payload, publication, broker);
  };

  const published = ({ will: id }: WillJob): void => {
    const will = wills.get(id);
    if (!will) return;
    will.published++;
    if (will.qos > 0) judge.acknowledged(will.payload);
  };

  /** What travels under the payload of a will is that will, or a copy of it as it was retained. */
  const judgeId = (payload: Uint8Array, id: string): void => {
    const text = Buffer.from(payload).toString();
    const will = payloads.get(text);
    if (will && will.messageId !== id.split('.').at(-1)) fail(`${text} is published under another message id`);
  };

  const mayHaveLeft = (id: WillId, { hasLeft }: KnownWill): boolean =>
    hasLeft || [...leaving].some((connectionId) => willOn.get(connectionId) === id || String(connectionId) === id);

  /** At rest. */
  const judgeWill = (id: WillId, will: KnownWill, isKept: boolean): void => {
    const { payload, state, qos, endedInQuiet } = will;
    if (state === 'put' || will.wasOver) return;
    const hasLeft = mayHaveLeft(id, will);
    if (state === 'in force') {
      if (!isKept && !hasLeft) fail(`${payload} is lost while its client is connected`);
      return;
    }
    if (isKept) fail(`${payload} is not due any more and is kept`);
    if (hasLeft || will.cameBack || options.rights.mayBeMute(will.grant, will.putAt)) return;
    if (qos > 0 ? will.published === 0 : will.begun === 0 && endedInQuiet) fail(`${payload} was not published`);
  };

  // ── Keep-alives ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Somebody must have heard nothing for one and a half times the keep-alive, at some time until now. */
  const timedOut = (connectionId: ConnectionId): void => {
    const will = wills.get(willOn.get(connectionId) as WillId);
    if (will) will.timedOut = true;
    const { keepAlive } = introductions.get(connectionId) ?? { keepAlive: 0 };
    const all = [...(heard.get(connectionId) ?? [])].sort((a, b) => a.from - b.from);
    const gaps = all.map(({ from }, index) => (all[index + 1]?.until ?? now()) - from);
    if (Math.max(...gaps) < keepAlive * 1_500 - skew)
      fail(`${connectionId} is disconnected for silence and was heard ${Math.min(...gaps.slice(-1))} ms ago`);
  };

  const connectionChanged = (id: ConnectionId, change: Change<Connection>, before: Connection | undefined): void => {
    const { lastSeen } = change.set ?? {};
    if (lastSeen === undefined) return;
    if (change.name === 'open') heard.set(id, [{ from: lastSeen, until: now() }]);
    const { keepAlive = 0, bare = false } = introductions.get(id) ?? {};
    if (change.name === 'seen' && before && !bare && lastSeen - before.lastSeen < keepAlive * 500 - skew)
      fail(`${id} is noted as seen ${lastSeen - before.lastSeen} ms after the last time`);
  };

  // ── What takes effect ────────────────────────────────────────────────────────────────────────────────────────────

  const watch = (ports: Ports): Ports => ({
    ...ports,
    sessions: {
      ...ports.sessions,
      change: async (clientId, change) => {
        const outcome = await ports.sessions.change(clientId, change);
        if (outcome.done) changed(clientId, change, outcome.record);
        return outcome;
      },
    },
    wills: {
      ...ports.wills,
      put: async (clientId, id, will) => {
        const known: KnownWill = {
          clientId,
          payload: Buffer.from(will.payload).toString(),
          topic: will.topic,
          qos: will.qos,
          retain: will.retain,
          messageId: will.id,
          grant: will.grant,
          putAt: now(),
          state: 'put',
          endedAt: 0,
          endedInQuiet: false,
          connectedAt: 0,
          ordered: [],
          isClaimed: false,
          begun: 0,
          published: 0,
          timedOut: false,
          wasOver: false,
          hasLeft: false,
          cameBack: false,
          isCancelled: false,
        };
        wills.set(id, known);
        payloads.set(known.payload, known);
        return ports.wills.put(clientId, id, will);
      },
    },
    connections: {
      ...ports.connections,
      change: async (connectionId, change) => {
        const before = await ports.connections.read(connectionId);
        const outcome = await ports.connections.change(connectionId, change);
        if (outcome.done) connectionChanged(connectionId, change, before);
        if (outcome.done && before?.state === 'closed' && outcome.record.state !== 'closed')
          fail(`${connectionId} is closed and becomes ${outcome.record.state} again`);
        if (outcome.done && change.name === 'open') willOn.set(connectionId, outcome.record.will);
        return outcome;
      },
    },
    timers: {
      send: async (job, delay) => {
        if (job.job === 'will') ordered(job);
        await ports.timers.send(job, delay);
      },
    },
    inFlight: {
      ...ports.inFlight,
      put: async (session, record) => {
        judgeId(record.payload, record.id);
        return ports.inFlight.put(session, record);
      },
    },
    queues: {
      ...ports.queues,
      send: async (session, messages) => {
        for (const { payload, id } of messages) judgeId(payload, id);
        return ports.queues.send(session, messages);
      },
    },
  });

  /** The ports as one job works with them. */
  const watchJob = (ports: Ports, job: Job): Ports => {
    if (job.job !== 'will') return ports;
    let begun = false;
    let claimed: Pick<KnownWill, 'hasLeft' | 'isCancelled'> | undefined;
    const claim = (): void => {
      const will = wills.get(job.will);
      if (!will) return;
      will.isClaimed = true;
      claimed ??= { ...will };
    };
    /** Whoever keeps what is retained, or looks for an audience, is about to publish. */
    const begin = (): void => {
      if (!begun) begins(job, claimed);
      begun = true;
    };
    return {
      ...ports,
      wills: {
        ...ports.wills,
        change: async (...args) => {
          const outcome = await ports.wills.change(...args);
          if (outcome.done) claim();
          return outcome;
        },
        remove: async (...args) => {
          const removed = await ports.wills.remove(...args);
          if (removed) claim();
          return removed;
        },
      },
      subscriptions: {
        ...ports.subscriptions,
        shapes: async () => {
          begin();
          return ports.subscriptions.shapes();
        },
      },
      retained: {
        ...ports.retained,
        change: async (...args) => {
          begin();
          return ports.retained.change(...args);
        },
      },
      log: (event, fields) => {
        if (event === 'will-published') published(job);
        ports.log(event, fields);
      },
    };
  };

  /** The ports as the Lambda of one frame works with them. */
  const watchFrame = (ports: Ports, frame: string): Ports => {
    if (!frame.startsWith('^')) return ports;
    const secret = parseResumeToken(frame.slice(1))?.secret ?? '';
    return {
      ...ports,
      sessions: {
        ...ports.sessions,
        change: async (clientId, change) => {
          const hash = latest.get(clientId)?.resumption ?? '';
          const outcome = await ports.sessions.change(clientId, change);
          if (outcome.done && change.name === 'move' && !ports.secrets.matches(secret, hash))
            fail(`a token moves the session of ${clientId} that is not good any more`);
          return outcome;
        },
      },
    };
  };

  const log: Log = (event, fields) => {
    if (event === 'keep-alive-timeout') timedOut(fields.connectionId as ConnectionId);
  };

  return {
    watch,
    watchJob,
    watchFrame,
    log,
    /** A client end that keeps the rules moves at a hole, and gets what was lost; where it ignores them, nobody promises that. */
    keepsRules: (connectionId: ConnectionId): boolean => introductions.get(connectionId)?.bare === false,
    /** A client is about to send its CONNECT. */
    connecting: (connectionId: ConnectionId, introduction: Introduction): void => {
      introductions.set(connectionId, introduction);
    },
    /** A client has given its DISCONNECT to the client end: the broker may get it or not. */
    leaving: (connectionId: ConnectionId): void => {
      leaving.add(connectionId);
    },
    /** A client is gone, and neither it nor the gateway says so. */
    vanishing: (connectionId: ConnectionId): void => {
      if (options.isQuiet()) vanished.set(connectionId, now());
    },
    /** The broker has answered a frame of a Lambda that began `from` then. */
    answered: (connectionId: ConnectionId, from: number, frame: string, reply: string): void => {
      const [, close] = /^!\d+[^:]*?;close=([^;:]*)/.exec(reply) ?? [];
      if (close === undefined) heard.get(connectionId)?.push({ from, until: now() });
      // also where the notice that the socket is closed has overtaken it
      const hasLeft = close === 'disconnected' || (close === 'not-connected' && frame === DISCONNECT);
      const will = wills.get(willOn.get(connectionId) as WillId);
      if (hasLeft && will) will.hasLeft = true;
    },
    /** A client got an event of the broker. */
    /** Hours have passed at once: the sweeper had no chance. */
    jumped: (): void => offlineInQuiet.clear(),
    told: (topic: string, payload: string): void => {
      const event = JSON.parse(payload) as { readonly clientId: string };
      if (!topic.endsWith(`/${event.clientId}`)) fail(`an event of ${event.clientId} came as ${topic}`);
    },
    /** Nothing is to come any more: what was due is done. */
    rest: (): void => {
      const kept = new Set(
        memory()
          .wills.all()
          .map(({ id }): string => id),
      );
      for (const [id, will] of wills) judgeWill(id, will, kept.has(will.messageId));
    },
    /** Wills of CONNECTs that have come to nothing: their time to live removes them. */
    isOrphan: (messageId: string): boolean =>
      [...wills.values()].some((will) => will.messageId === messageId && will.state === 'put'),
  };
}

export type TimeJudge = ReturnType<typeof createTimeJudge>;
