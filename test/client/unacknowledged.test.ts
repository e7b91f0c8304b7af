/** Who has had which message: one after the other, and every interleaving of a broker, a library and moves. */
import fc from 'fast-check';
import { packetIdOf } from '../../client/packets.ts';
import { createUnacknowledged, type Unacknowledged } from '../../client/unacknowledged.ts';
import { puback, publish, again as repeated } from './scripted-socket.ts';
import { bytes, hex } from './vectors.ts';

const isNew = { isNew: true };
const isKnown = { isNew: false };

/** What the broker sends, the library writes, the broker takes; packets in hexadecimal. */
const play = () => {
  const memory = createUnacknowledged();
  return {
    hear: (packet: string, socket: number) => {
      const { answer, ...heard } = memory.heard(bytes(packet), socket);
      return answer ? { ...heard, answer: hex(answer) } : heard;
    },
    write: (packet: string) => memory.written(bytes(packet)),
    take: (packet: string) => memory.taken(bytes(packet)),
    isEarly: (packet: string, socket: number) => memory.isEarly(bytes(packet), socket),
  };
};

describe('what comes again on the next socket', () => {
  test('wire §8: is known, and its PUBACK is still to come', () => {
    const { hear, write, isEarly } = play();
    expect(hear(publish(1), 0)).toEqual(isNew);
    expect(hear(repeated(1), 1)).toEqual(isKnown);
    write(puback(1));
    expect(isEarly(puback(1), 1)).toBe(false);
  });

  test('wire §8: is answered where the library has acknowledged it, once for each socket', () => {
    const { hear, write } = play();
    hear(publish(258), 0);
    write(puback(258));
    expect(hear(repeated(258), 1)).toEqual({ isNew: false, answer: puback(258) });
    expect(hear(repeated(258), 1)).toEqual(isKnown);
    expect(hear(repeated(258), 2)).toEqual({ isNew: false, answer: puback(258) });
  });

  test('wire §8: is new to the library where its PUBACK was taken, or where it never came', () => {
    const { hear, write, take } = play();
    hear(publish(1), 0);
    write(puback(1));
    take(puback(1));
    expect(hear(repeated(1), 1)).toEqual(isNew);
    expect(hear(repeated(2), 1)).toEqual(isNew);
    expect(hear(repeated(2), 1)).toEqual(isKnown);
  });

  test('wire §8: another message that has its packet id is new', () => {
    const { hear, write, isEarly } = play();
    hear(publish(1), 0);
    write(puback(1));
    expect(hear(publish(1), 1)).toEqual(isNew);
    expect(isEarly(puback(1), 1)).toBe(false);
    expect(hear(repeated(1), 2)).toEqual(isKnown);
  });

  test('wire §8: comes before what is new: after that, its packet id is free', () => {
    const { hear, write } = play();
    hear(publish(1), 0);
    hear(publish(2), 0);
    write(puback(1));
    hear(repeated(2), 1);
    expect(hear(publish(3), 1)).toEqual(isNew);
    expect(hear(repeated(1), 1)).toEqual(isNew);
    expect(hear(repeated(2), 1)).toEqual(isKnown);
    expect(hear(repeated(3), 1)).toEqual(isKnown);
  });
});

describe('a PUBACK', () => {
  test('wire §8: is early until its message has come on this socket', () => {
    const { hear, isEarly } = play();
    hear(publish(1), 0);
    expect(isEarly(puback(1), 0)).toBe(false);
    expect(isEarly(puback(1), 1)).toBe(true);
    hear(repeated(1), 1);
    expect(isEarly(puback(1), 1)).toBe(false);
  });

  test('wire §8: is never early for a message that is not known here', () => {
    const { hear, isEarly } = play();
    hear(publish(1), 0);
    expect(isEarly(puback(2), 1)).toBe(false);
  });

  test('no other packet is one, whatever is in it', () => {
    const { hear, write, take, isEarly } = play();
    hear(publish(1), 0);
    // SUBACK, UNSUBACK, PUBCOMP with packet id 1.
    for (const packet of ['9003000100', 'b0020001', '70020001']) {
      write(packet);
      take(packet);
      expect(isEarly(packet, 1)).toBe(false);
    }
    expect(hear(repeated(1), 1)).toEqual(isKnown);
  });
});

describe('with QoS 2', () => {
  const once = (id: string, dup = false) => `${dup ? '3c' : '34'}05000161${id}`;
  const pubrec = (id: string) => `5002${id}`;

  test('wire §8: what comes again on the next socket is known until its PUBREL, and answered with PUBREC', () => {
    const { hear, write, take, isEarly } = play();
    expect(hear(once('0001'), 0)).toEqual(isNew);
    write(pubrec('0001'));
    expect(isEarly(pubrec('0001'), 1)).toBe(true);
    expect(hear(once('0001', true), 1)).toEqual({ isNew: false, answer: pubrec('0001') });
    expect(isEarly(pubrec('0001'), 1)).toBe(false);
    take(pubrec('0001'));
    expect(hear(once('0001', true), 2)).toEqual({ isNew: false, answer: pubrec('0001') });
    expect(hear('62020001', 2)).toEqual(isNew);
    expect(hear(once('0001', true), 2)).toEqual(isNew);
  });

  test('wire §8: what the library has yet to answer is known, and not answered for it', () => {
    const { hear } = play();
    hear(once('0001'), 0);
    expect(hear(once('0001', true), 1)).toEqual(isKnown);
  });
});

