/**
 * The numbers of API Gateway WebSocket, and how it closes. Bytes and milliseconds.
 *
 * Source: "Amazon API Gateway quotas for configuring and running a WebSocket API". What no source says is marked, and
 * listed in `local/ASSUMPTIONS.md`.
 */

export interface GatewayLimits {
  readonly frameBytes: number;
  /** Of a message in either direction, `@connections` included. */
  readonly messageBytes: number;
  readonly idleMs: number;
  readonly lifetimeMs: number;
  readonly integrationTimeoutMs: number;
  /** Assumption: what may wait for a slow client before a post is refused with 429. */
  readonly clientBufferBytes: number;
}

export const awsLimits: GatewayLimits = {
  frameBytes: 32_768,
  messageBytes: 131_072,
  idleMs: 600_000,
  lifetimeMs: 7_200_000,
  integrationTimeoutMs: 29_000,
  clientBufferBytes: 1_048_576,
};

export interface Closing {
  readonly code: number;
  /** Assumption: goes out with the code. */
  readonly reason: string;
}

export const closings = {
  /** DELETE @connections, as seen in the `$disconnect` event. Assumption: the same on the wire. */
  deleted: { code: 1000, reason: 'Connection Closed Normally' },
  /** Assumption: 1001. */
  idle: { code: 1001, reason: 'Going away' },
  /** Assumption: 1001. */
  tooOld: { code: 1001, reason: 'Going away' },
  binary: { code: 1003, reason: 'Unsupported data' },
  tooLarge: { code: 1009, reason: 'Message too big' },
  /** The stack stops. On AWS there is no such thing. */
  stopping: { code: 1001, reason: 'Going away' },
  /** Assumption: what `$disconnect` says of a connection that nobody closed. */
  lost: { code: 1006, reason: '' },
} as const satisfies Record<string, Closing>;
