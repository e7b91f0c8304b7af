/** PUBACK packets: the messages they acknowledge are no longer in flight [MQTT-4.3.2-1]. */
import type { Puback } from '../mqtt/packets.ts';
import type { SessionEpoch } from '../session/session.ts';
import type { Context } from './context.ts';
import { inParallel, WIDTH } from './in-parallel.ts';

export async function acknowledge(context: Context, session: SessionEpoch, packets: readonly Puback[]): Promise<void> {
  await inParallel(packets, WIDTH, ({ packetId }) =>
    context.inFlight.remove(session, packetId, [
      // A PUBACK of an older epoch must not remove a message that was sent again, or the packet id's next owner.
      ['<=', 'epoch', session.epoch],
    ]),
  );
}
