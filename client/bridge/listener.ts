/**
 * What the bridge's listeners have in common: a port that clients connect to.
 *
 * Rules of this file: types, how a server gets its port, and what becomes of those whom the server itself turns away.
 */
import type { AddressInfo, Server, Socket } from 'node:net';
import type { Address } from './address.ts';
import type { ClientSocket, Connection } from './connection.ts';
import type { Limits } from './limits.ts';

/** `tls` and `wss` are their plain namesakes over TLS. */
export type ListenerKind = 'tcp' | 'tls' | 'ws' | 'wss';

/** Of a listener over TLS; both PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** What becomes of the clients of a listener. */
export interface Reception {
  readonly limits: Limits;
  /** Nothing: there is no room. The listener closes the socket; the log has it already. */
  accept(socket: ClientSocket, from: string): Connection | undefined;
  /** Somebody did not get as far as being a client. */
  refused(reason: string, from: string, detail?: string): void;
  /** The port itself is in trouble. */
  failed(error: Error): void;
}

export interface Listener {
  readonly host: string;
  readonly port: number;
  /** Takes no more clients, and closes what has not become one. Those that are there go on. */
  close(): void;
}

/** @throws the system's error, such as EADDRINUSE */
export async function open(
  server: Server,
  { host, port }: Address,
  reception: Reception,
): Promise<Pick<Listener, 'host' | 'port'>> {
  server.on('tlsClientError', (error: Error, socket: Socket) => {
    reception.refused('tls-handshake', String(socket.remoteAddress), error.message);
    socket.destroy();
  });
  server.on('drop', (data?: { readonly remoteAddress?: string }) => {
    reception.refused('too-many-clients', String(data?.remoteAddress));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  server.on('error', reception.failed);
  return { host, port: (server.address() as AddressInfo).port };
}
