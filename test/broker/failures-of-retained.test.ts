/**
 * A Lambda fails at each of its calls in turn while something is retained, or sent because it is. What was acknowledged is
 * retained; what was not is sent again by its publisher. Who subscribes, again where it has to, gets everything.
 */
import { createFaultyWorld, failures } from './faults.ts';
import { type Packet, payloads, publishPacket, subscribePacket } from './world.ts';

const retained = (topic: string, payload: string, messageId: number): Packet => ({
  ...publishPacket(topic, payload, 1, messageId),
  retain: true,
});
const NO_REPLY = 35;
const MOST_CALLS = 40;

describe.each(failures)('%s', (failure) => {
  it('while messages are retained and removed: in the end the last of each topic is', async () => {
    let struck = true;
    for (let call = 1; struck; call++) {
      expect(call).toBeLessThan(MOST_CALLS);
      const world = createFaultyWorld();
      const live = await world.connect('live', { clean: false });
      await live.send(subscribePacket({ '#': 1 }));
      const publisher = await world.connect('publisher');
      await publisher.send(retained('gone', 'before', 1));
      const packets = [retained('kept', 'old', 1), retained('kept', 'new', 2), retained('gone', '', 3)];
      const outcome = await world.during(call, failure, () => publisher.send(...packets));
      struck = outcome.struck;
      if (outcome.result?.packets.length !== packets.length) {
        await world.pass(outcome.died ? NO_REPLY : 1);
        const again = await world.connect('publisher');
        expect((await again.send(...packets)).packets).toHaveLength(packets.length);
      }
      const late = await world.connect('late');
      await late.send(subscribePacket({ '+': 1 }));
      expect(late.pushes()).toMatchObject([{ topic: 'kept', retain: true, payload: Buffer.from('new') }]);
      await world.pass(90);
      expect(payloads(live.pushes())).toEqual(expect.arrayContaining(['before', 'old', 'new', '']));
    }
  });

  it('while a SUBSCRIBE is answered: who subscribes again gets everything', async () => {
    let struck = true;
    for (let call = 1; struck; call++) {
      expect(call).toBeLessThan(MOST_CALLS);
      const world = createFaultyWorld();
      const publisher = await world.connect('publisher');
      await publisher.send(retained('a/1', '1', 1), retained('a/2', '2', 2), retained('b', '3', 3));
      const subscriber = await world.connect('subscriber', { clean: false });
      const packet = subscribePacket({ 'a/+': 1, '#': 1 });
      const outcome = await world.during(call, failure, () => subscriber.send(packet));
      struck = outcome.struck;
      let seen = payloads(subscriber.pushes());
      if (outcome.result?.packets.length !== 1) {
        await world.pass(outcome.died ? NO_REPLY : 1);
        const again = await world.connect('subscriber', { clean: false });
        await world.pass(1);
        expect((await again.send(packet)).packets).toMatchObject([{ cmd: 'suback', granted: [1, 1] }]);
        await world.pass(5);
        seen = payloads(again.pushes());
      }
      expect(new Set(seen)).toEqual(new Set(['1', '2', '3']));
    }
  });

  it('while a job sends what a SUBSCRIBE has left over: all of it arrives in the end', async () => {
    let struck = true;
    const all = Array.from({ length: 300 }, (_, index) => `${index}`);
    for (let call = 1; struck && call < MOST_CALLS; call++) {
      const slow = { is: false };
      const world = createFaultyWorld({ maxInFlight: 1_000 }, ({ retained, clock }) => ({
        retained: {
          ...retained,
          under: async (...args) => {
            if (slow.is) await clock.pause(2_000);
            return retained.under(...args);
          },
        },
      }));
      const publisher = await world.connect('publisher');
      for (let index = 0; index < all.length; index += 100) {
        await publisher.send(...all.slice(index, index + 100).map((text, at) => retained(`t/${text}`, text, at + 1)));
      }
      const subscriber = await world.connect('subscriber', { clean: true });
      slow.is = true;
      await subscriber.send(subscribePacket({ 't/+': 1 }));
      expect(world.jobs.map(({ body }) => body.job)).toContain('retained');
      slow.is = false;
      struck = await world.failingJob(call, failure);
      await world.pass(120);
      expect(new Set(payloads(subscriber.pushes()))).toEqual(new Set(all));
    }
  });
});

it('a will that is retained, whose job fails at each of its calls: in the end it is retained, and gone', async () => {
  for (const failure of failures) {
    let struck = true;
    for (let call = 1; struck; call++) {
      expect(call).toBeLessThan(MOST_CALLS);
      const world = createFaultyWorld();
      const will = { topic: 'gone', payload: Buffer.from('will'), qos: 1 as const, retain: true };
      const client = await world.connect('client', { will });
      await client.drop();
      world.advance(2_000);
      struck = await world.failingJob(call, failure);
      await world.pass(120);
      const late = await world.connect('late');
      await late.send(subscribePacket({ gone: 1 }));
      expect(late.pushes()).toMatchObject([{ topic: 'gone', retain: true }]);
      expect(world.stores.wills.all()).toEqual([]);
    }
  }
});
