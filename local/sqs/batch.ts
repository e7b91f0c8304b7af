/** The rules of a batch request: 1 to 10 entries with ids that differ; each succeeds or fails for itself. */
import { isSenderFault, queryCode, SqsError } from './errors.ts';

export const MOST_ENTRIES = 10;
const allowedEntryId = /^[A-Za-z0-9_-]{1,80}$/;

export interface BatchEntry {
  readonly Id?: string;
}

export interface BatchFailure {
  readonly Id: string;
  readonly SenderFault: boolean;
  readonly Code: string;
  readonly Message: string;
}

export interface BatchResult<Success> {
  readonly Successful: readonly (Success & { readonly Id: string })[];
  readonly Failed?: readonly BatchFailure[];
}

/** Runs `run` on each entry. @throws SqsError where the batch as a whole is refused */
export const runBatch = <Entry extends BatchEntry, Success extends object>(
  entries: readonly Entry[] | undefined,
  run: (entry: Entry) => Success,
): BatchResult<Success> => {
  const checked = checkEntries(entries);
  const successful: (Success & { Id: string })[] = [];
  const failed: BatchFailure[] = [];
  for (const [id, entry] of checked) {
    try {
      successful.push({ Id: id, ...run(entry) });
    } catch (error) {
      if (!(error instanceof SqsError)) throw error;
      const { kind, message } = error.inBatch;
      failed.push({ Id: id, SenderFault: isSenderFault(kind), Code: queryCode(kind), Message: message });
    }
  }
  return { Successful: successful, ...(failed.length > 0 && { Failed: failed }) };
};

const checkEntries = <Entry extends BatchEntry>(entries: readonly Entry[] | undefined): ReadonlyMap<string, Entry> => {
  if (entries === undefined || entries.length === 0) {
    throw new SqsError('EmptyBatchRequest', 'There should be at least one entry in the request.');
  }
  if (entries.length > MOST_ENTRIES) {
    throw new SqsError(
      'TooManyEntriesInBatchRequest',
      `Maximum number of entries per request are ${MOST_ENTRIES}. You have sent ${entries.length}.`,
    );
  }
  const byId = new Map<string, Entry>();
  for (const entry of entries) {
    const id = entry.Id ?? '';
    if (!allowedEntryId.test(id)) {
      throw new SqsError(
        'InvalidBatchEntryId',
        'A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.',
      );
    }
    if (byId.has(id)) throw new SqsError('BatchEntryIdsNotDistinct', `Id ${id} repeated.`);
    byId.set(id, entry);
  }
  return byId;
};
