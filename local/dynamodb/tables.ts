/** The tables of `lib/resources.ts` as DynamoDB wants them said. Keys of tables are strings, those of indexes numbers. */
import type { Engine } from './dynalite-engine.ts';

export interface Keys {
  readonly partitionKey: string;
  readonly sortKey: string;
}

export interface TableKeys extends Keys {
  readonly timeToLive: string;
  readonly indexes: Readonly<Record<string, Keys>>;
}

export type TableDefinitions = Readonly<Record<string, TableKeys>>;

/**
 * Makes those that are missing; resolves when all can be used. One that an older version made without an index gets it, as from
 * CloudFormation. No item of that time has the index's keys, so there is nothing to put into it.
 */
export const createTables = async (engine: Engine, tables: TableDefinitions): Promise<void> => {
  for (const [name, keys] of Object.entries(tables)) {
    if (await isReady(engine, name, keys)) continue;
    // A crash came between making it and finishing it, or it lacks an index. What is in it lies apart, and stays.
    await engine.abandonTable(name);
    await createTable(engine, name, keys);
    while (!(await isReady(engine, name, keys))) await new Promise((resolve) => setImmediate(resolve));
  }
};

const createTable = async (engine: Engine, name: string, keys: TableKeys): Promise<void> => {
  const indexes = Object.entries(keys.indexes);
  const result = await engine.run('CreateTable', {
    TableName: name,
    BillingMode: 'PAY_PER_REQUEST',
    AttributeDefinitions: [...attributes(keys, 'S'), ...indexes.flatMap(([, index]) => attributes(index, 'N'))],
    KeySchema: keySchema(keys),
    // An empty list is refused.
    ...(indexes.length > 0 && {
      GlobalSecondaryIndexes: indexes.map(([IndexName, index]) => ({
        IndexName,
        KeySchema: keySchema(index),
        Projection: { ProjectionType: 'KEYS_ONLY' },
      })),
    }),
  });
  if ('refused' in result) throw new Error(`table ${name}: ${JSON.stringify(result.refused.body)}`);
};

const attributes = ({ partitionKey, sortKey }: Keys, type: 'S' | 'N'): object[] =>
  [partitionKey, sortKey].map((key) => ({ AttributeName: key, AttributeType: type }));

const keySchema = ({ partitionKey, sortKey }: Keys): object[] => [
  { AttributeName: partitionKey, KeyType: 'HASH' },
  { AttributeName: sortKey, KeyType: 'RANGE' },
];

interface Described {
  readonly TableStatus?: string;
  readonly GlobalSecondaryIndexes?: readonly { readonly IndexName: string }[];
}

const isReady = async (engine: Engine, name: string, keys: TableKeys): Promise<boolean> => {
  const result = await engine.run('DescribeTable', { TableName: name });
  if ('refused' in result) return false;
  const { TableStatus, GlobalSecondaryIndexes = [] } = (result.ok as { Table: Described }).Table;
  const indexes = GlobalSecondaryIndexes.map(({ IndexName }) => IndexName);
  return TableStatus === 'ACTIVE' && Object.keys(keys.indexes).every((index) => indexes.includes(index));
};
