/** The tables of `lib/resources.ts` as DynamoDB wants them said. Keys are strings. */
import type { Engine } from './dynalite-engine.ts';

export interface TableKeys {
  readonly partitionKey: string;
  readonly sortKey: string;
  readonly timeToLive: string;
}

export type TableDefinitions = Readonly<Record<string, TableKeys>>;

/** Makes those that are missing; resolves when all can be used. */
export const createTables = async (engine: Engine, tables: TableDefinitions): Promise<void> => {
  for (const [name, keys] of Object.entries(tables)) {
    const status = await statusOf(engine, name);
    // A crash came between making the table and finishing it: nothing can be in it.
    if (status === 'CREATING') await engine.abandonTable(name);
    if (status !== 'ACTIVE') await createTable(engine, name, keys);
    while ((await statusOf(engine, name)) !== 'ACTIVE') await new Promise((resolve) => setImmediate(resolve));
  }
};

const createTable = async (engine: Engine, name: string, { partitionKey, sortKey }: TableKeys): Promise<void> => {
  const result = await engine.run('CreateTable', {
    TableName: name,
    BillingMode: 'PAY_PER_REQUEST',
    AttributeDefinitions: [partitionKey, sortKey].map((key) => ({ AttributeName: key, AttributeType: 'S' })),
    KeySchema: [
      { AttributeName: partitionKey, KeyType: 'HASH' },
      { AttributeName: sortKey, KeyType: 'RANGE' },
    ],
  });
  if ('refused' in result) throw new Error(`table ${name}: ${JSON.stringify(result.refused.body)}`);
};

/** Undefined where there is no such table. */
const statusOf = async (engine: Engine, name: string): Promise<string | undefined> => {
  const result = await engine.run('DescribeTable', { TableName: name });
  return 'ok' in result ? (result.ok as { Table?: { TableStatus?: string } }).Table?.TableStatus : undefined;
};
