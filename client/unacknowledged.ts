/**
 * Which messages the MQTT library has had of which the broker does not know it yet: on the next socket they come again
 * (wire-protocol.md §8).
 *
 * Rules of this file: no clock, no socket; sockets are numbers. The broker takes a PUBACK only on the socket on which it
 * has sent the message last. So a message gets one PUBACK on each socket, at most, and none before it has come there: a
 * second one, or an early one, could meet the next message with that packet id. It is forgotten once its PUBACK is taken.
 */
import * as packetType from './packet-type.ts';
import { isDup, packetIdOf, qosOf, typeOf } from './packets.ts';

interface Message {
  /** On which it came last. */
  socket: number;
  /** The library has written its PUBACK. */
  isAcknowledged: boolean;
}

export interface Heard {
  /** The library has not had it. */
  readonly isNew: boolean;
  /** The PUBACK that the library has written and the broker has not taken. */
  readonly answer?: Uint8Array | undefined;
}

export interface Unacknowledged {
  /** The broker has sent a packet, and it is its turn. */
  heard(packet: Uint8Array, socket: number): Heard;
  /** The library has written a packet. */
  written(packet: Uint8Array): void;
  /** A PUBACK for a message that has yet to come again on this socket. */
  isEarly(packet: Uint8Array, socket: number): boolean;
  /** The broker has taken a packet. */
  taken(packet: Uint8Array): void;
}

export function createUnacknowledged(): Unacknowledged {
  const messages = new Map<number, Message>();

  const acknowledgedBy = (packet: Uint8Array): Message | undefined =>
    typeOf(packet) === packetType.puback ? messages.get(packetIdOf(packet)) : undefined;

  /** Old messages come again before new ones: what has not come by now never will, and its packet id is free. */
  const forgetOlder = (socket: number): void => {
    for (const [id, message] of messages) if (message.socket !== socket) messages.delete(id);
  };

  const heardAgain = (message: Message, id: number, socket: number): Heard => {
    // On the same socket the PUBACK is under way already.
    const isOwed = message.isAcknowledged && message.socket !== socket;
    message.socket = socket;
    return { isNew: false, answer: isOwed ? Uint8Array.of(packetType.puback << 4, 2, id >> 8, id & 0xff) : undefined };
  };

  return {
    heard(packet, socket) {
      if (typeOf(packet) !== packetType.publish || qosOf(packet) !== 1) return { isNew: true };
      const id = packetIdOf(packet);
      const known = isDup(packet) ? messages.get(id) : undefined;
      if (known) return heardAgain(known, id, socket);
      if (!isDup(packet)) forgetOlder(socket);
      messages.set(id, { socket, isAcknowledged: false });
      return { isNew: true };
    },
    written(packet) {
      const message = acknowledgedBy(packet);
      if (message) message.isAcknowledged = true;
    },
    isEarly(packet, socket) {
      const message = acknowledgedBy(packet);
      return message !== undefined && message.socket !== socket;
    },
    taken(packet) {
      if (acknowledgedBy(packet)) messages.delete(packetIdOf(packet));
    },
  };
}
