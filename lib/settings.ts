/**
 * The settings of a broker: one schema, in which name, unit, range, default and meaning of each setting stand once.
 *
 * Rules of this file:
 * - It imports nothing but the validator, because three sides read it: the CDK app (context values), the Lambdas (their
 *   environment) and the local stack (command line).
 * - The settings table of the README is generated from it (`npm run docs`); a test holds them equal.
 */
import * as v from 'valibot';

const integer = (least: number, most: number, unit: string, meaning: string) =>
  v.pipe(
    v.union([v.number(), v.pipe(v.string(), v.regex(/^-?\d+$/), v.transform(Number))], `must be a whole number`),
    v.integer('must be a whole number'),
    v.minValue(least, `must be at least ${least}`),
    v.maxValue(most, `must be at most ${most}`),
    v.metadata({ unit, range: `${least} – ${most}` }),
    v.description(meaning),
  );

const matching = (pattern: RegExp, rule: string, meaning: string) =>
  v.pipe(
    v.string(`must be ${rule}`),
    v.regex(pattern, `must be ${rule}`),
    v.metadata({ unit: '', range: rule }),
    v.description(meaning),
  );

const oneOf = <const T extends readonly [string, ...string[]]>(choices: T, meaning: string) =>
  v.pipe(
    v.picklist(choices, `must be one of ${choices.join(', ')}`),
    v.metadata({ unit: '', range: choices.join(', ') }),
    v.description(meaning),
  );

/** How a client may prove who it is. */
export const authenticationMethods = ['password', 'jwt', 'custom', 'iam'] as const;
export type AuthenticationMethod = (typeof authenticationMethods)[number];

/** Whether a setting `authentication` names this method. */
export const isOn = (method: AuthenticationMethod, authentication: string): boolean =>
  authentication.split(',').includes(method);

const authenticationChoices = `one or several of ${authenticationMethods.join(', ')}, separated by commas, or none`;

const methods = (meaning: string) =>
  v.pipe(
    v.string(`must be ${authenticationChoices}`),
    v.check((text) => text === 'none' || isListOfMethods(text.split(',')), `must be ${authenticationChoices}`),
    v.metadata({ unit: '', range: `${authenticationMethods.join(', ')}; none` }),
    v.description(meaning),
  );

const isListOfMethods = (names: readonly string[]): boolean =>
  names.every(
    (name, index) => authenticationMethods.some((method) => method === name) && names.indexOf(name) === index,
  );

const policyNames = (meaning: string) =>
  matching(/^([\w.@-]{1,128}(,[\w.@-]{1,128})*)?$/, 'names of policies, separated by commas', meaning);

