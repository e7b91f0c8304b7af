/**
 * When a client may open its connection to the gateway (wire-protocol.md §7).
 *
 * A client of the bridge connects again as it likes, most of them at once. So the pause is kept here, for each client by
 * itself: one that the broker keeps closing waits longer and longer, and nobody else waits with it. And only so many
 * handshakes are under way at a time: a fleet that lost its connections together comes back at the gateway's pace.
 *
 * Rules of this file: the key says which client it is, and nothing is read from it. What is remembered is bounded, and
 * forgotten where a client does not come back.
 */
import { backOff } from '../back-off.ts';
import type { Clock } from '../clock.ts';
import { LONGEST_BACK_OFF_MS, STOOD_MS } from '../limits.ts';

/** API Gateway takes 500 new connections a second, for a whole account; a handshake takes 50 to 200 ms. */
const OPENING_AT_ONCE = 32;
const FORGET_AFTER_MS = 2 * LONGEST_BACK_OFF_MS;
const MOST_REMEMBERED = 10_000;

export interface Ticket {
  /** How long this client waits besides its place in the line, in milliseconds. */
  readonly delay: number;
  /** The handshake is over: the next client may begin. */
  opened(): void;
  /** The broker has accepted the CONNECT. */
  accepted(): void;
  /**
   * The connection is over, or nobody waits for it any more.
   * @param how `left`: with a DISCONNECT. `gone`: the client went by itself. `lost`: the broker, or the network, ended it
   */
  close(how: 'left' | 'gone' | 'lost'): void;
}

export interface Admission {
  /** @param go is called once, when it is this client's turn, and never from within `enter` */
  enter(key: string, go: () => void): Ticket;
}

interface Failures {
  readonly count: number;
  readonly at: number;
}

export function createAdmission({
  clock,
  random,
}: {
  readonly clock: Clock;
  readonly random: () => number;
}): Admission {
  /** Failures in a row, the oldest first. */
  const remembered = new Map<string, Failures>();
  const line = new Set<() => void>();
  let opening = 0;

  const failuresOf = (key: string): number => {
    const failures = remembered.get(key);
    return failures && clock.now() - failures.at < FORGET_AFTER_MS ? failures.count : 0;
  };

  const remember = (key: string, count: number): void => {
    remembered.delete(key);
    if (count === 0) return;
    remembered.set(key, { count, at: clock.now() });
    for (const [oldest, { at }] of remembered) {
      if (remembered.size <= MOST_REMEMBERED && clock.now() - at < FORGET_AFTER_MS) break;
      remembered.delete(oldest);
    }
  };

  const advance = (): void => {
    for (const go of line) {
      if (opening >= OPENING_AT_ONCE) return;
      line.delete(go);
      go();
    }
  };

  return {
    enter(key, go) {
      const failures = failuresOf(key);
      const delay = failures === 0 ? 0 : backOff(failures - 1, random());
      let state: 'waiting' | 'opening' | 'open' | 'closed' = 'waiting';
      let acceptedAt = Number.POSITIVE_INFINITY;

      const begin = (): void => {
        state = 'opening';
        opening += 1;
        go();
      };
      const stepAside = (): void => {
        line.delete(begin);
        if (state !== 'opening') return;
        opening -= 1;
        advance();
      };
      const cancel = clock.after(delay, () => {
        line.add(begin);
        advance();
      });

      return {
        delay,
        opened() {
          if (state !== 'opening') return;
          stepAside();
          state = 'open';
        },
        accepted() {
          acceptedAt = clock.now();
        },
        close(how) {
          if (state === 'closed') return;
          cancel();
          stepAside();
          state = 'closed';
          const stood = clock.now() - acceptedAt >= STOOD_MS;
          const before = how === 'left' || stood ? 0 : failuresOf(key);
          remember(key, how === 'lost' ? before + 1 : before);
        },
      };
    },
  };
}
