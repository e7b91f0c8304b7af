/**
 * Keeps what is published with RETAIN 1 [MQTT-3.3.1-5], or removes what was kept [MQTT-3.3.1-10].
 *
 * Rules of this file:
 * - It is done before the audience is looked for. A SUBSCRIBE writes its subscription, then reads what is retained: so a message
 *   that is published meanwhile is found here, or finds the subscription, or both.
 * - What has been overtaken by something younger counts as kept and replaced.
 * - Nothing is read, and one item is written for each topic, whatever else is retained.
 */
import { type Publication, publicationOf, type RetainedMessage, retain } from '../session/retained.ts';
import { isAlive, type Message, type SessionEpoch } from '../session/session.ts';
import type { Context } from './context.ts';
import { inParallel, WIDTH } from './in-parallel.ts';

/** A publisher on a topic that others write all the time gives up after so many; its client sends the message again. */
const MOST_ATTEMPTS = 10;

/**
 * Of a client's PUBLISH packets, in order.
 * @param at when the broker took them, ms
 * @throws when AWS fails: then it is not known what is retained, and nothing has been delivered yet
 */
export async function retainPublished(
  context: Context,
  messages: readonly Message[],
  publisher: SessionEpoch,
  at: number,
): Promise<void> {
  const last = new Map(messages.filter((message) => message.retain).map((message) => [message.topic, message]));
  await inParallel([...last.values()], WIDTH, async (message) => {
    let since = at;
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      const inTheWay = await write(context, message, publicationOf(publisher, since));
      // Another's message seems to be younger. That may be the clock of its Lambda: who is still connected comes after it.
      if (!inTheWay || inTheWay.publisher === publisher.clientId) return;
      if (!(await isStillConnected(context, publisher))) return;
      since = inTheWay.at;
    }
    throw new Error('a retained message lost too many races');
  });
}

/** Of a will, which is published late: what was published after the end of its connection, by whomever, stays. */
export async function retainWill(context: Context, will: Message, publication: Publication): Promise<void> {
  if (will.retain) await write(context, will, publication); // [MQTT-3.1.2-17]
}

/** The younger one that is there, if there is one. */
const write = async (
  context: Context,
  message: Message,
  publication: Publication,
): Promise<RetainedMessage | undefined> => {
  const { done, record } = await context.retained.change(message.topic, retain(message, publication));
  return done ? undefined : record;
};

/** Not taken over, nor moved: what this Lambda works on was not sent again on another connection. */
const isStillConnected = async (context: Context, { clientId, generation, epoch }: SessionEpoch): Promise<boolean> => {
  const session = await context.sessions.read(clientId);
  return isAlive(session, generation) && session.epoch === epoch;
};