/** What the broker's code reads at run time. Travels to the Lambdas as one JSON environment variable, `SETTINGS`. */
export const brokerSettings = {
  sessionExpirySeconds: v.optional(
    integer(
      1,
      1_209_600,
      's',
      'How long a persistent session is kept after its client went away. SQS can keep 14 days.',
    ),
    3_600,
  ),
  redeliveryRate: v.optional(
    integer(1, 1_000, 'messages/s', 'Stored messages sent to one returning client in any second, at most.'),
    10,
  ),
  liveTraffic: v.optional(
    oneOf(
      ['ordered', 'interleaved'],
      'Messages that arrive while stored ones are still being redelivered: behind them in order, or straight through, as IoT Core does.',
    ),
    'ordered',
  ),
  lifecycleEvents: v.optional(
    oneOf(
      ['on', 'off'],
      'Messages of the broker about clients that connect, disconnect, subscribe and expire, on $aws/events/… as IoT Core has them.',
    ),
    'on',
  ),
  qos2: v.optional(
    oneOf(
      ['on', 'off'],
      'QoS 2. Off: a PUBLISH or a will with QoS 2 closes the connection, as with IoT Core, and a subscription gets QoS 1.',
    ),
    'on',
  ),
  /** Without a value that a reader accepts: it has to be said. */
  authentication: v.optional(
    methods('How clients prove who they are (docs/security.md): one, several separated by commas, or none.'),
    '',
  ),
  connectAttributes: v.optional(
    oneOf(
      ['strict', 'iam'],
      'Who gets a persistent session or a Last Will: only where a policy condition names it, or wherever IAM evaluation allows the CONNECT.',
    ),
    'strict',
  ),
  unauthorizedPublish: v.optional(
    oneOf(
      ['close', 'drop'],
      'A PUBLISH that no policy allows: closes the connection, as with IoT Core, or is acknowledged and dropped.',
    ),
    'close',
  ),
  policyCheckSeconds: v.optional(
    integer(1, 30, 's', 'How often a Lambda that is at work asks whether policies or principals were changed.'),
    20,
  ),
  policyCacheSeconds: v.optional(
    integer(
      1,
      86_400,
      's',
      'How long a Lambda goes by what it has read of policies and principals, if none was changed.',
    ),
    900,
  ),
  policyCacheEntries: v.optional(
    integer(
      1,
      100_000,
      'clients',
      'Clients whose rights one Lambda remembers: fewer, where their policies have more than 20 resources and conditions.',
    ),
    5_000,
  ),
  jwtIssuer: v.optional(
    matching(
      /^(https:\/\/[^\s?#]{1,500}|http:\/\/(127\.0\.0\.1|localhost)(:\d+)?(\/[^\s?#]*)?|)$/,
      'an https URL',
      'jwt: who issues the tokens, as the claim iss says; for Cognito https://cognito-idp.REGION.amazonaws.com/POOL.',
    ),
    '',
  ),
  jwtAudience: v.optional(
    matching(
      /^([^\s,]+(,[^\s,]+)*)?$/,
      'names separated by commas',
      'jwt: for whom tokens are issued, one of these, as the claim aud (of an access token of Cognito: client_id) says.',
    ),
    '',
  ),
  jwtKeysUrl: v.optional(
    matching(
      /^(https:\/\/\S{1,500}|http:\/\/(127\.0\.0\.1|localhost)(:\d+)?(\/\S*)?|)$/,
      'an https URL',
      "jwt: where the issuer's keys are. Empty: /.well-known/jwks.json under the issuer.",
    ),
    '',
  ),
  jwtPrincipalClaim: v.optional(
    matching(/^[\w:./-]{1,100}$/, 'the name of a claim', 'jwt: the claim that names the principal.'),
    'sub',
  ),
  jwtPoliciesClaim: v.optional(
    matching(
      /^[\w:./-]{0,100}$/,
      'the name of a claim, or empty',
      'jwt: the claim that holds names of policies, such as cognito:groups. Empty: none does.',
    ),
    '',
  ),
  jwtPolicies: v.optional(policyNames('jwt: policies that every client with a token has.'), ''),
  iamPolicies: v.optional(policyNames('iam: policies that every caller has.'), ''),
  customAuthorizerArn: v.optional(
    matching(
      /^(arn:aws[\w-]*:lambda:[\w-]+:\d{12}:function:[\w-]{1,64}(:[\w$-]+)?|)$/,
      'the ARN of a Lambda function',
      "custom: the operator's function that says who a client is.",
    ),
    '',
  ),
  customAuthorizerTokenKey: v.optional(
    matching(
      /^[\w-]{0,128}$/,
      'letters, digits, _ and -, or empty',
      'custom: the header, query parameter or parameter behind the user name that holds a token. Empty: none does.',
    ),
    '',
  ),
  maxPayloadBytes: v.optional(
    integer(1, 131_072, 'bytes', 'Largest payload of a PUBLISH; a larger one closes the connection.'),
    131_072,
  ),
  maxStoredMessages: v.optional(
    integer(
      1,
      100_000,
      'messages',
      'Messages stored for one offline session; the newest is refused beyond that, with a log line.',
    ),
    10_000,
  ),
  maxStoredBytes: v.optional(
    integer(
      1,
      10_737_418_240,
      'bytes',
      'Payload and topic bytes stored for one offline session; the newest is refused beyond that.',
    ),
    104_857_600,
  ),
  maxInFlight: v.optional(
    integer(
      1,
      1_000,
      'messages',
      'Messages with QoS 1 or 2 sent to one client and not yet acknowledged; more wait in its queue.',
    ),
    100,
  ),
  maxSubscriptions: v.optional(
    integer(1, 1_000, 'filters', 'Topic filters of one session; SUBACK answers 0x80 beyond that.'),
    100,
  ),
  maxClientIdBytes: v.optional(
    integer(23, 900, 'bytes', 'Longest client id in UTF-8; a longer one gets CONNACK return code 2.'),
    256,
  ),
  maxTopicBytes: v.optional(
    integer(
      8,
      900,
      'bytes',
      'Longest topic name or filter in UTF-8. A longer name closes the connection, a longer filter gets 0x80.',
    ),
    512,
  ),
  maxTopicLevels: v.optional(
    integer(1, 128, 'levels', 'Most levels of a topic name or filter; beyond that as for maxTopicBytes.'),
    16,
  ),
  maxFilterShapes: v.optional(
    integer(
      1,
      1_000,
      'shapes',
      'Distinct patterns of wildcards in use in the whole broker; a filter with a new one gets 0x80 beyond that.',
    ),
    100,
  ),
} as const;

/** What only the deployment reads. */
export const deploymentSettings = {
  stackName: v.optional(
    matching(
      /^[A-Za-z][A-Za-z0-9-]{0,31}$/,
      '1–32 letters, digits and hyphens, a letter first',
      'Name of the stack; also the prefix of every queue it makes.',
    ),
    'serverless-mqtt',
  ),
  stageName: v.optional(
    matching(
      /^[A-Za-z0-9_-]{1,64}$/,
      '1–64 of A–Z a–z 0–9 _ -',
      'Stage of the WebSocket API: the path in the URL clients connect to.',
    ),
    'mqtt',
  ),
  logRetentionDays: v.optional(
    v.pipe(
      integer(1, 3_653, 'days', 'How long CloudWatch keeps the logs; one of the values CloudWatch accepts.'),
      v.check(
        (days) => logRetentionChoices.includes(days),
        () => `must be one of ${logRetentionChoices.join(', ')}`,
      ),
    ),
    30,
  ),
  lambdaMemoryMb: v.optional(integer(128, 10_240, 'MB', 'Memory of each Lambda; its share of CPU grows with it.'), 512),
  redeliveryConcurrency: v.optional(
    integer(2, 1_000, 'Lambdas', 'Redelivery Lambdas running at once, over all clients.'),
    50,
  ),
} as const;

const logRetentionChoices = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
];

const brokerSchema = v.object(brokerSettings);
const deploymentSchema = v.object({ ...brokerSettings, ...deploymentSettings });

export type BrokerSettings = v.InferOutput<typeof brokerSchema>;
export type DeploymentSettings = v.InferOutput<typeof deploymentSchema>;

/** A setting has a value that the broker cannot work with. The message names each such setting, its value and the rule. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

/** The broker's own settings out of `given`, defaults filled in. @throws SettingsError */
export const readBrokerSettings = (given: Readonly<Record<string, unknown>>): BrokerSettings =>
  read(brokerSchema, given);

/** All settings out of `given`, defaults filled in. @throws SettingsError */
export const readDeploymentSettings = (given: Readonly<Record<string, unknown>>): DeploymentSettings =>
  read(deploymentSchema, given);

/** The part of all settings that the Lambdas get. */
export const brokerPart = (settings: DeploymentSettings): BrokerSettings => v.parse(brokerSchema, settings);

/** What a way of authentication cannot do without. */
const needs: readonly (readonly [method: AuthenticationMethod, setting: keyof BrokerSettings, what: string])[] = [
  ['jwt', 'jwtIssuer', 'the URL of whoever issues the tokens'],
  [
    'jwt',
    'jwtAudience',
    "this broker's name with the issuer, or tokens that are for other services would be good here, too",
  ],
  ['custom', 'customAuthorizerArn', 'the ARN of the function to ask (on a laptop: npm start -- --authorizer FILE)'],
];

/** What settings ask of each other, and do not have. */
const missingFor = (settings: BrokerSettings): readonly string[] =>
  needs
    .filter(([method, name]) => isOn(method, settings.authentication) && settings[name] === '')
    .map(([method, name, what]) => `setting ${name} is "": authentication ${method} needs ${what}`);

const read = <S extends typeof brokerSchema | typeof deploymentSchema>(
  schema: S,
  given: Readonly<Record<string, unknown>>,
): v.InferOutput<S> => {
  const unknown = Object.keys(given)
    .filter((name) => !Object.hasOwn(schema.entries, name))
    .map((name) => `there is no setting named ${name}: see the settings table in README.md`);
  const result = v.safeParse(schema, given, { abortPipeEarly: true });
  const missing = result.success ? missingFor(result.output) : [];
  if (result.success && unknown.length + missing.length === 0) return result.output;
  const wrong = (result.issues ?? []).map((issue) => {
    const name = String(issue.path?.[0]?.key);
    const value = given[name] === undefined ? 'missing' : JSON.stringify(given[name]);
    return `setting ${name} is ${value}: it ${issue.message}`;
  });
  throw new SettingsError([...unknown, ...wrong, ...missing].join('\n'));
};
