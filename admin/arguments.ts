/**
 * What the operator's command lines have in common. Pure.
 *
 * Rules of this file:
 * - No secret comes in by an argument, and no message repeats an argument that may be one by mistake.
 * - `--local` alone means the usual port.
 */
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { UsageError } from '../client/bridge/usage-error.ts';
import { deploymentSettings } from '../lib/settings.ts';
import { IDENTITY_TABLE, POLICY_ARN_BASE } from '../local/lambda-environment.ts';
import { DEFAULT_PORT } from '../local/port.ts';
import type { Account, IdentityPlace } from '../src/aws/identity-place.ts';

const text = { type: 'string' } as const;

/** Every command takes these. */
const placeOptions = {
  stack: text,
  table: text,
  local: text,
  profile: text,
  region: text,
} as const;

export const DEFAULT_STACK = deploymentSettings.stackName.default;

/** For the usage texts. */
export const placeUsage = `Where the broker is:
  --stack NAME          the stack that was deployed (${DEFAULT_STACK})
  --table NAME          its identity table, instead of the stack
  --profile NAME        as the AWS command line knows it
  --region REGION
  --local [PORT]        the broker of npm start, instead of AWS (${DEFAULT_PORT})`;

export const asksForHelp = (argv: readonly string[]): boolean =>
  optionsOf(argv).some((arg) => arg === '--help' || arg === '-h');

type Options = NonNullable<ParseArgsConfig['options']>;

/** The rest of the line behind the name of a command. @throws UsageError */
export const readArguments = <const O extends Options>(argv: readonly string[], options: O) => {
  refuseSecrets(argv);
  try {
    return parseArgs({ args: withPort(argv), options: { ...placeOptions, ...options }, allowPositionals: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
};

const refuseSecrets = (argv: readonly string[]): void => {
  if (!optionsOf(argv).some((arg) => /^--(?:pass(?:word|wd|phrase)?|pwd|secret)(?:=|$)/i.test(arg))) return;
  throw new UsageError(
    'a password is not taken from the command line, where others on this machine and the history of your shell would see it: ' +
      'it is asked for at the terminal, or read as one line from standard input',
  );
};

const optionsOf = (argv: readonly string[]): readonly string[] => {
  const end = argv.indexOf('--');
  return end < 0 ? argv : argv.slice(0, end);
};

/** `parseArgs` knows no option whose value may be left out. */
const withPort = (argv: readonly string[]): string[] => {
  const options = optionsOf(argv);
  const at = options.indexOf('--local');
  if (at < 0) return [...argv];
  const port = options[at + 1];
  const isThere = port !== undefined && /^\d+$/.test(port);
  return [...argv.slice(0, at), `--local=${isThere ? port : DEFAULT_PORT}`, ...argv.slice(at + (isThere ? 2 : 1))];
};

export interface PlaceValues extends Account {
  readonly stack?: string;
  readonly table?: string;
  readonly local?: string;
}

/** @throws UsageError */
export const readPlace = ({ stack, table, local, profile, region }: PlaceValues): IdentityPlace => {
  if (local !== undefined) {
    if ((stack ?? table ?? profile ?? region) !== undefined) {
      throw new UsageError(
        '--local is the broker of this machine: it goes with none of --stack, --table, --profile, --region',
      );
    }
    return { kind: 'endpoint', endpoint: endpointOf(local), tableName: IDENTITY_TABLE, arnBase: POLICY_ARN_BASE };
  }
  if (stack !== undefined && table !== undefined)
    throw new UsageError('--stack finds the table: --table goes without it');
  const account = { ...(profile !== undefined && { profile }), ...(region !== undefined && { region }) };
  if (table !== undefined)
    return { kind: 'table', tableName: readName('--table', table, /^[\w.-]{3,255}$/), ...account };
  const stackName = readName('--stack', stack ?? DEFAULT_STACK, /^[A-Za-z][A-Za-z0-9-]{0,127}$/);
  return { kind: 'stack', stackName, ...account };
};

const readName = (option: string, name: string, form: RegExp): string => {
  if (form.test(name)) return name;
  throw new UsageError(`${option} is ${JSON.stringify(name)}: that is no name of a ${option.slice(2)}`);
};

const endpointOf = (port: string): string => {
  if (!/^\d+$/.test(port) || Number(port) < 1 || Number(port) > 65_535) {
    throw new UsageError(`--local is ${JSON.stringify(port)}: it must be a port from 1 to 65535`);
  }
  return `http://127.0.0.1:${port}`;
};

/** The one name that a command is about. @throws UsageError, which repeats nothing: what is too much may be a password */
export const onlyName = (command: string, positionals: readonly string[]): string => {
  const [name, ...others] = positionals;
  if (name === undefined) throw new UsageError(`${command} needs a NAME`);
  if (others.length > 0) throw new UsageError(`${command} takes one NAME and nothing else`);
  return name;
};

/** @throws UsageError */
export const noNames = (command: string, positionals: readonly string[]): void => {
  if (positionals.length > 0) throw new UsageError(`${command} takes no NAME`);
};
