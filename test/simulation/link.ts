/**
 * One connection of a modelled client: the client end that ships (client/exchange.ts) on a simulated socket, MQTT packets on
 * its other side.
 */
import { generate, type Packet, parser } from 'mqtt-packet';
import { createExchange, type ExchangeHost } from '../../client/exchange.ts';
import { createBareEnd } from './bare-end.ts';
import type { Cloud } from './cloud.ts';
import type { Socket } from './sockets.ts';
import type { Time } from './time.ts';

const CONNECT_TIMEOUT = 60_000;

export interface LinkOptions {
  readonly cloud: Cloud;
  readonly time: Time;
  /** Who sends, in traces. */
  readonly name: string;
  /** Ignores the rules of the wire. */
  readonly bare: boolean;
  readonly onPacket: (packet: Packet, link: Link) => void;
  /** The connection is over, however that came. */
  readonly onOver: (link: Link) => void;
}

export interface Link {
  readonly socket: Socket;
  write(...packets: readonly Packet[]): void;
  /** Closes the socket; after a DISCONNECT when that is answered. */
  leave(): void;
  /** Is gone without a word. */
  vanish(): void;
  /** The socket breaks, and both sides know. */
  reset(): void;
}

export function openLink({ cloud, time, name, bare, onPacket, onOver }: LinkOptions): Link {
  let isOver = false;
  const reader = parser({ protocolVersion: 4 });
  reader.on('packet', (packet) => {
    if (packet.cmd === 'connack') impatience();
    onPacket(packet, link);
  });
  const finish = (): void => {
    if (isOver) return;
    isOver = true;
    impatience();
    end.stop();
    onOver(link);
  };
  const host: ExchangeHost = {
    clock: { now: time.now, after: (milliseconds, ring) => time.after(milliseconds, ring) },
    sendFrame: (frame) => cloud.frame(socket, name, frame),
    handOn: (bytes) => {
      reader.parse(Buffer.from(bytes));
    },
    accepted: () => {},
    over: () => {
      finish();
      cloud.sockets.close(socket);
    },
  };
  const end = bare ? createBareEnd(host) : createExchange(host);
  const socket = cloud.sockets.open({ onFrame: (frame) => end.receive(frame), onClose: finish });
  const link: Link = {
    socket,
    write: (...packets) => end.write(Buffer.concat(packets.map((packet) => generate(packet)))),
    leave: () => end.leave(),
    vanish: () => {
      finish();
      cloud.sockets.desert(socket);
    },
    reset: () => cloud.sockets.close(socket),
  };
  // MQTT libraries do not wait for a CONNACK for ever.
  const impatience = time.after(CONNECT_TIMEOUT, link.reset);
  end.start();
  return link;
}
