/**
 * DynamoDB on the laptop: dynalite, with the tables of the stack, a late TTL, and the faults AWS has and dynalite has not.
 *
 * Rules of this file: no transactions, no streams, no `UpdateTimeToLive`. The broker uses none of them, and dynalite has
 * none.
 */
import type { Answer } from '../answer.ts';
import type { Clock } from '../clock.ts';
import type { FaultSource } from '../faults.ts';
import { type EngineResult, openEngine } from './dynalite-engine.ts';
import { startExpirySweeper } from './expiry-sweeper.ts';
import { createTables, type TableDefinitions } from './tables.ts';

export interface DynamoDbOptions {
  readonly clock: Clock;
  readonly faults: FaultSource;
  readonly tables: TableDefinitions;
  /** Where LevelDB keeps it; in memory where absent. */
  readonly directory?: string | undefined;
  /** Between two sweeps of expired items. */
  readonly sweepEveryMs: number;
}

export interface DynamoDb {
  handle(operation: string, body: string): Promise<Answer>;
  /** Deletes what has expired by now, and says how many items that were. */
  sweep(): Promise<number>;
  /** Waits for what runs, and closes the database. */
  close(): Promise<void>;
}

export const openDynamoDb = async (options: DynamoDbOptions): Promise<DynamoDb> => {
  const { clock, faults, tables } = options;
  const engine = await openEngine(options.directory);
  await createTables(engine, tables);
  const sweeper = startExpirySweeper(engine, tables, clock, options.sweepEveryMs);
  const running = new Set<Promise<unknown>>();

  const run = async (operation: string, body: string): Promise<EngineResult> => {
    const fault = failure(operation, faults);
    if (fault !== undefined) return fault;
    const request = parse(body);
    if (request === undefined) return { refused: { status: 400, body: { __type: `${coral}#SerializationException` } } };
    const split = splitBatch(operation, request, faults);
    if (split === undefined) return engine.run(operation, request);
    const result = await engine.run(operation, { ...request, RequestItems: split.done });
    return 'ok' in result ? { ok: { ...result.ok, [split.leftName]: split.left } } : result;
  };

  return {
    handle: async (operation, body) => {
      const result = run(operation, body);
      running.add(result);
      try {
        return answer(await result);
      } finally {
        running.delete(result);
      }
    },
    sweep: sweeper.sweep,
    close: async () => {
      await sweeper.stop();
      await Promise.allSettled(running);
      await engine.close();
    },
  };
};

const coral = 'com.amazon.coral.service';
const dynamodb = 'com.amazonaws.dynamodb.v20120810';

const parse = (body: string): object | undefined => {
  try {
    return JSON.parse(body) as object;
  } catch {
    return undefined;
  }
};

const answer = (result: EngineResult): Answer => {
  const { status, body } = 'ok' in result ? { status: 200, body: result.ok } : result.refused;
  return { status, headers: { 'content-type': 'application/x-amz-json-1.0' }, body: JSON.stringify(body) };
};

const failure = (operation: string, faults: FaultSource): EngineResult | undefined => {
  for (const rule of faults.live.dynamodb.fail) {
    if (rule.operation !== '*' && rule.operation !== operation) continue;
    if (!faults.strikes('dynamodb.fail', rule)) continue;
    return {
      refused: {
        status: rule.error === 'InternalServerError' ? 500 : 400,
        body: { __type: `${dynamodb}#${rule.error}`, message: 'Failed on purpose by a fault switch.' },
      },
    };
  }
  return undefined;
};

type RequestItems = Readonly<Record<string, unknown>>;

/** What of a batch call is done and what is handed back, where the fault strikes. */
const splitBatch = (operation: string, request: object, faults: FaultSource) => {
  const isGet = operation === 'BatchGetItem';
  if (!isGet && operation !== 'BatchWriteItem') return undefined;
  const items = (request as { RequestItems?: RequestItems }).RequestItems ?? {};
  const flat = Object.entries(items).flatMap(([table, asked]) =>
    ((isGet ? (asked as { Keys?: unknown[] }).Keys : (asked as unknown[])) ?? []).map((one) => ({ table, one })),
  );
  if (flat.length < 2 || !faults.strikes('dynamodb.unprocessed', faults.live.dynamodb.unprocessed)) return undefined;

  const regroup = (part: typeof flat): RequestItems => {
    const tables = new Map<string, unknown[]>();
    for (const { table, one } of part) tables.set(table, [...(tables.get(table) ?? []), one]);
    return Object.fromEntries(
      Array.from(tables, ([table, ones]) => [table, isGet ? { ...(items[table] as object), Keys: ones } : ones]),
    );
  };
  const half = Math.ceil(flat.length / 2);
  return {
    done: regroup(flat.slice(0, half)),
    left: regroup(flat.slice(half)),
    leftName: isGet ? 'UnprocessedKeys' : 'UnprocessedItems',
  };
};
