/**
 * One DynamoDB table as records under a key. The only file that sends commands to DynamoDB.
 *
 * Rules of this file: every read is consistent; every write touches one item.
 */
import {
  type AttributeValue,
  ConditionalCheckFailedException,
  DeleteItemCommand,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';
import { marshall, unmarshall } from '@aws-sdk/util-dynamodb';
import type { Clock } from '../broker/ports.ts';
import type { Change, Condition, Outcome } from '../session/change.ts';
import { changeExpressions, conditionExpression } from './expressions.ts';
import type { Key } from './keys.ts';

export interface Table {
  get<R>(key: Key): Promise<R | undefined>;
  /** False: there is such an item already. */
  putNew(key: Key, record: object, timeToLive: number): Promise<boolean>;
  put(key: Key, record: object, timeToLive: number): Promise<void>;
  change<R>(key: Key, change: Change<R>, timeToLive: number): Promise<Outcome<R>>;
  /** Sets attributes whatever is there, and returns what was. */
  swap<R>(key: Key, attributes: object, timeToLive: number): Promise<R | undefined>;
  /** True: the item was there and is gone by this call. */
  remove<R>(key: Key, conditions: readonly Condition<R>[]): Promise<boolean>;
  /** All items of the partition whose sort key begins with `prefix.sk`, by sort key. */
  query<R>(prefix: Key): Promise<readonly Found<R>[]>;
}

export interface Found<R> {
  readonly key: Key;
  readonly record: R;
}

export interface TableOptions {
  readonly client: DynamoDBClient;
  readonly name: string;
  readonly clock: Clock;
}

export function createTable({ client, name, clock }: TableOptions): Table {
  const ttlIn = (timeToLive: number) => Math.ceil((clock.now() + timeToLive) / 1_000);
  const get = async <R>(key: Key): Promise<R | undefined> => {
    const { Item } = await client.send(
      new GetItemCommand({ TableName: name, Key: marshall(key), ConsistentRead: true }),
    );
    return Item && found<R>(Item).record;
  };

  return {
    get,

    put: async (key, record, timeToLive) => {
      const item = { ...record, ...key, ttl: ttlIn(timeToLive) };
      await client.send(new PutItemCommand({ TableName: name, Item: marshall(item) }));
    },

    putNew: async (key, record, timeToLive) => {
      const item = { ...record, ...key, ttl: ttlIn(timeToLive) };
      const command = new PutItemCommand({
        TableName: name,
        Item: marshall(item),
        ...conditionExpression<Key>([['absent']]),
      });
      return (await unlessRefused(client.send(command))) !== REFUSED;
    },

    change: async <R>(key: Key, change: Change<R>, timeToLive: number): Promise<Outcome<R>> => {
      const command = new UpdateItemCommand({
        TableName: name,
        Key: marshall(key),
        ...changeExpressions(change, ttlIn(timeToLive)),
        ReturnValues: 'ALL_NEW',
        ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
      });
      try {
        const { Attributes } = await client.send(command);
        return { done: true, record: found<R>(Attributes ?? {}).record };
      } catch (error) {
        if (!(error instanceof ConditionalCheckFailedException)) throw error;
        // Absent where there is no item, and from a DynamoDB that cannot return it: only another read tells.
        return { done: false, record: error.Item ? found<R>(error.Item).record : await get<R>(key) };
      }
    },

    swap: async <R>(key: Key, attributes: object, timeToLive: number): Promise<R | undefined> => {
      const command = new UpdateItemCommand({
        TableName: name,
        Key: marshall(key),
        ...changeExpressions({ if: [], set: attributes }, ttlIn(timeToLive)),
        ReturnValues: 'ALL_OLD',
      });
      const { Attributes } = await client.send(command);
      return Attributes && found<R>(Attributes).record;
    },

    remove: async (key, conditions) => {
      const command = new DeleteItemCommand({
        TableName: name,
        Key: marshall(key),
        ...conditionExpression(conditions),
        ReturnValues: 'ALL_OLD',
      });
      const result = await unlessRefused(client.send(command));
      return result !== REFUSED && result.Attributes !== undefined;
    },

    query: async <R>(prefix: Key) => {
      const items: Found<R>[] = [];
      let start: QueryCommand['input']['ExclusiveStartKey'];
      do {
        const page = await client.send(
          new QueryCommand({
            TableName: name,
            ConsistentRead: true,
            KeyConditionExpression: prefix.sk === '' ? 'pk = :pk' : 'pk = :pk AND begins_with(sk, :sk)',
            ExpressionAttributeValues: marshall(
              prefix.sk === '' ? { ':pk': prefix.pk } : { ':pk': prefix.pk, ':sk': prefix.sk },
            ),
            ExclusiveStartKey: start,
          }),
        );
        items.push(...(page.Items ?? []).map((item) => found<R>(item)));
        start = page.LastEvaluatedKey;
      } while (start);
      return items;
    },
  };
}

/** Splits what the broker wrote from what only the table needs. */
const found = <R>(item: Record<string, AttributeValue>): Found<R> => {
  const { pk, sk, ttl: _, ...record } = unmarshall(item);
  return { key: { pk, sk }, record: record as R };
};

const REFUSED = Symbol('condition not fulfilled');

const unlessRefused = async <T>(sent: Promise<T>): Promise<T | typeof REFUSED> => {
  try {
    return await sent;
  } catch (error) {
    if (error instanceof ConditionalCheckFailedException) return REFUSED;
    throw error;
  }
};
