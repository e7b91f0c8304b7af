import fc from 'fast-check';
import type { Generation, MessageId } from '../../src/session/ids.ts';
import { onePush } from '../../src/session/one-push.ts';
import { type Found, planRedelivery } from '../../src/session/plan-redelivery.ts';
import { type InFlight, type Message, NEXT_TICK } from '../../src/session/session.ts';

type Waiting = Message & { readonly liveEpoch: number };

const tick = { generation: 'g' as Generation, epoch: 5, number: 3 };
const message = (id: number, bytes = 1): Message => ({
  id: `m${id}` as MessageId,
  topic: 't',
  payload: new Uint8Array(bytes),
  qos: 1,
  retain: false,
});
/** Sent a moment ago. */
const flying = (id: number, epoch: number, tickNumber = 0, bytes = 1): InFlight => ({
  ...message(id, bytes),
  packetId: id,
  sequence: id,
  epoch,
  tick: tickNumber,
  sentAt: 1_000,
  released: false,
});
const late = (record: InFlight): InFlight => ({ ...record, sentAt: 999 });
const waiting = (id: number, liveEpoch = 0, bytes = 1): Waiting => ({ ...message(id, bytes), liveEpoch });
const planOf = (found: Partial<Found<Waiting>>) =>
  planRedelivery<Waiting>({
    tick,
    tookOver: false,
    inFlight: [],
    received: [],
    posted: new Set(),
    budget: 10,
    windowLeft: 100,
    sentBefore: 1_000,
    ...found,
  });
const plan = (found: Partial<Found<Waiting>>) => {
  const result = planOf(found);
  if (result === 'unsafe') throw new Error('unsafe');
  if (result === 'newer epoch') return result;
  const ids = (messages: readonly Message[]) => messages.map(({ id }) => Number(id.slice(1)));
  const { used, leftOver, ownLeftOver } = result;
  return {
    resend: ids(result.resend),
    fresh: ids(result.fresh),
    inFlightAlready: ids(result.inFlightAlready),
    giveBack: ids(result.giveBack),
    used,
    leftOver,
    ownLeftOver,
  };
};
const nothing = {
  resend: [],
  fresh: [],
  inFlightAlready: [],
  giveBack: [],
  used: 0,
  leftOver: false,
  ownLeftOver: false,
};
const LARGE = 64 * 1_024;

