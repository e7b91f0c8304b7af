/**
 * All items of a table that have one sort key, wherever they lie.
 *
 * Rules of this file: a scan reads the whole table, and is billed for it. So it is for the operator's commands: no Lambda has it in
 * its bundle, nor the permission.
 */
import { type DynamoDBClient, ScanCommand } from '@aws-sdk/client-dynamodb';
import { marshall, unmarshall } from '@aws-sdk/util-dynamodb';
import type { Page } from '../broker/ports.ts';
import { type Found, found } from './table.ts';

export interface Scan {
  /** What is found in the next megabyte of the table, which may be nothing. `next`: where that ends. */
  page<R>(sortKey: string, after: string | undefined): Promise<Page<Found<R>>>;
}

export function createScan(client: DynamoDBClient, name: string): Scan {
  return {
    page: async <R>(sortKey: string, after: string | undefined) => {
      const { Items = [], LastEvaluatedKey } = await client.send(
        new ScanCommand({
          TableName: name,
          ConsistentRead: true,
          FilterExpression: 'sk = :sk',
          ExpressionAttributeValues: marshall({ ':sk': sortKey }),
          ExclusiveStartKey: after === undefined ? undefined : marshall(JSON.parse(after)),
        }),
      );
      return {
        found: Items.map((item) => found<R>(item)),
        next: LastEvaluatedKey && JSON.stringify(unmarshall(LastEvaluatedKey)),
      };
    },
  };
}
