/**
 * DynamoDB's TTL: deletes what has expired, late.
 *
 * Rules of this file:
 * - Until a sweep comes by, an expired item is read and written like any other: TTL is garbage collection, not a clock.
 * - An item whose time was moved on meanwhile stays, and so does one that expired more than five years ago.
 */
import type { Cancel, Clock } from '../clock.ts';
import type { Engine } from './dynalite-engine.ts';
import type { TableDefinitions, TableKeys } from './tables.ts';

const FIVE_YEARS_SECONDS = 5 * 365 * 86_400;

type Item = Readonly<Record<string, unknown>>;

export interface ExpirySweeper {
  /** Deletes what has expired by now, and says how many items that were. */
  sweep(): Promise<number>;
  stop(): Promise<void>;
}

export const startExpirySweeper = (
  engine: Engine,
  tables: TableDefinitions,
  clock: Clock,
  everyMs: number,
): ExpirySweeper => {
  let stopped = false;
  let cancel: Cancel = () => {};
  let running: Promise<unknown> = Promise.resolve();

  const sweep = async (): Promise<number> => {
    let deleted = 0;
    for (const [name, keys] of Object.entries(tables)) deleted += await sweepTable(engine, name, keys, clock.now());
    return deleted;
  };

  const arm = (): void => {
    cancel = clock.after(everyMs, () => {
      // A failed sweep is made up for by the next one.
      running = sweep()
        .catch(() => 0)
        .then(() => {
          if (!stopped) arm();
        });
    });
  };
  arm();

  return {
    sweep,
    stop: async () => {
      stopped = true;
      cancel();
      await running;
    },
  };
};

const sweepTable = async (engine: Engine, table: string, keys: TableKeys, nowMs: number): Promise<number> => {
  const now = Math.floor(nowMs / 1_000);
  const expired = '#ttl < :now AND #ttl > :oldest';
  // Made anew for each call: dynalite takes its input apart.
  const placeholders = () => ({
    ExpressionAttributeNames: { '#ttl': keys.timeToLive },
    ExpressionAttributeValues: { ':now': { N: String(now) }, ':oldest': { N: String(now - FIVE_YEARS_SECONDS) } },
  });
  let deleted = 0;
  let from: Item | undefined;
  do {
    const page = await engine.run('Scan', {
      TableName: table,
      FilterExpression: expired,
      ...placeholders(),
      ...(from && { ExclusiveStartKey: from }),
    });
    if (!('ok' in page)) throw new Error(`sweeping ${table}: ${JSON.stringify(page.refused.body)}`);
    const { Items = [], LastEvaluatedKey } = page.ok as { Items?: readonly Item[]; LastEvaluatedKey?: Item };
    for (const item of Items) {
      const result = await engine.run('DeleteItem', {
        TableName: table,
        Key: { [keys.partitionKey]: item[keys.partitionKey], [keys.sortKey]: item[keys.sortKey] },
        ConditionExpression: expired,
        ...placeholders(),
      });
      if ('ok' in result) deleted += 1;
    }
    from = LastEvaluatedKey;
  } while (from !== undefined);
  return deleted;
};
