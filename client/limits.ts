/**
 * The numbers of the wire (docs/wire-protocol.md), and the bounds of what this client end holds for a peer.
 *
 * Rules of this file: nothing but numbers, so that a bundler puts them where they are used and leaves no name behind.
 */

// §2, §4
export const MAX_FRAME_CHARACTERS = 32_768;
/** What one frame of base64 holds. */
export const MAX_FRAME_BYTES = 24_576;

// §3, §6
export const REPLY_TIMEOUT_MS = 35_000;
export const SHORTEST_PAUSE_MS = 250;
export const LONGEST_PAUSE_MS = 4_000;

// §5
export const HOLE_WAIT_MS = 2_000;
export const MOST_WAITING = 1_024;
export const MOST_WAITING_BYTES = 16_777_216;
export const FORGET_PARTS_AFTER_MS = 60_000;
/** A piece is less than a frame, so these are less than 16 MiB. */
export const MOST_PIECES = 512;

// §7
export const OPEN_TIMEOUT_MS = 35_000;
export const DISCONNECT_TIMEOUT_MS = 5_000;
export const SILENCE_MS = 540_000;
export const LONGEST_KEEP_ALIVE_S = 540;
export const FIRST_BACK_OFF_MS = 1_000;
export const LONGEST_BACK_OFF_MS = 30_000;
/** A connection that stood so long is a success. */
export const STOOD_MS = 30_000;
/** A library that was just handed something has this long to look at it before it hears that the connection is over. */
export const DIGEST_MS = 100;
/** The longest pause, then opening, then the reply to CONNECT. A library that gives up sooner hears no reason. */
export const CONNECT_TIMEOUT_MS = 100_000;

// §8
/** 5 minutes before the gateway closes a socket. */
export const MOVE_AFTER_MS = 6_900_000;
export const MOVE_AGAIN_AFTER_MS = 30_000;
/** What the broker sent before it knew that a session had moved still comes on the former socket. */
export const FORMER_MS = 5_000;
