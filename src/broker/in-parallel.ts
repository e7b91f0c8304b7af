/**
 * Runs `task` on every item, at most `limit` at a time, and waits for all of them even if some fail, so that nothing is
 * still at work when a Lambda answers. Then throws the first failure, if there was one.
 */
export async function inParallel<T, R>(
  items: readonly T[],
  limit: number,
  task: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: PromiseSettledResult<R>[] = new Array(items.length);
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) {
      const item = items[index] as T;
      results[index] = await task(item).then(
        (value) => ({ status: 'fulfilled', value }),
        (reason: unknown) => ({ status: 'rejected', reason }),
      );
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}

/** How many AWS calls one use case makes at the same time. Below the 50 sockets of the SDK's HTTP handler. */
export const WIDTH = 32;

/** Like `Promise.all`, but waits for all of them even if one fails. */
export async function together<const T extends readonly unknown[]>(
  tasks: T,
): Promise<{ [K in keyof T]: Awaited<T[K]> }> {
  await Promise.allSettled(tasks);
  return Promise.all(tasks) as Promise<{ [K in keyof T]: Awaited<T[K]> }>;
}
