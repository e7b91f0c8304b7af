/**
 * QoS 2 from a client [MQTT-4.3.3-2]: what it sends again until its PUBREC comes is one message.
 *
 * Rules of this file:
 * - A packet id stands for one message from its first PUBLISH to its PUBREL. The message's id is noted before anything is
 *   delivered, and every attempt to deliver it is made under that id: subscribers tell by it (`choose-copy.ts`).
 * - PUBREL leaves the note behind, with its epoch: a stalled Lambda of an older connection must not take its packet for a new
 *   message.
 */
import type { Publish, Pubrel } from '../mqtt/packets.ts';
import type { Change } from '../session/change.ts';
import type { MessageId } from '../session/ids.ts';
import type { Incoming, SessionEpoch } from '../session/session.ts';
import type { Context } from './context.ts';
import { inParallel, WIDTH } from './in-parallel.ts';
import { NotConnected } from './not-connected.ts';
import { distribute } from './publish.ts';
import { retainPublished } from './retain.ts';

/**
 * Delivers `packets`, which all have QoS 2, in order.
 * @param takenAt when the broker got their frame, ms since 1970
 * @throws when AWS fails: then it is not known which were delivered
 */
export async function publishOnce(
  context: Context,
  session: SessionEpoch,
  packets: readonly Publish[],
  takenAt: number,
): Promise<void> {
  const notes = await inParallel(packets, WIDTH, (packet) => note(context, session, packet));
  const messages = packets.map(({ topic, payload, qos, retain }, index) => {
    return { id: notes[index]?.id as MessageId, topic, payload, qos, retain };
  });
  // The same PUBLISH may stand in a frame twice.
  const fresh = new Set(notes.filter(({ isNew }) => isNew).map(({ id }) => id));
  const repeated = new Set(notes.map(({ id }) => id).filter((id) => !fresh.has(id)));
  const once = messages.filter(({ id }, index) => messages.findIndex((each) => each.id === id) === index);
  if (once.some(({ retain }) => retain)) await retainPublished(context, once, session, takenAt);
  await distribute(context, once, undefined, repeated);
}

/** Every byte is a character of its own. */
const oneToOne = new TextDecoder('latin1');

interface Note {
  readonly id: MessageId;
  /** It has not come before, as far as anybody knows. */
  readonly isNew: boolean;
}

const note = async (context: Context, session: SessionEpoch, packet: Publish): Promise<Note> => {
  const { packetId = 0 } = packet;
  const incoming: Incoming = {
    id: context.ids.message(),
    digest: context.secrets.hash(`${packet.topic}\u0000${oneToOne.decode(packet.payload)}`),
    epoch: session.epoch,
    released: false,
  };
  const first = await context.incoming.change(session, packetId, receive(incoming));
  if (first.done) return { id: incoming.id, isNew: true };
  const known = first.record;
  if (!known || known.epoch > session.epoch) throw new NotConnected();
  // A client that has lost its state uses its packet ids anew: what it sends under one of them now is another message.
  if (known.digest === incoming.digest) return { id: known.id, isNew: false };
  const anew = await context.incoming.change(session, packetId, receiveAnew(incoming, known));
  if (!anew.done) throw new NotConnected();
  return { id: incoming.id, isNew: true };
};

const receive = (incoming: Incoming): Change<Incoming> => ({
  name: 'receive',
  if: [
    ['any', [['absent'], ['=', 'released', true]]], // else what is sent again is delivered again
    ['any', [['absent'], ['<=', 'epoch', incoming.epoch]]], // else a stalled Lambda delivers again what was released meanwhile
  ],
  set: { ...incoming },
});

const receiveAnew = (incoming: Incoming, known: Incoming): Change<Incoming> => ({
  name: 'receiveAnew',
  if: [['=', 'id', known.id]], // else a stalled Lambda takes the packet id from a message of the next connection
  set: { ...incoming },
});

/** PUBREL: their packet ids are free, known or not. */
export async function release(context: Context, session: SessionEpoch, packets: readonly Pubrel[]): Promise<void> {
  await inParallel(packets, WIDTH, ({ packetId }) =>
    context.incoming.change(session, packetId, {
      name: 'release',
      if: [['<=', 'epoch', session.epoch]], // else a stalled PUBREL frees the packet id of a message of the next connection
      set: { epoch: session.epoch, released: true },
    }),
  );
}
