/** What is sent to a queue again and again, with a clock moved by hand, and by a whole stack. */
import { startSchedules } from '../../local/schedules.ts';
import { eventIn, isEventOf } from './fixtures/lines.ts';
import { manualClock } from './fixtures/manual-clock.ts';
import { startFixtureStack, stopFixtureStacks } from './fixtures/stack-of-fixtures.ts';

const MINUTE = 60_000;

test('each sends its message when its interval is over, again and again, until it is stopped', async () => {
  const clock = manualClock();
  const sent: string[] = [];
  const schedules = startSchedules(
    [
      { everyMinutes: 1, queue: 'often', message: { job: 'a' } },
      { everyMinutes: 3, queue: 'seldom', message: { job: 'b' } },
    ],
    (queue, body) => sent.push(`${queue} ${body}`),
    clock,
  );
  await clock.advance(MINUTE - 1);
  expect(sent).toEqual([]);
  await clock.advance(1);
  expect(sent).toEqual(['often {"job":"a"}']);
  await clock.advance(2 * MINUTE);
  expect(sent.sort()).toEqual([...Array(3).fill('often {"job":"a"}'), 'seldom {"job":"b"}']);
  schedules.stop();
  expect(clock.pending()).toBe(0);
});

describe('a stack', () => {
  afterAll(stopFixtureStacks);

  test('sweeps after a minute, and collects queues after a day: once each, however far time jumps', async () => {
    const stack = await startFixtureStack();
    const bodies = () =>
      stack.lines.all
        .filter(isEventOf('timer'))
        .flatMap((line) => eventIn<{ Records: readonly { readonly body: string }[] }>(line).Records)
        .map(({ body }) => body)
        .sort();
    await stack.skip(MINUTE);
    await stack.lines.several(1, isEventOf('timer'));
    expect(bodies()).toEqual(['{"job":"sweep"}']);
    await stack.skip(1_439 * MINUTE);
    await stack.lines.find(({ text }) => text.includes('collect-queues'));
    await stack.quiet();
    expect(bodies()).toEqual(['{"job":"collect-queues"}', '{"job":"sweep"}', '{"job":"sweep"}']);
  });
});
