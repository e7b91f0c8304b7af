/** What stays in flight on a connection that stays: a tick of that connection sends it again. */
import { createPair, idsOf } from './pair.ts';
import { createWorld, payloads, puback, publishPacket } from './world.ts';

const RETRY_AFTER = 60_000;
const SECOND = 1_000;

describe('[MQTT-3.3.1-1] what is not acknowledged on a connection that stays', () => {
  /** Two messages in flight, which fill the window, and two that wait for room. */
  const unacknowledged = async () => {
    const world = createWorld({ maxInFlight: 2 });
    const pair = await createPair(world);
    await pair.publish('one', 'two', 'three', 'four');
    expect(idsOf(pair.client.pushes())).toEqual([1, 2]);
    return { world, ...pair };
  };
  const again = [
    { messageId: 1, dup: true, payload: Buffer.from('one') },
    { messageId: 2, dup: true, payload: Buffer.from('two') },
  ];

  it('is sent again after a minute, with DUP and its old packet id, and after another', async () => {
    const { world, client } = await unacknowledged();
    for (let times = 0; times < 2; times++) {
      await world.drain(RETRY_AFTER - 2 * SECOND, SECOND);
      expect(client.pushes()).toEqual([]);
      await world.drain(3 * SECOND, SECOND);
      expect(client.pushes()).toMatchObject(again);
    }
    expect(client.isOpen()).toBe(true);
    expect(world.logged('window-leaked')).toEqual([]);
  });

  it('takes no more room by that, and gives it back once', async () => {
    const { world, client, windowLeft } = await unacknowledged();
    await world.drain(RETRY_AFTER + SECOND, SECOND);
    expect(client.pushes()).toHaveLength(2);
    expect(await windowLeft()).toBe(0);
    await client.send(puback(1), puback(2), puback(1));
    expect(await windowLeft()).toBe(2);
    await world.drain(2 * SECOND);
    expect(payloads(client.pushes())).toEqual(['three', 'four']);
    expect(await windowLeft()).toBe(0);
  });

  it('comes again without what was sent a moment ago, and leaves no hole in the numbers of pushes', async () => {
    const { world, client } = await unacknowledged();
    await world.drain(RETRY_AFTER - 5 * SECOND, SECOND);
    await client.send(puback(1));
    await world.drain(10 * SECOND, SECOND);
    expect(client.pushes()).toMatchObject([{ payload: Buffer.from('three'), dup: false }, again[1] ?? {}]);
    expect(client.frames().map((frame) => frame.slice(0, frame.indexOf(':')))).toEqual(['>1', '>3', '>4']);
  });

  it('reaches the client so where its publisher failed before the post', async () => {
    let down = true;
    const world = createWorld({ maxInFlight: 1 }, ({ gateway }) => ({
      gateway: {
        ...gateway,
        post: async (...post) => {
          if (down) throw new Error('an outage');
          return gateway.post(...post);
        },
      },
    }));
    const { client, publisher } = await createPair(world);
    const [first, second] = [publishPacket('a', 'not posted'), publishPacket('a', 'behind it')];
    expect(await publisher.send(first)).toMatchObject({ packets: [], close: 'internal-error' });
    down = false;
    await (await world.connect('publisher')).send(second);
    await world.drain(RETRY_AFTER + SECOND, SECOND);
    expect(client.pushes()).toMatchObject([{ messageId: 1, dup: true, payload: Buffer.from('not posted') }]);
    await client.send(puback(1));
    await world.drain(2 * SECOND);
    expect(payloads(client.pushes())).toEqual(['behind it']);
  });
});
