/**
 * One connection of a modelled client: the client end that ships (client/exchange.ts) on simulated sockets, MQTT packets on
 * its other side. It does with its sockets what client/mqtt-socket.ts does.
 */
import { generate, type Packet, parser } from 'mqtt-packet';
import { createExchange, type ExchangeHost, type SocketRole } from '../../client/exchange.ts';
import { PASSWORD } from '../broker/guarded-world.ts';
import { connectPacket } from '../broker/world.ts';
import { createBareEnd } from './bare-end.ts';
import type { Choices } from './choices.ts';
import type { Cloud } from './cloud.ts';
import type { Judge } from './judge.ts';
import { places } from './rights.ts';
import type { Socket } from './sockets.ts';
import { type Cancel, routine, type Time } from './time.ts';
import type { TimeJudge } from './time-judge.ts';

const CONNECT_TIMEOUT = 60_000;
/** Timers of the client end that are this long, ms, go on for ever while it is connected. */
const ENDLESS = 500_000;
/** The longest of them is the one that moves the session. */
const MOVE_TIMER = 1_000_000;
/** As in client/mqtt-socket.ts, ms. */
const OPEN_TIMEOUT = 35_000;
const FORMER = 5_000;

export interface LinkConnect {
  readonly clientId: string;
  readonly clean: boolean;
  /** Seconds. */
  readonly keepAlive: number;
  readonly will?: LinkWill | undefined;
  /** Who it says it is; undefined where nobody is asked. */
  readonly principal: string | undefined;
}

export interface LinkWill {
  readonly topic: string;
  readonly payload: string;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
}

/** Who a client is, how its connections are kept, and what is said of it when one is lost. */
export interface LifePlan {
  /** Undefined where nobody is asked. */
  readonly principal?: string | undefined;
  /** Seconds. */
  readonly keepAlive: number;
  /** The QoS of its wills, if it has any. */
  readonly will?: 0 | 1 | 2 | undefined;
  readonly retainsWill?: boolean;
}

/** The will of its `number`-th connection: each its own, so that they can be told from each other. */
export const willOf = (
  name: string,
  number: number,
  { will: qos, retainsWill: retain = false }: LifePlan,
): LinkWill | undefined =>
  qos === undefined ? undefined : { topic: `w/${name}/${number}`, payload: `will ${number} of ${name}`, qos, retain };

export interface LinkOptions {
  readonly cloud: Cloud;
  readonly time: Time;
  readonly choices: Choices;
  readonly judge: Judge;
  readonly timeJudge: TimeJudge;
  /** Whether the client end may take it into its head to move now. */
  readonly mayMove: () => boolean;
  /** Who sends, in traces. */
  readonly name: string;
  /** Ignores the rules of the wire. */
  readonly bare: boolean;
  readonly connect: LinkConnect;
  readonly onPacket: (packet: Packet, link: Link) => void;
  /** The connection is over, however that came. */
  readonly onOver: (link: Link) => void;
}

export interface Link {
  /** The one that the session is on, as far as the client end knows. */
  readonly socket: Socket;
  /** Tokens that have come to this client end, the newest last. */
  readonly tokens: readonly string[];
  write(...packets: readonly Packet[]): void;
  /** DISCONNECT; the socket is closed when that is answered. */
  disconnect(): void;
  /** Closes the socket. */
  leave(): void;
  /** Is gone without a word; the gateway notices or not. */
  vanish(isNoticed?: boolean): void;
  /** The socket breaks, and both sides know; a session that is moving just then does not need it any more. */
  reset(): void;
}

