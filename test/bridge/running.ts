/** A bridge on free ports of this machine, and clients that are plain sockets. */
import { connect, type Socket } from 'node:net';
import { type Bridge, type BridgeOptions, createBridge } from '../../client/bridge/bridge.ts';
import type { ListenerKind } from '../../client/bridge/listener.ts';
import type { LogLine } from './scene.ts';

export interface RunningBridge extends Bridge {
  readonly log: readonly LogLine[];
  /** Resolves with the first line, from the beginning, that is of this event and has these fields. */
  logged(event: string, fields?: Readonly<Record<string, unknown>>): Promise<LogLine>;
}

export function startBridge(options: Omit<BridgeOptions, 'log'>): RunningBridge {
  const log: LogLine[] = [];
  const waiting = new Set<() => void>();
  const bridge = createBridge({
    random: () => 0,
    ...options,
    log: (event, fields) => {
      log.push({ event, ...fields });
      for (const look of [...waiting]) look();
    },
  });
  return {
    ...bridge,
    get clients() {
      return bridge.clients;
    },
    log,
    logged: (event, fields = {}) =>
      new Promise((resolve) => {
        const look = (): void => {
          const line = log.find(
            (each) => each.event === event && Object.entries(fields).every(([name, value]) => each[name] === value),
          );
          if (!line) return;
          waiting.delete(look);
          resolve(line);
        };
        waiting.add(look);
        look();
      }),
  };
}

/** Any free port. */
export const listen = async (bridge: Bridge, kind: ListenerKind): Promise<number> =>
  (await bridge.listen(kind, { host: '127.0.0.1', port: 0 })).port;

export interface RawClient {
  readonly socket: Socket;
  /** What came, in hexadecimal. */
  received(): string;
  write(hex: string): void;
  /** Resolves when this has come. */
  until(hex: string): Promise<void>;
  /** Resolves when the other side has closed, with all that came. */
  readonly ended: Promise<string>;
}

export const rawClient = (socket: Socket): RawClient => {
  let received = '';
  const waiting = new Set<() => void>();
  socket.on('error', () => {});
  socket.on('data', (bytes: Buffer) => {
    received += bytes.toString('hex');
    for (const look of [...waiting]) look();
  });
  return {
    socket,
    received: () => received,
    write: (hex) => void socket.write(Buffer.from(hex, 'hex')),
    until: (hex) =>
      new Promise((resolve, reject) => {
        const done = (settle: () => void): void => {
          waiting.delete(look);
          socket.off('close', fail);
          settle();
        };
        const look = (): void => {
          if (received.includes(hex)) done(resolve);
        };
        const fail = (): void => done(() => reject(new Error(`closed after ${received}`)));
        waiting.add(look);
        socket.once('close', fail);
        look();
      }),
    ended: new Promise((resolve) => socket.once('close', () => resolve(received))),
  };
};

export const tcpClient = (port: number): RawClient => rawClient(connect({ port, host: '127.0.0.1' }));
