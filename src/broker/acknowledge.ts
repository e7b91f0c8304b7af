/**
 * PUBACK packets: the messages they acknowledge are no longer in flight [MQTT-4.3.2-1], and leave room in the window of the
 * connection that they were sent on. A PUBACK for what was sent on an older connection changes nothing: the message is sent again
 * on this one, and acknowledged then.
 */
import type { Puback } from '../mqtt/packets.ts';
import type { SessionEpoch } from '../session/session.ts';
import { credit } from '../session/transitions.ts';
import type { Context } from './context.ts';
import { inParallel, WIDTH } from './in-parallel.ts';

export async function acknowledge(context: Context, session: SessionEpoch, packets: readonly Puback[]): Promise<void> {
  const removed = await inParallel(packets, WIDTH, ({ packetId }) =>
    // else the packet id's next owner is lost, or the window gets wider than it is
    context.inFlight.remove(session, packetId, [['=', 'epoch', session.epoch]]),
  );
  const count = removed.filter((gone) => gone).length;
  if (count > 0) await context.sessions.change(session.clientId, credit(session.epoch, count));
}
