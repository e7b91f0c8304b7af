/**
 * What a subscriber answers to the messages it was sent: PUBACK [MQTT-4.3.2-1], and PUBREC and PUBCOMP [MQTT-4.3.3-1].
 *
 * Rules of this file: an answer counts for what was sent on its own connection. One to what was sent on an older connection
 * changes nothing: the message, or its PUBREL, is sent again on this one, and answered then.
 */
import type { Puback, Pubcomp, Pubrec } from '../mqtt/packets.ts';
import type { SessionEpoch } from '../session/session.ts';
import { credit } from '../session/transitions.ts';
import type { Context } from './context.ts';
import { inParallel, WIDTH } from './in-parallel.ts';

/** The messages are no longer in flight, and leave room in the window. */
export async function acknowledge(
  context: Context,
  session: SessionEpoch,
  packets: readonly (Puback | Pubcomp)[],
): Promise<void> {
  const removed = await inParallel(packets, WIDTH, ({ packetId }) =>
    // else the packet id's next owner is lost, or the window gets wider than it is
    context.inFlight.remove(session, packetId, [['=', 'epoch', session.epoch]]),
  );
  const count = removed.filter((gone) => gone).length;
  if (count > 0) await context.sessions.change(session.clientId, credit(session.epoch, count));
}

/** PUBREC: the messages have arrived. Returns the packet ids to answer with PUBREL, in order [MQTT-4.6.0-4]. */
export async function arrived(
  context: Context,
  session: SessionEpoch,
  packets: readonly Pubrec[],
): Promise<readonly number[]> {
  const outcomes = await inParallel(packets, WIDTH, ({ packetId }) =>
    context.inFlight.change(session, packetId, {
      name: 'arrived',
      if: [['=', 'epoch', session.epoch]], // else PUBREL and the message, which is sent again, cross, and it counts as a new one
      set: { released: true, payload: new Uint8Array(), sentAt: context.clock.now() },
    }),
  );
  // Of what is not in flight any more the client is to forget the packet id, too.
  return packets.flatMap(({ packetId }, index) => {
    const outcome = outcomes[index];
    return outcome?.done || outcome?.record === undefined ? [packetId] : [];
  });
}
