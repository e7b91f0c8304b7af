/** A batch of independent messages from a work queue, all at the same time; only those that failed come back. */
import type { Context } from '../src/broker/context.ts';
import type { QueueEvent, QueueResult } from './events.ts';

export async function workOff(
  event: QueueEvent,
  { log }: Pick<Context, 'log'>,
  task: (body: unknown) => Promise<void>,
): Promise<QueueResult> {
  const failures = await Promise.all(
    event.Records.map(async ({ messageId, body }) => {
      try {
        await task(JSON.parse(body));
        return [];
      } catch (error) {
        log('error', { messageId, detail: error instanceof Error ? `${error.name}: ${error.message}` : String(error) });
        return [{ itemIdentifier: messageId }];
      }
    }),
  );
  return { batchItemFailures: failures.flat() };
}
