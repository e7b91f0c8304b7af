/** Pushes to one connection (wire §5). */

import { encodePush, MAX_FRAME_CHARACTERS } from '../mqtt/frame.ts';
import type { ConnectionId } from '../session/ids.ts';
import { type Message, storedBytes } from '../session/session.ts';
import type { Context } from './context.ts';
import type { Gateway } from './ports.ts';

export type Posted = Awaited<ReturnType<Gateway['post']>>;

/** How many frames a push of these messages takes at most. */
export function partsOf(messages: readonly Message[]): number {
  const bytes = messages.reduce((sum, message) => sum + storedBytes(message) + PACKET_OVERHEAD, 0);
  return Math.ceil((bytes * 4) / 3 / (MAX_FRAME_CHARACTERS - FRAME_OVERHEAD));
}
/** Fixed header, length of the topic, and packet id of a PUBLISH take 9 bytes at most. */
const PACKET_OVERHEAD = 16;
const FRAME_OVERHEAD = 128;

/**
 * Posts `packets` as one push, its parts one after the other; the first part that is not accepted ends it.
 * A push that was accepted in part only is never complete at the client, so it counts as not accepted.
 */
export async function post(
  context: Context,
  connectionId: ConnectionId,
  packets: readonly Uint8Array[],
  first?: number,
): Promise<Posted> {
  for (const frame of encodePush(packets, first, context.ids.unit())) {
    const posted = await context.gateway.post(connectionId, frame);
    if (posted !== 'accepted') return posted;
  }
  return 'accepted';
}
