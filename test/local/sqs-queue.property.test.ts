/**
 * Properties of one queue, over random sequences of everything one can do to it: FIFO order and group blocking, the
 * 120,000-message scan, and that a queue made anew from its changes, or from its snapshot, behaves as the first one.
 */
import fc from 'fast-check';
import { SqsError } from '../../local/sqs/errors.ts';
import { createQueue, type Queue } from '../../local/sqs/queue.ts';
import { readAttributes } from '../../local/sqs/queue-attributes.ts';
import type { QueueChange, ReceivedMessage } from '../../local/sqs/queue-changes.ts';

const attributes = readAttributes('q.fifo', { FifoQueue: 'true', VisibilityTimeout: '10' });

const makeQueue = (record: (change: QueueChange) => void = () => {}): Queue =>
  createQueue({ uid: 'q', attributes, record, deadLetter: () => false, random: () => 0.5 });

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('send' as const), group: fc.constantFrom('a', 'b', 'c') }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('receive' as const), most: fc.integer({ min: 1, max: 10 }) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('delete' as const), pick: fc.nat() }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('hide' as const), pick: fc.nat(), seconds: fc.constantFrom(0, 3, 30) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1, 999, 5_000, 10_000) }) },
);

type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

/** Does the steps, and tells `seen` of every batch. What a queue refuses is part of the game. */
const play = (
  queue: Queue,
  steps: readonly Step[],
  seen: (batch: readonly ReceivedMessage[], now: number) => void,
  start = 1_000_000,
  handles: string[] = [],
) => {
  let now = start;
  let sent = 0;
  const refusals: string[] = [];
  for (const one of steps) {
    try {
      if (one.do === 'send') {
        sent += 1;
        const id = { groupId: one.group, deduplicationId: `${start} ${sent}` };
        queue.send({ body: String(sent), attributes: {}, delaySeconds: 0, ...id }, now);
      } else if (one.do === 'receive') {
        const batch = queue.receive({ now, most: one.most });
        seen(batch, now);
        handles.push(...batch.map(({ receiptHandle }) => receiptHandle));
      } else if (one.do === 'wait') now += one.ms;
      else {
        const handle = handles[one.pick % Math.max(1, handles.length)];
        if (handle === undefined) continue;
        if (one.do === 'delete') queue.delete(handle, now);
        else queue.changeVisibility(handle, one.seconds, now);
      }
    } catch (error) {
      if (!(error instanceof SqsError)) throw error;
      refusals.push(error.kind);
    }
  }
  return { now, refusals };
};

test('a group is handed out in the order of sending, skipping nothing', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const queue = makeQueue();
      const seen = new Map<string, number>();
      play(queue, steps, (batch) => {
        for (const group of ['a', 'b', 'c']) {
          const numbers = batch.filter(({ message }) => message.groupId === group).map(({ message }) => message.key);
          expect(numbers).toEqual([...numbers].sort((x, y) => x - y));
          // Nothing is skipped: what comes for the first time comes next after all that came before.
          for (const { message } of batch.filter((one) => one.message.groupId === group)) {
            if (message.receiveCount > 1) continue;
            expect(message.key).toBeGreaterThan(seen.get(group) ?? 0);
            seen.set(group, message.key);
          }
        }
      });
    }),
    { numRuns: 500 },
  );
});

test('while a message of a group is in flight, no other of it is handed out', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      // Mirrors what is in flight from the changes alone.
      const groups = new Map<number, string | undefined>();
      const hiddenUntil = new Map<number, number>();
      const changes: QueueChange[] = [];
      const queue = makeQueue((change) => changes.push(change));
      play(queue, steps, (batch, now) => {
        const inBatch = new Set(batch.map(({ message }) => message.key));
        for (const change of changes.splice(0)) {
          if (change.kind === 'sent') groups.set(change.message.key, change.message.groupId);
          if (change.kind === 'hidden') hiddenUntil.set(change.key, change.visibleAt);
          if (change.kind === 'removed') for (const key of change.keys) hiddenUntil.delete(key);
          if (change.kind === 'received' && !inBatch.has(change.key)) hiddenUntil.set(change.key, change.visibleAt);
        }
        const blocked = new Set([...hiddenUntil].filter(([, until]) => until > now).map(([key]) => groups.get(key)));
        for (const { message } of batch) expect(blocked).not.toContain(message.groupId);
        for (const { message } of batch) hiddenUntil.set(message.key, message.visibleAt);
      });
    }),
    { numRuns: 500 },
  );
});

test.each(['changes', 'snapshot'] as const)('a queue made anew from its %s behaves as the first', (source) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), fc.array(step, { maxLength: 40 }), (before, after) => {
      const changes: QueueChange[] = [];
      const first = makeQueue((change) => changes.push(structuredClone(change)));
      const handles: string[] = [];
      const { now } = play(first, before, () => {}, undefined, handles);
      const second = makeQueue();
      const kept = source === 'changes' ? changes : [...first.snapshot(now)];
      for (const change of JSON.parse(JSON.stringify(kept)) as QueueChange[]) second.apply(change);
      expect(second.counts(now)).toEqual(first.counts(now));
      const batches = (queue: Queue) => {
        const bodies: string[][] = [];
        const { refusals } = play(queue, after, (batch) => bodies.push(batch.map(({ message }) => message.body)), now, [
          ...handles,
        ]);
        return { bodies, refusals };
      };
      expect(batches(second)).toEqual(batches(first));
    }),
    { numRuns: 300 },
  );
});

test('only the first 120,000 messages are scanned for a group that is not blocked', () => {
  const queue = makeQueue();
  const now = 1_000_000;
  const send = (groupId: string, number: number): void => {
    queue.send({ body: 'x', attributes: {}, delaySeconds: 0, groupId, deduplicationId: `${number}` }, now);
  };
  for (let number = 0; number < 120_001; number += 1) send('busy', number);
  send('other', 120_001);
  const [first] = queue.receive({ now, most: 1 });
  expect(queue.receive({ now, most: 10 })).toEqual([]);
  queue.delete(first?.receiptHandle ?? '', now);
  const batch = queue.receive({ now, most: 1 });
  expect(batch).toHaveLength(1);
  queue.delete(batch[0]?.receiptHandle ?? '', now);
  queue.receive({ now, most: 1 });
  expect(queue.receive({ now, most: 10 }).map(({ message }) => message.groupId)).toEqual(['other']);
});
