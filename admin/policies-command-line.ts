/** The command line of `serverless-mqtt policies`. Pure. */
import { UsageError } from '../client/bridge/usage-error.ts';
import { brokerSettings } from '../lib/settings.ts';
import type { IdentityPlace } from '../src/aws/identity-place.ts';
import { type Action, actions, type ConnectAttributeMode } from '../src/policy/permit.ts';
import { asksForHelp, noNames, onlyName, placeUsage, readArguments, readPlace } from './arguments.ts';
import { readPair, readPolicyName, readPrincipalName } from './names.ts';

type At = { readonly place: IdentityPlace };
type AtName = At & { readonly name: string };

export type PoliciesCommand =
  | ({ readonly kind: 'put'; readonly file: string } & AtName)
  | ({ readonly kind: 'get' } & AtName)
  | ({ readonly kind: 'list'; readonly json: boolean } & At)
  | ({ readonly kind: 'remove'; readonly force: boolean } & AtName)
  | TestCommand
  | { readonly kind: 'help' };

export interface TestCommand extends At {
  readonly kind: 'test';
  /** Whose policies; or those in files. */
  readonly of: { readonly principal: string } | { readonly files: readonly string[] };
  readonly clientId: string;
  readonly action: Action;
  /** Without what stands before it in an ARN. */
  readonly resource: string;
  /** What stood before it, where it did. */
  readonly arnBase?: string;
  /** By lower-case key. */
  readonly values: Readonly<Record<string, string | readonly string[]>>;
  readonly persistent: boolean;
  readonly willTopic?: string;
  readonly mode: ConnectAttributeMode;
}

const DEFAULT_MODE = brokerSettings.connectAttributes.default;

export const usage = `Usage: serverless-mqtt policies COMMAND [options]

What clients may do: policies as of AWS IoT Core, by name.

Commands:
  put NAME FILE         store the policy in FILE, or - for standard input, in place of what has the name
  get NAME              print it
  list                  all of them; --json for programs
  remove NAME           take it away; refused while a principal has it attached
    --force               even so, and without looking
  test                  may this client do this, and which statement says so?
    --principal NAME      by the policies and attributes of NAME, or
    --file FILE           by the policy in FILE; may be given several times
    --client-id ID
    --action ACTION       ${actions.slice(0, 3).join(', ')},
                          ${actions.slice(3).join(' or ')}
    --resource RESOURCE   topic/NAME, topicfilter/FILTER, or a whole ARN; for iot:Connect it is client/ID
    --value KEY=VALUE     what else is known of the client, such as aws:SourceIp=192.0.2.1; may be given several times,
                          also with the same KEY
    --connect-attributes  of iot:Connect: PersistentConnect, LastWill, or both with a comma
    --will-topic TOPIC    of the will
    --mode strict|iam     the setting connectAttributes of the broker (${DEFAULT_MODE})

${placeUsage}
  --help                this text

With --file and a whole ARN (or --local) nothing is read from AWS.
Exit code: 0 done, or allowed; 1 it could not be done; 2 the command line makes no sense; 3 denied.`;

/** @throws UsageError */
export function readCommandLine(args: readonly string[]): PoliciesCommand {
  if (asksForHelp(args)) return { kind: 'help' };
  const [command, ...argv] = args;
  switch (command) {
    case 'put': {
      const { values, positionals } = readArguments(argv, {});
      const [name, file, ...others] = positionals;
      if (name === undefined || file === undefined || others.length > 0)
        throw new UsageError('put needs a NAME and a FILE');
      return { kind: command, name: readPolicyName(name), file, place: readPlace(values) };
    }
    case 'get': {
      const { values, positionals } = readArguments(argv, {});
      return { kind: command, name: readPolicyName(onlyName(command, positionals)), place: readPlace(values) };
    }
    case 'list': {
      const { values, positionals } = readArguments(argv, { json: { type: 'boolean' } });
      noNames(command, positionals);
      return { kind: command, json: values.json ?? false, place: readPlace(values) };
    }
    case 'remove': {
      const { values, positionals } = readArguments(argv, { force: { type: 'boolean' } });
      const name = readPolicyName(onlyName(command, positionals));
      return { kind: command, name, force: values.force ?? false, place: readPlace(values) };
    }
    case 'test':
      return readTest(argv);
    case undefined:
      throw new UsageError('policies needs a command: put, get, list, remove or test');
    default:
      throw new UsageError(`there is no command "policies ${command}"`);
  }
}

