/**
 * The bridge of `npm start`: any MQTT client reaches the local broker, on the ports that MQTT clients expect.
 *
 * Rules of this file: a port that nobody asked for and somebody else has is no reason not to start.
 */
import { type Address, inWords } from '../client/bridge/address.ts';
import { createBridge } from '../client/bridge/bridge.ts';
import { jsonLines } from '../client/bridge/log.ts';
import type { LogSink } from './log.ts';

export interface BridgePort {
  readonly kind: 'tcp' | 'ws';
  readonly at: Address;
  /** It stands on the command line. */
  readonly isAsked: boolean;
}

export interface LocalBridge {
  /** Those that are open. */
  readonly ports: Readonly<Partial<Record<BridgePort['kind'], Address>>>;
  stop(): Promise<void>;
}

export interface LocalBridgeOptions {
  /** Of the local stack. */
  readonly url: string;
  readonly ports: readonly BridgePort[];
  readonly log: LogSink;
}

/** A port that was asked for is not to be had. The message says what to do. */
export class BridgePortError extends Error {
  override readonly name = 'BridgePortError';
}

const names = { tcp: 'MQTT over TCP', ws: 'MQTT over WebSocket' } as const;

/** @throws BridgePortError */
export const startLocalBridge = async ({ url, ports, log }: LocalBridgeOptions): Promise<LocalBridge> => {
  const bridge = createBridge({ to: url, log: jsonLines((line) => log(line, 'bridge')) });
  const open: Partial<Record<BridgePort['kind'], Address>> = {};
  for (const { kind, at, isAsked } of ports) {
    try {
      open[kind] = await bridge.listen(kind, at);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      const why = code === 'EADDRINUSE' ? `${inWords(at)} is taken` : message;
      if (isAsked) {
        await bridge.stop();
        throw new BridgePortError(`--${kind}: ${why}: choose another port, or --${kind} off.`);
      }
      log(`${why}: there is no ${names[kind]} this time (--${kind} PORT takes another port).`, 'local');
    }
  }
  return { ports: open, stop: bridge.stop };
};
