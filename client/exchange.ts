/**
 * One MQTT connection over the wire: bytes of the MQTT library on one side, frames on the other
 * (docs/wire-protocol.md §3–§7).
 *
 * Rules of this file: it keeps the turns and their timers, and leaves what is hard to the pure files. It knows no socket,
 * only "send this frame", so that the socket below may change without its noticing. The host hears `over` once at most,
 * and nothing after it.
 */
import { type Clock, createAlarm } from './clock.ts';
import { badAnswer, closedByBroker, ServerlessMqttError } from './errors.ts';
import { createOutbox } from './outbox.ts';
import { concatenate, isAcceptance, packetType, readConnect, splitPackets, typeOf } from './packets.ts';
import { createPushInbox } from './push-inbox.ts';
import { type BrokerFrame, parseBrokerFrame, type Reply } from './wire.ts';

export const REPLY_TIMEOUT_MS = 35_000;
const DISCONNECT_TIMEOUT_MS = 5_000;
const SILENCE_MS = 540_000;
const LONGEST_KEEP_ALIVE_S = 540;

export interface ExchangeHost {
  readonly clock: Clock;
  sendFrame(frame: string): void;
  /** Whole packets for the MQTT library. */
  handOn(bytes: Uint8Array<ArrayBuffer>): void;
  /** The broker has accepted the CONNECT. */
  accepted(): void;
  /** @param error what a person should know; none where the end was asked for, or MQTT itself has told */
  over(error?: ServerlessMqttError): void;
}

export interface Exchange {
  /** Bytes written that the broker has not taken yet. */
  readonly bufferedAmount: number;
  /** The MQTT library has written its DISCONNECT. */
  readonly isLeaving: boolean;
  /** Frames may be sent from now on. */
  start(): void;
  write(bytes: Uint8Array): void;
  receive(frame: unknown): void;
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
  const ownPing = Uint8Array.of(packetType.pingreq << 4, 0);

  let turn: 'not started' | 'mine' | 'theirs' | 'pausing' | 'over' = 'not started';
  let willSpeak = false;
  let unfinished: Uint8Array = new Uint8Array();
  let isPersistent = false;
  let needsPing = false;
  let isLeaving = false;
  let wantsToClose = false;

  const isOver = (): boolean => turn === 'over';

  const stop = (): void => {
    turn = 'over';
    inbox.stop();
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

  const inbox = createPushInbox({
    clock,
    handOn,
    endAtHole: () => {
      if (isPersistent) over(new ServerlessMqttError('push-lost', 'a push is missing: connecting again to get it'));
      return isPersistent;
    },
  });

  const speak = (): void => {
    willSpeak = false;
    const frame = turn === 'mine' ? outbox.frame() : undefined;
    if (frame === undefined) return;
    turn = 'theirs';
    turnAlarm.set(REPLY_TIMEOUT_MS, () =>
      over(new ServerlessMqttError('no-reply', 'the broker did not answer within 35 s')),
    );
    if (needsPing) silenceAlarm.set(SILENCE_MS, ping);
    host.sendFrame(frame);
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

  const hearClose = (reason: string, packets: readonly Uint8Array[]): void => {
    handOn(packets);
    // `refused` is told by the CONNACK, `disconnected` was asked for.
    over(reason === 'refused' || reason === 'disconnected' ? undefined : closedByBroker(reason));
  };

  const hearReply = ({ taken: count, packets }: Reply): void => {
    if (turn !== 'theirs') throw badAnswer('a reply to no frame');
    const { taken, pause } = outbox.replied(count);
    handOn(taken.includes(ownPing) ? withoutPong(packets) : packets);
    if (packets.some(isAcceptance)) inbox.connackReplied();
    if (taken.some((packet) => typeOf(packet) === packetType.disconnect)) over();
    if (isOver()) return;
    if (wantsToClose && pause === 0) waitForDisconnect();
    myTurnAfter(pause);
  };

  const hearGateway = (message: string, throttled: boolean): void => {
    if (!throttled) {
      throw new ServerlessMqttError('gateway-error', `API Gateway answered instead of the broker: ${message}`);
    }
    if (turn === 'theirs') myTurnAfter(outbox.throttled());
  };

  const hear = (frame: BrokerFrame): void => {
    switch (frame.kind) {
      case 'reply':
        if (frame.close === undefined) hearReply(frame);
        else hearClose(frame.close, frame.packets);
        break;
      case 'push':
        inbox.push(frame);
        break;
      case 'part':
        inbox.part(frame);
        break;
      case 'closing':
        hearClose(frame.reason, []);
        break;
      case 'gateway':
        hearGateway(frame.message, frame.throttled);
        break;
      default:
        frame satisfies never;
    }
  };

  /** What the library's packets mean for the wire itself. */
  const note = (packet: Uint8Array): void => {
    const type = typeOf(packet);
    if (type === packetType.disconnect) isLeaving = true;
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
    start() {
      if (turn === 'not started') myTurn();
    },
    write(bytes) {
      if (isOver()) return;
      const split = splitPackets(concatenate([unfinished, bytes]));
      if (!split) return over(new ServerlessMqttError('bad-packet', 'these bytes are not MQTT packets'));
      unfinished = split.rest;
      for (const packet of split.packets) {
        note(packet);
        outbox.add(packet);
      }
      speakSoon();
    },
    receive(frame) {
      if (isOver()) return;
      try {
        if (typeof frame !== 'string') throw badAnswer('a binary frame');
        hear(parseBrokerFrame(frame));
      } catch (error) {
        if (!(error instanceof ServerlessMqttError)) throw error;
        over(error);
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
