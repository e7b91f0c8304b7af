/**
 * The four DynamoDB tables.
 *
 * - On demand: an idle broker pays for storage only.
 * - They outlive the stack: sessions, their subscriptions and what is retained are the user's data, and `cdk destroy` is quickly typed. Their names are generated, so that a stack deployed again does not stumble over the tables it left behind.
 * - Point-in-time recovery is on: it is billed by stored size ($0.20 per GB and month), and a session is about 1 KB.
 *   Restore `sessions` and `subscriptions` to the same second: they refer to each other by session generation. What is
 *   retained stands for itself.
 * - An index holds keys only, so that a write which leaves them as they are is not billed a second time. CloudFormation adds an
 *   index to a table that is there, but only one in a deployment.
 * - Encrypted with the key DynamoDB owns, as every table is that names no other. A KMS key would add a KMS call, its price and its throttle, to the packet path.
 */
import { RemovalPolicy } from 'aws-cdk-lib';
import { AttributeType, BillingMode, ProjectionType, Table } from 'aws-cdk-lib/aws-dynamodb';
import { Construct } from 'constructs';
import { tables } from './resources.ts';

export class Tables extends Construct {
  readonly sessions: Table;
  readonly subscriptions: Table;
  readonly retained: Table;
  readonly identity: Table;

  constructor(scope: Construct, id: string) {
    super(scope, id);
    this.sessions = this.#table('Sessions', tables.sessions);
    this.subscriptions = this.#table('Subscriptions', tables.subscriptions);
    this.retained = this.#table('Retained', tables.retained);
    this.identity = this.#table('Identity', tables.identity);
  }

  #table(id: string, keys: (typeof tables)[keyof typeof tables]): Table {
    const table = new Table(this, id, {
      partitionKey: { name: keys.partitionKey, type: AttributeType.STRING },
      sortKey: { name: keys.sortKey, type: AttributeType.STRING },
      timeToLiveAttribute: keys.timeToLive,
      billingMode: BillingMode.PAY_PER_REQUEST,
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      removalPolicy: RemovalPolicy.RETAIN,
    });
    for (const [indexName, { partitionKey, sortKey }] of Object.entries(keys.indexes)) {
      table.addGlobalSecondaryIndex({
        indexName,
        partitionKey: { name: partitionKey, type: AttributeType.NUMBER },
        sortKey: { name: sortKey, type: AttributeType.NUMBER },
        projectionType: ProjectionType.KEYS_ONLY,
      });
    }
    return table;
  }
}
