/** What the clients' queues and the work queues must do, whoever implements them. */
import type { ListedQueue, StoredMessage } from '../../src/broker/ports.ts';
import type { MessageId } from '../../src/session/ids.ts';
import type { SessionAddress } from '../../src/session/session.ts';
import { freshAddress, plain, type Subject } from './subject.ts';

const VISIBILITY = 10_000;

const stored = (name: string, changes: Partial<StoredMessage> = {}): StoredMessage => ({
  id: name as MessageId,
  topic: 'a/b',
  payload: Buffer.from(name),
  qos: 1,
  retain: false,
  liveEpoch: 0,
  ...changes,
});

const names = (messages: readonly StoredMessage[]) => messages.map(({ id }) => id);

export function queuesContract(subject: () => Subject): void {
  const queues = () => subject().ports.queues;
  const withQueue = async (count: number) => {
    const session = freshAddress();
    await queues().create(session);
    const messages = Array.from({ length: count }, (_, index) => stored(`${session.clientId}-${index + 1}`));
    await queues().send(session, messages);
    return { session, messages };
  };

  describe('the queue of a session', () => {
    it('is missing before it is created; creating it twice is creating it once', async () => {
      const session = freshAddress();
      expect(await queues().send(session, [stored('early')])).toEqual({ sent: 0, missing: true });
      expect(await queues().receive(session, 10)).toEqual([]);
      await queues().create(session);
      await queues().create(session);
      expect(await queues().send(session, [stored('late')])).toEqual({ sent: 1, missing: false });
    });

    it('gives back every byte and every character', async () => {
      const { session } = await withQueue(0);
      const message = stored('odd', {
        topic: 'a/\u0001\ufffe\u{1f600}/é',
        payload: Uint8Array.from({ length: 256 }, (_, index) => index),
        liveEpoch: 7,
      });
      await queues().send(session, [message]);
      const [received] = await queues().receive(session, 1);
      const { receipt, ...rest } = plain(received ?? { ...message, receipt: '' });
      expect(rest).toEqual(plain(message));
      expect(receipt).not.toBe('');
    });

    it('holds a payload of 128 KiB', async () => {
      const { session } = await withQueue(0);
      await queues().send(session, [stored('large', { payload: new Uint8Array(131_072).fill(3) })]);
      expect((await queues().receive(session, 1))[0]?.payload.byteLength).toBe(131_072);
    });

    it('hands out the oldest first, and nothing behind what is held', async () => {
      const { session, messages } = await withQueue(5);
      const held = await queues().receive(session, 2);
      expect(names(held)).toEqual(names(messages.slice(0, 2)));
      expect(await queues().receive(session, 10)).toEqual([]);
      expect(names(await queues().remove(session, held))).toEqual(names(held));
      expect(names(await queues().receive(session, 10))).toEqual(names(messages.slice(2)));
    });

    it('hands out again, in order, what was not deleted in time; the old receipts delete nothing', async () => {
      const { session, messages } = await withQueue(3);
      const held = await queues().receive(session, 2);
      subject().passTime(VISIBILITY + 1);
      expect(await queues().remove(session, held)).toEqual([]);
      expect(names(await queues().receive(session, 10))).toEqual(names(messages));
    });

    it('hands out at once what was given back, still in order', async () => {
      const { session, messages } = await withQueue(4);
      const held = await queues().receive(session, 3);
      await queues().release(session, held.slice(1));
      await queues().remove(session, held.slice(0, 1));
      expect(names(await queues().receive(session, 10))).toEqual(names(messages.slice(1)));
    });

    it('is gone when destroyed; destroying what is not there is no error', async () => {
      const { session } = await withQueue(1);
      await queues().destroy(session);
      expect(await queues().send(session, [stored('dead')])).toEqual({ sent: 0, missing: true });
      await queues().destroy(session);
    });

    it('belongs to one session: another generation of the client has its own', async () => {
      const { session } = await withQueue(1);
      const next = { ...session, generation: `${session.generation}-next` as typeof session.generation };
      expect(await queues().receive(next, 1)).toEqual([]);
      expect(await queues().send(next, [stored('other')])).toEqual({ sent: 0, missing: true });
    });
  });

  describe('all queues', () => {
    const listed = async () => {
      const all: ListedQueue[] = [];
      let after: string | undefined;
      do {
        const { found, next } = await queues().list(after);
        all.push(...found);
        after = next;
      } while (after !== undefined);
      return all;
    };
    const of = async ({ generation }: SessionAddress) =>
      (await listed()).filter(({ owner }) => owner?.generation === generation);

    it('are listed with their owners, while they are there', async () => {
      const mine = await withQueue(1);
      const other = await withQueue(0);
      expect(await of(mine.session)).toEqual([{ name: expect.any(String), owner: mine.session }]);
      expect(await of(other.session)).toHaveLength(1);
      await queues().destroy(mine.session);
      expect(await of(mine.session)).toEqual([]);
      expect(await of(other.session)).toHaveLength(1);
    });

    it('can be discarded by name; discarding what is not there is no error', async () => {
      const { session } = await withQueue(1);
      const [{ name } = { name: '' }] = await of(session);
      await queues().discard(name);
      expect(await queues().send(session, [stored('dead')])).toEqual({ sent: 0, missing: true });
      expect((await listed()).map((queue) => queue.name)).not.toContain(name);
      await queues().discard(name);
    });
  });

  describe('the work queues', () => {
    it('hand on a tick when its delay has passed', async () => {
      const tick = { ...freshAddress(), epoch: 3, number: 2 };
      await subject().ports.redelivery.send(tick, 0);
      await subject().ports.redelivery.send({ ...tick, number: 3 }, 2);
      const mine = async () => (await subject().ticks()).filter(({ clientId }) => clientId === tick.clientId);
      expect(await mine()).toEqual([tick]);
      subject().passTime(2_001);
      expect(await mine()).toEqual([{ ...tick, number: 3 }]);
    });

    it('hand on a job', async () => {
      const { clientId } = freshAddress();
      await subject().ports.timers.send({ job: 'clean-up', clientId }, 0);
      expect(await subject().jobs()).toContainEqual({ job: 'clean-up', clientId });
    });
  });
}
