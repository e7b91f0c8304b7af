/**
 * The shapes in use, a set of strings in each of several replicas: every SUBSCRIBE of a new shape writes all of them, a
 * PUBLISH reads any one. Adding to a set twice is adding once, so a write that the SDK sends again does no harm.
 */
import {
  ConditionalCheckFailedException,
  type DynamoDBClient,
  GetItemCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';
import { marshall } from '@aws-sdk/util-dynamodb';
import { SHAPE_REPLICAS, shapesKey } from './keys.ts';

export interface ShapeRegistry {
  read(): Promise<ReadonlySet<string>>;
  add(shape: string, most: number): Promise<boolean>;
}

export function createShapeRegistry(client: DynamoDBClient, tableName: string): ShapeRegistry {
  /** Shapes that this process has written to every replica. One that was only read may still be on its way to others. */
  const registered = new Set<string>();

  const addTo = async (replica: number, shape: string, most?: number): Promise<boolean> => {
    const command = new UpdateItemCommand({
      TableName: tableName,
      Key: marshall(shapesKey(replica)),
      UpdateExpression: 'ADD shapes :shape',
      ExpressionAttributeValues: {
        ':shape': { SS: [shape] },
        ...(most !== undefined && { ':most': { N: String(most) }, ':this': { S: shape } }),
      },
      ...(most !== undefined && {
        ConditionExpression: 'attribute_not_exists(shapes) OR contains(shapes, :this) OR size(shapes) < :most',
      }),
    });
    try {
      await client.send(command);
      return true;
    } catch (error) {
      if (error instanceof ConditionalCheckFailedException) return false;
      throw error;
    }
  };

  return {
    read: async () => {
      const replica = Math.floor(Math.random() * SHAPE_REPLICAS);
      const { Item } = await client.send(
        new GetItemCommand({ TableName: tableName, Key: marshall(shapesKey(replica)), ConsistentRead: true }),
      );
      return new Set(Item?.shapes?.SS ?? []);
    },
    add: async (shape, most) => {
      if (registered.has(shape)) return true;
      if (!(await addTo(0, shape, most))) return false;
      for (let replica = 1; replica < SHAPE_REPLICAS; replica++) await addTo(replica, shape);
      registered.add(shape);
      return true;
    },
  };
}
