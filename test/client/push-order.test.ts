import fc from 'fast-check';
import { HOLE_WAIT_MS } from '../../client/limits.ts';
import { createPushOrder, type PushOrder } from '../../client/push-order.ts';
import type { Push } from '../../client/wire.ts';
import { publish, publishQos0 } from './arbitrary-packets.ts';

const connack = Uint8Array.of(0x20, 2, 1, 0);

/** A push of PUBLISH packets with QoS 1 whose packet ids are their sequence numbers. */
const numbered = (first: number, count = 1): Push => ({
  first,
  packets: Array.from({ length: count }, (_, index) => publish(first + index)),
});
const plain = (id: number): Push => ({ first: undefined, packets: [publishQos0(id)] });
const connackPush = (first: number): Push => ({ first, packets: [connack] });

/** Lets pushes arrive one after the other, at a time each; tells what is handed on after which. */
const play = (order: PushOrder, ...arrivals: readonly (readonly [now: number, push: Push])[]) =>
  arrivals.map(([now, push]) => order.arrive(push, now));

const connected = (): PushOrder => {
  const order = createPushOrder();
  order.begin(1, 0);
  return order;
};

describe('after the CONNACK', () => {
  test('wire §5: after a CONNACK in a reply the first number expected is 1', () => {
    expect(play(connected(), [0, numbered(2)], [0, numbered(1)])).toEqual([[], [numbered(1), numbered(2)]]);
  });

  test('wire §5: a CONNACK in a push carries the first number expected', () => {
    const handedOn = play(createPushOrder(), [0, connackPush(41)], [0, numbered(42)], [0, numbered(41)]);
    expect(handedOn).toEqual([[connackPush(41)], [], [numbered(41), numbered(42)]]);
  });

  test('wire §5: the others in a push follow by one each; QoS 0 does not count', () => {
    const mixed: Push = { first: 1, packets: [publish(1), publishQos0(9), publish(2)] };
    expect(play(connected(), [0, mixed], [0, numbered(4)], [0, numbered(3)])).toEqual([
      [mixed],
      [],
      [numbered(3), numbered(4)],
    ]);
  });

  test('wire §5: PUBLISH packets beside the CONNACK count', () => {
    const both: Push = { first: 7, packets: [connack, publish(7), publish(8)] };
    const handedOn = play(createPushOrder(), [0, both], [0, numbered(9)]);
    expect(handedOn).toEqual([[both], [numbered(9)]]);
  });

  test('wire §5: a push without a number never waits', () => {
    expect(play(connected(), [0, numbered(5)], [0, plain(1)])).toEqual([[], [plain(1)]]);
  });

  test('wire §5: a push that lies behind is handed on at once, and sets nothing back', () => {
    const handedOn = play(connected(), [0, numbered(1, 3)], [0, numbered(2)], [0, numbered(4)]);
    expect(handedOn).toEqual([[numbered(1, 3)], [numbered(2)], [numbered(4)]]);
  });

  test('wire §5: a push that begins behind and ends ahead fills the hole', () => {
    expect(play(connected(), [0, numbered(1)], [0, numbered(3)], [0, numbered(1, 2)])).toEqual([
      [numbered(1)],
      [],
      [numbered(1, 2), numbered(3)],
    ]);
  });
});

describe('before the CONNACK', () => {
  const early = (...pushes: Push[]): PushOrder => {
    const order = createPushOrder();
    play(order, ...pushes.map((push) => [0, push] as const));
    return order;
  };

  test('wire §5: every push waits for a CONNACK in a reply, with no time limit', () => {
    const order = early(numbered(2), plain(1), numbered(1));
    expect(order.dueAt()).toBeUndefined();
    expect(order.begin(1, 0)).toEqual([plain(1), numbered(1), numbered(2)]);
  });

  test('wire §5: every push waits for a CONNACK in a push, which goes first', () => {
    const handedOn = play(early(plain(1), numbered(12), numbered(11)), [0, connackPush(11)]);
    expect(handedOn).toEqual([[connackPush(11), plain(1), numbered(11), numbered(12)]]);
  });

  test('wire §5: the wait for a hole begins with the CONNACK', () => {
    const order = early(numbered(2));
    order.begin(1, 700);
    expect(order.dueAt()).toBe(700 + HOLE_WAIT_MS);
  });

  test('a CONNACK in a push without a number is not of this wire', () => {
    expect(() => createPushOrder().arrive({ first: undefined, packets: [connack] }, 0)).toThrow(
      'a CONNACK without a number',
    );
  });
});

