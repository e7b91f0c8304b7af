/**
 * What the broker promises of retained messages: who subscribes gets what was retained before, or something younger, nothing that
 * was replaced or removed before, and nothing that is older than what it had already, unless that follows.
 *
 * Rules of this file: as for judge.ts, which tells it what clients do. Of two publications on a topic one is older if its
 * publisher sent it earlier, or if it was acknowledged before the other was written.
 */

import { matches } from '../../src/mqtt/topic.ts';
import type { ConnectionId } from '../../src/session/ids.ts';

/** Something that was published with RETAIN 1. */
export interface Retainable {
  readonly publisher: string;
  readonly number: number;
  readonly topic: string;
  readonly qos: number;
  /** Its publisher keeps the one-frame rule. */
  readonly inOrder: boolean;
  /** It has no payload. */
  readonly removes: boolean;
}

interface Known extends Retainable {
  readonly payload: string;
  readonly writtenAt: number;
  acknowledgedAt: number;
}

/** A SUBSCRIBE for one filter. */
interface Ask {
  connectionId: ConnectionId;
  readonly filter: string;
  readonly qos: number;
  readonly askedAt: number;
  isGranted: boolean;
  /** Nothing is owed any more. */
  isOver: boolean;
  /** Topics of which a retained message has come since. */
  readonly came: Set<string>;
}

/** A session, as judge.ts knows it. */
export interface Asking {
  readonly clientId: string;
  readonly endedAt?: number;
  readonly refused: number;
}

export interface RetainedJudgeOptions<S> {
  readonly step: () => number;
  readonly fail: (what: string) => void;
  /** Clocks agree, so of two publishers the later one wins, even against a Lambda that stalls. */
  readonly exactClocks: boolean;
  /** Live messages wait behind stored ones. */
  readonly keepsOrder: boolean;
  /** Its right to receive what is published there was missing at some moment. */
  readonly mayHaveMissed: (session: S, topic: string) => boolean;
}

/** A copy as it arrived. */
export interface Copy {
  readonly retain: boolean;
  readonly dup: boolean;
  readonly qos: number;
}

