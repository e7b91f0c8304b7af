/** Enters policies and principals into a local stack, as the operator's commands do. */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { LocalStack } from '../../local/stack.ts';
import { systemClock } from '../../src/aws/clock.ts';
import { policyKey, principalKey } from '../../src/aws/keys.ts';
import { createTable } from '../../src/aws/table.ts';
import type { Principal } from '../../src/broker/ports.ts';
import { IDENTITY_TIME_TO_LIVE } from '../../src/broker/time-to-live.ts';
import '../local/fixtures/quiet-sdk.ts';

export interface IdentityTable {
  putPolicy(name: string, ...statements: readonly object[]): Promise<void>;
  putPrincipal(name: string, principal?: Partial<Principal>): Promise<void>;
  close(): void;
}

export function openIdentityTable({ endpoint, environment }: LocalStack): IdentityTable {
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
  const client = new DynamoDBClient({ endpoint, region: 'us-east-1', credentials });
  const table = createTable({ client, name: environment.IDENTITY_TABLE, clock: systemClock });
  return {
    putPolicy: (name, ...statements) => {
      const document = JSON.stringify({ Version: '2012-10-17', Statement: statements });
      return table.put(policyKey(name), { document }, IDENTITY_TIME_TO_LIVE);
    },
    putPrincipal: (name, principal = {}) =>
      table.put(
        principalKey(name),
        { passwordHash: '', policies: [], attributes: {}, ...principal },
        IDENTITY_TIME_TO_LIVE,
      ),
    close: () => client.destroy(),
  };
}