describe('before the session has moved here', () => {
  test('wire §8: every push waits for the reply, which carries the first number expected', () => {
    const order = createPushOrder();
    play(order, [0, numbered(42)], [0, plain(1)], [0, numbered(44)]);
    expect(order.begin(41, 700)).toEqual([plain(1)]);
    expect(order.dueAt()).toBe(700 + HOLE_WAIT_MS);
    expect(play(order, [0, numbered(41)])).toEqual([[numbered(41), numbered(42)]]);
  });

  test('wire §5, §8: one that lies behind that number is handed on at once', () => {
    const order = createPushOrder();
    play(order, [0, numbered(39)]);
    expect(order.begin(41, 0)).toEqual([numbered(39)]);
  });
});

describe('a hole', () => {
  test('wire §5: is given up 2 s after the first push began to wait', () => {
    const order = connected();
    expect(order.dueAt()).toBeUndefined();
    play(order, [100, numbered(5)], [200, numbered(3)]);
    expect(order.dueAt()).toBe(2_100);
  });

  test('wire §5: what waits behind a second hole keeps its own time', () => {
    const order = connected();
    play(order, [100, numbered(2)], [200, numbered(4)], [300, numbered(1)]);
    expect(order.dueAt()).toBe(2_200);
  });

  test('wire §5: given up, everything that waits is handed on by number, and it goes on after the last', () => {
    const order = connected();
    play(order, [0, numbered(7, 2)], [0, numbered(3)]);
    expect(order.giveUpHole()).toEqual([numbered(3), numbered(7, 2)]);
    expect(order.dueAt()).toBeUndefined();
    expect(play(order, [0, numbered(10)], [0, numbered(9)], [0, numbered(1)])).toEqual([
      [],
      [numbered(9), numbered(10)],
      [numbered(1)],
    ]);
  });

  test('a peer cannot make more than 1,024 pushes or 16 MiB wait', () => {
    const full = connected();
    play(full, ...Array.from({ length: 1_024 }, (_, index) => [0, numbered(index + 2)] as const));
    expect(() => play(full, [0, numbered(5_000)])).toThrow('more than can wait');
    expect(play(full, [0, numbered(1)])[0]).toHaveLength(1_025);

    const megabyte: Push = { first: 2, packets: [new Uint8Array(1_048_576)] };
    const heavy = connected();
    play(heavy, ...Array.from({ length: 16 }, () => [0, megabyte] as const));
    expect(() => play(heavy, [0, numbered(3)])).toThrow('more than can wait');
  });
});

/** A session's pushes as the broker numbers them, in the order in which the gateway happens to deliver them. */
const anySession = fc
  .tuple(fc.integer({ min: 1, max: 1_000 }), fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 12 }))
  .chain(([first, counts]) => {
    let next = first;
    const pushes = counts.map((count) => {
      next += count;
      return numbered(next - count, count);
    });
    const frames = [connackPush(first), ...pushes];
    return fc.record({
      pushes: fc.constant(pushes),
      arrivals: fc.shuffledSubarray(frames, { minLength: frames.length }),
      lost: fc.subarray(pushes),
    });
  });

test('wire §5: in whatever order pushes come, they are handed on in sequence behind the CONNACK', () => {
  fc.assert(
    fc.property(anySession, ({ pushes, arrivals }) => {
      const order = createPushOrder();
      const handedOn = play(order, ...arrivals.map((push) => [0, push] as const)).flat();
      expect(handedOn.slice(1)).toEqual(pushes);
      expect(handedOn[0]?.packets).toEqual([connack]);
      expect(order.dueAt()).toBeUndefined();
    }),
  );
});

test('wire §5: where pushes are lost, the others are still handed on once each and in sequence', () => {
  fc.assert(
    fc.property(anySession, ({ pushes, arrivals, lost }) => {
      const order = createPushOrder();
      const come = arrivals.filter((push) => !lost.includes(push));
      const all = [...play(order, ...come.map((push) => [0, push] as const)).flat(), ...order.giveUpHole()];
      expect(all.slice(1)).toEqual(pushes.filter((push) => !lost.includes(push)));
    }),
  );
});
