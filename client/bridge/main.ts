/**
 * The command `serverless-mqtt bridge`: the bridge, until it is told to stop.
 *
 * Rules of this file: standard output is the log and nothing else. What the user can mend is one line on standard error and
 * exit code 1 (2 for the command line itself), without a stack trace.
 */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { inWords } from './address.ts';
import { createBridge } from './bridge.ts';
import { type BridgeCommand, readCommandLine, usage } from './command-line.ts';
import type { Certificate } from './listener.ts';
import { jsonLines } from './log.ts';
import { listenForStop } from './stop-signal.ts';
import { UsageError } from './usage-error.ts';

export interface Terminal {
  print(text: string): void;
  printError(text: string): void;
}

const terminal: Terminal = { print: (text) => console.log(text), printError: (text) => console.error(text) };

/** What the user can mend: the message says how. */
class StartError extends Error {}

/** @returns the exit code */
export async function main(argv: readonly string[], { print, printError }: Terminal = terminal): Promise<number> {
  try {
    const command = readCommandLine(argv);
    if (command.kind === 'help') {
      print(usage);
      return 0;
    }
    await run(command, print);
    return 0;
  } catch (error) {
    if (error instanceof UsageError) {
      printError(`${error.message}\nTry --help.`);
      return 2;
    }
    if (!(error instanceof StartError)) throw error;
    printError(error.message);
    return 1;
  }
}

const run = async (command: BridgeCommand, print: (line: string) => void): Promise<void> => {
  const { to, limits } = command;
  const bridge = createBridge({
    to,
    limits,
    log: jsonLines(print),
    ca: readCa(command.ca),
    certificate: readCertificate(command.certificate),
  });
  const stopSignal = listenForStop();
  try {
    for (const { kind, at } of command.listeners) {
      await bridge.listen(kind, at).catch((error: NodeJS.ErrnoException) => {
        throw new StartError(cannotListen(`--${kind} ${inWords(at)}`, error));
      });
    }
    await stopSignal.given;
  } finally {
    await bridge.stop();
    stopSignal.ignore();
  }
};

const cannotListen = (what: string, { code, message }: NodeJS.ErrnoException): string => {
  if (code === 'EADDRINUSE') return `${what} is taken: stop the program that uses it, or choose another port.`;
  return `${what}: ${message}`;
};

const read = (option: string, file: string): string => {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new StartError(`${option}: ${(error as Error).message}`);
  }
};

const readCa = (file: string | undefined): string | undefined => {
  if (file === undefined) return undefined;
  const pem = read('--ca', file);
  try {
    new X509Certificate(pem);
  } catch {
    throw new StartError(`--ca ${file} is no certificate in PEM (-----BEGIN CERTIFICATE-----)`);
  }
  return pem;
};

const readCertificate = (files: BridgeCommand['certificate']): Certificate | undefined => {
  if (!files) return undefined;
  const certificate = { cert: read('--cert', files.cert), key: read('--key', files.key) };
  try {
    createSecureContext(certificate);
  } catch (error) {
    throw new StartError(`--cert ${files.cert} and --key ${files.key} cannot be used: ${(error as Error).message}`);
  }
  return certificate;
};
