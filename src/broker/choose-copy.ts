/**
 * Messages that are put in flight, and with QoS 2 [MQTT-4.3.3-1] the choice between copies: of all that come about of a message (its
 * publisher has sent it again, a dead tick's batch has come back), the session is sent one, under one packet id.
 *
 * Rules of this file:
 * - A copy is put in flight first, chosen second, posted last. So a choice proves that the message is in flight, or was until
 *   its PUBCOMP, and whoever finds another copy chosen has nothing more to do.
 * - A choice is never taken back: what was chosen stays in flight until its PUBCOMP. It is remembered for longer than anything
 *   can bring another copy.
 * - Nothing is put in flight before the message in front of it is chosen, by whomever, under a lower sequence number. So whatever a
 *   dead Lambda leaves behind is in order.
 */
import type { Change } from '../session/change.ts';
import { type ChosenCopy, type InFlight, NEXT_TICK, type SessionAddress } from '../session/session.ts';
import type { Context } from './context.ts';

export interface Put {
  /** In flight, and to be posted. */
  readonly put: readonly InFlight[];
  /** So many of the records are dealt with: those that are to be posted, and those of which another copy was chosen. */
  readonly done: number;
}

/**
 * Puts `records` in flight one after the other, up to the first whose packet id is taken. One by one, so that whoever dies here
 * leaves the oldest behind, and nothing newer overtakes what its publisher sends again.
 * @param mayChoose is asked before each choice; after a no nothing more is done
 */
export async function putInOrder(
  context: Context,
  to: SessionAddress,
  records: readonly InFlight[],
  mayChoose: () => Promise<boolean> = async () => true,
): Promise<Put> {
  const put: InFlight[] = [];
  for (const [index, record] of records.entries()) {
    if (!(await context.inFlight.put(to, record))) return { put, done: index };
    if (record.qos < 2) {
      put.push(record);
      continue;
    }
    if (!(await mayChoose())) {
      await takeBack(context, to, [record]);
      return { put, done: index };
    }
    const chosen = await choose(context, to, record);
    if (chosen === record.sequence) put.push(record);
    else await takeBack(context, to, [record]);
    // Another attempt is ahead: what follows needs later numbers than the copy that was chosen.
    if (chosen > record.sequence) return { put, done: index + 1 };
  }
  return { put, done: records.length };
}

/**
 * Those of `records`, which are in flight, that are to be sent again. The others are removed. There is no choice with QoS 1, nor any
 * more where the PUBREC has come.
 */
export async function chooseAgain(
  context: Context,
  to: SessionAddress,
  records: readonly InFlight[],
): Promise<readonly InFlight[]> {
  const chosen: InFlight[] = [];
  for (const record of records) {
    const isChosen = record.qos < 2 || record.released || (await choose(context, to, record)) === record.sequence;
    if (isChosen) chosen.push(record);
    else await takeBack(context, to, [record]);
  }
  return chosen;
}

/** The sequence number of the copy that is chosen, now or since before. */
const choose = async (context: Context, to: SessionAddress, { id, sequence }: InFlight): Promise<number> => {
  const change: Change<ChosenCopy> = {
    name: 'choose',
    if: [['any', [['absent'], ['=', 'sequence', sequence]]]], // else the session gets the message twice
    set: { sequence },
  };
  const outcome = await context.copies.change(to, id, change);
  return outcome.record?.sequence ?? sequence;
};

/**
 * What was not posted, or with QoS 1 not surely posted on the current epoch, is decided again. The newest goes first: see
 * `putInOrder`. What a newer epoch has sent again by now is left alone; with QoS 1 it arrives twice then.
 */
export async function takeBack(context: Context, to: SessionAddress, records: readonly InFlight[]): Promise<void> {
  for (const record of records.toReversed()) {
    await context.inFlight.remove(to, record.packetId, [
      ['=', 'id', record.id], // else the packet id's next owner is lost
      ['=', 'epoch', record.epoch], // else what was sent again is forgotten before its PUBACK [MQTT-4.3.2-1]
    ]);
  }
}

/** With QoS 2, what is surely not posted on this epoch is left to the next tick that looks: a choice cannot be taken back. */
export async function leaveToTick(context: Context, to: SessionAddress, records: readonly InFlight[]): Promise<void> {
  for (const { packetId, epoch, qos } of records) {
    if (qos < 2) continue;
    await context.inFlight.change(to, packetId, {
      name: 'leave',
      if: [['=', 'epoch', epoch]], // else the tick of a newer epoch, which has sent it, sends it again
      set: { tick: NEXT_TICK },
    });
  }
}
