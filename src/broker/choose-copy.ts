/**
 * QoS 2 to a subscriber [MQTT-4.3.3-1]: of all copies of a message that come about (its publisher has sent it again, a dead tick's
 * batch has come back), the session is sent one, under one packet id.
 *
 * Rules of this file:
 * - A copy is put in flight first, chosen second, posted last. So a choice proves that the message is in flight, or was until
 *   its PUBCOMP, and whoever finds another copy chosen has nothing more to do.
 * - A choice is never taken back: what was chosen stays in flight until its PUBCOMP. It is remembered for longer than anything
 *   can bring another copy.
 */
import { type InFlight, NEXT_TICK, type SessionAddress } from '../session/session.ts';
import type { Context } from './context.ts';

/**
 * Those of `records`, which are in flight, that are to be posted. The others are removed. There is no choice with QoS 1, nor any
 * more where the PUBREC has come.
 */
export async function chooseCopies(
  context: Context,
  to: SessionAddress,
  records: readonly InFlight[],
): Promise<readonly InFlight[]> {
  const chosen: InFlight[] = [];
  for (const record of records) {
    if (record.qos < 2 || record.released || (await isChosen(context, to, record))) chosen.push(record);
    else await context.inFlight.remove(to, record.packetId, [['=', 'id', record.id]]);
  }
  return chosen;
}

const isChosen = async (context: Context, to: SessionAddress, { id, sequence }: InFlight): Promise<boolean> => {
  const outcome = await context.copies.change(to, id, {
    name: 'choose',
    if: [['any', [['absent'], ['=', 'sequence', sequence]]]], // else the session gets the message twice
    set: { sequence },
  });
  return outcome.done;
};

/** What is surely not posted on this epoch is left to the next tick that looks: a chosen copy cannot be taken back. */
export async function leaveToTick(context: Context, to: SessionAddress, records: readonly InFlight[]): Promise<void> {
  for (const { packetId, id, epoch } of records) {
    await context.inFlight.change(to, packetId, {
      name: 'leave',
      if: [
        ['=', 'id', id],
        ['=', 'epoch', epoch], // else the tick of a newer epoch, which sends it, sends it twice
      ],
      set: { tick: NEXT_TICK },
    });
  }
}
