/**
 * Receipt handles: which receive of which message of which queue. Pure.
 *
 * Rules of this file: a handle is opaque to its holder, and says by itself until when it was first good, so that one of a
 * message already deleted can still be told stale.
 */

export interface Receipt {
  /** The queue's own identity: a queue made again under the same name has another. */
  readonly queue: string;
  /** The message's key in the queue. */
  readonly key: number;
  /** The how-manieth receive of this message it was. */
  readonly receive: number;
  /** End of its visibility timeout as it was when the message was received. Milliseconds since the epoch. */
  readonly until: number;
}

export const writeReceiptHandle = ({ queue, key, receive, until }: Receipt): string =>
  Buffer.from(JSON.stringify([queue, key, receive, until])).toString('base64');

/** Undefined where the text is no receipt handle. */
export const readReceiptHandle = (handle: string): Receipt | undefined => {
  try {
    const [queue, key, receive, until] = JSON.parse(Buffer.from(handle, 'base64').toString()) as unknown[];
    return typeof queue === 'string' &&
      typeof key === 'number' &&
      typeof receive === 'number' &&
      typeof until === 'number'
      ? { queue, key, receive, until }
      : undefined;
  } catch {
    return undefined;
  }
};
