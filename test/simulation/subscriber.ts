/** A modelled subscriber: comes and goes, subscribes and unsubscribes, acknowledges at once, late or never. */
import type { Packet } from 'mqtt-packet';
import type { ClientId } from '../../src/session/ids.ts';
import { type LifePlan, type Link, type LinkOptions, openLink, willOf } from './link.ts';
import { replayToken } from './replay.ts';

export interface SubscriberPlan extends LifePlan {
  /** Who it is in traces: several may share one client id. */
  readonly name: string;
  readonly clientId: string;
  readonly persistent: boolean;
  readonly filters: Readonly<Record<string, 0 | 1 | 2>>;
  readonly acknowledges: 'at once' | 'late' | 'never';
  /** How long it stays away, ms. */
  readonly away: number;
  /** Sometimes acknowledges what it has received on the connection before. */
  readonly acknowledgesFormer: boolean;
  /** Nobody else has its client id. */
  readonly isAlone: boolean;
  /** Ignores the rules of the wire. */
  readonly bare: boolean;
}

export interface SubscriberOptions
  extends Pick<LinkOptions, 'cloud' | 'time' | 'judge' | 'timeJudge' | 'choices' | 'mayMove'> {
  readonly plan: SubscriberPlan;
  readonly window: number;
}

/** A copy of a message: one that comes as retained is not the one that came live. */
const nameOf = (topic: string, payload: string, retain: boolean): string => {
  if (payload === '') return ` (removal of ${topic})`;
  return retain ? `${payload} (retained)` : payload;
};
/** How long a client waits that was refused, ms: not for ever, since the operator may change his mind. */
const PATIENCE = 5_000;
/** In a SUBACK. */
const REFUSED = 0x80;
const payloadOf = (name: string): string => name.replace(/ \(.*\)$/, '');