describe('a round of redelivery', () => {
  it.each<readonly [string, Partial<Found<Waiting>>, unknown]>([
    ['does nothing where there is nothing', {}, nothing],
    ['stops where a newer epoch is at work', { inFlight: [flying(1, 6)], received: [waiting(2)] }, 'newer epoch'],
    [
      'sends again what is in flight from older epochs, and then what waits',
      { inFlight: [flying(1, 4), flying(2, 4)], received: [waiting(3)] },
      { ...nothing, resend: [1, 2], fresh: [3], used: 3 },
    ],
    [
      'leaves alone what a publisher, or another tick, has sent on this epoch',
      { inFlight: [flying(1, 5, 0), flying(2, 5, 2)] },
      nothing,
    ],
    [
      'sends again what a worker that died has put in flight under this number',
      { inFlight: [flying(1, 5, 3)], received: [waiting(1), waiting(2)] },
      { ...nothing, resend: [1], inFlightAlready: [1], fresh: [2], used: 1 },
    ],
    ['does not send twice what it has posted itself', { inFlight: [flying(1, 5, 3)], posted: new Set([1]) }, nothing],
    [
      'gives back what the rate does not allow, from its first on',
      { received: [waiting(1), waiting(2), waiting(3)], budget: 2 },
      { ...nothing, fresh: [1, 2], giveBack: [3], used: 2 },
    ],
    [
      'sends no new message before all that was in flight',
      { inFlight: [flying(1, 4), flying(2, 4)], received: [waiting(3)], budget: 1 },
      { ...nothing, resend: [1], giveBack: [3], used: 1, leftOver: true },
    ],
    [
      'does not throttle what arrived while the client was connected',
      { received: [waiting(1), waiting(2, 5), waiting(3, 5)], budget: 1 },
      { ...nothing, fresh: [1, 2, 3], used: 3 },
    ],
    [
      'throttles what arrived on an earlier connection',
      { received: [waiting(1), waiting(2, 4)], budget: 1 },
      { ...nothing, fresh: [1], giveBack: [2], used: 1 },
    ],
    [
      'keeps to the window',
      { inFlight: [flying(1, 5), flying(2, 5)], received: [waiting(3), waiting(4, 5)], windowLeft: 1 },
      { ...nothing, fresh: [3], giveBack: [4], used: 1 },
    ],
    [
      'counts what is in flight from older epochs against the window, too',
      { inFlight: [flying(1, 4), flying(2, 4), flying(3, 5)], received: [waiting(4)], windowLeft: 1 },
      { ...nothing, resend: [1], giveBack: [4], used: 1, leftOver: true },
    ],
    [
      'leaves what is new the room that is left behind that',
      { inFlight: [flying(1, 4)], received: [waiting(2), waiting(3)], windowLeft: 2 },
      { ...nothing, resend: [1], fresh: [2], giveBack: [3], used: 2 },
    ],
    [
      'sends again what nobody has acknowledged for long: whatever sent it, before what is of older epochs',
      { inFlight: [flying(1, 4), late(flying(2, 5, 0)), late(flying(3, 5, 2)), flying(4, 5, 2)] },
      { ...nothing, resend: [2, 3, 1], used: 1 },
    ],
    [
      'needs no room for what was sent on this connection before',
      { inFlight: [late(flying(1, 5)), flying(2, 5, 3)], received: [waiting(3)], windowLeft: 0 },
      { ...nothing, resend: [2, 1], giveBack: [3] },
    ],
    [
      'weighs what is late against the rate',
      { inFlight: [late(flying(1, 5)), late(flying(2, 5))], received: [waiting(3)], budget: 1 },
      { ...nothing, resend: [1], giveBack: [3], leftOver: true },
    ],
    [
      'does not take for late what it has posted itself a moment ago',
      { inFlight: [flying(1, 5, 3)], posted: new Set([1]), received: [waiting(2)] },
      { ...nothing, fresh: [2], used: 1 },
    ],
    [
      'sends all of its own again, whatever the rate: it was weighed before',
      { inFlight: [flying(1, 5, 3), flying(2, 5, 3), flying(3, 5, 3)], budget: 1 },
      { ...nothing, resend: [1, 2, 3] },
    ],
    [
      'says when a push is too small for all of its own',
      { inFlight: [flying(1, 5, 3, LARGE), flying(2, 5, 3, LARGE)] },
      { ...nothing, resend: [1], leftOver: true, ownLeftOver: true },
    ],
  ])('%s', (_, found, expected) => {
    expect(plan(found)).toEqual(expected);
  });

  it('sends, gives back or deletes every received message, in order, and stays within rate and window', () => {
    const anyFound = fc.record({
      flying: fc.array(fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 0, max: 4 })), { maxLength: 8 }),
      received: fc.array(fc.constantFrom(0, 4, 5), { maxLength: 10 }),
      budget: fc.integer({ min: 0, max: 10 }),
      windowLeft: fc.integer({ min: 0, max: 12 }),
      sentBefore: fc.constantFrom(1_000, 1_001),
    });
    fc.assert(
      fc.property(anyFound, ({ flying: records, received, budget, windowLeft, sentBefore }) => {
        const inFlight = records.map(([epoch, number], index) => flying(index + 1, epoch, number));
        const queue = received.map((liveEpoch, index) => waiting(100 + index, liveEpoch));
        const result = plan({ inFlight, received: queue, budget, windowLeft, sentBefore });
        if (result === 'newer epoch') throw new Error('there is none');
        expect([...result.fresh, ...result.giveBack]).toEqual(queue.map(({ id }) => Number(id.slice(1))));
        const fromOlder = result.resend.filter((id) => inFlight[id - 1]?.epoch !== 5);
        expect(result.used).toBe(fromOlder.length + result.fresh.length);
        expect(result.used).toBeLessThanOrEqual(windowLeft);
        const stored = result.fresh.filter((id) => queue[id - 100]?.liveEpoch !== 5).length;
        if (stored > 0) expect(result.resend.length + stored).toBeLessThanOrEqual(budget);
        if (result.leftOver) expect(result.fresh).toEqual([]);
      }),
    );
  });
});

describe('QoS 2', () => {
  const once = (record: InFlight, changes: Partial<InFlight> = {}): InFlight => ({ ...record, qos: 2, ...changes });

  it.each<[string, Partial<Found<Waiting>>, resend: readonly number[] | 'unsafe']>([
    ['of an older epoch is sent again', { inFlight: [once(flying(1, 4, 3))] }, [1]],
    ['that no tick has sent yet is sent', { inFlight: [once(flying(1, 5, NEXT_TICK))] }, [1]],
    ['that this worker has sent is not', { inFlight: [once(flying(1, 5, 3))], posted: new Set([1]) }, []],
    ['of this tick was sent by the worker before', { inFlight: [once(flying(1, 5, 3))] }, []],
    [
      'of this tick may have been sent by a dead worker',
      { inFlight: [once(flying(1, 5, 3))], tookOver: true },
      'unsafe',
    ],
    ['of another tick does not care about that', { inFlight: [once(flying(1, 5, 2))], tookOver: true }, []],
    ['of this epoch for too long', { inFlight: [once(late(flying(1, 5, 2)))] }, 'unsafe'],
    ['that was posted directly, for too long', { inFlight: [once(late(flying(1, 5)))] }, 'unsafe'],
    ['that has arrived is released again', { inFlight: [once(late(flying(1, 5, 2)), { released: true })] }, [1]],
    ['that has arrived on an older epoch, too', { inFlight: [once(flying(1, 4, 2), { released: true })] }, [1]],
    ['that has arrived just now is not', { inFlight: [once(flying(1, 5, 3), { released: true })], tookOver: true }, []],
  ])('%s', (_name, found, resend) => {
    const result = planOf(found);
    expect(typeof result === 'string' ? result : result.resend.map(({ packetId }) => packetId)).toEqual(resend);
  });
});

describe('one push', () => {
  it('holds at least one message, however large, and otherwise no more than fit', () => {
    expect(onePush([message(1, 131_072), message(2)], 10)).toHaveLength(1);
    expect(onePush([message(1, LARGE), message(2, LARGE)], 10)).toHaveLength(1);
    expect(onePush([message(1), message(2), message(3)], 2)).toHaveLength(2);
    expect(onePush([], 2)).toEqual([]);
    expect(onePush([message(1)], 0)).toEqual([]);
  });
});
