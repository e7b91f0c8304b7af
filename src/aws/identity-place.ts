/**
 * The identity table of a broker, found by what an operator knows of it, and opened.
 *
 * Rules of this file: for the operator's commands. Credentials and the Region come from where the SDK finds them for any program.
 */
import { CloudFormationClient, DescribeStacksCommand, type Stack } from '@aws-sdk/client-cloudformation';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { Identity, IdentityAdministration } from '../broker/ports.ts';
import { systemClock } from './clock.ts';
import { createIdentity } from './identity.ts';
import { createIdentityAdministration } from './identity-administration.ts';
import { createScan } from './scan.ts';
import { createTable } from './table.ts';

export type IdentityPlace =
  | ({ readonly kind: 'stack'; readonly stackName: string } & Account)
  | ({ readonly kind: 'table'; readonly tableName: string } & Account)
  /** A stand-in for AWS, which takes any credentials. */
  | { readonly kind: 'endpoint'; readonly endpoint: string; readonly tableName: string; readonly arnBase: string };

/** Whose account and which Region; what is left out is found as by any program on the SDK. */
export interface Account {
  readonly profile?: string;
  readonly region?: string;
}

export interface OpenIdentity {
  readonly identity: Identity;
  readonly administration: IdentityAdministration;
  /** What an ARN of the broker begins with; undefined where nobody has said more than the name of the table. */
  readonly arnBase: string | undefined;
  close(): void;
}

/** There is no such place. The message says what to do. */
export class IdentityPlaceError extends Error {
  override readonly name = 'IdentityPlaceError';
}

/** What the stack calls the name of its table among its outputs. */
const OUTPUT = 'IdentityTableName';

const nothing = (): void => {};

const forPeople = {
  maxAttempts: 3,
  /** Longer than in a Lambda, and not for ever. Milliseconds. */
  requestHandler: { connectionTimeout: 5_000, requestTimeout: 20_000, throwOnRequestTimeout: true },
  /** The SDK would warn of credentials in the environment where a profile is named, though that is what counts. */
  logger: { debug: nothing, info: nothing, warn: nothing, error: nothing },
};

/** @throws IdentityPlaceError, and the SDK's own errors */
export async function openIdentity(place: IdentityPlace): Promise<OpenIdentity> {
  if (place.kind === 'endpoint') {
    const { endpoint, tableName, arnBase } = place;
    const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
    return open(new DynamoDBClient({ ...forPeople, region: 'us-east-1', endpoint, credentials }), tableName, arnBase);
  }
  const { profile, region } = place;
  const account = { ...forPeople, ...(profile !== undefined && { profile }), ...(region !== undefined && { region }) };
  if (place.kind === 'table') return open(new DynamoDBClient(account), place.tableName, undefined);
  const { tableName, arnBase } = await look(new CloudFormationClient(account), place.stackName);
  return open(new DynamoDBClient(account), tableName, arnBase);
}

const open = (client: DynamoDBClient, name: string, arnBase: string | undefined): OpenIdentity => {
  const table = createTable({ client, name, clock: systemClock });
  return {
    identity: createIdentity(table),
    administration: createIdentityAdministration(table, createScan(client, name)),
    arnBase,
    close: () => client.destroy(),
  };
};

const look = async (client: CloudFormationClient, name: string): Promise<{ tableName: string; arnBase: string }> => {
  try {
    const stack = await describe(client, name);
    const tableName = stack.Outputs?.find(({ OutputKey }) => OutputKey === OUTPUT)?.OutputValue;
    if (tableName === undefined) {
      throw new IdentityPlaceError(
        `The stack ${name} has no output ${OUTPUT}: deploy it again with "npx cdk deploy", or name another with --stack.`,
      );
    }
    const [, partition, , region, account] = (stack.StackId ?? '').split(':');
    return { tableName, arnBase: `arn:${partition}:iot:${region}:${account}:` };
  } finally {
    client.destroy();
  }
};

const describe = async (client: CloudFormationClient, StackName: string): Promise<Stack> => {
  try {
    const { Stacks: [stack] = [] } = await client.send(new DescribeStacksCommand({ StackName }));
    if (stack) return stack;
  } catch (error) {
    // What CloudFormation says of a stack that is not there.
    if (!(error instanceof Error) || error.name !== 'ValidationError') throw error;
  }
  throw new IdentityPlaceError(
    `There is no stack ${StackName} in ${await client.config.region()}: name another with --stack, its Region with --region, ` +
      'its account with --profile. For the broker of npm start there is --local.',
  );
};
