/** A subscriber of `a`, whose session is persistent, and a publisher whose messages are all acknowledged. */
import { publishPacket, type Received, subscribePacket, type World } from './world.ts';

export const createPair = async (world: World) => {
  const client = await world.connect('client', { clean: false });
  await client.send(subscribePacket({ a: 1 }));
  const publisher = await world.connect('publisher');
  let id = 0;
  return {
    client,
    publisher,
    publish: async (...texts: readonly string[]) => {
      const { packets } = await publisher.send(...texts.map((text) => publishPacket('a', text, 1, ++id)));
      expect(packets.map(({ cmd }) => cmd)).toEqual(texts.map(() => 'puback'));
    },
    windowLeft: async () => (await world.session('client'))?.windowLeft,
  };
};

export const idsOf = (packets: readonly Received[]) => packets.map(({ messageId }) => messageId as number);