const text = { type: 'string' } as const;
const texts = { type: 'string', multiple: true } as const;
const testOptions = {
  principal: text,
  file: texts,
  'client-id': text,
  action: text,
  resource: text,
  value: texts,
  'connect-attributes': text,
  'will-topic': text,
  mode: text,
} as const;

const readTest = (argv: readonly string[]): TestCommand => {
  const { values, positionals } = readArguments(argv, testOptions);
  noNames('test', positionals);
  const clientId = values['client-id'];
  if (clientId === undefined) throw new UsageError('test needs --client-id');
  const action = readAction(values.action);
  const connect = readConnect(action, values['connect-attributes'], values['will-topic']);
  return {
    kind: 'test',
    of: readWhose(values.principal, values.file),
    clientId,
    action,
    ...readResource(action, clientId, values.resource),
    values: readValues(values.value ?? []),
    ...connect,
    mode: readMode(values.mode ?? DEFAULT_MODE),
    place: readPlace(values),
  };
};

const readWhose = (principal: string | undefined, files: readonly string[] | undefined): TestCommand['of'] => {
  if (principal !== undefined && files === undefined) return { principal: readPrincipalName(principal) };
  if (principal === undefined && files !== undefined) return { files };
  throw new UsageError('test needs either --principal NAME or --file FILE');
};

const readAction = (given: string | undefined): Action => {
  const action = actions.find((each) => each.toLowerCase() === given?.toLowerCase());
  if (action) return action;
  throw new UsageError(`--action is ${given ?? 'missing'}: it must be one of ${actions.join(', ')}`);
};

const kinds: Readonly<Record<Action, string>> = {
  'iot:Connect': 'client',
  'iot:Publish': 'topic',
  'iot:RetainPublish': 'topic',
  'iot:Subscribe': 'topicfilter',
  'iot:Receive': 'topic',
};

const arn = /^(arn:[\w-]+:iot:[\w-]+:\d{12}:)(.*)$/s;

const readResource = (
  action: Action,
  clientId: string,
  given: string | undefined,
): Pick<TestCommand, 'resource' | 'arnBase'> => {
  const kind = kinds[action];
  const ofClient = action === 'iot:Connect' ? `client/${clientId}` : undefined;
  const whole = given ?? ofClient;
  if (whole === undefined) throw new UsageError(`test needs --resource: for ${action} it is ${kind}/…`);
  const [, arnBase, rest] = arn.exec(whole) ?? [];
  const resource = rest ?? whole;
  if (ofClient !== undefined && resource !== ofClient) {
    throw new UsageError(`--resource is ${whole}: for ${action} it is ${ofClient}, and can be left out`);
  }
  if (!resource.startsWith(`${kind}/`) || resource.length === kind.length + 1) {
    throw new UsageError(
      `--resource is ${whole}: for ${action} it must be ${kind}/…, or arn:aws:iot:REGION:ACCOUNT:${kind}/…`,
    );
  }
  return { resource, ...(arnBase !== undefined && { arnBase }) };
};

/** Several values under one key are a list. */
const readValues = (pairs: readonly string[]): TestCommand['values'] => {
  const values = new Map<string, readonly string[]>();
  for (const pair of pairs) {
    const [key, value] = readPair('--value', pair);
    values.set(key.toLowerCase(), [...(values.get(key.toLowerCase()) ?? []), value]);
  }
  return Object.fromEntries(
    [...values].map(([key, [first = '', ...others]]) => [key, others.length > 0 ? [first, ...others] : first]),
  );
};

const attributes = ['PersistentConnect', 'LastWill'];

const readConnect = (
  action: Action,
  given: string | undefined,
  willTopic: string | undefined,
): Pick<TestCommand, 'persistent' | 'willTopic'> => {
  if (action !== 'iot:Connect' && (given ?? willTopic) !== undefined) {
    throw new UsageError('--connect-attributes and --will-topic are for iot:Connect');
  }
  const names = given?.split(',') ?? [];
  const stranger = names.find((name) => !attributes.includes(name));
  if (stranger !== undefined)
    throw new UsageError(`--connect-attributes has ${stranger}: there are ${attributes.join(' and ')}`);
  if (names.includes('LastWill') && willTopic === undefined) throw new UsageError('LastWill needs --will-topic');
  return { persistent: names.includes('PersistentConnect'), ...(willTopic !== undefined && { willTopic }) };
};

const readMode = (given: string): ConnectAttributeMode => {
  if (given === 'strict' || given === 'iam') return given;
  throw new UsageError(`--mode is ${given}: it must be strict or iam`);
};
