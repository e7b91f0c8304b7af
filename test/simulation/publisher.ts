/** A modelled publisher: sends what it has until it is acknowledged, in order, again with DUP on every new connection. */
import type { Packet } from 'mqtt-packet';
import { type LifePlan, type Link, type LinkOptions, openLink, willOf } from './link.ts';

export interface PublisherPlan extends LifePlan {
  readonly name: string;
  readonly messages: number;
  /** With QoS 2 it keeps its session. */
  readonly qos: 1 | 2;
  /** Ignores the rules of the wire. */
  readonly bare: boolean;
  /** Unacknowledged QoS 1 messages at once. */
  readonly atOnce: number;
  /** How long it rests after it has sent something, ms at most. */
  readonly rests: number;
  /** Some of its messages are retained, or remove what is. */
  readonly retains: boolean;
}

/** What is published under a number, whenever it is sent. */
interface Form {
  readonly topic: string;
  readonly retain: boolean;
  readonly removes: boolean;
}

export interface PublisherOptions
  extends Pick<LinkOptions, 'cloud' | 'time' | 'judge' | 'timeJudge' | 'choices' | 'mayMove'> {
  readonly plan: PublisherPlan;
  /** Whether publishing may begin. */
  readonly mayBegin: () => boolean;
}

export function createPublisher({ plan, mayBegin, ...parts }: PublisherOptions) {
  const { choices, time, judge } = parts;
  const { name, messages } = plan;
  let link: Link | undefined;
  let connected = false;
  let back = true;
  let next = 1;
  let unacknowledged: number[] = [];
  /** Of QoS 2: packet ids in use, and which of them have had their PUBREC. */
  const packetIds = new Map<number, number>();
  const released = new Set<number>();
  let rested = true;
  let retired = false;
  let mustEnd = false;
  let links = 0;

  const forms = new Map<number, Form>();
  /** Retained messages of several publishers meet under one topic. */
  const formOf = (number: number): Form => {
    const retain = plan.retains && choices.chance(0.5);
    const form = forms.get(number) ?? {
      topic: retain && choices.chance(0.3) ? 't/all' : `t/${name}`,
      retain,
      removes: retain && choices.chance(0.2),
    };
    forms.set(number, form);
    return form;
  };
  const write = (to: Link, number: number, dup: boolean): void => {
    // Every fourth message has a companion of QoS 0.
    if (!dup && number % 4 === 0) {
      publish(to, `${name}:${number}:0`, number, { topic: `q/${name}`, retain: false, removes: false }, 0, false);
    }
    if (released.has(number)) to.write({ cmd: 'pubrel', messageId: packetIdOf(number) });
    else publish(to, `${name}:${number}`, number, formOf(number), plan.qos, dup);
  };
  const publish = (to: Link, payload: string, number: number, form: Form, qos: 0 | 1 | 2, dup: boolean): void => {
    const { topic, retain, removes } = form;
    const publisher = topic === 't/all' ? `${name} on all` : name;
    judge.writing(payload, { publisher, number, topic, qos, inOrder: !plan.bare, retain, removes }, to.socket);
    const bytes = removes ? '' : payload;
    const messageId = packetIdOf(number);
    to.write({ cmd: 'publish', topic, payload: bytes, qos, dup, retain, ...(qos > 0 && { messageId }) });
  };
  /** With QoS 2 the lowest that is free, so that packet ids are soon used again. */
  const packetIdOf = (number: number): number => {
    if (plan.qos === 1) return number;
    let id = packetIds.get(number) ?? 1;
    if (!packetIds.has(number)) while ([...packetIds.values()].includes(id)) id++;
    packetIds.set(number, id);
    return id;
  };
  const done = (number: number): void => {
    unacknowledged = unacknowledged.filter((each) => each !== number);
    packetIds.delete(number);
    released.delete(number);
  };

  const onPacket = (packet: Packet, from: Link): void => {
    if (from !== link) return;
    if (packet.cmd === 'connack') {
      connected = true;
      judge.replied(from.socket.id);
      for (const number of unacknowledged) write(from, number, true);
    }
    if (packet.cmd === 'pubrec' || packet.cmd === 'pubcomp') {
      const number = unacknowledged.find((each) => packetIds.get(each) === packet.messageId);
      if (number === undefined) return;
      if (packet.cmd === 'pubcomp') {
        if (released.has(number)) done(number);
        return;
      }
      released.add(number);
      judge.acknowledged(`${name}:${number}`);
      from.write({ cmd: 'pubrel', messageId: packet.messageId as number });
    }
    if (packet.cmd === 'puback') {
      const number = packet.messageId as number;
      if (!unacknowledged.includes(number)) return;
      done(number);
      judge.acknowledged(`${name}:${number}`);
    }
  };
  const onOver = (from: Link): void => {
    if (from !== link) return;
    link = undefined;
    connected = false;
    back = false;
    time.after(choices.below(1_000), () => {
      back = true;
    });
  };
  const isDone = () => next > messages && unacknowledged.length === 0;

  return {
    isDone,
    wantsTurn: (): boolean => {
      if (retired || !mayBegin()) return false;
      if (!link) return back && (mustEnd || !isDone());
      return connected && rested && next <= messages && unacknowledged.length < plan.atOnce;
    },
    act: (): void => {
      if (!link) {
        const connect = {
          clientId: name,
          clean: plan.qos === 1 || mustEnd,
          keepAlive: plan.keepAlive,
          will: willOf(name, ++links, plan),
          principal: plan.principal,
        };
        link = openLink({ ...parts, name, bare: plan.bare, connect, onPacket, onOver });
        mustEnd = false;
        return;
      }
      const most = Math.min(plan.atOnce - unacknowledged.length, messages - next + 1);
      for (let count = 1 + choices.below(most); count > 0; count--) {
        unacknowledged.push(next);
        write(link, next++, false);
      }
      if (plan.rests === 0) return;
      rested = false;
      time.after(choices.below(plan.rests), () => {
        rested = true;
      });
    },
    mischief: (): void => {
      if (choices.chance(0.5)) link?.vanish(!choices.chance(0.1));
      else link?.reset();
    },
    /** Connects once more: its session may have outlived its connection unnoticed, and can only end with one. */
    endSession: (): void => {
      mustEnd = true;
      // Only a CONNECT with a clean session ends one that is kept.
      if (plan.qos === 2) link?.reset();
    },
    /** Leaves for good. */
    retire: (): void => {
      retired = true;
      if (connected) link?.disconnect();
    },
    isGone: () => link === undefined,
  };
}

export type Publisher = ReturnType<typeof createPublisher>;
