/**
 * SQS on the laptop: strict where AWS is, speaking AWS JSON 1.0 to the real SDK client.
 *
 * Rules of this file: what the SDK may call stands in `queue-operations.ts` and `message-operations.ts`; anything else is
 * refused by name.
 */
import type { Answer } from '../answer.ts';
import { errorAnswer, SqsError } from './errors.ts';
import { messageOperations } from './message-operations.ts';
import { queueOperations } from './queue-operations.ts';
import { openQueues, type Queues, type QueuesOptions } from './queues.ts';

const operations = { ...queueOperations, ...messageOperations };

export interface SqsOptions extends QueuesOptions {
  /** What to put before a queue's name to get its URL, slash included. */
  readonly urlBase: string;
}

export interface Sqs {
  /** The queues themselves, for those who live in the same process: the event sources. */
  readonly queues: Queues;
  /** @param signal aborted when the caller has gone */
  handle(operation: string, body: string, signal: AbortSignal): Promise<Answer>;
  /** Ends every wait, and closes the journal. */
  close(): void;
}

export const openSqs = ({ urlBase, ...options }: SqsOptions): Sqs => {
  const queues = openQueues(options);
  const urlOf = (name: string): string => `${urlBase}${name}`;

  return {
    queues,
    close: queues.close,
    handle: async (operation, body, signal) => {
      try {
        const run = operations[operation];
        if (run === undefined) {
          throw new SqsError('UnknownOperation', `The local stack does not know the SQS operation ${operation}.`);
        }
        const request = JSON.parse(body === '' ? '{}' : body) as object;
        const result = await run(request, { queues, urlOf, signal, clock: options.clock, faults: options.faults });
        return {
          status: 200,
          headers: { 'content-type': 'application/x-amz-json-1.0' },
          body: JSON.stringify(result),
        };
      } catch (error) {
        if (error instanceof SqsError) return errorAnswer(error);
        throw error;
      }
    },
  };
};
