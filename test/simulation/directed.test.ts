/**
 * A mutant that no seed catches in reasonable time, because 65,535 packet ids must go round while one Lambda hangs: played by
 * hand.
 */
import type { Ports } from '../../src/broker/ports.ts';
import type { ClientId } from '../../src/session/ids.ts';
import { createStallingWorld } from '../broker/stalls.ts';
import { payloads, puback, publishPacket, subscribePacket } from '../broker/world.ts';
import { directed } from './mutants.ts';

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
        ports.inFlight.remove(session, packetId, isSpoilt ? conditions.filter((each) => each[1] !== 'id') : conditions),
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
    // as if 65,535 messages had passed: the next packet id is 1 again
    await world.context.sessions.change('s' as ClientId, { if: [], set: { sequence: 65_535 } });
    await other.send(publishPacket('t', 'b'));
    await subscriber.drop();
    next.connection = await world.connect('s', { clean: false });
  });
  await publisher.send(publishPacket('t', 'a'));

  await world.drain(5_000);
  return payloads(next.connection.pushes());
};

describe('a publisher that takes its message back from a packet id that has a new owner', () => {
  it('leaves the new owner alone', async () => {
    expect(await play(false)).toContain('b');
  });

  it(`is caught: ${directed}`, async () => {
    expect(await play(true)).not.toContain('b');
  });
});
