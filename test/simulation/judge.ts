/**
 * What the broker promises, checked at the moment it would be broken. Knows the messages, the sessions and what every client
 * asked for; sees what takes effect in the cloud.
 *
 * Rules of this file: it never changes anything, and nothing in the broker knows of it. Moments are steps of the run.
 */
import type { Settings } from '../../src/broker/context.ts';
import type { Log, Ports } from '../../src/broker/ports.ts';
import type { ClientId, ConnectionId, Generation } from '../../src/session/ids.ts';
import { type Session, storedBytes } from '../../src/session/session.ts';
import type { Cloud } from './cloud.ts';
import type { Faults } from './faults.ts';
import { packetsIn } from './pushed-packets.ts';
import { type Copy, createRetainedJudge } from './retained-judge.ts';
import type { Socket } from './sockets.ts';

/** The run broke a promise of the broker. */
export class Broken extends Error {}

/** An application message of a modelled publisher: its `number`-th on its topic. */
export interface Publication {
  readonly publisher: string;
  readonly number: number;
  readonly topic: string;
  readonly qos: 0 | 1 | 2;
  /** The publisher keeps the one-frame rule. */
  readonly inOrder: boolean;
  readonly retain: boolean;
  /** It has no payload, and is told from others by what it would have had. */
  readonly removes: boolean;
  /** When it was first given to the client end. */
  writtenAt: number;
  /** The same as a time, ms. */
  readonly since: number;
  /** How often it was given to a client end. */
  writes: number;
  readonly sockets: Set<Socket>;
  /** Its publisher has begun another session since: nobody knows the message from a new one. */
  anew?: boolean;
}

/** A client's interest in a filter, from SUBSCRIBE to UNSUBACK. */
interface Interest {
  readonly filter: string;
  readonly qos: number;
  readonly askedAt: number;
  grantedAt?: number;
  leavingAt?: number;
  goneAt?: number;
}

interface KnownSession {
  readonly clientId: ClientId;
  readonly generation: Generation;
  readonly persistent: boolean;
  /** When it began, ms. */
  readonly since: number;
  endedAt?: number;
  readonly interests: Interest[];
  readonly received: Set<string>;
  /** Received with QoS 2. */
  readonly once: Set<string>;
  /** By publisher: the highest number received with QoS 1. */
  readonly highest: Map<string, number>;
  readonly owed: Set<string>;
  /** Stored messages refused at the bound, as logged. */
  refused: number;
  /** How many messages were counted for the queue, and which were sent to it. */
  counted: number;
  readonly sent: Set<string>;
  /** When stored messages were posted, and how many. */
  readonly posts: { readonly at: number; readonly count: number }[];
}

interface Life {
  readonly id: string;
  readonly payload: string;
  readonly tick: number;
  readonly epoch: number;
  /** The epoch it was last sent on, as its record says. */
  sentOn: number;
  posted: boolean;
  postedOn?: ConnectionId;
  postedAt: number;
}

export interface JudgeOptions {
  readonly settings: Settings;
  readonly faults: Faults;
  readonly step: () => number;
  readonly now: () => number;
  /** How many Lambdas have not done what they were started for. */
  readonly lostCount: () => number;
  /** How many publish: each may turn a session queued at the same time. */
  readonly publishers: number;
  /** Clocks agree, so the rate can be kept exactly. */
  readonly exactRate: boolean;
  /** Its right to receive what is published there was missing at some moment since then, as far as a Lambda may know. */
  readonly mayHaveMissed: (session: Generation, topic: string, since: number) => boolean;
  readonly trace: ((line: string) => void) | undefined;
}

/** What is sent again on the same connection, and for no other reason than time, waits longer than this, ms. */
const RETRY_AFTER = 30_000;
/** A tick that was due for less than this, ms, is not sent again, however much clocks differ. */
const OVERDUE_AT_LEAST = 1_000;

export type Judge = ReturnType<typeof createJudge>;

