/** The journal by itself. */
import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { noFaults } from '../../local/faults.ts';
import { openJournal } from '../../local/journal.ts';
import { silentLog } from '../../local/log.ts';
import { openQueues } from '../../local/sqs/queues.ts';
import { collectLines } from './fixtures/lines.ts';
import { manualClock } from './fixtures/manual-clock.ts';
import { temporaryDirectory } from './fixtures/temporary-directory.ts';

let directory: ReturnType<typeof temporaryDirectory>;
let file: string;
beforeEach(() => {
  directory = temporaryDirectory();
  file = join(directory.path, 'journal');
});
afterEach(() => directory.remove());

test('what was appended is read again, in order', () => {
  const { journal } = openJournal<unknown>(file, silentLog);
  for (const entry of [1, { a: 'ä\n' }, null]) journal.append(entry);
  journal.close();
  expect(openJournal(file, silentLog).entries).toEqual([1, { a: 'ä\n' }, null]);
});

test('an entry is in the file when append returns', () => {
  const { journal } = openJournal<string>(file, silentLog);
  journal.append('here');
  expect(readFileSync(file, 'utf8')).toBe('"here"\n');
  expect(journal.size()).toBe(7);
  journal.close();
});

test('rewritten, it goes on from there', () => {
  const { journal } = openJournal<number>(file, silentLog);
  for (const entry of [1, 2, 3]) journal.append(entry);
  journal.rewrite([6]);
  journal.append(7);
  journal.close();
  expect(openJournal(file, silentLog).entries).toEqual([6, 7]);
});

test('a torn line is left out for good', () => {
  const { journal } = openJournal<string>(file, silentLog);
  journal.append('whole');
  journal.close();
  appendFileSync(file, '"to');
  const lines = collectLines();
  const again = openJournal<string>(file, lines.sink);
  expect(again.entries).toEqual(['whole']);
  expect(lines.all).toHaveLength(1);
  again.journal.append('next');
  again.journal.close();
  expect(openJournal(file, silentLog).entries).toEqual(['whole', 'next']);
});

test('queues are compacted at start: what is over leaves no trace', () => {
  const clock = manualClock();
  const open = () => openQueues({ clock, log: silentLog, faults: noFaults(), journalFile: file });
  const first = open();
  const { queue } = first.create('q', {});
  for (let n = 0; n < 100; n += 1) queue.send({ body: `body ${n}`, attributes: {}, delaySeconds: 0 }, clock.now());
  for (const { receiptHandle } of queue.receive({ now: clock.now(), most: 99 }))
    queue.delete(receiptHandle, clock.now());
  first.close();
  const second = open();
  expect(second.find('q').queue.counts(clock.now())).toEqual({ visible: 1, inFlight: 0, delayed: 0 });
  expect(readFileSync(file, 'utf8').match(/body/g)).toHaveLength(2);
  second.close();
});

test('work queues follow their definition, and keep their messages', () => {
  const clock = manualClock();
  const open = () => openQueues({ clock, log: silentLog, faults: noFaults(), journalFile: file });
  const first = open();
  first.provide('work', { VisibilityTimeout: '30' });
  first.find('work').queue.send({ body: 'x', attributes: {}, delaySeconds: 0 }, clock.now());
  first.provide('work', { VisibilityTimeout: '40' });
  first.provide('work', { VisibilityTimeout: '40' });
  first.close();
  const second = open();
  const { queue } = second.find('work');
  expect(queue.attributes.visibilityTimeout).toBe(40);
  expect(queue.counts(clock.now()).visible).toBe(1);
  second.close();
});
