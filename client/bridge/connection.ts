/**
 * One client of the bridge: plain MQTT on its side, a connection of its own to the gateway on the other.
 *
 * Rules of this file: no socket of either kind, and nothing of the wire: `client/mqtt-socket.ts` speaks it. Packets pass as
 * they are; only where they end, which is a CONNECT or a DISCONNECT, and the keep-alive is known here. What a client has sent is delivered
 * also where it has left meanwhile, or where the bridge stops, within `finishMs`. After `ended` nothing is said to anybody.
 */
import { type Clock, createAlarm } from '../clock.ts';
import { LONGEST_KEEP_ALIVE_S } from '../limits.ts';
import { createMqttSocket, type MqttSocket, type WebSocketConstructor } from '../mqtt-socket.ts';
import * as packetType from '../packet-type.ts';
import { readConnect, typeOf } from '../packets.ts';
import type { Admission, Ticket } from './admission.ts';
import type { BufferedBytes } from './buffered-bytes.ts';
import { createFramer } from './framing.ts';
import { FEED_BYTES, type Limits, QUIET_MS } from './limits.ts';
import type { BridgeLog } from './log.ts';

/** The client's socket. Each call is allowed in any state. */
export interface ClientSocket {
  /** Bytes that are on their way to the client, or have come from it and are not a message yet. */
  readonly heldBytes: number;
  send(bytes: Uint8Array): void;
  /** Stops reading, so that the client is slowed down. */
  pause(): void;
  resume(): void;
  /** Sends what it holds, then closes. What the client still says is not heard. */
  close(reason: EndReason): void;
}

/** Why a connection is over: of the bridge itself, or the code of a ServerlessMqttError. */
export type EndReason =
  | 'disconnected'
  | 'client-gone'
  | 'connect-missing'
  | 'keep-alive-timeout'
  | 'not-mqtt'
  | 'packet-too-large'
  | 'text-message'
  | 'websocket-error'
  | 'client-too-slow'
  | 'bridge-full'
  | 'bridge-stopping'
  | 'refused'
  | 'gateway-closed'
  | (string & {});

export interface ConnectionOptions {
  /** Names it in the log. */
  readonly number: number;
  /** Where it comes from: an address without a port. */
  readonly address: string;
  readonly socket: ClientSocket;
  /** Of the gateway. */
  readonly url: string;
  readonly WebSocket: WebSocketConstructor;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly buffered: BufferedBytes;
  readonly admission: Admission;
  /** A name for a client that nobody can read: the same for the same address and CONNECT. */
  readonly keyOf: (address: string, connect: Uint8Array) => string;
  readonly log: BridgeLog;
  /** The connection is over and the client's socket closed: nothing of it is held any more. */
  released(): void;
}

export interface Connection {
  /** The client's bytes, as they come. */
  receive(bytes: Uint8Array): void;
  /** `heldBytes` of the client's socket has changed. */
  weigh(): void;
  /** The client says no more. */
  clientLeft(): void;
  /** The bridge stops: what has come is still delivered and answered. */
  finish(): void;
  end(reason: EndReason, detail?: string): void;
  /** The client's socket is closed. */
  closed(): void;
}

