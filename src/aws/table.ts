/**
 * One DynamoDB table as records under a key.
 *
 * Rules of this file:
 * - Every read is consistent; every write touches one item.
 * - The SDK sends a write again whose answer it did not get, though DynamoDB may have carried it out. So each write has a
 *   name, kept in the item: it is carried out once, and its caller learns what became of it.
 */
import { randomUUID } from 'node:crypto';
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
import type { Clock, Page } from '../broker/ports.ts';
import type { Change, Condition, Outcome } from '../session/change.ts';
import { type Bookkeeping, changeExpressions, conditionExpression } from './expressions.ts';
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
  /** The first `most` of them behind the sort key `after`, or fewer where they are large. `next`: the last sort key. */
  page<R>(prefix: Key, most: number, after: string | undefined): Promise<Page<Found<R>>>;
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
  const bookkeeping = (timeToLive: number): Bookkeeping => ({
    ...(Number.isFinite(timeToLive) && { ttl: Math.ceil((clock.now() + timeToLive) / 1_000) }),
    lastWrite: randomUUID(),
  });
  const getItem = async (key: Key) => {
    const command = new GetItemCommand({ TableName: name, Key: marshall(key), ConsistentRead: true });
    return (await client.send(command)).Item;
  };
  /** The item that did not fulfil a condition. Absent where there is none, and from a DynamoDB that cannot return it. */
  const itemBehind = async (error: ConditionalCheckFailedException, key: Key) => error.Item ?? (await getItem(key));
  const isFrom = (item: Record<string, AttributeValue> | undefined, { lastWrite }: Bookkeeping) =>
    item?.lastWrite?.S === lastWrite;

  const queryOf = ({ pk, sk }: Key) => ({
    TableName: name,
    ConsistentRead: true,
    KeyConditionExpression: sk === '' ? 'pk = :pk' : 'pk = :pk AND begins_with(sk, :sk)',
    ExpressionAttributeValues: marshall(sk === '' ? { ':pk': pk } : { ':pk': pk, ':sk': sk }),
  });

  return {
    get: async <R>(key: Key) => {
      const item = await getItem(key);
      return item && found<R>(item).record;
    },

    put: async (key, record, timeToLive) => {
      const item = { ...record, ...key, ...bookkeeping(timeToLive) };
      await client.send(new PutItemCommand({ TableName: name, Item: marshall(item) }));
    },

    putNew: async (key, record, timeToLive) => {
      const write = bookkeeping(timeToLive);
      const command = new PutItemCommand({
        TableName: name,
        Item: marshall({ ...record, ...key, ...write }),
        ...conditionExpression<Key>([['absent']]),
        ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
      });
      try {
        await client.send(command);
        return true;
      } catch (error) {
        if (!(error instanceof ConditionalCheckFailedException)) throw error;
        return isFrom(await itemBehind(error, key), write);
      }
    },

    change: async <R>(key: Key, change: Change<R>, timeToLive: number): Promise<Outcome<R>> => {
      const write = bookkeeping(timeToLive);
      const command = new UpdateItemCommand({
        TableName: name,
        Key: marshall(key),
        ...changeExpressions(change, write),
        ReturnValues: 'ALL_NEW',
        ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
      });
      try {
        const { Attributes } = await client.send(command);
        return { done: true, record: found<R>(Attributes ?? {}).record };
      } catch (error) {
        if (!(error instanceof ConditionalCheckFailedException)) throw error;
        const item = await itemBehind(error, key);
        if (item && isFrom(item, write)) return { done: true, record: found<R>(item).record };
        return { done: false, record: item && found<R>(item).record };
      }
    },

    swap: async <R>(key: Key, attributes: object, timeToLive: number): Promise<R | undefined> => {
      const command = new UpdateItemCommand({
        TableName: name,
        Key: marshall(key),
        ...changeExpressions({ if: [], set: attributes }, bookkeeping(timeToLive)),
        ReturnValues: 'ALL_OLD',
        ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
      });
      try {
        const { Attributes } = await client.send(command);
        return Attributes && found<R>(Attributes).record;
      } catch (error) {
        // Carried out before: what was there is lost, what is there now still has all but the attributes.
        if (!(error instanceof ConditionalCheckFailedException)) throw error;
        const item = await itemBehind(error, key);
        return item && found<R>(item).record;
      }
    },

    remove: async (key, conditions) => {
      const command = new DeleteItemCommand({
        TableName: name,
        Key: marshall(key),
        ...conditionExpression(conditions),
        ReturnValues: 'ALL_OLD',
      });
      try {
        return (await client.send(command)).Attributes !== undefined;
      } catch (error) {
        if (error instanceof ConditionalCheckFailedException) return false;
        throw error;
      }
    },

    query: async <R>(prefix: Key) => {
      const items: Found<R>[] = [];
      let start: QueryCommand['input']['ExclusiveStartKey'];
      do {
        const page = await client.send(new QueryCommand({ ...queryOf(prefix), ExclusiveStartKey: start }));
        items.push(...(page.Items ?? []).map((item) => found<R>(item)));
        start = page.LastEvaluatedKey;
      } while (start);
      return items;
    },

    page: async <R>(prefix: Key, most: number, after: string | undefined) => {
      const { Items = [], LastEvaluatedKey } = await client.send(
        new QueryCommand({
          ...queryOf(prefix),
          Limit: most,
          ExclusiveStartKey: after === undefined ? undefined : marshall({ pk: prefix.pk, sk: after }),
        }),
      );
      return {
        found: Items.map((item) => found<R>(item)),
        next: LastEvaluatedKey && (unmarshall(LastEvaluatedKey) as Key).sk,
      };
    },
  };
}

/** Splits what the broker wrote from what only the table needs. */
export const found = <R>(item: Record<string, AttributeValue>): Found<R> => {
  const { pk, sk, ttl: _, lastWrite: __, ...record } = unmarshall(item);
  return { key: { pk, sk }, record: record as R };
};
