/**
 * What the bridge allows, and for how long it waits. Bytes and milliseconds.
 *
 * Rules of this file: each number has its reason. Those that depend on the machine or the clients are options of the
 * command; `refusal` says which of them do not go together.
 */

export interface Limits {
  /** Clients connected at once. */
  readonly clients: number;
  /** The largest packet of a client. The broker has its own limits, and says so. */
  readonly packetBytes: number;
  /** Held for one client, both ways together. One that does not read what it is sent is closed here. */
  readonly clientBytes: number;
  /** Held for all clients. Beyond that nobody new comes in, and whoever needs more is closed. */
  readonly totalBytes: number;
  /** From the start of a client's connection to the end of its CONNECT. Before that: of its TLS and WebSocket handshakes. */
  readonly connectMs: number;
  /** What a client has sent before it left, or before the bridge stopped, is delivered in this time, or not at all. */
  readonly finishMs: number;
}

/** The largest payload is 128 KiB; a CONNECT may have a will of 64 KiB, a user name and a password of as much each. */
export const defaultLimits: Limits = {
  clients: 1_000,
  packetBytes: 256 * 1024,
  clientBytes: 1024 * 1024,
  totalBytes: 256 * 1024 * 1024,
  connectMs: 10_000,
  finishMs: 10_000,
};

/**
 * So much waits for the broker, in packets; the rest stays in the client's TCP connection. More than one frame holds
 * (24,576 bytes): the next frame is always a full one.
 */
export const FEED_BYTES = 32 * 1024;

/** A socket of a client whose end has been said is destroyed after this time, whether the client has heard of it or not. */
export const LINGER_MS = 5_000;

/** A client that has said nothing for so long, with nothing of it under way, may be closed when the bridge stops. */
export const QUIET_MS = 100;

/** TCP asks a client that is silent for so long whether it is still there: one without a keep-alive may just be gone. */
export const PROBE_AFTER_MS = 60_000;

/** The largest message of a WebSocket client, which may hold many packets; the least that MQTT needs is one packet. */
export const messageBytesOf = ({ clientBytes }: Limits): number => Math.floor(clientBytes / 2);

/** @returns what does not go together, in words */
export function refusal(limits: Limits): string | undefined {
  // Reading stops once FEED_BYTES wait for the broker. By then a message and the beginning of a packet may have come.
  const least = 2 * (limits.packetBytes + 2 * FEED_BYTES);
  if (limits.clientBytes < least) return `a client needs room for ${least} bytes with packets of ${limits.packetBytes}`;
  if (limits.totalBytes < limits.clientBytes) return 'all clients together need room for one at least';
  return undefined;
}