test('QoS 0 is not remembered, nor is anything else', () => {
  const { hear } = play();
  // QoS 0 whose payload looks like a packet id; SUBACK.
  for (const packet of ['30050001610001', '9003000100']) {
    expect(hear(packet, 0)).toEqual(isNew);
    expect(hear(packet, 0)).toEqual(isNew);
  }
  expect(hear(repeated(1), 0)).toEqual(isNew);
});

test('a long topic and a long remaining length do not hide the packet id', () => {
  const { hear } = play();
  const topic = '61'.repeat(300);
  const packet = (flags: string, id: string) => `${flags}b402012c${topic}${id}${'00'.repeat(4)}`;
  hear(packet('32', 'abcd'), 0);
  expect(hear(packet('3a', 'abce'), 1)).toEqual(isNew);
  expect(hear(packet('3a', 'abcd'), 1)).toEqual(isKnown);
});

/** A push on its way, or lost with its socket. */
interface Sent {
  readonly id: number;
  readonly dup: boolean;
}

/** A broker that sends QoS 1 under few packet ids, a client end around the memory, and a library; `choices` is fate. */
function createWorld(memory: Unacknowledged, choices: Iterator<number>) {
  const draw = (most: number): number => (choices.next().value ?? 0) % (most + 1);
  const inFlight = new Map<number, { readonly message: number; socket: number }>();
  const pushes: Sent[] = [];
  let outbox: Uint8Array[] = [];
  let lastId = 0;
  let messages = 0;
  let socket = 0;
  /** Of the library: messages as they came, and packet ids that it has yet to acknowledge. */
  const received: number[] = [];
  const pending: { readonly id: number; readonly message: number }[] = [];
  const acknowledged = new Set<number>();

  const world = {
    received,
    messages: () => messages,
    isIdle: () => inFlight.size === 0,
    publish() {
      const id = (lastId % 3) + 1;
      if (inFlight.has(id)) return;
      lastId = id;
      inFlight.set(id, { message: messages++, socket });
      pushes.push({ id, dup: false });
    },
    deliver() {
      const push = pushes.shift();
      if (!push) return;
      const { id, dup } = push;
      const { isNew: mustHave, answer } = memory.heard(bytes(dup ? repeated(id) : publish(id)), socket);
      if (answer) outbox.push(answer);
      if (!mustHave) return;
      const message = inFlight.get(id)?.message ?? Number.NaN;
      received.push(message);
      pending.push({ id, message });
    },
    acknowledge() {
      const next = pending.shift();
      if (!next) return;
      acknowledged.add(next.message);
      const packet = bytes(puback(next.id));
      memory.written(packet);
      if (!memory.isEarly(packet, socket)) outbox.push(packet);
    },
    reply() {
      const taken = outbox.splice(0, draw(outbox.length));
      for (const packet of taken) {
        const known = inFlight.get(packetIdOf(packet));
        // Every PUBACK that leaves is for what was sent on this socket, and is the library's.
        expect(known?.socket).toBe(socket);
        expect(acknowledged).toContain(known?.message);
        inFlight.delete(packetIdOf(packet));
        memory.taken(packet);
      }
    },
    move() {
      socket += 1;
      outbox = outbox.filter((packet) => !memory.isEarly(packet, socket));
      pushes.length = 0;
      for (const [id, message] of inFlight) {
        message.socket = socket;
        pushes.push({ id, dup: true });
      }
    },
    step() {
      const steps = ['publish', 'deliver', 'acknowledge', 'reply', 'move'] as const;
      world[steps[draw(steps.length - 1)] ?? 'move']();
    },
  };
  return world;
}

test('wire §8: wherever a session moves, each message is handed on once and in order, and only its own PUBACK ends it', () => {
  fc.assert(
    fc.property(fc.infiniteStream(fc.nat(10_000)), fc.nat(80), (choices, steps) => {
      const world = createWorld(createUnacknowledged(), choices);
      for (let i = 0; i < steps; i++) world.step();
      for (let i = 0; !world.isIdle(); i++) {
        expect(i).toBeLessThan(1_000);
        world.deliver();
        world.acknowledge();
        world.reply();
      }
      expect(world.received).toEqual(Array.from({ length: world.messages() }, (_, index) => index));
    }),
    { numRuns: 500 },
  );
});
