/**
 * When a client may connect again (wire-protocol.md §7).
 *
 * Rules of this file: one for one client. The pause begins when a connection fails; what the MQTT library waits on its own
 * account is a part of it.
 */

import { backOff } from './back-off.ts';
import type { Clock } from './clock.ts';
import { STOOD_MS } from './limits.ts';

export interface Attempt {
  /** To be waited before the WebSocket is opened, in milliseconds. */
  readonly delay: number;
  /** The broker has accepted the CONNECT. */
  accepted(): void;
  /** @param left with a DISCONNECT */
  over(left: boolean): void;
}

/** @param random from 0 to 1 @returns makes the next attempt, which begins now */
export function createAttempts(clock: Clock, random: () => number): () => Attempt {
  /** In a row; none after a success. */
  let failures = 0;
  let notBefore = 0;

  return () => {
    let acceptedAt = Number.POSITIVE_INFINITY;
    return {
      delay: Math.max(0, notBefore - clock.now()),
      accepted() {
        acceptedAt = clock.now();
      },
      over(left) {
        if (left || clock.now() - acceptedAt >= STOOD_MS) failures = 0;
        notBefore = left ? 0 : clock.now() + backOff(failures++, random());
      },
    };
  };
}
