/**
 * One MQTT connection over the wire: bytes of the MQTT library on one side, frames on the other
 * (docs/wire-protocol.md §3–§8).
 *
 * Rules of this file: it keeps the turns and their timers, and leaves what is hard to the pure files. Of sockets it knows
 * their roles only: one decides, and of the others nothing but pushes is heard. The host hears `over` once at most, and
 * nothing after it.
 */

import { type Clock, createAlarm } from './clock.ts';
import { badAnswer, closedByBroker, ServerlessMqttError } from './errors.ts';
import { DISCONNECT_TIMEOUT_MS, LONGEST_KEEP_ALIVE_S, REPLY_TIMEOUT_MS, SILENCE_MS } from './limits.ts';
import { createMove, type NextSocket } from './move.ts';
import { createOutbox } from './outbox.ts';
import * as packetType from './packet-type.ts';
import { concatenate, isAcceptance, readConnect, splitPackets, typeOf } from './packets.ts';
import { createPushInbox, type PushInbox } from './push-inbox.ts';
import { createUnacknowledged } from './unacknowledged.ts';
import { type BrokerFrame, type Closing, type GatewayMessage, parseBrokerFrame, type Reply } from './wire.ts';

/** The socket in use; the one that the session moves to; the one that it has left. */
export type SocketRole = 'current' | 'next' | 'former';

export interface ExchangeHost {
  readonly clock: Clock;
  /** None: the session stays where it is. */
  readonly nextSocket?: NextSocket;
  sendFrame(frame: string): void;
  /** Whole packets for the MQTT library. */
  handOn(bytes: Uint8Array<ArrayBuffer>): void;
  /** The broker has accepted the CONNECT. */
  accepted(): void;
  /** The broker has taken packets: `bufferedAmount` is less than before. */
  readonly taken?: (() => void) | undefined;
  /** @param error what a person should know; none where the end was asked for, or MQTT itself has told */
  over(error?: ServerlessMqttError): void;
}

export interface Exchange {
  /** Bytes written that the broker has not taken yet. */
  readonly bufferedAmount: number;
  /** The MQTT library has written its DISCONNECT. */
  readonly isLeaving: boolean;
  /** The session is on its way to the next socket: it does not matter if the current one closes. */
  readonly isMoving: boolean;
  /** Frames may be sent from now on. */
  start(): void;
  write(bytes: Uint8Array): void;
  receive(frame: unknown, from?: SocketRole): void;
  /** The MQTT library wants to close: over at once, or when its DISCONNECT is answered (§7). */
  leave(): void;
  stop(): void;
}

