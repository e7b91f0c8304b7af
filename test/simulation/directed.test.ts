/**
 * Mutants that no seed catches in reasonable time, because 65,535 packet ids must go round while Lambdas hang: played by hand.
 */
import type { Ports } from '../../src/broker/ports.ts';
import type { Change, Condition } from '../../src/session/change.ts';
import type { ClientId, MessageId } from '../../src/session/ids.ts';
import type { InFlight, Session } from '../../src/session/session.ts';
import { createStallingWorld } from '../broker/stalls.ts';
import { payloads, puback, publishPacket, subscribePacket } from '../broker/world.ts';
import { directed } from './mutants.ts';

const withoutId = <T extends object>(conditions: readonly Condition<T>[]): readonly Condition<T>[] =>
  conditions.filter((each) => each[1] !== 'id');

/** As if 65,534 messages had passed since the first: the packet id of the one after the next is 1 again. */
const LONG_LIFE = 65_534;

describe('a publisher that takes its message back from a packet id that has a new owner', () => {
  /** A publisher hangs, and takes back what has a new owner by then. Returns what the subscriber gets on its next connection. */
  const play = async (isSpoilt: boolean): Promise<readonly string[]> => {
    const { world, meanwhile } = createStallingWorld((ports: Ports, pause) => ({
      gateway: {
        ...ports.gateway,
        post: async (connectionId, frame) => {
          const posted = await ports.gateway.post(connectionId, frame);
          await pause();
          return posted;
        },
      },
      sessions: {
        ...ports.sessions,
        // the second look, which may come later than the post
        read: async (clientId) => {
          await pause();
          return ports.sessions.read(clientId);
        },
      },
      inFlight: {
        ...ports.inFlight,
        remove: (session, packetId, conditions) =>
          ports.inFlight.remove(session, packetId, isSpoilt ? withoutId(conditions) : conditions),
      },
    }));
    const subscriber = await world.connect('s', { clean: false });
    await subscriber.send(subscribePacket({ '#': 1 }));
    const publisher = await world.connect('p');
    const other = await world.connect('q');
    const next = { connection: subscriber };

    meanwhile(async () => {
      expect(payloads(subscriber.pushes())).toEqual(['a']);
      await subscriber.send(puback(1));
      await world.context.sessions.change('s' as ClientId, { if: [], set: { sequence: LONG_LIFE + 1 } });
      await other.send(publishPacket('t', 'b'));
      await subscriber.drop();
      next.connection = await world.connect('s', { clean: false });
    });
    await publisher.send(publishPacket('t', 'a'));

    await world.drain(5_000);
    return payloads(next.connection.pushes());
  };

  it('leaves the new owner alone', async () => {
    expect(await play(false)).toContain('b');
  });

  it(`is caught: ${directed.takeBack}`, async () => {
    expect(await play(true)).not.toContain('b');
  });
});

describe('a tick that sends again what has just been acknowledged, and its packet id has a new owner', () => {
  /**
   * A tick has found `a` and `b` in flight and hangs. Then a late PUBACK of the older connection removes `a`, and the publisher
   * of `b` goes on with the rest of its frame: `c`. Returns what the subscriber gets on its next connection.
   */
  const play = async (isSpoilt: boolean): Promise<readonly string[]> => {
    const { world, meanwhile } = createStallingWorld((ports: Ports, pause) => ({
      inFlight: {
        ...ports.inFlight,
        change: async (session, packetId, change) => {
          await pause();
          return ports.inFlight.change(
            session,
            packetId,
            isSpoilt ? ({ ...change, if: withoutId(change.if) } satisfies Change<InFlight>) : change,
          );
        },
      },
    }));
    const subscriber = await world.connect('s', { clean: false });
    await subscriber.send(subscribePacket({ '#': 1 }));
    const publisher = await world.connect('p');
    await publisher.send(publishPacket('t', 'a'));
    const session = (await world.session('s')) as Session;
    const address = { clientId: 's' as ClientId, generation: session.generation };
    const put = (payload: string, sequence: number, packetId: number) =>
      world.stores.inFlight.put(address, {
        id: payload as MessageId,
        topic: 't',
        payload: Buffer.from(payload),
        sequence,
        packetId,
        epoch: session.epoch,
        tick: 0,
        sentAt: world.context.clock.now(),
      });
    await put('b', LONG_LIFE + 1, 65_535);
    await world.context.sessions.change(address.clientId, { if: [], set: { sequence: LONG_LIFE + 2 } });
    await subscriber.drop();
    const next = await world.connect('s', { clean: false });
    meanwhile(async () => {
      await world.stores.inFlight.remove(address, 1, []);
      await put('c', LONG_LIFE + 2, 1);
    });

    await world.drain(5_000);
    return payloads(next.pushes());
  };

  it('sends nothing of the new owner before what its publisher has sent earlier', async () => {
    expect(await play(false)).toEqual(['b']);
  });

  it(`is caught: ${directed.stamp}`, async () => {
    expect(await play(true)).toEqual(['c', 'b']);
  });
});
