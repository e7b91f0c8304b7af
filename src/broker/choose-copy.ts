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
import type { Change } from '../session/change.ts';
import { type ChosenCopy, type InFlight, NEXT_TICK, type SessionAddress } from '../session/session.ts';
import type { Context } from './context.ts';

export interface Choice {
  /** To be posted. */
  readonly chosen: readonly InFlight[];
  /** Not decided: somebody else has overtaken whoever put these in flight, and sent an earlier message under a later number. */
  readonly left: readonly InFlight[];
}

/**
 * Decides about `records`, which are in flight, in order. Copies that are not chosen are removed. There is no choice with QoS 1, nor
 * any more where the PUBREC has come.
 */
export async function chooseCopies(
  context: Context,
  to: SessionAddress,
  records: readonly InFlight[],
): Promise<Choice> {
  const chosen: InFlight[] = [];
  const left: InFlight[] = [];
  let overtakenBy = 0;
  for (const record of records) {
    const { id, packetId, sequence } = record;
    if (record.qos < 2 || record.released) chosen.push(record);
    else {
      const isOvertaken = sequence < overtakenBy;
      const outcome = await context.copies.change(to, id, isOvertaken ? confirm(sequence) : choose(sequence));
      if (outcome.done) chosen.push(record);
      else if (isOvertaken && !outcome.record) left.push(record);
      else {
        overtakenBy = Math.max(overtakenBy, outcome.record?.sequence ?? 0);
        await context.inFlight.remove(to, packetId, [['=', 'id', id]]);
      }
    }
  }
  return { chosen, left };
}

const choose = (sequence: number): Change<ChosenCopy> => ({
  name: 'choose',
  if: [['any', [['absent'], ['=', 'sequence', sequence]]]], // else the session gets the message twice
  set: { sequence },
});

const confirm = (sequence: number): Change<ChosenCopy> => ({
  name: 'confirm',
  if: [['=', 'sequence', sequence]], // else it comes before a message that was sent before it
});

/** What is surely not posted on this epoch is left to the next tick that looks: a chosen copy cannot be taken back. */
export async function leaveToTick(context: Context, to: SessionAddress, records: readonly InFlight[]): Promise<void> {
  for (const { packetId, epoch } of records) {
    await context.inFlight.change(to, packetId, {
      name: 'leave',
      if: [['=', 'epoch', epoch]], // else the tick of a newer epoch, which has sent it, sends it again
      set: { tick: NEXT_TICK },
    });
  }
}
