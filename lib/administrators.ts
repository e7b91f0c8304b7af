/**
 * A policy for those who enter clients and policies: what the commands `serverless-mqtt principals` and `policies` call, and nothing else.
 *
 * - Nobody has it yet: the owner of the account attaches it to users, roles or permission sets, by its ARN.
 * - Of the identity table they write what is the operator's, and not what the broker keeps there of its clients.
 * - They read the hashes of passwords: a scan cannot leave them out.
 * - The stack is named without the id at its end, as in AWS's own examples: the commands ask for it by its name.
 */
import { ArnFormat, Stack } from 'aws-cdk-lib';
import { ManagedPolicy, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';

/** Partition keys in the identity table (`src/aws/keys.ts`). Of failed logins they forget some, and that is a deletion. */
const operatorsKeys = ['principal#*', 'policy#*', 'logins#*', 'version'];

export class Administrators extends Construct {
  readonly policyArn: string;

  constructor(scope: Construct, id: string, identityTableArn: string) {
    super(scope, id);
    const { stackName } = Stack.of(this);
    const stack = Stack.of(this).formatArn({
      service: 'cloudformation',
      resource: 'stack',
      resourceName: `${stackName}/*`,
      arnFormat: ArnFormat.SLASH_RESOURCE_NAME,
    });
    const policy = new ManagedPolicy(this, 'Policy', {
      description: `Enter clients of the MQTT broker ${stackName}, and what they may do`,
      statements: [
        new PolicyStatement({ sid: 'FindTable', actions: ['cloudformation:DescribeStacks'], resources: [stack] }),
        new PolicyStatement({
          sid: 'Read',
          actions: ['dynamodb:GetItem', 'dynamodb:Scan'],
          resources: [identityTableArn],
        }),
        new PolicyStatement({
          sid: 'Write',
          actions: ['dynamodb:PutItem', 'dynamodb:UpdateItem', 'dynamodb:DeleteItem'],
          resources: [identityTableArn],
          conditions: { 'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': operatorsKeys } },
        }),
      ],
    });
    this.policyArn = policy.managedPolicyArn;
  }
}
