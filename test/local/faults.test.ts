/** The fault switches by themselves: what strikes, and how often it did. */
import { createFaults } from '../../local/faults.ts';

test('a chance strikes the next occasions for sure, then a share of all; every strike is counted', () => {
  const draws = [0.4, 0.6, 0.4];
  const faults = createFaults(() => draws.shift() ?? 1);
  faults.set({ posts: { throttle: { next: 2, share: 0.5 } } });
  const occasions = Array.from({ length: 5 }, () => faults.strikes('posts.throttle', faults.live.posts.throttle));
  expect(occasions).toEqual([true, true, true, false, true]);
  expect(faults.current().posts.throttle).toEqual({ next: 0, share: 0.5 });
  expect(faults.struck('posts.throttle')).toBe(4);
});

test('what has struck stays counted when all is off, and one switch is not another', () => {
  const faults = createFaults();
  faults.set({ disconnect: { drop: { next: 1 } } });
  expect(faults.strikes('disconnect.drop', faults.live.disconnect.drop)).toBe(true);
  faults.clear();
  expect(faults.strikes('disconnect.drop', faults.live.disconnect.drop)).toBe(false);
  expect([faults.struck('disconnect.drop'), faults.struck('disconnect.double')]).toEqual([1, 0]);
});

test('untilStruck resolves with the strike that is waited for, or at once', async () => {
  const faults = createFaults();
  let isOver = false;
  const second = faults.untilStruck('lambda.kill', 2).then(() => {
    isOver = true;
  });
  faults.strike('lambda.kill');
  faults.strike('lambda.slow');
  await Promise.resolve();
  expect(isOver).toBe(false);
  faults.strike('lambda.kill');
  await second;
  await faults.untilStruck('lambda.kill', 1);
});
