/** The broker and the client end together: what the wire makes of frames and posts that keep no order (wire §3 to §5). */
import fc from 'fast-check';
import { generate } from 'mqtt-packet';
import { createExchange } from '../../client/exchange.ts';
import { handleFrame } from '../../src/broker/handle-frame.ts';
import { createVirtualClock, settle } from '../client/virtual-clock.ts';
import {
  connectPacket,
  createWorld,
  type Packet,
  parsePackets,
  puback,
  publishPacket,
  subscribePacket,
  type World,
} from './world.ts';

/** A client end on a socket of the world. `listen` hands it the pushes that have come, in an order of the caller's. */
const createClientEnd = (world: World) => {
  const { connectionId, frames } = world.open();
  const bytes: Uint8Array[] = [];
  let heard = 0;
  const exchange = createExchange({
    clock: createVirtualClock(),
    sendFrame: (body) => {
      const deadline = world.context.clock.now() + 25_000;
      handleFrame(world.context, { connectionId, body, deadline }).then(exchange.receive, exchange.receive);
    },
    handOn: (each) => bytes.push(each),
    accepted: () => {},
    over: (error) => {
      throw error ?? new Error('the connection is over');
    },
  });
  exchange.start();
  return {
    write: (...packets: readonly Packet[]) => {
      for (const packet of packets) exchange.write(generate(packet));
    },
    writeBytes: (chunk: Uint8Array) => exchange.write(chunk),
    listen: (inOrder: (count: number) => readonly number[]) => {
      const fresh = frames().slice(heard);
      heard += fresh.length;
      for (const index of inOrder(fresh.length)) exchange.receive(fresh[index]);
    },
    received: () => parsePackets(Buffer.concat(bytes).toString('base64')),
    stop: () => exchange.stop(),
  };
};

const inTurn = (count: number) => Array.from({ length: count }, (_, index) => index);
/** Another order for each seed, the same for the same. */
const shuffled = (seed: number) => (count: number) =>
  inTurn(count)
    .map((index) => [Math.imul(index + 1, seed | 1) >>> 8, index] as const)
    .sort(([a], [b]) => a - b)
    .map(([, index]) => index);

const cut = (stream: Uint8Array, lengths: readonly number[]) => {
  const chunks: Uint8Array[] = [];
  for (let start = 0, turn = 0; start < stream.length; turn++) {
    const end = start + (lengths[turn % lengths.length] ?? stream.length);
    chunks.push(stream.subarray(start, end));
    start = end;
  }
  return chunks;
};

it('[MQTT-7.1.1-1] the bytes of both directions arrive in order and whole, however they are cut and posts overtake each other', async () => {
  const sizes = fc.array(fc.oneof({ weight: 5, arbitrary: fc.nat(2_000) }, { weight: 1, arbitrary: fc.nat(100_000) }), {
    minLength: 1,
    maxLength: 40,
  });
  const lengths = fc.array(fc.integer({ min: 1, max: 40_000 }), { minLength: 1, maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(sizes, lengths, fc.integer(), async (payloadSizes, chunkLengths, seed) => {
      const world = createWorld({ maxInFlight: 1_000 });
      const [subscriber, publisher] = [createClientEnd(world), createClientEnd(world)];
      subscriber.write(connectPacket('subscriber'), subscribePacket({ a: 1 }));
      publisher.write(connectPacket('publisher'));
      for (let turns = 0; turns < 4; turns++) await settle();

      const messages = payloadSizes.map((size, index) => {
        return publishPacket('a', `${index} ${String.fromCharCode(97 + (index % 26)).repeat(size)}`, 1, index + 1);
      });
      const stream = Buffer.concat(messages.map((packet) => generate(packet)));
      for (const chunk of cut(stream, chunkLengths)) {
        publisher.writeBytes(chunk);
        if (chunk.length % 3 === 0) await settle();
        subscriber.listen(shuffled(seed));
      }
      for (let turns = 0; turns < 100; turns++) {
        await settle();
        if (turns % 3 === 0) subscriber.listen(shuffled(seed + turns));
      }
      subscriber.listen(inTurn);

      const [connack, suback, ...received] = subscriber.received();
      expect([connack?.cmd, suback?.cmd]).toEqual(['connack', 'suback']);
      expect(
        received.map(({ payload }) => String(payload)).join() === messages.map(({ payload }) => payload).join(),
      ).toBe(true);
      const [, ...acknowledged] = publisher.received();
      expect(acknowledged.map(({ cmd, messageId }) => `${cmd} ${messageId}`)).toEqual(
        messages.map((_, index) => `puback ${index + 1}`),
      );
      subscriber.write(...received.map(({ messageId }) => puback(messageId)));
      for (let turns = 0; turns < 4; turns++) await settle();
      expect(world.stores.inFlight.all()).toEqual([]);
      for (const end of [subscriber, publisher]) end.stop();
    }),
    { numRuns: 40 },
  );
});