export function createConnection(options: ConnectionOptions): Connection {
  const { number: client, address, socket, clock, limits, buffered, log } = options;
  let framer = createFramer(limits.packetBytes);
  const account = buffered.open();
  const alarm = createAlarm(clock);
  const quietAlarm = createAlarm(clock);
  const silenceAlarm = createAlarm(clock);
  const startedAt = clock.now();

  let gateway: MqttSocket | undefined;
  let ticket: Ticket | undefined;
  /** The CONNECT and what has come behind it, until it is this client's turn. */
  let early: Uint8Array[] = [];
  let earlyBytes = 0;
  /** How long the client may be silent, in milliseconds; none where the broker looks after that. */
  let silenceMs: number | undefined;
  let isOpen = false;
  let isAccepted = false;
  /** The client has sent its DISCONNECT. */
  let isLeaving = false;
  /** Why it ends once all that has come is delivered. */
  let finishing: EndReason | undefined;
  let isOver = false;
  /** The client's socket is closed. */
  let isClosed = false;
  let isReading = true;
  /** What was held when it was weighed last. */
  let held = 0;
  let bytesIn = 0;
  let bytesOut = 0;

  const toBroker = (): number => gateway?.bufferedAmount ?? earlyBytes;

  const end = (reason: EndReason, detail?: string): void => {
    if (isOver) return;
    isOver = true;
    for (const each of [alarm, quietAlarm, silenceAlarm]) each.clear();
    gateway?.close();
    const isByClient = ['client-gone', 'bridge-stopping'].includes(reason);
    ticket?.close(reason === 'disconnected' ? 'left' : isByClient ? 'gone' : 'lost');
    const seconds = Math.round((clock.now() - startedAt) / 1000);
    log('client-ended', { client, reason, ...(detail && { detail }), seconds, bytesIn, bytesOut });
    framer = createFramer(0);
    early = [];
    socket.close(reason);
    weigh();
    release();
  };

  const release = (): void => {
    if (!isOver || !isClosed) return;
    account.close();
    options.released();
  };

  const weigh = (): void => {
    const before = held;
    held = socket.heldBytes + (isOver ? 0 : framer.bytes + toBroker());
    account.set(held);
    if (isOver) return;
    const waits = toBroker();
    // Reading has stopped long before: what has piled up is what the client does not read.
    if (held > limits.clientBytes) end('client-too-slow', `${held} bytes are held for it`);
    else if (buffered.isFull && waits === 0 && held > before) {
      end('bridge-full', `${buffered.total} bytes are held for all clients`);
    } else read(waits < FEED_BYTES && !(buffered.isFull && waits > 0));
  };

  const read = (wanted: boolean): void => {
    if (wanted === isReading) return;
    isReading = wanted;
    if (wanted) socket.resume();
    else socket.pause();
  };

  /** As much as the broker can use soon; the rest waits as bytes. */
  const feed = (): void => {
    while (!isLeaving && !isOver && toBroker() < FEED_BYTES) {
      const packet = framer.next();
      if (packet === undefined) break;
      if (typeof packet === 'string') {
        end(packet, faults[packet]);
        return;
      }
      if (typeOf(packet) === packetType.disconnect) isLeaving = true;
      if (gateway) gateway.send(packet);
      else enter(packet);
    }
    weigh();
  };

  const enter = (packet: Uint8Array): void => {
    early.push(packet);
    earlyBytes += packet.length;
    if (ticket) return;
    alarm.clear();
    silenceMs = silenceOf(packet);
    watch();
    ticket = options.admission.enter(options.keyOf(address, packet), open);
    if (ticket.delay > 0) log('client-delayed', { client, milliseconds: Math.round(ticket.delay) });
  };

  /** MQTT-3.1.2-24, where the pings of the wire hide the client's silence from the broker. */
  const watch = (): void => {
    if (silenceMs !== undefined) silenceAlarm.set(silenceMs, () => end('keep-alive-timeout', 'nothing came from it'));
  };

  const open = (): void => {
    gateway = createMqttSocket(options.url, {
      WebSocket: options.WebSocket,
      clock,
      // The ticket has waited.
      delay: 0,
      nextUrl: () => options.url,
      accepted: () => {
        isAccepted = true;
        ticket?.accepted();
        log('client-connected', { client });
      },
      taken: () => advance(),
      over: () => ticket?.opened(),
      ended: (error) => end(error?.code ?? whyClosed(), error?.message),
    });
    gateway.onopen = () => {
      isOpen = true;
      ticket?.opened();
    };
    gateway.onmessage = ({ data }) => {
      bytesOut += data.byteLength;
      socket.send(new Uint8Array(data));
      weigh();
    };
    for (const packet of early) gateway.send(packet);
    early = [];
    feed();
  };

  const whyClosed = (): EndReason => {
    if (isLeaving) return 'disconnected';
    return isAccepted ? 'gateway-closed' : 'refused';
  };

  const advance = (): void => {
    feed();
    if (finishing === undefined || isOver || toBroker() > 0) return;
    if (finishing === 'client-gone') end(finishing);
    // What is on its way still comes.
    else quietAlarm.set(QUIET_MS, () => framer.bytes + toBroker() === 0 && end('bridge-stopping'));
  };

  const finish = (reason: 'client-gone' | 'bridge-stopping'): void => {
    if (isOver || finishing === 'client-gone') return;
    // Nobody waits for the answer to a CONNECT any more, and a session that begins now would only end again.
    if (!isOpen && !isLeaving) {
      end(reason);
      return;
    }
    if (finishing === undefined) {
      alarm.set(limits.finishMs, () => end(reason, 'not all that had come could be delivered'));
    }
    finishing = reason;
    advance();
  };

  alarm.set(limits.connectMs, () => end('connect-missing', `no CONNECT within ${limits.connectMs / 1000} s`));

  return {
    receive(bytes) {
      if (isOver || isLeaving) return;
      bytesIn += bytes.length;
      watch();
      framer.push(bytes);
      advance();
    },
    weigh,
    clientLeft: () => finish('client-gone'),
    finish: () => finish('bridge-stopping'),
    end,
    closed() {
      isClosed = true;
      if (isOver) release();
      else finish('client-gone');
    },
  };
}

/** @returns milliseconds; nothing where the client has no keep-alive, or one that the broker can judge */
function silenceOf(connect: Uint8Array): number | undefined {
  const { keepAlive } = readConnect(connect);
  return keepAlive > LONGEST_KEEP_ALIVE_S ? keepAlive * 1_500 : undefined;
}

const faults = {
  'not-mqtt': 'what came is not MQTT: the first packet of a client is a CONNECT',
  'packet-too-large': 'a packet above the largest that the bridge takes (--max-packet)',
} as const;