export function openLink(options: LinkOptions): Link {
  const { cloud, time, choices, judge, timeJudge, mayMove, name, bare, connect, onPacket, onOver } = options;
  let isOver = false;
  let stopPinging = (): void => {};
  const ping = (): void => {
    if (connect.keepAlive === 0 || isOver) return;
    const wait = connect.keepAlive * (500 + choices.below(400));
    stopPinging = time.after(
      wait,
      () => {
        link.write({ cmd: 'pingreq' });
        ping();
      },
      routine,
    );
  };
  const reader = parser({ protocolVersion: 4 });
  reader.on('packet', (packet) => {
    if (packet.cmd === 'connack') {
      impatience();
      ping();
    }
    onPacket(packet, link);
  });

  // ── Sockets ──────────────────────────────────────────────────────────────────────────────────────────────────────

  let next: { readonly socket: Socket; readonly ended: () => void } | undefined;
  let former: Socket | undefined;
  let cancelOpening: Cancel = () => {};
  let cancelFormer: Cancel = () => {};
  const tokens: string[] = [];
  let shut = (socket: Socket): void => cloud.sockets.close(socket);
  const roleOf = (socket: Socket): SocketRole | undefined => {
    if (socket === current) return 'current';
    if (socket === next?.socket) return 'next';
    return socket === former ? 'former' : undefined;
  };
  const openSocket = (opened: () => void): Socket => {
    const handlers = {
      onFrame: (frame: string) => {
        const token = /^!\d+[^:]*;token=([^;:]*)/.exec(frame)?.[1];
        if (token !== undefined) tokens.push(token);
        const role = roleOf(socket);
        if (role) end.receive(frame, role);
      },
      onClose: () => {
        const role = roleOf(socket);
        if (role === 'next') nextEnded();
        if (role === 'current' && !end.isMoving) finish();
      },
    };
    const socket = cloud.sockets.open(handlers, connect.principal === undefined ? undefined : choices.pick(places));
    timeJudge.connecting(socket.id, { clientId: connect.clientId, keepAlive: connect.keepAlive, bare });
    cloud.handshake(socket, name, opened);
    return socket;
  };
  const dropNext = (): void => {
    cancelOpening();
    const dropped = next?.socket;
    next = undefined;
    if (dropped) shut(dropped);
  };
  const nextEnded = (): void => {
    const ended = next?.ended;
    dropNext();
    ended?.();
  };
  const closeFormer = (): void => {
    cancelFormer();
    const closed = former;
    former = undefined;
    if (closed) shut(closed);
  };
  const finish = (): void => {
    if (isOver) return;
    isOver = true;
    impatience();
    stopPinging();
    end.stop();
    closeFormer();
    onOver(link);
  };
  const host: ExchangeHost = {
    clock: {
      now: time.now,
      after: (milliseconds, ring) => {
        const isEarly = milliseconds >= MOVE_TIMER && mayMove();
        if (isEarly) return time.after(choices.below(choices.pick([1_000, 10_000, 60_000])), ring);
        return time.after(milliseconds, ring, milliseconds >= ENDLESS ? routine : {});
      },
    },
    nextSocket: {
      open: (opened, ended) => {
        const socket = openSocket(() => {
          cancelOpening();
          if (roleOf(socket) === 'next') opened();
        });
        next = { socket, ended };
        cancelOpening = time.after(OPEN_TIMEOUT, nextEnded);
      },
      send: (frame) => {
        if (next) cloud.frame(next.socket, name, frame);
      },
      use: () => {
        if (!next) return;
        closeFormer();
        judge.moved(current, next.socket);
        former = current;
        current = next.socket;
        next = undefined;
        cancelFormer = time.after(FORMER, closeFormer);
      },
      drop: dropNext,
    },
    sendFrame: (frame) => cloud.frame(current, name, frame),
    handOn: (bytes) => {
      reader.parse(Buffer.from(bytes));
    },
    accepted: () => {},
    over: () => {
      finish();
      shut(current);
    },
  };
  const end = bare ? createBareEnd(host) : createExchange(host);
  let current = openSocket(() => end.start());
  const link: Link = {
    get socket() {
      return current;
    },
    tokens,
    write: (...packets) => end.write(Buffer.concat(packets.map((packet) => generate(packet)))),
    disconnect: () => {
      for (const socket of [current, next?.socket]) if (socket) timeJudge.leaving(socket.id);
      link.write({ cmd: 'disconnect' });
      end.leave();
    },
    leave: () => end.leave(),
    vanish: (isNoticed = true) => {
      shut = (socket) => {
        timeJudge.vanishing(socket.id);
        cloud.sockets.desert(socket, isNoticed);
      };
      finish();
      shut(current);
    },
    reset: () => cloud.sockets.close(current),
  };
  // MQTT libraries do not wait for a CONNACK for ever.
  const impatience = time.after(CONNECT_TIMEOUT, () => link.reset());
  const { clientId, clean, keepAlive, will, principal } = connect;
  link.write({
    ...connectPacket(clientId),
    ...(principal !== undefined && { username: principal, password: Buffer.from(PASSWORD) }),
    clean,
    keepalive: keepAlive,
    ...(will && { will: { ...will, payload: Buffer.from(will.payload) } }),
  });
  return link;
}
