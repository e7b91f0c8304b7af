/**
 * Which messages the MQTT library has had of which the broker does not know it yet: on the next socket they come again
 * (wire-protocol.md §8).
 *
 * Rules of this file: no clock, no socket; sockets are numbers. The broker takes a PUBACK, or a PUBREC, only on the socket on
 * which it has sent the message last. So a message gets one of them on each socket, at most, and none before it has come there: a
 * second one, or an early one, could meet the next message with that packet id. It is forgotten once its PUBACK is taken, or its
 * PUBREL has come.
 */
import * as packetType from './packet-type.ts';
import { isDup, packetIdOf, qosOf, typeOf } from './packets.ts';

interface Message {
  /** On which it came last. */
  socket: number;
  /** The library has written its PUBACK or PUBREC. */
  isAcknowledged: boolean;
}

export interface Heard {
  /** The library has not had it. */
  readonly isNew: boolean;
  /** The PUBACK or PUBREC that the library has written and the broker has not taken. */
  readonly answer?: Uint8Array | undefined;
}

export interface Unacknowledged {
  /** The broker has sent a packet, and it is its turn. */
  heard(packet: Uint8Array, socket: number): Heard;
  /** The library has written a packet. */
  written(packet: Uint8Array): void;
  /** A PUBACK or PUBREC for a message that has yet to come again on this socket. */
  isEarly(packet: Uint8Array, socket: number): boolean;
  /** The broker has taken a packet. */
  taken(packet: Uint8Array): void;
}

const answers: readonly number[] = [packetType.puback, packetType.pubrec];

export function createUnacknowledged(): Unacknowledged {
  const messages = new Map<number, Message>();

  const acknowledgedBy = (packet: Uint8Array): Message | undefined =>
    answers.includes(typeOf(packet)) ? messages.get(packetIdOf(packet)) : undefined;

  /** Old messages come again before new ones: what has not come by now never will, and its packet id is free. */
  const forgetOlder = (socket: number): void => {
    for (const [id, message] of messages) if (message.socket !== socket) messages.delete(id);
  };

  const heardAgain = (message: Message, id: number, qos: number, socket: number): Heard => {
    // On the same socket the answer is under way already.
    const isOwed = message.isAcknowledged && message.socket !== socket;
    message.socket = socket;
    return {
      isNew: false,
      answer: isOwed ? Uint8Array.of((packetType.publish + qos) << 4, 2, id >> 8, id & 0xff) : undefined,
    };
  };

  return {
    heard(packet, socket) {
      const qos = qosOf(packet);
      if (typeOf(packet) === packetType.pubrel) messages.delete(packetIdOf(packet));
      if (typeOf(packet) !== packetType.publish || qos === 0) return { isNew: true };
      const id = packetIdOf(packet);
      const known = isDup(packet) ? messages.get(id) : undefined;
      if (known) return heardAgain(known, id, qos, socket);
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
      if (typeOf(packet) === packetType.puback) messages.delete(packetIdOf(packet));
    },
  };
}
