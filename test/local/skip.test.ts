/** Time that jumps ahead: of the clock by itself, and of a whole stack. */
import { skippableClock } from '../../local/clock.ts';
import { eventIn, isEventOf, type Lines } from './fixtures/lines.ts';
import { startFixtureStack, stopFixtureStacks } from './fixtures/stack-of-fixtures.ts';
import { openClient } from './fixtures/web-socket-client.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

describe('a clock', () => {
  test('tells the time after the jump, to threads too', () => {
    const clock = skippableClock();
    const before = Date.now();
    clock.skip(HOUR);
    clock.skip(HOUR);
    expect(clock.now()).toBeGreaterThanOrEqual(before + 2 * HOUR);
    expect(clock.now()).toBeLessThanOrEqual(Date.now() + 2 * HOUR);
    expect(new BigInt64Array(clock.skipped)[0]).toBe(BigInt(2 * HOUR));
  });

  test('rings the timers that fall into the gap, in their order, and no others', async () => {
    const clock = skippableClock();
    const rung: string[] = [];
    const cancelLater = clock.after(3 * HOUR, () => rung.push('later'));
    const cancel = clock.after(HOUR / 2, () => rung.push('cancelled'));
    const last = new Promise<void>((resolve) => {
      clock.after(HOUR, () => {
        rung.push('second');
        resolve();
      });
    });
    clock.after(HOUR / 2, () => rung.push('first'));
    cancel();
    clock.skip(HOUR);
    await last;
    expect(rung).toEqual(['first', 'second']);
    cancelLater();
  });
});

describe('a stack', () => {
  let stack: Awaited<ReturnType<typeof startFixtureStack>> & { readonly lines: Lines };
  beforeAll(async () => {
    stack = await startFixtureStack();
  });
  afterAll(stopFixtureStacks);

  test('Lambdas are told the time after the jump, and have all of theirs left', async () => {
    const client = await openClient(stack.url);
    const ask = async (): Promise<{ now: number; remaining: number }> => {
      client.socket.send('{}');
      return JSON.parse((await client.next()).text);
    };
    const before = await ask();
    await stack.skip(MINUTE);
    const after = await ask();
    expect(after.now - before.now).toBeGreaterThanOrEqual(MINUTE);
    expect(after.remaining).toBeGreaterThan(20_000);
  });

  test('it waits for the Lambdas that run: none of them times out', async () => {
    const client = await openClient(stack.url);
    client.socket.send(JSON.stringify({ sleep: 100 }));
    while (stack.invocations('message').at(-1)?.outcome !== 'running') await new Promise(setImmediate);
    await stack.skip(MINUTE);
    expect(stack.invocations('message').at(-1)?.outcome).toBe('returned');
  });

  test('a late $disconnect is there at once', async () => {
    stack.faults.set({ disconnect: { delayMs: HOUR } });
    const struck = stack.faults.struck('disconnect.delayMs');
    const client = await openClient(stack.url);
    const id = stack.connections().at(-1);
    client.socket.close();
    await stack.faults.untilStruck('disconnect.delayMs', struck + 1);
    const isTold = ({ text, from }: { readonly text: string; readonly from: string }) =>
      isEventOf('disconnect')({ text, from }) && text.includes(JSON.stringify(id));
    expect(stack.lines.all.some(isTold)).toBe(false);
    await stack.skip(HOUR);
    expect(eventIn<{ requestContext: object }>(await stack.lines.find(isTold)).requestContext).toMatchObject({
      connectionId: id,
    });
  });
});