export function createRetainedJudge<S extends Asking>({
  step,
  fail,
  exactClocks,
  keepsOrder,
  mayHaveMissed,
}: RetainedJudgeOptions<S>) {
  const known = new Map<string, Known>();
  const byTopic = new Map<string, Known[]>();
  const asks = new Map<S, Ask[]>();
  const asksOf = (session: S): Ask[] => {
    const list = asks.get(session) ?? [];
    asks.set(session, list);
    return list;
  };

  /** By session and topic of one publisher: the highest number that came, and that which has to come again. */
  const highest = new Map<S, Map<string, number>>();
  const overtaken = new Map<S, Map<string, number>>();
  const of = (numbers: Map<S, Map<string, number>>, session: S): Map<string, number> => {
    const own = numbers.get(session) ?? new Map<string, number>();
    numbers.set(session, own);
    return own;
  };

  /** Retained copies that came, and after how many SUBSCRIBEs. */
  const copies = new Map<S, Map<string, number>>();
  /** A job that came twice has sent it twice: with QoS 1 only the first has its place in the order. */
  const cameBefore = (session: S, copy: string): boolean => {
    const [came, asked] = [of(copies, session), asksOf(session).length];
    const before = came.get(copy) === asked;
    came.set(copy, asked);
    return before;
  };

  /** The numbers on its topic tell which is younger. */
  const isNumbered = ({ inOrder, publisher }: Pick<Retainable, 'inOrder' | 'publisher'>): boolean =>
    inOrder && !publisher.includes(' ');
  /** The number of the youngest that was acknowledged, if nothing has removed it; 0: none. */
  const newest = (topic: string): number => {
    const all = (byTopic.get(topic) ?? []).filter(isNumbered);
    const number = Math.max(0, ...all.filter((each) => isSettled(each)).map((each) => each.number));
    return all.some((each) => each.removes && each.number >= number) ? 0 : number;
  };
  const isSettled = ({ acknowledgedAt, qos }: Known): boolean => qos > 0 && acknowledgedAt < Number.POSITIVE_INFINITY;

  const isOlder = (one: Known, other: Known): boolean => {
    if (one === other) return false;
    if (one.publisher === other.publisher) return one.inOrder && one.number < other.number;
    return exactClocks && one.acknowledgedAt < other.writtenAt;
  };
  const settledBefore = ({ askedAt }: Ask, topic: string): readonly Known[] =>
    (byTopic.get(topic) ?? []).filter(({ acknowledgedAt }) => acknowledgedAt < askedAt);
  const isFreshFor = (ask: Ask, publication: Known): boolean =>
    !settledBefore(ask, publication.topic).some((each) => isOlder(publication, each));

  /** Something was retained before, and whatever removes anything is older than that. */
  const isOwed = (ask: Ask, topic: string): boolean => {
    const removals = (byTopic.get(topic) ?? []).filter(({ removes }) => removes);
    return settledBefore(ask, topic).some(
      (each) => !each.removes && each.qos > 0 && removals.every((removal) => isOlder(removal, each)),
    );
  };

  return {
    publishing: (payload: string, publication: Retainable): void => {
      if (known.has(payload)) return;
      const each = { ...publication, payload, writtenAt: step(), acknowledgedAt: Number.POSITIVE_INFINITY };
      known.set(payload, each);
      byTopic.set(publication.topic, [...(byTopic.get(publication.topic) ?? []), each]);
    },
    acknowledged: (payload: string): void => {
      const publication = known.get(payload);
      if (publication) publication.acknowledgedAt = Math.min(publication.acknowledgedAt, step());
    },
    subscribing: (session: S, connectionId: ConnectionId, filter: string, qos: number): void => {
      asksOf(session).push({
        connectionId,
        filter,
        qos,
        askedAt: step(),
        isGranted: false,
        isOver: false,
        came: new Set(),
      });
    },
    moved: (from: ConnectionId, to: ConnectionId): void => {
      for (const ask of [...asks.values()].flat()) if (ask.connectionId === from) ask.connectionId = to;
    },
    subscribed: (session: S, connectionId: ConnectionId, filter: string): void => {
      const ask = asksOf(session).find(
        (each) => each.connectionId === connectionId && each.filter === filter && !each.isGranted,
      );
      if (ask) ask.isGranted = true;
    },
    unsubscribing: (session: S, filter: string): void => {
      for (const ask of asksOf(session)) if (ask.filter === filter) ask.isOver = true;
    },
    /** A client got what was published with RETAIN 1, live or later. `keepsRules`: those of the wire. */
    arrived: (session: S, publication: Omit<Retainable, 'removes'>, copy: Copy, keepsRules: boolean): void => {
      const { number, topic } = publication;
      if (!isNumbered(publication) || copy.qos === 0) return;
      const [top, due] = [of(highest, session).get(topic) ?? 0, of(overtaken, session)];
      const isRepeated = copy.retain && cameBefore(session, `${topic} ${number}`);
      if (keepsRules && keepsOrder && copy.retain && !copy.dup && !isRepeated && number < top) due.set(topic, top);
      else if (number >= (due.get(topic) ?? 0)) due.delete(topic);
      of(highest, session).set(topic, Math.max(top, number));
    },
    /** A client got a PUBLISH with RETAIN 1. */
    received: (session: S, payload: string): void => {
      const publication = known.get(payload);
      if (!publication) {
        fail(`${payload} came with RETAIN 1, and was not published with it [MQTT-3.3.1-9]`);
        return;
      }
      const matching = asksOf(session).filter(({ filter }) => matches(filter, publication.topic));
      const fresh = matching.filter((ask) => isFreshFor(ask, publication));
      if (matching.length === 0)
        fail(`${payload} reached ${session.clientId} with RETAIN 1 and without a SUBSCRIBE [MQTT-3.3.1-9]`);
      else if (fresh.length === 0)
        fail(`${payload} reached ${session.clientId} with RETAIN 1, and was replaced before its SUBSCRIBE`);
      for (const ask of fresh) ask.came.add(publication.topic);
    },
    /** What was owed to whom, and has not come [MQTT-3.3.1-6]. */
    missing: (): readonly string[] =>
      [...asks].flatMap(([session, list]) => {
        if (session.endedAt !== undefined || session.refused > 0) return [];
        // A SUBSCRIBE that nobody answered may have died half-way.
        const isAnswered = (topic: string) => list.every((ask) => ask.isGranted || !matches(ask.filter, topic));
        const stale = [...of(overtaken, session)].filter(
          ([topic]) => isAnswered(topic) && !mayHaveMissed(session, topic),
        );
        if (stale.length > 0) return stale.map(([topic, number]) => `${topic}, number ${number}, after an older one`);
        const open = list.filter(({ isGranted, isOver, qos }) => isGranted && !isOver && qos > 0);
        // What was published while it subscribed comes live, or as retained.
        const lacks = (topic: string) => newest(topic) > (of(highest, session).get(topic) ?? 0);
        return open.flatMap((ask) =>
          [...byTopic.keys()]
            .filter((topic) => matches(ask.filter, topic) && !mayHaveMissed(session, topic))
            .filter((topic) => lacks(topic) || (isOwed(ask, topic) && !ask.came.has(topic)))
            .map((topic) => `what is retained under ${topic} for ${session.clientId}`),
        );
      }),
  };
}