export function createJudge(options: JudgeOptions) {
  const { settings, faults, step, now, lostCount, exactRate, publishers, mayHaveMissed, trace } = options;
  const publications = new Map<string, Publication>();
  const sessions = new Map<Generation, KnownSession>();
  const current = new Map<ClientId, KnownSession>();
  const sessionOf = new Map<ConnectionId, KnownSession>();
  const epochOf = new Map<ConnectionId, number>();
  /** Connections whose CONNACK was accepted by the gateway. */
  const admitted = new Set<ConnectionId>();
  /** PUBACKs, by connection and packet id. */
  const acknowledgements = new Set<string>();
  /** Records in flight, by generation and packet id. */
  const inFlight = new Map<string, Life>();
  /** What its publisher had posted, perhaps, and decided again, since a new connection had come meanwhile. */
  const takenBack = new Set<string>();
  /** The epochs that a stored message, which its publisher may have sent again, arrived on: by generation and message id. */
  const liveEpochs = new Map<string, Set<number>>();
  /** Each client's session as it was written last. */
  const latest = new Map<ClientId, Session>();
  /** The tick that was claimed last. */
  const claimed = new Map<ClientId, number>();
  /** A tick that was too slow was given back, to be done again. */
  let gaveBack = false;
  let hasMoved = false;
  let broken: string | undefined;

  const fail = (what: string): void => {
    if (broken === undefined) trace?.(`BROKEN: ${what}`);
    broken ??= what;
  };
  const retained = createRetainedJudge<KnownSession>({
    step,
    fail,
    exactClocks: exactRate,
    keepsOrder: settings.liveTraffic === 'ordered',
    mayHaveMissed: ({ generation, since }, topic) => mayHaveMissed(generation, topic, since),
  });

  /** Nothing has happened after which somebody else must do the work of a tick again. A tick that is doubled does nothing. */
  const hasNoCause = (): boolean => {
    const { throttled, unclear, repeated, outage } = faults.counts;
    return !gaveBack && lostCount() + throttled + unclear + repeated + outage === 0;
  };

  /**
   * A PUBACK's credit that is sent twice with another write in between counts twice (docs/decisions/0008). And where a session
   * has moved, its library may still hold what its publisher has decided again, or what interleaved traffic has overtaken.
   */
  const keepsWindow = (): boolean =>
    faults.counts.repeated === 0 && !(hasMoved && (takenBack.size > 0 || settings.liveTraffic === 'interleaved'));

  // ── What takes effect in the cloud ───────────────────────────────────────────────────────────────────────────────

  const began = (clientId: ClientId, { generation, persistent }: Session): void => {
    const former = current.get(clientId);
    if (former) former.endedAt ??= step();
    for (const publication of publications.values())
      publication.anew ||= publication.publisher.split(' ')[0] === clientId;
    const session: KnownSession = {
      clientId,
      generation,
      persistent,
      since: now(),
      interests: [],
      received: new Set(),
      once: new Set(),
      highest: new Map(),
      owed: new Set(),
      refused: 0,
      counted: 0,
      sent: new Set(),
      posts: [],
    };
    sessions.set(generation, session);
    current.set(clientId, session);
  };

  const changed = (clientId: ClientId, session: Session): void => {
    const known = sessions.get(session.generation);
    if (!known || known !== current.get(clientId)) began(clientId, session);
    const { generation, status, backlog, backlogBytes, windowLeft, storesMessages } = session;
    const of = sessions.get(generation);
    if (of?.endedAt !== undefined && status !== 'ended') fail(`a session of ${clientId} came back after its end`);
    if (of && status === 'ended') of.endedAt ??= step();
    const before = latest.get(clientId);
    latest.set(clientId, session);
    const wasAway = before?.epoch === session.epoch && before.status === 'offline';
    if (wasAway && status === 'offline' && session.expiresAt > before.expiresAt)
      fail(`the session of ${clientId} was prolonged while nobody was connected`);
    if (storesMessages && !of?.interests.some(({ qos }) => qos > 0)) fail(`nothing is to be stored for ${clientId}`);
    if ((status === 'online' || status === 'connecting') && session.connectionId === '')
      fail(`${clientId} is ${status} without a connection`);
    if (backlog < 0 || backlogBytes < 0) fail(`the backlog of ${clientId} is negative`);
    if (backlog > settings.maxStoredMessages) fail(`${backlog} messages are counted for ${clientId}, above the bound`);
    if (backlogBytes > settings.maxStoredBytes) fail(`${backlogBytes} bytes are counted for ${clientId}`);
    if (windowLeft < 0 || (windowLeft > settings.maxInFlight && faults.counts.repeated === 0))
      fail(`windowLeft of ${clientId} is ${windowLeft}`);
  };

  /** A tick is there before the session says that it is due; only a CONNECT, or a move, may die before it has sent the first. */
  const judgeNudge = (clientId: ClientId, { epoch, tick, status }: Session, { redelivery }: Cloud): void => {
    if (status !== 'online') return;
    const isThere = redelivery
      .bodies()
      .some((each) => each.clientId === clientId && each.epoch === epoch && each.number === tick);
    if (!isThere && tick > 1 && faults.counts.deadLettered === 0) fail(`tick ${tick} of ${clientId} was lost`);
  };

  /** Wraps ports so that the judge sees what they do. */
  const watch = (ports: Ports, cloud: () => Cloud): Ports => ({
    ...ports,
    sessions: {
      ...ports.sessions,
      change: async (clientId, change) => {
        const outcome = await ports.sessions.change(clientId, change);
        const before = latest.get(clientId);
        if (outcome.done && change.name === 'nudge' && before && now() - before.tickDueAt < OVERDUE_AT_LEAST)
          fail(`a tick of ${clientId} is sent again that was due ${now() - before.tickDueAt} ms ago`);
        if (outcome.done && change.name === 'nudge') judgeNudge(clientId, outcome.record, cloud());
        if (outcome.done) changed(clientId, outcome.record);
        // where a session has moved to, pushes wait for the reply, at the client end
        if (outcome.done && change.name === 'move') {
          hasMoved = true;
          admitted.add(outcome.record.connectionId);
        }
        if (outcome.done && outcome.record.queueReady && outcome.record.status !== 'ended') {
          const key = `${outcome.record.generation} ${clientId}`;
          if (!cloud().memory.queues.all().has(key)) fail(`the queue of ${clientId} is said to be there`);
        }
        if (change.name === 'claim' && outcome.done) claimed.set(clientId, outcome.record.tick);
        if (change.name === 'endTick' && outcome.done && outcome.record.tick === claimed.get(clientId)) gaveBack = true;
        if (change.name === 'count' && outcome.done) {
          const of = sessions.get(outcome.record.generation);
          if (of) of.counted += change.add?.backlog ?? 0;
        }
        return outcome;
      },
    },
    connections: {
      ...ports.connections,
      change: async (connectionId, change) => {
        const outcome = await ports.connections.change(connectionId, change);
        if (outcome.done && change.name === 'open') {
          const session = sessions.get(outcome.record.generation);
          if (session) sessionOf.set(connectionId, session);
          epochOf.set(connectionId, outcome.record.epoch);
        }
        return outcome;
      },
    },
    inFlight: {
      ...ports.inFlight,
      put: async (session, record) => {
        const put = await ports.inFlight.put(session, record);
        const { id, tick, epoch } = record;
        const payload = Buffer.from(record.payload).toString();
        if (put)
          inFlight.set(`${session.generation} ${record.packetId}`, {
            id,
            payload,
            tick,
            epoch,
            sentOn: epoch,
            posted: false,
            postedAt: 0,
          });
        return put;
      },
      change: async (session, packetId, change) => {
        const outcome = await ports.inFlight.change(session, packetId, change);
        const life = inFlight.get(`${session.generation} ${packetId}`);
        if (outcome.done && life) {
          const { id, epoch } = outcome.record;
          if (epoch < life.sentOn) fail(`${life.payload} is said to be sent on an epoch that is over [MQTT-4.4.0-1]`);
          if (id === life.id) life.sentOn = epoch;
        }
        return outcome;
      },
      remove: async (session, packetId, conditions) => {
        const removed = await ports.inFlight.remove(session, packetId, conditions);
        const life = inFlight.get(`${session.generation} ${packetId}`);
        if (removed) inFlight.delete(`${session.generation} ${packetId}`);
        if (life && conditions.some((each) => each[1] === 'id')) takenBack.add(life.payload);
        const known = await ports.sessions.read(session.clientId);
        const { postedOn } = life ?? {};
        const isThere = known?.generation === session.generation && known.status === 'online';
        if (removed && isThere && postedOn === known.connectionId && !acknowledgements.has(`${postedOn} ${packetId}`))
          fail(`packet id ${packetId} of ${session.clientId} was forgotten before its PUBACK [MQTT-4.3.2-1]`);
        return removed;
      },
    },
    queues: {
      ...ports.queues,
      send: async (session, messages) => {
        const of = sessions.get(session.generation);
        for (const { id, liveEpoch } of messages) {
          const key = `${session.generation} ${id}`;
          liveEpochs.set(key, (liveEpochs.get(key) ?? new Set()).add(liveEpoch));
          of?.sent.add(id);
        }
        if (of && of.sent.size > of.counted) fail(`${of.sent.size} were to be stored, and ${of.counted} counted`);
        const outcome = await ports.queues.send(session, messages);
        const record = await cloud().memory.sessions.read(session.clientId);
        if (record?.generation === session.generation && record.status !== 'ended') {
          const held = cloud().memory.queues.all().get(`${session.generation} ${session.clientId}`) ?? [];
          const bytes = held.reduce((sum, message) => sum + storedBytes(message), 0);
          if (held.length > settings.maxStoredMessages) fail(`${held.length} messages are stored, above the bound`);
          if (bytes > settings.maxStoredBytes) fail(`${bytes} bytes are stored, above the bound`);
          if (held.length > record.backlog) fail(`${held.length} are stored but ${record.backlog} counted`);
        }
        return outcome;
      },
    },
    redelivery: {
      send: async (tick, delay) => {
        await ports.redelivery.send(tick, delay);
        const alive = cloud()
          .redelivery.bodies()
          .filter(({ clientId, epoch }) => clientId === tick.clientId && epoch === tick.epoch).length;
        const { doubled, deadLettered, stall, weakSpot } = faults.counts;
        if (alive > 12 + publishers + doubled + deadLettered + stall + weakSpot + lostCount())
          fail(`${alive} ticks of one epoch of ${tick.clientId}`);
      },
    },
  });

  /** A post was accepted, or may have been. */
  const posted = (connectionId: ConnectionId, frame: string): void => {
    const packets = packetsIn(frame);
    if (packets.some(({ cmd }) => cmd === 'connack')) admitted.add(connectionId);
    const session = sessionOf.get(connectionId);
    let stored = 0;
    for (const [index, packet] of packets.entries()) {
      if (packet.cmd !== 'publish') continue;
      if (!admitted.has(connectionId)) fail(`${packet.payload} was posted before the CONNACK`);
      if (packet.qos === 0 || !session) continue;
      const life = inFlight.get(`${session.generation} ${packet.messageId}`);
      // acknowledged while it was about to be sent again; its packet id may have a new owner by now, perhaps in this very push
      const isLast = !packets
        .slice(index + 1)
        .some((each) => each.cmd === 'publish' && each.messageId === packet.messageId);
      if (life?.payload !== String(packet.payload) || !isLast) {
        // late, on a connection that was replaced: acknowledged on the next one already
        const isReplaced = (latest.get(session.clientId)?.epoch ?? 0) > (epochOf.get(connectionId) ?? 0);
        if (!packet.dup && !isReplaced) fail(`${packet.payload} was posted and is not in flight`);
        continue;
      }
      // late, on a connection that was replaced: nobody had sent it there before
      if (life.postedOn && (epochOf.get(life.postedOn) ?? 0) > (epochOf.get(connectionId) ?? 0)) continue;
      if (life.posted && !packet.dup) fail(`${packet.payload} was sent again without DUP`);
      if (life.postedOn === connectionId && packet.qos === 2)
        fail(`${packet.payload} was posted twice on ${connectionId}: PUBREL may come in between [MQTT-4.3.3-1]`);
      if (life.postedOn === connectionId && now() - life.postedAt < RETRY_AFTER && hasNoCause()) {
        fail(`${packet.payload} was sent twice on ${connectionId}, and nothing had gone wrong`);
      }
      life.posted = true;
      life.postedOn = connectionId;
      life.postedAt = now();
      // What came while the client was connected on this epoch is not throttled, even if it is sent again.
      const epoch = epochOf.get(connectionId);
      const isLive =
        life.epoch === epoch && (life.tick === 0 || liveEpochs.get(`${session.generation} ${life.id}`)?.has(epoch));
      if (!isLive) stored++;
    }
    if (!session || stored === 0) return;
    session.posts.push({ at: now(), count: stored });
    const lastSecond = session.posts.filter(({ at }) => at > now() - 1_000);
    const sum = lastSecond.reduce((total, { count }) => total + count, 0);
    if (exactRate && sum > settings.redeliveryRate)
      fail(`${sum} stored messages for ${session.clientId} in one second`);
  };

  const log: Log = (event, fields) => {
    trace?.(`  log ${event} ${JSON.stringify(fields)}`);
    if (event !== 'storage-bound') return;
    const session = current.get(fields.clientId as ClientId);
    if (session) session.refused += Number(fields.refused);
  };

  // ── What clients do and see ──────────────────────────────────────────────────────────────────────────────────────

  const lastWorkedOn = ({ sockets }: Publication): number => {
    const moments = [...sockets].map((socket) =>
      socket.working > 0 || socket.state === 'open' ? Number.POSITIVE_INFINITY : socket.workedLast,
    );
    return Math.max(...moments);
  };

  /** The publisher has its PUBACK: from now on every session that was subscribed all the time is owed this message. */
  const acknowledged = (payload: string): void => {
    const publication = publications.get(payload);
    if (!publication) throw new Error(`${payload} was acknowledged and never published`);
    retained.acknowledged(payload);
    if (publication.removes) return;
    for (const session of sessions.values()) {
      if (session.endedAt !== undefined) continue;
      if (isSubscribedThroughout(session, publication)) session.owed.add(payload);
    }
  };

  /**
   * Whoever comes back after weeks finds that what told its message from a new one was collected. And a client that ignores the
   * rules of the wire may get PUBREL before the message that was sent before it.
   */
  const isOnce = ({ anew, inOrder }: Publication): boolean =>
    !anew && inOrder && faults.counts.collected * faults.counts.longPause === 0;

  /** A client's library got a PUBLISH. `inOrder`: it keeps the wire's rules. `isAlone`: it has all that its session has got. */
  const received = (
    connectionId: ConnectionId,
    payload: string,
    copy: Copy,
    inOrder: boolean,
    isAlone: boolean,
  ): void => {
    const session = sessionOf.get(connectionId);
    const { qos, retain } = copy;
    const what = publications.get(payload);
    if (session && what?.retain) retained.arrived(session, what, copy, inOrder);
    if (session && retain) {
      retained.received(session, payload);
      return;
    }
    if (payload === '') return; // nobody can tell one removal from another
    const publication = publications.get(payload);
    if (!session || !publication) throw new Error(`${connectionId} got ${payload}, and nobody knows from where`);
    const { publisher, number, topic, writtenAt, since } = publication;
    if (session.endedAt !== undefined && writtenAt > session.endedAt) fail(`${payload} reached an ended session`);
    const matching = session.interests.filter(({ filter }) => matches(filter, topic));
    const last = lastWorkedOn(publication);
    if (!matching.some(({ askedAt }) => askedAt <= last))
      fail(`${payload} reached ${session.clientId} of another time`);
    if (matching.every(({ goneAt }) => goneAt !== undefined && goneAt < writtenAt)) {
      fail(`${payload} reached ${session.clientId} after its UNSUBACK`);
    }
    if (qos === 0) return;
    if (qos === 2 && session.once.has(payload) && inOrder && isAlone && isOnce(publication))
      fail(`${payload} came to ${session.clientId} twice [MQTT-4.3.3-1]`);
    if (qos === 2) session.once.add(payload);
    const highest = session.highest.get(publisher) ?? 0;
    const isFirst = !session.received.has(payload);
    // What was refused at the bound, or for want of a right, may come late, if its publisher sends it again.
    const ordered =
      session.refused === 0 &&
      publication.inOrder &&
      inOrder &&
      settings.liveTraffic === 'ordered' &&
      isSubscribedThroughout(session, publication) &&
      !mayHaveMissed(session.generation, topic, since);
    if (isFirst && ordered && number < highest) fail(`${payload} came to ${session.clientId} after number ${highest}`);
    session.received.add(payload);
    if (inOrder) session.highest.set(publisher, Math.max(highest, number));
  };

  const interestIn = (connectionId: ConnectionId, filter: string): Interest | undefined =>
    sessionOf.get(connectionId)?.interests.findLast((interest) => interest.filter === filter);

  return {
    watch,
    posted,
    log,
    fail,
    keepsWindow,
    /** A CONNACK in a reply is accepted as well. */
    replied: (connectionId: ConnectionId): void => {
      admitted.add(connectionId);
    },
    isPersistent: (connectionId: ConnectionId): boolean => sessionOf.get(connectionId)?.persistent ?? false,
    /** A client end has moved its session: what it has not said on the one socket it says on the other. */
    moved: (from: Socket, to: Socket): void => {
      retained.moved(from.id, to.id);
      for (const { sockets } of publications.values()) if (sockets.has(from)) sockets.add(to);
      for (const each of [...acknowledgements]) {
        const [connectionId, packetId] = each.split(' ');
        if (connectionId === from.id) acknowledgements.add(`${to.id} ${packetId}`);
      }
    },
    /** A library may hold it under a packet id of which the broker knows nothing any more: its session has moved meanwhile. */
    wasDecidedAgain: (payload: string): boolean => hasMoved && takenBack.has(payload),
    /** A client end has handed a message to its library for the second time, under the same packet id. */
    repeatedly: (payload: string, connectionId: ConnectionId): void => {
      const { lost, stall, weakSpot } = faults.counts;
      const isOnce = publications.get(payload)?.writes === 1;
      if (settings.liveTraffic === 'ordered' && isOnce && hasNoCause() && lost + stall + weakSpot === 0)
        fail(`${payload} came twice on the way to ${connectionId}, and nothing had gone wrong`);
    },
    writing: (
      payload: string,
      publication: Omit<Publication, 'writtenAt' | 'since' | 'writes' | 'sockets'>,
      socket: Socket,
    ): void => {
      const known = publications.get(payload) ?? {
        ...publication,
        writtenAt: step(),
        since: now(),
        writes: 0,
        sockets: new Set(),
      };
      if (publication.retain) retained.publishing(payload, publication);
      known.writes++;
      known.sockets.add(socket);
      publications.set(payload, known);
    },
    acknowledged,
    generationOf: (connectionId: ConnectionId): Generation | undefined => sessionOf.get(connectionId)?.generation,
    /** A subscriber sends a PUBACK or PUBCOMP. */
    acknowledging: (connectionId: ConnectionId, packetId: number): void => {
      acknowledgements.add(`${connectionId} ${packetId}`);
    },
    received,
    subscribing: (connectionId: ConnectionId, filter: string, qos: number): void => {
      const former = interestIn(connectionId, filter);
      const session = sessionOf.get(connectionId);
      if (session) retained.subscribing(session, connectionId, filter, qos);
      // Asked again with the same QoS, it goes on as it was; with less, nothing more is owed.
      if (former && former.leavingAt === undefined && qos >= former.qos) return;
      if (former) former.leavingAt ??= step();
      sessionOf.get(connectionId)?.interests.push({ filter, qos, askedAt: step() });
    },
    subscribed: (connectionId: ConnectionId, filter: string): void => {
      const interest = interestIn(connectionId, filter);
      if (interest) interest.grantedAt ??= step();
      const session = sessionOf.get(connectionId);
      if (session) retained.subscribed(session, connectionId, filter);
    },
    unsubscribing: (connectionId: ConnectionId, filter: string): void => {
      const session = sessionOf.get(connectionId);
      if (session) retained.unsubscribing(session, filter);
      for (const interest of session?.interests ?? []) {
        if (interest.filter === filter) interest.leavingAt ??= step();
      }
    },
    unsubscribed: (connectionId: ConnectionId, filter: string): void => {
      for (const interest of sessionOf.get(connectionId)?.interests ?? []) {
        // one that was asked for in the meantime stays
        if (interest.filter === filter && interest.leavingAt !== undefined) interest.goneAt ??= step();
      }
    },
    /** What a session that lives has not received yet, as far as it could not be refused. */
    missing: (): readonly string[] => [
      ...retained.missing(),
      ...[...sessions.values()].flatMap(({ endedAt, owed, received: got, refused, clientId, generation }) => {
        if (endedAt !== undefined) return [];
        const mayMiss = (payload: string): boolean => {
          const { topic, since } = publications.get(payload) as Publication;
          return mayHaveMissed(generation, topic, since);
        };
        const open = [...owed].filter((payload) => !got.has(payload) && !mayMiss(payload));
        return open.length > refused ? open.map((payload) => `${payload} for ${clientId}`) : [];
      }),
    ],
    /** @throws Broken */
    check: (): void => {
      if (broken !== undefined) throw new Broken(broken);
    },
  };
}

/** With QoS 1, from before the message was first published until now. */
const isSubscribedThroughout = ({ interests }: KnownSession, { writtenAt, topic }: Publication): boolean =>
  interests.some(
    ({ filter, qos, grantedAt = Number.POSITIVE_INFINITY, leavingAt }) =>
      qos > 0 && grantedAt < writtenAt && leavingAt === undefined && matches(filter, topic),
  );

const matches = (filter: string, topic: string): boolean => {
  const levels = topic.split('/');
  const wanted = filter.split('/');
  return (
    wanted.every(
      (level, index) => level === '#' || (index < levels.length && (level === '+' || level === levels[index])),
    ) &&
    (wanted.at(-1) === '#' || wanted.length === levels.length)
  );
};
