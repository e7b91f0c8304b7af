/**
 * The `@connections` API: post to a connection, look at it, close it.
 *
 * Rules of this file:
 * - A connection exists from the end of its `$connect` to its close; before and after it is 410.
 * - Every error names itself in `x-amzn-errortype` and has a JSON body: SDK v3 needs both.
 * - Two posts are two requests: their order is nobody's promise, and the fault switches break it.
 */
import type { Answer } from '../answer.ts';
import { type Clock, pause } from '../clock.ts';
import type { FaultSource } from '../faults.ts';
import { type ShuffleGate, shuffleGate } from '../shuffle-gate.ts';
import type { Connection } from './connection.ts';
import { newRequestId } from './events.ts';
import { closings, type GatewayLimits } from './limits.ts';

export interface ManagementApiOptions {
  readonly stageName: string;
  readonly limits: GatewayLimits;
  readonly clock: Clock;
  readonly faults: FaultSource;
  readonly find: (connectionId: string) => Connection | undefined;
  readonly onPush: () => void;
  /** Aborted when the stack stops: nothing is delayed any longer. */
  readonly stopping: AbortSignal;
}

export type ManagementApi = (method: string, path: string, body: Buffer) => Promise<Answer>;

export const managementApi = (options: ManagementApiOptions): ManagementApi => {
  const { stageName, limits, clock, faults, find } = options;
  const gates = new WeakMap<Connection, ShuffleGate>();

  const gateOf = (connection: Connection): ShuffleGate => {
    const gate = gates.get(connection) ?? shuffleGate(clock, () => faults.strike('posts.reorder'));
    gates.set(connection, gate);
    return gate;
  };

  const findOpen = (id: string): Connection | undefined => {
    const { gone } = faults.live.posts;
    const connection = find(id);
    if (!connection?.isOpen()) return undefined;
    if (!gone.includes(id) && !gone.includes('*')) return connection;
    faults.strike('posts.gone');
    return undefined;
  };

  const post = async (id: string, body: Buffer): Promise<Answer> => {
    // Assumption: the size is looked at before the connection.
    if (body.length > limits.messageBytes) return failure(413, 'PayloadTooLargeException', 'Message too long');
    const connection = findOpen(id);
    if (connection === undefined) return gone();
    const { posts } = faults.live;
    if (faults.strikes('posts.throttle', posts.throttle) || connection.bufferedBytes() > limits.clientBufferBytes)
      return throttled();
    if (posts.delayMs > 0) {
      faults.strike('posts.delayMs');
      await pause(clock, posts.delayMs, options.stopping);
    }
    await gateOf(connection).pass(posts.reorder);
    if (!connection.isOpen()) return gone();
    if (faults.strikes('posts.lose', posts.lose)) return ok();
    // Assumption: one text frame whatever the size; what is no UTF-8 is replaced.
    connection.send(body.toString());
    options.onPush();
    return faults.strikes('posts.failAfterDelivery', posts.failAfterDelivery)
      ? failure(500, 'InternalServerErrorException', 'Internal server error')
      : ok();
  };

  const get = (id: string): Answer => {
    const connection = findOpen(id);
    if (connection === undefined) return gone();
    const { connectedAt, sourceIp, userAgent } = connection.facts;
    return {
      status: 200,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        connectedAt: new Date(connectedAt).toISOString(),
        identity: { sourceIp, userAgent },
        lastActiveAt: new Date(connection.lastActiveAt()).toISOString(),
      }),
    };
  };

  const remove = (id: string): Answer => {
    const connection = findOpen(id);
    if (connection === undefined) return gone();
    connection.close(closings.deleted);
    return { status: 204, headers: {}, body: '' };
  };

  return async (method, path, body) => {
    const id = connectionIdIn(path, stageName);
    if (id === undefined) return forbidden();
    switch (method) {
      case 'POST':
        return post(id, body);
      case 'GET':
        return get(id);
      case 'DELETE':
        return remove(id);
      default:
        return forbidden();
    }
  };
};

/** The id in a path, percent-decoded; undefined where the path is not one of this stage. */
const connectionIdIn = (path: string, stageName: string): string | undefined => {
  const [, stage, id] = /^\/+([^/]+)\/+(?:@|%40)connections\/+([^?]+)/i.exec(path) ?? [];
  if (stage !== stageName || id === undefined) return undefined;
  try {
    return decodeURIComponent(id);
  } catch {
    return undefined;
  }
};

const ok = (): Answer => ({ status: 200, headers: { 'content-type': 'application/json' }, body: '' });

const failure = (status: number, type: string, message: string): Answer => ({
  status,
  headers: { 'content-type': 'application/json', 'x-amzn-errortype': type, 'x-amzn-requestid': newRequestId() },
  body: JSON.stringify({ message }),
});

const gone = (): Answer => failure(410, 'GoneException', 'Gone');
const throttled = (): Answer => failure(429, 'LimitExceededException', 'Limit exceeded');
const forbidden = (): Answer => failure(403, 'ForbiddenException', 'Forbidden');
