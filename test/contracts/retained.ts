/** What the store of retained messages must do, whoever implements it. */
import { inParallel, WIDTH } from '../../src/broker/in-parallel.ts';
import type { Change } from '../../src/session/change.ts';
import type { ClientId, MessageId } from '../../src/session/ids.ts';
import { type Publication, type RetainedMessage, retain } from '../../src/session/retained.ts';
import { freshAddress, plain, type Subject } from './subject.ts';

export function retainedContract(subject: () => Subject): void {
  const store = () => subject().ports.retained;
  const by = (at: number): Publication => ({ publisher: 'p' as ClientId, epoch: 1, at });
  const keeping = (topic: string, payload: string, at = 0): Change<RetainedMessage> =>
    retain(
      { id: `id of ${payload}` as MessageId, topic, payload: new TextEncoder().encode(payload), qos: 1, retain: true },
      by(at),
    );
  const keep = (topic: string, payload = topic, at = 0) => store().change(topic, keeping(topic, payload, at));
  /** A first level that nobody else uses. */
  const freshLevel = () => freshAddress().clientId as string;

  const allUnder = async (prefix: string): Promise<readonly string[]> => {
    const topics: string[] = [];
    let after: string | undefined;
    do {
      const page = await store().under(prefix, after);
      topics.push(...page.found.map(({ topic }) => topic));
      after = page.next;
    } while (after !== undefined);
    return topics;
  };
  const allLevels = async (): Promise<readonly string[]> => {
    const levels: string[] = [];
    let after: string | undefined;
    do {
      const page = await store().firstLevels(after);
      levels.push(...page.found);
      after = page.next;
    } while (after !== undefined);
    return levels;
  };

  describe('retained messages', () => {
    it('reads what was kept, bytes and all, and nothing where nothing was', async () => {
      const topic = `${freshLevel()}/ü/+not`;
      const record: RetainedMessage = {
        id: 'id' as MessageId,
        topic,
        payload: new Uint8Array([0, 255, 7]),
        qos: 0,
        retain: true,
        ...by(5),
      };
      const outcome = await store().change(topic, retain(record, by(5)));
      expect(outcome).toMatchObject({ done: true, record: { topic, publisher: 'p', epoch: 1, at: 5 } });
      const read = await store().read(topic);
      expect(read && plain(read)).toEqual(plain(record));
      expect(await store().read(`${topic}/below`)).toBeUndefined();
    });

    it('answers a refused change with what is there', async () => {
      const topic = freshLevel();
      await keep(topic, 'there', 10);
      const other = { ...keeping(topic, 'late'), if: [['<=', 'at', 9] as const] };
      expect(await store().change(topic, other)).toMatchObject({ done: false, record: { id: 'id of there' } });
      expect(await store().read(topic)).toMatchObject({ id: 'id of there' });
    });

    it('keeps a removal as a record without a payload', async () => {
      const topic = freshLevel();
      await keep(topic, 'there');
      await keep(topic, '');
      const read = await store().read(topic);
      expect(read && plain(read)).toMatchObject({ id: 'id of ', payload: [] });
      expect((await store().under(topic, undefined)).found).toHaveLength(1);
    });

    it('finds what begins with a prefix under its first level, in order, each once', async () => {
      const level = freshLevel();
      const topics = ['', '/', '/a', '/a/b', '/a/c', '/ab', '/b'].map((rest) => `${level}${rest}`);
      for (const topic of topics.toReversed()) await keep(topic);
      await keep(`${level}neighbour/a`);
      expect(await allUnder(level)).toEqual(topics);
      expect(await allUnder(`${level}/a`)).toEqual([`${level}/a`, `${level}/a/b`, `${level}/a/c`, `${level}/ab`]);
      expect(await allUnder(`${level}/a/`)).toEqual([`${level}/a/b`, `${level}/a/c`]);
      expect(await allUnder(`${level}/none/`)).toEqual([]);
    });

    it('finds many in pages, and goes on behind a topic that is gone', async () => {
      const level = freshLevel();
      const topics = Array.from({ length: 600 }, (_, index) => `${level}/${String(index).padStart(3, '0')}`);
      await inParallel(topics, WIDTH, (topic) => keep(topic, 'x'));
      const first = await store().under(`${level}/`, undefined);
      expect(first.found.length).toBeLessThan(topics.length);
      expect(await allUnder(`${level}/`)).toEqual(topics);
      const behind = await store().under(`${level}/`, `${level}/598x`);
      expect(behind.found.map(({ topic }) => topic)).toEqual([`${level}/599`]);
    });

    it('tells the first levels in use, the empty one too, each once', async () => {
      const fresh = Array.from({ length: 300 }, freshLevel);
      for (const level of fresh) await keep(`${level}/a`);
      await keep(`${fresh[0]}/b`);
      await keep('/empty');
      const levels = await allLevels();
      expect(levels.filter((level) => fresh.includes(level)).toSorted()).toEqual(fresh.toSorted());
      expect(levels.filter((level) => level === '')).toHaveLength(1);
      expect(new Set(levels).size).toBe(levels.length);
    });
  });
}
