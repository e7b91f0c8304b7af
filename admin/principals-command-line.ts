/** The command line of `serverless-mqtt principals`. Pure. */
import { UsageError } from '../client/bridge/usage-error.ts';
import type { IdentityPlace } from '../src/aws/identity-place.ts';
import { asksForHelp, noNames, onlyName, placeUsage, readArguments, readPlace } from './arguments.ts';
import { attributesOf, isArn, readAttribute, readPolicyName, readPrincipalName } from './names.ts';

/** `given`: typed at the terminal, or a line of standard input. */
export type PasswordSource = 'given' | 'generated' | 'none';

type At = { readonly place: IdentityPlace };
type AtName = At & { readonly name: string };
type WithPolicies = AtName & { readonly policies: readonly string[] };

export type PrincipalsCommand =
  | ({
      readonly kind: 'add';
      readonly attributes: Readonly<Record<string, string>>;
      readonly password: PasswordSource;
    } & WithPolicies)
  | ({ readonly kind: 'passwd'; readonly password: PasswordSource } & AtName)
  /** An empty value: the attribute goes. */
  | ({ readonly kind: 'set'; readonly attributes: Readonly<Record<string, string>> } & AtName)
  | ({ readonly kind: 'attach' } & WithPolicies)
  | ({ readonly kind: 'detach' } & WithPolicies)
  | ({ readonly kind: 'unlock' } & AtName)
  | ({ readonly kind: 'remove' } & AtName)
  | ({ readonly kind: 'show'; readonly json: boolean } & AtName)
  | ({ readonly kind: 'list'; readonly json: boolean } & At)
  | { readonly kind: 'help' };

export const usage = `Usage: serverless-mqtt principals COMMAND [options]

Who may connect, and what is attached to them.

Commands:
  add NAME              enter somebody who may connect by this user name
    --policy POLICY       attach this policy; may be given several times
    --attribute KEY=VALUE  what policies know as \${principal:KEY}; may be given several times
    --generate            make a strong password and print it
    --no-password         none: for authentication iam, where NAME is the caller's ARN
  passwd NAME           another password; takes --generate and --no-password, too
  set NAME KEY=VALUE…   other attributes; KEY= without a value removes one
  attach NAME POLICY…   attach policies
  detach NAME POLICY…   detach them
  unlock NAME           forget wrong passwords, so that the right one is let in again at once
  list                  everybody; --json for programs
  show NAME             one of them; --json for programs
  remove NAME           take somebody out

${placeUsage}
  --help                this text

A password is asked for at the terminal, without showing it. Where standard input is no terminal, its first line is the
password. Exit code: 0 done, 1 it could not be done, 2 the command line makes no sense.`;

/** @throws UsageError */
export function readCommandLine(args: readonly string[]): PrincipalsCommand {
  if (asksForHelp(args)) return { kind: 'help' };
  const [command, ...argv] = args;
  switch (command) {
    case 'add':
      return readAdd(argv);
    case 'passwd':
      return readPasswd(argv);
    case 'set':
      return readSet(argv);
    case 'attach':
    case 'detach':
      return readAttach(command, argv);
    case 'unlock':
    case 'remove': {
      const { values, positionals } = readArguments(argv, {});
      return { kind: command, name: readPrincipalName(onlyName(command, positionals)), place: readPlace(values) };
    }
    case 'show': {
      const { values, positionals } = readArguments(argv, json);
      const name = readPrincipalName(onlyName(command, positionals));
      return { kind: command, name, json: values.json ?? false, place: readPlace(values) };
    }
    case 'list': {
      const { values, positionals } = readArguments(argv, json);
      noNames(command, positionals);
      return { kind: command, json: values.json ?? false, place: readPlace(values) };
    }
    case undefined:
      throw new UsageError(
        'principals needs a command: add, passwd, set, attach, detach, unlock, list, show or remove',
      );
    default:
      throw new UsageError(`there is no command "principals ${command}"`);
  }
}

const json = { json: { type: 'boolean' } } as const;
const passwordOptions = { generate: { type: 'boolean' }, 'no-password': { type: 'boolean' } } as const;
const texts = { type: 'string', multiple: true } as const;

const readAdd = (argv: readonly string[]): PrincipalsCommand => {
  const { values, positionals } = readArguments(argv, { ...passwordOptions, policy: texts, attribute: texts });
  const name = readPrincipalName(onlyName('add', positionals));
  const pairs = (values.attribute ?? []).map((each) => readAttribute('--attribute', each));
  const empty = pairs.find(([, value]) => value === '');
  if (empty) throw new UsageError(`--attribute ${empty[0]} has no value`);
  return {
    kind: 'add',
    name,
    policies: readPolicies(values.policy ?? []),
    attributes: attributesOf(pairs),
    password: readSource(name, values),
    place: readPlace(values),
  };
};

const readPasswd = (argv: readonly string[]): PrincipalsCommand => {
  const { values, positionals } = readArguments(argv, passwordOptions);
  const name = readPrincipalName(onlyName('passwd', positionals));
  return { kind: 'passwd', name, password: readSource(name, values), place: readPlace(values) };
};

const readSet = (argv: readonly string[]): PrincipalsCommand => {
  const { values, positionals } = readArguments(argv, {});
  const [name, ...pairs] = positionals;
  if (name === undefined || pairs.length === 0) throw new UsageError('set needs a NAME and KEY=VALUE');
  const attributes = attributesOf(pairs.map((each) => readAttribute('an attribute', each)));
  return { kind: 'set', name: readPrincipalName(name), attributes, place: readPlace(values) };
};

const readAttach = (kind: 'attach' | 'detach', argv: readonly string[]): PrincipalsCommand => {
  const { values, positionals } = readArguments(argv, {});
  const [name, ...policies] = positionals;
  if (name === undefined || policies.length === 0) throw new UsageError(`${kind} needs a NAME and a POLICY`);
  return { kind, name: readPrincipalName(name), policies: readPolicies(policies), place: readPlace(values) };
};

const readPolicies = (names: readonly string[]): readonly string[] => [...new Set(names.map(readPolicyName))];

const readSource = (
  name: string,
  values: { readonly generate?: boolean; readonly 'no-password'?: boolean },
): PasswordSource => {
  if (values.generate && values['no-password']) throw new UsageError('--generate and --no-password exclude each other');
  if (values['no-password']) return 'none';
  if (isArn(name)) throw new UsageError(`${name} proves who it is by its signature: an ARN goes with --no-password`);
  return values.generate ? 'generated' : 'given';
};