export function createExchange(host: ExchangeHost): Exchange {
  const { clock } = host;
  const outbox = createOutbox();
  const turnAlarm = createAlarm(clock);
  const silenceAlarm = createAlarm(clock);
  const leaveAlarm = createAlarm(clock);
  const unacknowledged = createUnacknowledged();
  const ownPing = Uint8Array.of(packetType.pingreq << 4, 0);

  let turn: 'not started' | 'mine' | 'theirs' | 'pausing' | 'over' = 'not started';
  let willSpeak = false;
  let unfinished: Uint8Array = new Uint8Array();
  let isPersistent = false;
  let needsPing = false;
  let isLeaving = false;
  let wantsToClose = false;
  /** Of this connection; none where the broker, or the host, moves no sessions. */
  let token: string | undefined;
  /** Which of the sockets is the current one, counted from 0. */
  let socket = 0;

  const isOver = (): boolean => turn === 'over';

  const stop = (): void => {
    turn = 'over';
    inboxes.current?.retire();
    move.callOff();
    for (const alarm of [turnAlarm, silenceAlarm, leaveAlarm]) alarm.clear();
  };

  const over = (error?: ServerlessMqttError): void => {
    if (isOver()) return;
    stop();
    host.over(wantsToClose ? undefined : error);
  };

  const handOn = (packets: readonly Uint8Array[]): void => {
    if (packets.some(isAcceptance)) host.accepted();
    if (packets.length > 0) host.handOn(concatenate(packets));
  };

  /** The library has not had it. Where it has, and has answered it, the answer is said again. */
  const isNew = (packet: Uint8Array, from: number): boolean => {
    const heard = unacknowledged.heard(packet, from);
    if (heard.answer) {
      outbox.add(heard.answer);
      speakSoon();
    }
    return heard.isNew;
  };

  const overAtHole = (): void =>
    over(new ServerlessMqttError('push-lost', 'a message is missing: connecting again to get it'));

  const leaveAtHole = (): boolean => {
    if (token !== undefined && !isLeaving) move.hurry();
    else if (isPersistent) overAtHole();
    else return false;
    return true;
  };

  const openInbox = (from: number): PushInbox =>
    createPushInbox({ clock, leaveAtHole, handOn: (packets) => handOn(packets.filter((each) => isNew(each, from))) });

  const inboxes: Record<SocketRole, PushInbox | undefined> = {
    current: openInbox(socket),
    next: undefined,
    former: undefined,
  };

  const move = createMove({
    clock,
    nextSocket: host.nextSocket,
    ready: () => speakSoon(),
    failed: (isUrgent) => (isUrgent ? overAtHole() : over()),
  });

  const speak = (): void => {
    willSpeak = false;
    if (turn !== 'mine') return;
    const frame = move.isReady && !outbox.isMidPacket ? askToMove() : outbox.frame();
    if (frame !== undefined) send(frame);
  };

  const askToMove = (): string => {
    inboxes.next ??= openInbox(socket + 1);
    // What still comes here comes again there: handed on now, it might come again under another packet id.
    inboxes.current?.retire();
    move.asked();
    return `^${token}`;
  };

  const send = (frame: string): void => {
    turn = 'theirs';
    turnAlarm.set(REPLY_TIMEOUT_MS, () => over(new ServerlessMqttError('no-reply', 'no answer within 35 s')));
    if (needsPing) silenceAlarm.set(SILENCE_MS, ping);
    if (move.isAsked) host.nextSocket?.send(frame);
    else host.sendFrame(frame);
  };

  /** Not at once, so that what is written in one go leaves in one frame. */
  const speakSoon = (): void => {
    if (!willSpeak) queueMicrotask(speak);
    willSpeak = true;
  };

  const myTurn = (): void => {
    turn = 'mine';
    speakSoon();
  };

  const myTurnAfter = (pause: number): void => {
    turn = 'pausing';
    if (pause > 0) turnAlarm.set(pause, myTurn);
    else {
      turnAlarm.clear();
      myTurn();
    }
  };

  const ping = (): void => {
    outbox.add(ownPing);
    speakSoon();
  };

  const waitForDisconnect = (): void => leaveAlarm.set(DISCONNECT_TIMEOUT_MS, over);

  const hearClose = ({ reason, packets }: Closing): void => {
    handOn(packets);
    // `refused` is told by the CONNACK, `disconnected` was asked for.
    over(reason === 'refused' || reason === 'disconnected' ? undefined : closedByBroker(reason));
  };

  const hearReply = (reply: Reply): void => {
    if (turn !== 'theirs') throw badAnswer('a reply to no frame');
    if (host.nextSocket && reply.token) {
      if (token === undefined) move.plan();
      token = reply.token;
    }
    if (move.isAsked) hearMoved(reply);
    else hearTaken(reply);
  };

  const hearMoved = ({ taken, token: nextToken, next, packets }: Reply): void => {
    if (taken + packets.length > 0 || !nextToken || next === undefined) throw badAnswer('a reply that moves nothing');
    socket += 1;
    outbox.moved((packet) => unacknowledged.isEarly(packet, socket));
    [inboxes.former, inboxes.current, inboxes.next] = [inboxes.current, inboxes.next, undefined];
    move.done();
    inboxes.current?.begin(next);
    carryOn(0);
  };

  const hearTaken = ({ taken: count, packets }: Reply): void => {
    const { taken, pause } = outbox.replied(count);
    for (const packet of taken) unacknowledged.taken(packet);
    for (const packet of packets) unacknowledged.heard(packet, socket);
    handOn(taken.includes(ownPing) ? withoutPong(packets) : packets);
    if (packets.some(isAcceptance)) inboxes.current?.begin(1);
    if (taken.some((packet) => typeOf(packet) === packetType.disconnect)) over();
    if (taken.length > 0 && !isOver()) host.taken?.();
    carryOn(pause);
  };

  /** The reply is dealt with; the library may have closed meanwhile. */
  const carryOn = (pause: number): void => {
    if (isOver()) return;
    if (wantsToClose && pause === 0) waitForDisconnect();
    myTurnAfter(pause);
  };

  const hearGateway = ({ message, throttled }: GatewayMessage): void => {
    if (!throttled) {
      throw new ServerlessMqttError('gateway-error', `API Gateway answered instead of the broker: ${message}`);
    }
    if (turn === 'theirs') myTurnAfter(outbox.throttled());
  };

  const hear = (frame: BrokerFrame, from: SocketRole): void => {
    if (frame.kind === 'push') inboxes[from]?.push(frame);
    else if (frame.kind === 'part') inboxes[from]?.part(frame);
    else if (!decides(from)) return;
    else if (frame.kind === 'reply') hearReply(frame);
    else if (frame.kind === 'closing') hearClose(frame);
    else hearGateway(frame);
  };

  const decides = (from: SocketRole): boolean => from === (move.isAsked ? 'next' : 'current');

  /** What the library's packets mean for the wire itself. */
  const note = (packet: Uint8Array): void => {
    const type = typeOf(packet);
    if (type === packetType.disconnect) {
      isLeaving = true;
      if (!move.isAsked) move.callOff();
    }
    if (type !== packetType.connect) return;
    const { keepAlive, persistent } = readConnect(packet);
    isPersistent = persistent;
    needsPing = keepAlive === 0 || keepAlive > LONGEST_KEEP_ALIVE_S;
  };

  return {
    get bufferedAmount() {
      return outbox.bytes + unfinished.length;
    },
    get isLeaving() {
      return isLeaving;
    },
    get isMoving() {
      return move.isAsked;
    },
    start() {
      if (turn !== 'not started') return;
      move.start();
      myTurn();
    },
    write(bytes) {
      if (isOver()) return;
      const split = splitPackets(concatenate([unfinished, bytes]));
      if (!split) return over(new ServerlessMqttError('bad-packet', 'these bytes are no MQTT packets'));
      unfinished = split.rest;
      for (const packet of split.packets) {
        note(packet);
        unacknowledged.written(packet);
        if (!unacknowledged.isEarly(packet, socket)) outbox.add(packet);
      }
      speakSoon();
    },
    receive(frame, from = 'current') {
      if (isOver()) return;
      try {
        if (typeof frame !== 'string') throw badAnswer('a binary frame');
        hear(parseBrokerFrame(frame), from);
      } catch (error) {
        if (!(error instanceof ServerlessMqttError)) throw error;
        if (decides(from)) over(error);
      }
    },
    leave() {
      wantsToClose = true;
      if (isLeaving && turn !== 'not started') waitForDisconnect();
      else over();
    },
    stop,
  };
}

/** One PINGRESP less: the answer to a PINGREQ that the MQTT library knows nothing of. */
function withoutPong(packets: readonly Uint8Array[]): readonly Uint8Array[] {
  const pong = packets.findIndex((packet) => typeOf(packet) === packetType.pingresp);
  return packets.filter((_, index) => index !== pong);
}
