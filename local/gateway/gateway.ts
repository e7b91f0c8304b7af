/**
 * API Gateway WebSocket on the laptop: handshakes, frames and closes become Lambda calls, and their answers go back.
 *
 * Rules of this file:
 * - The handshake is answered when `$connect` has ended. Only then does the connection exist.
 * - Every frame is a Lambda call of its own, at once (assumption): two frames of one connection run side by side.
 * - `$disconnect` is best effort: the fault switches drop it, delay it, double it.
 */
import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { type Clock, pause } from '../clock.ts';
import type { FaultSource } from '../faults.ts';
import type { Outcome } from '../lambda/environment.ts';
import type { LogSink } from '../log.ts';
import { CLOSE_GRACE_MS, type Connection, openConnection } from './connection.ts';
import {
  type ConnectionFacts,
  connectEvent,
  disconnectEvent,
  messageEvent,
  newConnectionId,
  newRequestId,
} from './events.ts';
import { judgeHandshake, type Verdict } from './iam-authorizer.ts';
import { type Closing, closings, type GatewayLimits } from './limits.ts';
import { type ManagementApi, managementApi } from './management-api.ts';
import type { OpenConnections } from './open-connections.ts';
import { gatewayFrame, INTERNAL_ERROR, readResult, TIMED_OUT } from './results.ts';

export type RouteKey = '$connect' | '$default' | '$disconnect';

export interface GatewayOptions {
  readonly stageName: string;
  /** Host and port, as clients name it. */
  readonly domainName: string;
  readonly limits: GatewayLimits;
  /** Whether `$default` has a route response: without one the client hears nothing of what its Lambda answers. */
  readonly routeResponse: boolean;
  /** What `$connect` asks first. */
  readonly authorizer: 'iam' | 'none';
  readonly invoke: (route: RouteKey, event: object) => Promise<Outcome>;
  readonly log: LogSink;
  readonly openConnections: OpenConnections;
  readonly clock: Clock;
  readonly faults: FaultSource;
}

export interface Gateway {
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  readonly manage: ManagementApi;
  /** Ids of the open connections, oldest first. */
  connections(): readonly string[];
  /** Text frames by what they were. */
  counts(): Readonly<Record<'framesIn' | 'framesOut', number>>;
  /** Says `$disconnect` for the connections that an earlier run left behind. */
  reportLost(): Promise<void>;
  /** Closes every connection. Their `$disconnect` is left to the next run. */
  stop(): Promise<void>;
  /** Resolves when every `$disconnect` under way has ended. */
  settled(): Promise<void>;
}

