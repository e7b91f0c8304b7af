/**
 * One Lambda: its code, its role, its log group.
 *
 * - The code is one minified ESM file with the AWS SDK inside, less what a Lambda never runs: a cold start loads it all.
 * - The role has one inline policy and no managed one. It cannot create log groups, so none comes back after the stack
 *   is deleted.
 * - Logs are JSON, and Lambda's own lines begin at WARN: the START and REPORT lines of calls that succeed would cost
 *   about as much as the requests ($0.50 per GB against $0.20 per million). Failures and timeouts still show.
 * - No source map: it is larger than the code, and a cold start would load it. The names of functions are kept instead
 *   (6 % of the size), so that a stack trace can be read.
 */
import { join } from 'node:path';
import { Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { PolicyDocument, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import {
  ApplicationLogLevel,
  Architecture,
  LoggingFormat,
  type RecursiveLoop,
  Runtime,
  SystemLogLevel,
} from 'aws-cdk-lib/aws-lambda';
import { LogLevel, NodejsFunction, OutputFormat } from 'aws-cdk-lib/aws-lambda-nodejs';
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { LAMBDA_TIMEOUT_SECONDS, type LambdaEnvironment } from './resources.ts';

export interface BrokerFunctionProps {
  /** Folder of the repository: the bundler starts from it, and looks for the lock file there. */
  readonly root: string;
  /** TypeScript file with the exported `handler`, from `root`. */
  readonly entry: string;
  readonly name: string;
  readonly environment: LambdaEnvironment;
  readonly statements: readonly PolicyStatement[];
  readonly memoryMb: number;
  readonly logRetentionDays: number;
  readonly recursiveLoop?: RecursiveLoop;
}

/** CommonJS dependencies call `require`, which an ES module does not have. */
const requireForCommonJs = `import{createRequire as __createRequire}from"node:module";const require=__createRequire(import.meta.url);`;

/**
 * Ways to come by credentials that no Lambda takes: it finds them in its environment. The SDK imports each of these only
 * when it gets there, and it never does. Without them the largest bundle is a fifth smaller.
 */
const otherCredentials = [
  '@aws-sdk/credential-provider-ini',
  '@aws-sdk/credential-provider-process',
  '@aws-sdk/credential-provider-sso',
  '@aws-sdk/credential-provider-web-identity',
  '@aws-sdk/nested-clients',
  '@smithy/credential-provider-imds',
];

export class BrokerFunction extends Construct {
  readonly handler: NodejsFunction;

  constructor(scope: Construct, id: string, props: BrokerFunctionProps) {
    super(scope, id);
    const fullName = `${Stack.of(this).stackName}-${props.name}`;

    const logGroup = new LogGroup(this, 'Logs', {
      logGroupName: `/aws/lambda/${fullName}`,
      retention: props.logRetentionDays as RetentionDays,
      removalPolicy: RemovalPolicy.DESTROY,
    });

    const role = new Role(this, 'Role', {
      assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
      description: `What the Lambda ${fullName} calls, and nothing else`,
      inlinePolicies: {
        calls: new PolicyDocument({
          statements: [
            new PolicyStatement({
              sid: 'Logs',
              actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
              resources: [logGroup.logGroupArn],
            }),
            ...props.statements,
          ],
        }),
      },
    });

    this.handler = new NodejsFunction(this, 'Function', {
      description: `MQTT broker ${Stack.of(this).stackName}: ${props.name}`,
      entry: join(props.root, props.entry),
      projectRoot: props.root,
      depsLockFilePath: join(props.root, 'package-lock.json'),
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      memorySize: props.memoryMb,
      timeout: Duration.seconds(LAMBDA_TIMEOUT_SECONDS),
      environment: { ...props.environment },
      awsSdkConnectionReuse: false,
      role,
      logGroup,
      loggingFormat: LoggingFormat.JSON,
      systemLogLevelV2: SystemLogLevel.WARN,
      applicationLogLevelV2: ApplicationLogLevel.INFO,
      ...(props.recursiveLoop && { recursiveLoop: props.recursiveLoop }),
      bundling: {
        format: OutputFormat.ESM,
        mainFields: ['module', 'main'], // the SDK's ESM build, of which esbuild can leave out what is unused
        target: 'node24',
        minify: true,
        keepNames: true,
        bundleAwsSDK: true,
        externalModules: otherCredentials,
        esbuildArgs: { '--alias': ['readable-stream=node:stream'] }, // the same thing, in Node already; of mqtt-packet
        banner: requireForCommonJs,
        logLevel: LogLevel.WARNING,
      },
    });
  }
}
