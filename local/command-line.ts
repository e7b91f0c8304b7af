/** The command line of `npm start`. Pure. */
import { parseArgs } from 'node:util';
import { deploymentSettings, readDeploymentSettings } from '../lib/settings.ts';
import { DEFAULT_PORT } from './stack.ts';

export interface StartCommand {
  readonly kind: 'start';
  readonly port: number;
  readonly dataDir?: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly stageName?: string;
  readonly quiet: boolean;
}

export type Command = StartCommand | { readonly kind: 'help' };

/** The command line makes no sense. The message says why. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export const usage = `Usage: npm start -- [options]

Runs the broker on this machine, with stand-ins for API Gateway, Lambda, DynamoDB and SQS.

Options:
  --port PORT           where clients connect (${DEFAULT_PORT}; 0 takes any free port)
  --data DIR            keep sessions and stored messages in this directory; without it they are gone at the end
  --setting NAME=VALUE  a setting of the broker, as in the settings table of README.md; may be given several times
  --quiet               no log lines of the broker
  --help                this text`;

/** @throws UsageError, SettingsError */
export const readCommandLine = (argv: readonly string[]): Command => {
  const values = parse(argv);
  if (values.help) return { kind: 'help' };
  const { stageName, ...settings } = readSettings(values.setting ?? []);
  return {
    kind: 'start',
    port: readPort(values.port),
    settings,
    quiet: values.quiet ?? false,
    ...(values.data !== undefined && { dataDir: values.data }),
    ...(stageName !== undefined && { stageName }),
  };
};

const parse = (argv: readonly string[]) => {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        port: { type: 'string' },
        data: { type: 'string' },
        setting: { type: 'string', multiple: true },
        quiet: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
};

const readPort = (text: string | undefined): number => {
  if (text === undefined) return DEFAULT_PORT;
  if (!/^\d+$/.test(text) || Number(text) > 65_535) {
    throw new UsageError(`--port is ${text}: it must be a number from 0 to 65535`);
  }
  return Number(text);
};

const readSettings = (pairs: readonly string[]): Record<string, string> => {
  const settings: Record<string, string> = {};
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    if (at < 1) throw new UsageError(`--setting is ${pair}: it must be NAME=VALUE`);
    settings[pair.slice(0, at)] = pair.slice(at + 1);
  }
  readDeploymentSettings(settings);
  const onAws = Object.keys(settings).find((name) => name !== 'stageName' && name in deploymentSettings);
  if (onAws !== undefined) throw new UsageError(`the setting ${onAws} means something on AWS only`);
  return settings;
};
