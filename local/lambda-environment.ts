/** The environment variables of the local Lambdas: those of the stack, and those Lambda itself sets. Pure. */
import { clientQueuePrefix } from '../lib/client-queues.ts';
import type { LambdaEnvironment } from '../lib/resources.ts';
import { type BrokerSettings, deploymentSettings } from '../lib/settings.ts';
import { LOCAL_REGION, localCredentials } from './credentials.ts';
import { ACCOUNT } from './sqs/queues.ts';

/** Names of what `lib/resources.ts` describes, as the local stack makes it: its own keys. */
export const queueUrlBase = (endpoint: string): string => `${endpoint}/${ACCOUNT}/`;

export const IDENTITY_TABLE = 'identity';
export const POLICY_ARN_BASE = `arn:aws:iot:${LOCAL_REGION}:${ACCOUNT}:`;

export const stackEnvironment = (
  endpoint: string,
  stageName: string,
  settings: BrokerSettings,
): LambdaEnvironment & Readonly<Record<string, string>> => {
  const urlBase = queueUrlBase(endpoint);
  return {
    STACK_NAME: deploymentSettings.stackName.default,
    SETTINGS: JSON.stringify(settings),
    SESSIONS_TABLE: 'sessions',
    SUBSCRIPTIONS_TABLE: 'subscriptions',
    RETAINED_TABLE: 'retained',
    IDENTITY_TABLE,
    POLICY_ARN_BASE,
    REDELIVERY_QUEUE_URL: `${urlBase}redelivery`,
    TIMERS_QUEUE_URL: `${urlBase}timers`,
    CLIENT_QUEUE_PREFIX: clientQueuePrefix(deploymentSettings.stackName.default),
    QUEUE_URL_BASE: urlBase,
    CALLBACK_URL: `${endpoint}/${stageName}`,
  };
};

/** What the AWS SDK needs to find the local stack, and nothing else: not even the user's own configuration. */
export const sdkEnvironment = (endpoint: string, nowhere: string): Readonly<Record<string, string>> => ({
  AWS_REGION: LOCAL_REGION,
  AWS_DEFAULT_REGION: LOCAL_REGION,
  AWS_ACCESS_KEY_ID: localCredentials.accessKeyId,
  AWS_SECRET_ACCESS_KEY: localCredentials.secretAccessKey,
  AWS_ENDPOINT_URL: endpoint,
  AWS_CONFIG_FILE: nowhere,
  AWS_SHARED_CREDENTIALS_FILE: nowhere,
  AWS_EC2_METADATA_DISABLED: 'true',
  // On AWS the Lambdas run on Node 24; a warning about this one's version would only be in the way.
  AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
});
