/** The command line of `npm start`. Pure. */
import { parseArgs } from 'node:util';
import { readAddress } from '../client/bridge/address.ts';
import { DEFAULT_TCP, DEFAULT_WS } from '../client/bridge/command-line.ts';
import { UsageError } from '../client/bridge/usage-error.ts';
import { deploymentSettings, isOn, readDeploymentSettings } from '../lib/settings.ts';
import { localSettings } from './authorizer.ts';
import type { BridgePort } from './bridge.ts';
import { DEFAULT_PORT } from './port.ts';

export interface StartCommand {
  readonly kind: 'start';
  readonly port: number;
  readonly dataDir?: string;
  /** File with the operator's function. */
  readonly authorizer?: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly stageName?: string;
  readonly quiet: boolean;
  /** None: no bridge. */
  readonly bridge: readonly BridgePort[];
}

export type Command = StartCommand | { readonly kind: 'help' };

export const usage = `Usage: npm start -- [options]

Runs the broker on this machine, with stand-ins for API Gateway, Lambda, DynamoDB and SQS.

Options:
  --port PORT           where clients on the transport connect (${DEFAULT_PORT}; 0 takes any free port)
  --tcp HOST:PORT       where clients of plain MQTT connect (${DEFAULT_TCP}), or off
  --ws HOST:PORT        where clients of MQTT over WebSocket connect (${DEFAULT_WS}), or off
                        A port alone means 127.0.0.1; 0 takes any free port.
  --no-bridge           neither of the two
  --data DIR            keep sessions and stored messages in this directory; without it they are gone at the end
  --setting NAME=VALUE  a setting of the broker, as in the settings table of README.md; may be given several times
  --authorizer FILE     authentication custom: a module that exports a Lambda's handler, which says who a client is
  --quiet               no log lines of the broker
  --help                this text`;

/** @throws UsageError, SettingsError */
export const readCommandLine = (argv: readonly string[]): Command => {
  const values = parse(argv);
  if (values.help) return { kind: 'help' };
  const { stageName, ...settings } = readSettings(values.setting ?? [], values.authorizer);
  return {
    kind: 'start',
    port: readPort(values.port),
    settings,
    quiet: values.quiet ?? false,
    bridge: values['no-bridge'] ? [] : [...readBridgePort('tcp', values.tcp), ...readBridgePort('ws', values.ws)],
    ...(values.data !== undefined && { dataDir: values.data }),
    ...(values.authorizer !== undefined && { authorizer: values.authorizer }),
    ...(stageName !== undefined && { stageName }),
  };
};

const parse = (argv: readonly string[]) => {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        port: { type: 'string' },
        tcp: { type: 'string' },
        ws: { type: 'string' },
        'no-bridge': { type: 'boolean' },
        data: { type: 'string' },
        setting: { type: 'string', multiple: true },
        authorizer: { type: 'string' },
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

const defaults = { tcp: DEFAULT_TCP, ws: DEFAULT_WS } as const;

const readBridgePort = (kind: BridgePort['kind'], text: string | undefined): readonly BridgePort[] =>
  text === 'off' ? [] : [{ kind, at: readAddress(`--${kind}`, text ?? defaults[kind]), isAsked: text !== undefined }];

const readSettings = (pairs: readonly string[], authorizer: string | undefined): Record<string, string> => {
  const settings: Record<string, string> = {};
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    if (at < 1) throw new UsageError(`--setting is ${pair}: it must be NAME=VALUE`);
    settings[pair.slice(0, at)] = pair.slice(at + 1);
  }
  const { authentication } = readDeploymentSettings(localSettings(settings, authorizer !== undefined));
  const onAws = Object.keys(settings).find((name) => name !== 'stageName' && name in deploymentSettings);
  if (onAws !== undefined) throw new UsageError(`the setting ${onAws} means something on AWS only`);
  if (settings.customAuthorizerArn !== undefined)
    throw new UsageError('the setting customAuthorizerArn means something on AWS only: here it is --authorizer FILE');
  if (authorizer !== undefined && !isOn('custom', authentication))
    throw new UsageError(`--authorizer is ${authorizer}: nobody would ask it, as authentication is ${authentication}`);
  return settings;
};