export const createGateway = (options: GatewayOptions): Gateway => {
  const { stageName, limits, clock, faults, openConnections } = options;
  const open = new Map<string, Connection>();
  const stopping = new AbortController();
  const telling = new Set<Promise<void>>();
  const counts = { framesIn: 0, framesOut: 0 };
  let whenEmpty: () => void = () => {};

  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    // Assumption: API Gateway does not agree to compress.
    perMessageDeflate: false,
    maxPayload: limits.messageBytes,
    // Never by itself: `ws` would pick the client's first offer.
    handleProtocols: () => false,
  });

  /** The outcome, or undefined where the integration timeout came first. */
  const invoke = async (route: RouteKey, event: object): Promise<Outcome | undefined> => {
    const over = new AbortController();
    const timeout = pause(clock, limits.integrationTimeoutMs, over.signal).then(() => undefined);
    try {
      return await Promise.race([options.invoke(route, event), timeout]);
    } finally {
      over.abort();
    }
  };

  /** False where the stack stopped before it was told. */
  const tellDisconnect = async (facts: ConnectionFacts, closing: Closing): Promise<boolean> => {
    const { drop, double, delayMs } = faults.live.disconnect;
    if (faults.strikes('disconnect.drop', drop)) return true;
    if (delayMs > 0) {
      faults.strike('disconnect.delayMs');
      await pause(clock, delayMs, stopping.signal);
    }
    if (stopping.signal.aborted) return false;
    const event = (): object => disconnectEvent(facts, closing, newRequestId(), clock.now());
    const times = faults.strikes('disconnect.double', double) ? 2 : 1;
    const outcomes = await Promise.all(Array.from({ length: times }, () => invoke('$disconnect', event())));
    const wasKilled = outcomes.some((outcome) => outcome?.kind === 'failed' && outcome.reason === 'killed');
    return !(stopping.signal.aborted && wasKilled);
  };

  const disconnect = (facts: ConnectionFacts, closing: Closing): Promise<void> => {
    const told = tellDisconnect(facts, closing).then((isTold) => {
      if (isTold) openConnections.ended(facts.connectionId);
      telling.delete(told);
    });
    telling.add(told);
    return told;
  };

  const answerFrame = async (connection: Connection, body: string): Promise<void> => {
    const { connectionId } = connection.facts;
    const requestId = newRequestId();
    const reply = (text: string): void => {
      counts.framesOut += 1;
      connection.send(text);
    };
    const { refuse } = faults.live.frames;
    if (faults.strikes('frames.refuse', refuse)) return reply(gatewayFrame(refuse.message, connectionId, requestId));

    const outcome = await invoke('$default', messageEvent(connection.facts, body, requestId, clock.now()));
    if (!options.routeResponse) return;
    if (outcome === undefined) return reply(gatewayFrame(TIMED_OUT, connectionId, requestId));
    const result = readResult(outcome);
    if (result === undefined || Buffer.byteLength(result.body ?? '') > limits.messageBytes) {
      return reply(gatewayFrame(INTERNAL_ERROR, connectionId, requestId));
    }
    // Assumption: an empty body sends nothing, and the status code does not matter.
    if (result.body) reply(result.body);
  };

  const accept = (facts: ConnectionFacts, webSocket: WebSocket, socket: Duplex): void => {
    const { connectionId } = facts;
    const connection = openConnection({
      facts,
      webSocket,
      socket,
      limits,
      clock,
      onMessage: (body) => {
        counts.framesIn += 1;
        void answerFrame(connection, body);
      },
      onEnd: (closing) => {
        open.delete(connectionId);
        if (open.size === 0) whenEmpty();
        if (!stopping.signal.aborted) void disconnect(facts, closing);
      },
    });
    open.set(connectionId, connection);
  };

  const judge = ({ url = '', headers }: IncomingMessage): Promise<Verdict> =>
    judgeHandshake({ url, headers }, clock.now());

  const handshake = async (request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> => {
    const path = (request.url ?? '').split('?')[0];
    const requestId = newRequestId();
    if (stopping.signal.aborted) return refuse(socket, 503, 'Service Unavailable');
    if (path !== `/${stageName}` && path !== `/${stageName}/`) return refuse(socket, 403, 'Forbidden');

    const verdict = options.authorizer === 'iam' ? await judge(request) : undefined;
    if (verdict?.signed === false) {
      options.log(`A handshake was refused with 403: ${verdict.problem}.`, 'local');
      return refuse(socket, 403, 'Forbidden');
    }

    const facts: ConnectionFacts = {
      connectionId: newConnectionId(),
      connectedAt: clock.now(),
      domainName: options.domainName,
      stage: stageName,
      sourceIp: request.socket.remoteAddress ?? '127.0.0.1',
      userAgent: request.headers['user-agent'] ?? '',
    };
    const outcome = await invoke('$connect', connectEvent(facts, request, requestId, clock.now(), verdict?.caller));
    const result = outcome && readResult(outcome);
    // Assumption: 502 for a Lambda that failed, 504 for one that took too long; the body of a refusal stays here.
    if (result === undefined) return refuse(socket, outcome ? 502 : 504, INTERNAL_ERROR);
    const { statusCode } = result;
    if (statusCode < 200 || statusCode > 299) return refuse(socket, statusCode, STATUS_CODES[statusCode] ?? 'Refused');

    openConnections.opened(facts);
    // Assumption: a client that left while `$connect` ran was connected all the same.
    if (socket.destroyed) return disconnect(facts, closings.lost);
    const protocol = result.headers['sec-websocket-protocol'];
    const addProtocol = (headers: string[], upgraded: IncomingMessage): void => {
      if (protocol !== undefined && upgraded === request) headers.push(`Sec-WebSocket-Protocol: ${protocol}`);
    };
    server.once('headers', addProtocol);
    server.handleUpgrade(request, socket, head, (webSocket) => accept(facts, webSocket, socket));
    server.off('headers', addProtocol);
    // `ws` refuses a handshake that is no proper one by itself.
    if (!open.has(facts.connectionId)) await disconnect(facts, closings.lost);
  };

  return {
    upgrade: (request, socket, head) => {
      handshake(request, socket, head).catch(() => socket.destroy());
    },
    manage: managementApi({
      stageName,
      limits,
      clock,
      faults,
      find: (id) => open.get(id),
      stopping: stopping.signal,
      onPush: () => {
        counts.framesOut += 1;
      },
    }),
    connections: () => [...open.keys()],
    counts: () => ({ ...counts }),
    reportLost: async () => {
      await Promise.all(openConnections.left.map((facts) => disconnect(facts, closings.lost)));
    },
    stop: async () => {
      stopping.abort();
      const empty = new Promise<void>((resolve) => {
        whenEmpty = resolve;
        if (open.size === 0) resolve();
      });
      for (const connection of open.values()) connection.close(closings.stopping);
      const over = new AbortController();
      await Promise.race([empty, pause(clock, CLOSE_GRACE_MS, over.signal)]);
      over.abort();
      for (const connection of open.values()) connection.drop();
      server.close();
    },
    settled: async () => {
      await Promise.all(telling);
    },
  };
};

/** Answers a handshake with an HTTP error. */
const refuse = (socket: Duplex, status: number, message: string): void => {
  const body = JSON.stringify({ message });
  socket.end(
    [
      `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Refused'}`,
      'Connection: close',
      'Content-Type: application/json',
      `Content-Length: ${Buffer.byteLength(body)}`,
      '',
      body,
    ].join('\r\n'),
  );
};
