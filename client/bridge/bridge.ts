/**
 * The bridge: clients of plain MQTT on its listeners, the broker's wire on the other side (docs/wire-protocol.md).
 *
 * Rules of this file: it puts the parts together and counts the clients. One connection to the gateway for each client;
 * nothing of a client outlives its connection but the count of its failures.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { type Clock, systemClock } from '../clock.ts';
import type { Address } from './address.ts';
import { createAdmission } from './admission.ts';
import { createBufferedBytes } from './buffered-bytes.ts';
import { type ClientSocket, type Connection, createConnection } from './connection.ts';
import { createGatewaySockets } from './gateway-socket.ts';
import { defaultLimits, type Limits, refusal } from './limits.ts';
import type { Certificate, Listener, ListenerKind, Reception } from './listener.ts';
import type { BridgeLog } from './log.ts';
import { listenTcp } from './tcp-listener.ts';
import { listenWebSocket } from './ws-listener.ts';

export interface BridgeOptions {
  /** Of the broker: ws: or wss:. */
  readonly to: string;
  readonly log: BridgeLog;
  readonly limits?: Partial<Limits>;
  /** Trusted besides what Node trusts; PEM. */
  readonly ca?: string | undefined;
  /** For listeners over TLS. */
  readonly certificate?: Certificate | undefined;
  /** From 0 to 1. For tests. */
  readonly random?: () => number;
}

export interface Bridge {
  readonly clients: number;
  /** Bytes held for clients: now, and the most there have been. */
  readonly buffered: { readonly total: number; readonly most: number };
  /** @throws the system's error, such as EADDRINUSE */
  listen(kind: ListenerKind, at: Address): Promise<Address>;
  /** Takes no more clients, delivers what has come, and closes. Takes `finishMs` and 10 s more, at most. */
  stop(): Promise<void>;
}

/** @throws RangeError where the limits do not go together */
export function createBridge(options: BridgeOptions): Bridge {
  const { to, log, random = Math.random } = options;
  const clock: Clock = systemClock;
  const limits = { ...defaultLimits, ...options.limits };
  const wrong = refusal(limits);
  if (wrong) throw new RangeError(wrong);

  const buffered = createBufferedBytes(limits.totalBytes);
  const admission = createAdmission({ clock, random });
  const gateways = createGatewaySockets(options.ca);
  const listeners: Listener[] = [];
  const connections = new Map<Connection, ClientSocket>();
  const secret = randomBytes(32);
  let newest = 0;
  let stopped: Promise<void> | undefined;
  let lastIsGone = (): void => {};

  /** The CONNECT holds a password: what is kept of it must not give it away. */
  const keyOf = (address: string, connect: Uint8Array): string =>
    createHmac('sha256', secret).update(`${address}\n`).update(connect).digest('base64');

  const roomFor = (): string | undefined => {
    if (stopped !== undefined) return 'bridge-stopping';
    if (connections.size >= limits.clients) return 'too-many-clients';
    return buffered.isFull ? 'bridge-full' : undefined;
  };

  const receptionOf = (listener: ListenerKind): Reception => ({
    limits,
    accept(socket, from) {
      const reason = roomFor();
      if (reason) {
        log('client-refused', { listener, from, reason });
        return undefined;
      }
      newest += 1;
      const number = newest;
      const connection = createConnection({
        number,
        address: from,
        socket,
        url: to,
        WebSocket: gateways.WebSocket,
        clock,
        limits,
        buffered,
        admission,
        keyOf,
        log: (event, fields) => log(event, { ...fields, listener, from }),
        released() {
          connections.delete(connection);
          if (connections.size === 0) lastIsGone();
        },
      });
      connections.set(connection, socket);
      return connection;
    },
    refused: (reason, from, detail) => log('client-refused', { listener, from, reason, ...(detail && { detail }) }),
    failed: ({ message }) => log('listener-failed', { listener, detail: message }),
  });

  const listenAs = {
    tcp: (at) => listenTcp(at, receptionOf('tcp')),
    tls: (at) => listenTcp(at, receptionOf('tls'), certificateFor('tls')),
    ws: (at) => listenWebSocket(at, receptionOf('ws')),
    wss: (at) => listenWebSocket(at, receptionOf('wss'), certificateFor('wss')),
  } satisfies Record<ListenerKind, (at: Address) => Promise<Listener>>;

  const certificateFor = (kind: ListenerKind): Certificate => {
    if (!options.certificate) throw new RangeError(`a listener of kind ${kind} needs a certificate`);
    return options.certificate;
  };

  const stop = async (): Promise<void> => {
    log('bridge-stopping', { clients: connections.size });
    for (const listener of listeners) listener.close();
    const allGone = new Promise<void>((resolve) => {
      lastIsGone = resolve;
    });
    for (const connection of [...connections.keys()]) connection.finish();
    if (connections.size > 0) await allGone;
    await gateways.allClosed();
    log('bridge-stopped', {});
  };

  return {
    get clients() {
      return connections.size;
    },
    buffered,
    async listen(kind, at) {
      const listener = await listenAs[kind](at);
      listeners.push(listener);
      const { host, port } = listener;
      log('bridge-listening', { listener: kind, host, port });
      return { host, port };
    },
    stop() {
      stopped ??= stop();
      return stopped;
    },
  };
}
