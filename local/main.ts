/**
 * What `npm start` runs: the local stack and the bridge to it, until Ctrl-C.
 *
 * Rules of this file:
 * - What the user can mend is one line and exit code 1 (2 for the command line itself), without a stack trace.
 * - The first Ctrl-C stops cleanly, exit code 0; the second one at once.
 * - The broker's own log lines are shown as they are.
 */

import { resolve } from 'node:path';
import { inWords } from '../client/bridge/address.ts';
import { listenForStop } from '../client/bridge/stop-signal.ts';
import { UsageError } from '../client/bridge/usage-error.ts';
import { isOn, SettingsError } from '../lib/settings.ts';
import { localSettings } from './authorizer.ts';
import { BridgePortError, type LocalBridge, startLocalBridge } from './bridge.ts';
import { readCommandLine, type StartCommand, usage } from './command-line.ts';
import { DataDirectoryTakenError } from './data-directory.ts';
import { PortTakenError } from './http-server.ts';
import { DamagedJournalError } from './journal.ts';
import { BundleError } from './lambda/bundle.ts';
import type { LogSink } from './log.ts';
import { DEFAULT_PORT } from './port.ts';
import { type LocalStack, startLocalStack } from './stack.ts';

export interface Terminal {
  print(text: string): void;
  printError(text: string): void;
}

const DEFAULT_URL = `ws://127.0.0.1:${DEFAULT_PORT}/mqtt`;
const SLOW_START_MS = 2_000;
/** Whom the stand-in for IAM takes the access key `local` for. */
const LOCAL_CALLER = 'arn:aws:iam::000000000000:user/local';

const terminal: Terminal = { print: (text) => console.log(text), printError: (text) => console.error(text) };

/** @returns the exit code */
export const main = async (argv: readonly string[], { print, printError }: Terminal = terminal): Promise<number> => {
  try {
    const command = readCommandLine(argv);
    if (command.kind === 'help') {
      print(usage);
      return 0;
    }
    return await run(command, { print, printError });
  } catch (error) {
    if (error instanceof UsageError) {
      printError(`${error.message}\nTry --help.`);
      return 2;
    }
    printError(explain(error));
    return 1;
  }
};

const run = async (command: StartCommand, { print, printError }: Terminal): Promise<number> => {
  const stopSignal = listenForStop();
  const progress = reportSlowStart(print);
  const log: LogSink = (line, from) => {
    if (from === 'local') printError(line);
    else if (!command.quiet) print(line);
  };
  try {
    const stack = await startLocalStack({
      port: command.port,
      settings: command.settings,
      dataDir: command.dataDir,
      ...(command.authorizer !== undefined && { authorizer: resolve(command.authorizer) }),
      ...(command.stageName !== undefined && { stageName: command.stageName }),
      log,
      onProgress: progress.step,
    });
    progress.end();
    try {
      const bridge = await startLocalBridge({ url: stack.url, ports: command.bridge, log });
      print(welcome(stack, bridge, command));
      await stopSignal.given;
      print('Stopping …');
      await bridge.stop();
    } finally {
      await stack.stop();
    }
    return 0;
  } finally {
    progress.end();
    stopSignal.ignore();
  }
};

const welcome = (stack: LocalStack, bridge: LocalBridge, command: StartCommand): string => {
  const { authentication } = localSettings(command.settings, command.authorizer !== undefined);
  return [
    `The broker listens on ${stack.url}, sub-protocol mqtt.base64.`,
    ...forAnyClient(bridge),
    // On AWS there is no such default: who deploys has to choose.
    authentication === 'none'
      ? 'Anybody may do anything here: authentication is none (--setting authentication=password, docs/security.md).'
      : `Clients have to say who they are: authentication is ${authentication} (docs/security.md).`,
    command.dataDir === undefined
      ? 'Sessions and messages are kept in memory, until it stops (--data DIR keeps them).'
      : `Sessions and messages are kept in ${command.dataDir}.`,
    '',
    ...(authentication === 'none' ? whatToType(stack, bridge) : whomToEnter(stack, String(authentication))),
    'Ctrl-C stops the broker.',
    '',
  ].join('\n');
};

const whatToType = ({ url }: LocalStack, bridge: LocalBridge): readonly string[] => [
  `Now type, in a second terminal:  npm run demo${url === DEFAULT_URL ? '' : ` -- --url ${url}`}`,
  ...withMosquitto(bridge),
];

const whomToEnter = ({ port }: LocalStack, authentication: string): readonly string[] => {
  const here = `--local${port === DEFAULT_PORT ? '' : ` ${port}`}`;
  if (authentication === 'custom') return ['Who may connect, and what they may do, your authorizer says.'];
  return [
    `A policy, in a second terminal:  npx serverless-mqtt policies put NAME FILE ${here}`,
    ...(isOn('password', authentication)
      ? [`A client with a password:        npx serverless-mqtt principals add pump-7 --policy NAME ${here}`]
      : []),
    ...(isOn('iam', authentication)
      ? [
          `Who signs with the key "local":   npx serverless-mqtt principals add ${LOCAL_CALLER} --no-password --policy NAME ${here}`,
        ]
      : []),
  ];
};

const forAnyClient = ({ ports: { tcp, ws } }: LocalBridge): readonly string[] => {
  const places = [tcp && `mqtt://${inWords(tcp)}`, ws && `ws://${inWords(ws)}`].filter((place) => place !== undefined);
  return places.length === 0 ? [] : [`For any MQTT client there is the bridge: ${places.join(' and ')}.`];
};

const withMosquitto = ({ ports: { tcp } }: LocalBridge): readonly string[] => {
  if (!tcp) return [];
  const port = tcp.port === 1883 ? '' : `-p ${tcp.port} `;
  return [
    `With mosquitto's commands:       mosquitto_sub ${port}-t 'hello/#' -v`,
    `and, in a third terminal:        mosquitto_pub ${port}-t hello/world -m hi`,
  ];
};

/** Errors whose message says all. */
const mendable = [BridgePortError, SettingsError, DataDirectoryTakenError, DamagedJournalError, BundleError];

/** The one line for what the user can mend; everything for what only we can. */
const explain = (error: unknown): string => {
  if (error instanceof PortTakenError) {
    return `Port ${error.port} is taken: stop the program that uses it, or choose another one with --port ${error.port + 1}.`;
  }
  if (mendable.some((kind) => error instanceof kind)) return (error as Error).message;
  if (!(error instanceof Error)) return String(error);
  // The system refused something, such as a port below 1024 or a directory: its message names it.
  return 'syscall' in error ? error.message : (error.stack ?? error.message);
};

/** Says what start-up is doing once it takes long enough for somebody to wonder. */
const reportSlowStart = (print: (text: string) => void) => {
  let step = 'starting';
  let slow = false;
  const timer = setTimeout(() => {
    slow = true;
    print(`Starting: ${step} …`);
  }, SLOW_START_MS);
  return {
    step: (name: string): void => {
      step = name;
      if (slow) print(`Starting: ${step} …`);
    },
    end: () => clearTimeout(timer),
  };
};