export function createSubscriber({ plan, window, ...parts }: SubscriberOptions) {
  const { choices, time, cloud, judge, timeJudge } = parts;
  const { name, clientId, persistent } = plan;
  let link: Link | undefined;
  let connected = false;
  let back = true;
  let calm = false;
  let retired = false;
  /** It is gone without a word, until it is woken. */
  let silent = false;
  let links = 0;
  /** Filters that it was refused a moment ago. */
  const refused = new Set<string>();
  /** The next CONNECT ends the session. */
  let startsClean = !persistent;
  let everSubscribed = false;
  /** Filters of this connection by the packet id of the SUBSCRIBE or UNSUBSCRIBE. */
  const asked = new Map<number, { readonly filter: string; readonly leaves: boolean }>();
  let packetId = 0;
  let held = new Set<string>();
  /** Filters it will go on subscribing to. */
  const wanted = new Set(Object.keys(plan.filters));
  let generation: string | undefined;
  /** Of QoS 2: what the library has had and has yet to see released, by packet id. As long as the session lasts. */
  const incoming = new Map<number, string>();
  /** Received on this connection and not yet acknowledged: packet id to payload. */
  let unacknowledged = new Map<number, string>();

  /** What has come on this connection, on whichever socket, and its packet ids. */
  const handedOn = new Map<string, number>();
  /** What was not acknowledged on the connection before. */
  let former = new Map<number, string>();
  /** What was acknowledged on this connection. */
  const acknowledged = new Set<string>();

  const onPacket = (packet: Packet, from: Link): void => {
    if (from !== link) return;
    const { id } = from.socket;
    switch (packet.cmd) {
      case 'connack':
        if (packet.returnCode !== 0) break;
        connected = true;
        judge.replied(id);
        if (!packet.sessionPresent) held = new Set();
        // Another device with its client id may have answered what it holds; or a session began of which it has not heard.
        if (!packet.sessionPresent || !plan.isAlone || judge.generationOf(id) !== generation) incoming.clear();
        generation = judge.generationOf(id);
        if (packet.sessionPresent && startsClean) judge.fail(`${name} asked for a clean session and got an old one`);
        startsClean = !persistent;
        if (plan.acknowledgesFormer && packet.sessionPresent && former.size > 0 && choices.chance(0.3)) {
          for (const [messageId, payload] of former) {
            acknowledged.add(payload);
            judge.acknowledging(id, messageId);
          }
          from.write(...[...former.keys()].filter((each) => !incoming.has(each)).map(answer));
        }
        former = new Map();
        break;
      case 'suback':
      case 'unsuback': {
        const what = asked.get(packet.messageId as number);
        if (!what) break;
        asked.delete(packet.messageId as number);
        if (packet.cmd === 'suback' && packet.granted[0] === REFUSED) {
          refused.add(what.filter);
          time.after(PATIENCE, () => refused.delete(what.filter));
        } else if (what.leaves) judge.unsubscribed(id, what.filter);
        else {
          held.add(what.filter);
          everSubscribed = true;
          judge.subscribed(id, what.filter);
        }
        break;
      }
      case 'pubrel':
        release(from, packet.messageId as number);
        break;
      case 'publish': {
        const text = String(packet.payload);
        if (packet.topic.startsWith('$aws/')) timeJudge.told(packet.topic, text);
        else if (packet.qos < 2 || !incoming.has(packet.messageId as number))
          judge.received(id, text, packet, !plan.bare, plan.isAlone);
        if (packet.qos === 0) break;
        const payload = nameOf(packet.topic, text, packet.retain);
        const pid = packet.messageId as number;
        if (packet.qos === 2) incoming.set(pid, payload);
        if (handedOn.get(payload) === pid && !plan.bare) judge.repeatedly(payload, id);
        handedOn.set(payload, pid);
        const owner = unacknowledged.get(pid);
        // It may have been sent again while its PUBACK was on the way: then it takes no room, and its packet id may be another's.
        if (owner !== undefined && owner !== payload && acknowledged.has(payload)) break;
        if (
          owner !== undefined &&
          owner !== payload &&
          !acknowledged.has(owner) &&
          !judge.wasDecidedAgain(payloadOf(owner))
        )
          judge.fail(`packet id ${pid} is used by ${owner} and ${payload}`);
        unacknowledged.set(pid, payload);
        const inFlight = [...unacknowledged.values()].filter((each) => !acknowledged.has(each)).length;
        if (inFlight > window && judge.keepsWindow()) judge.fail(`${inFlight} are in flight to ${name}`);
        break;
      }
    }
  };
  const release = (to: Link, pid: number): void => {
    incoming.delete(pid);
    judge.acknowledging(to.socket.id, pid);
    to.write({ cmd: 'pubcomp', messageId: pid });
  };
  const onOver = (from: Link): void => {
    if (from !== link) return;
    link = undefined;
    asked.clear();
    if (connected) former = unacknowledged;
    const isRefused = plan.principal !== undefined && !connected;
    connected = false;
    unacknowledged = new Map();
    acknowledged.clear();
    handedOn.clear();
    back = false;
    const away = isRefused ? PATIENCE : calm ? 0 : choices.below(plan.away);
    time.after(away, () => {
      back = true;
    });
  };

  const missing = (): string | undefined =>
    [...wanted].find(
      (filter) =>
        !held.has(filter) && !refused.has(filter) && ![...asked.values()].some((each) => each.filter === filter),
    );
  /** Perhaps it will not subscribe to this any more; something it always wants. */
  const loseInterest = (filter: string | undefined): void => {
    if (filter !== undefined && wanted.size > 1 && choices.chance(0.5)) wanted.delete(filter);
  };
  const ask = (to: Link, filter: string, leaves: boolean): void => {
    const messageId = ++packetId;
    asked.set(messageId, { filter, leaves });
    if (leaves) {
      held.delete(filter);
      judge.unsubscribing(to.socket.id, filter);
      to.write({ cmd: 'unsubscribe', messageId, unsubscriptions: [filter] });
    } else {
      const qos = plan.filters[filter] ?? 1;
      judge.subscribing(to.socket.id, filter, qos);
      to.write({ cmd: 'subscribe', messageId, subscriptions: [{ topic: filter, qos }] });
    }
  };
  const acknowledge = (to: Link): void => {
    const ids = [...unacknowledged.keys()].slice(0, 1 + choices.below(unacknowledged.size));
    for (const messageId of ids) {
      acknowledged.add(unacknowledged.get(messageId) ?? '');
      judge.acknowledging(to.socket.id, messageId);
      unacknowledged.delete(messageId);
    }
    to.write(...ids.map(answer));
  };
  const answer = (messageId: number): Packet => ({ cmd: incoming.has(messageId) ? 'pubrec' : 'puback', messageId });
  /** Perhaps the gateway never notices, and perhaps it stays away until the broker has. */
  const vanish = (from: Link): void => {
    const isNoticed = !choices.chance(0.1);
    from.vanish(isNoticed);
    if (!isNoticed && choices.chance(0.5)) fallSilent(choices.below((plan.keepAlive || 600) * 3_000));
  };
  const fallSilent = (milliseconds: number): void => {
    silent = true;
    time.after(milliseconds, () => {
      silent = false;
    });
  };
  const mayAcknowledge = (): boolean =>
    unacknowledged.size > 0 && (calm || plan.acknowledges === 'at once' || plan.acknowledges === 'late');

  return {
    clientId: clientId as ClientId,
    hasSubscribed: () => everSubscribed,
    wantsTurn: (): boolean => {
      if (retired || silent) return false;
      if (!link) return back;
      return connected && (missing() !== undefined || mayAcknowledge());
    },
    act: (): void => {
      if (!link) {
        const connect = {
          clientId,
          clean: startsClean,
          keepAlive: plan.keepAlive,
          will: willOf(name, ++links, plan),
          principal: plan.principal,
        };
        link = openLink({ ...parts, name, bare: plan.bare, connect, onPacket, onOver });
        return;
      }
      const filter = missing();
      const holdsBack = !calm && plan.acknowledges === 'late' && choices.chance(0.8);
      if (filter !== undefined) ask(link, filter, false);
      else if (!holdsBack) acknowledge(link);
    },
    mischief: (): void => {
      if (!link) return;
      const filter = [...held].find((each) => ![...asked.values()].some(({ filter }) => filter === each));
      const kind = choices.below(connected ? 7 : 2);
      if (kind === 0) vanish(link);
      if (kind === 1) link.reset();
      if (kind === 2) link.disconnect();
      if (kind === 3 && filter !== undefined) {
        loseInterest(filter);
        ask(link, filter, true);
      }
      if (kind === 4 && filter !== undefined) ask(link, filter, false);
      if (kind === 6 && link.tokens.length > 0) {
        const [newest = '', ...used] = [...link.tokens].reverse();
        replayToken(cloud, name, choices.pick([`${newest}x`, ...used]));
      }
      if (kind === 5 && choices.chance(0.5)) {
        loseInterest([...wanted].at(-1));
        startsClean = true;
        link.reset();
      }
    },
    /** From now on it stays, and acknowledges everything. */
    calmDown: (): void => {
      calm = true;
      back = true;
      silent = false;
    },
    /** It is gone without a word, and the gateway never notices. */
    fallSilent: (): void => {
      silent = true;
      link?.vanish(false);
    },
    wake: (): void => {
      silent = false;
    },
    /** Leaves for good: its session stays, if it is persistent. */
    retire: (): void => {
      retired = true;
      if (connected) link?.disconnect();
      else link?.leave();
    },
    /** Its next CONNECT ends the session. It mostly subscribes to nothing more, which would cover up what was left behind. */
    endSession: (): void => {
      startsClean = true;
      if (choices.chance(0.7)) wanted.clear();
    },
    link: () => link,
    isConnected: () => connected,
    /** Packet ids of QoS 2 messages that it has had, and whose PUBREL has not come. */
    unreleased: (): readonly number[] => [...incoming.keys()],
    isSilent: () => silent,
  };
}

export type Subscriber = ReturnType<typeof createSubscriber>;
