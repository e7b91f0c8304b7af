/**
 * When a session moves to another socket, and how far that has come (wire-protocol.md §8).
 *
 * Rules of this file: it keeps the one timer of a move, and has the next socket opened and given up. Whose turn it is and
 * what is said there is the exchange's business. A move that was asked for cannot be called off: the session may have gone.
 */

import { type Clock, createAlarm } from './clock.ts';
import { MOVE_AFTER_MS, MOVE_AGAIN_AFTER_MS } from './limits.ts';

export interface NextSocket {
  /** Opens another socket. @param ended it could not be opened, or has closed; not told after `use` and `drop` */
  open(opened: () => void, ended: () => void): void;
  send(frame: string): void;
  /** It takes the place of the socket in use, which is closed a little later. */
  use(): void;
  drop(): void;
}

export interface MoveOptions {
  readonly clock: Clock;
  readonly nextSocket: NextSocket | undefined;
  /** The next socket is open. */
  ready(): void;
  /** There is no way back. @param isUrgent the session could not have stayed anyhow */
  failed(isUrgent: boolean): void;
}

export interface Move {
  /** The next socket is open: the move may be asked for, or asked for again. */
  readonly isReady: boolean;
  /** From here on the next socket decides. */
  readonly isAsked: boolean;
  /** The first socket is open. */
  start(): void;
  /** The session may move: it does when the socket in use has become old. */
  plan(): void;
  /** The session cannot stay. */
  hurry(): void;
  asked(): void;
  done(): void;
  callOff(): void;
}

export function createMove({ clock, nextSocket, ready, failed }: MoveOptions): Move {
  const alarm = createAlarm(clock);
  let state: 'staying' | 'opening' | 'open' | 'asked' = 'staying';
  let isUrgent = false;
  /** When the newest socket was opened. */
  let openedAt = 0;

  const begin = (): void => {
    if (state !== 'staying') return;
    state = 'opening';
    nextSocket?.open(opened, ended);
  };

  const opened = (): void => {
    state = 'open';
    openedAt = clock.now();
    ready();
  };

  const ended = (): void => {
    const mustGo = isUrgent || state === 'asked';
    state = 'staying';
    if (mustGo) failed(isUrgent);
    else alarm.set(MOVE_AGAIN_AFTER_MS, begin);
  };

  const plan = (): void => alarm.set(openedAt + MOVE_AFTER_MS - clock.now(), begin);

  return {
    get isReady() {
      return state === 'open' || state === 'asked';
    },
    get isAsked() {
      return state === 'asked';
    },
    start() {
      openedAt = clock.now();
    },
    plan,
    hurry() {
      isUrgent = true;
      begin();
    },
    asked() {
      state = 'asked';
    },
    done() {
      state = 'staying';
      isUrgent = false;
      nextSocket?.use();
      plan();
    },
    callOff() {
      alarm.clear();
      if (state !== 'staying') nextSocket?.drop();
      state = 'staying';
    },
  };
}
