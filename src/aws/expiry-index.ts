/**
 * The index `expiry` of the sessions table: whose sessions expire when. The one read in this folder that is not
 * consistent, because an index follows its table, mostly within a second.
 */
import { type AttributeValue, type DynamoDBClient, QueryCommand } from '@aws-sdk/client-dynamodb';
import { marshall, unmarshall } from '@aws-sdk/util-dynamodb';
import type { Page } from '../broker/ports.ts';
import type { ClientId } from '../session/ids.ts';
import { clientOf, type Key } from './keys.ts';

export interface ExpiryIndex {
  /** As `expired` of the port. */
  upTo(part: number, before: number, after: string | undefined): Promise<Page<ClientId>>;
}

/** Sessions in one page. */
const PAGE = 100;

export function createExpiryIndex(client: DynamoDBClient, tableName: string): ExpiryIndex {
  return {
    upTo: async (part, before, after) => {
      const { Items = [], LastEvaluatedKey } = await client.send(
        new QueryCommand({
          TableName: tableName,
          IndexName: 'expiry',
          // From 1: sessions that are online have a 0.
          KeyConditionExpression: 'expiryPart = :part AND expiresAt BETWEEN :first AND :last',
          ExpressionAttributeValues: marshall({ ':part': part, ':first': 1, ':last': before }),
          Limit: PAGE,
          ExclusiveStartKey: after === undefined ? undefined : readPlace(after),
        }),
      );
      return {
        found: Items.map((item) => clientOf(unmarshall(item) as Key)),
        next: LastEvaluatedKey && writePlace(LastEvaluatedKey),
      };
    },
  };
}

type Place = Record<string, AttributeValue>;

const writePlace = (place: Place): string => Buffer.from(JSON.stringify(place)).toString('base64url');
const readPlace = (text: string): Place => JSON.parse(Buffer.from(text, 'base64url').toString()) as Place;
