/**
 * How many bytes the bridge holds, for each client and for all of them.
 *
 * Rules of this file: it counts and decides nothing. An account that is closed counts for nothing.
 */

export interface Account {
  /** What this client holds now. */
  set(bytes: number): void;
  close(): void;
}

export interface BufferedBytes {
  readonly total: number;
  /** The most that `total` has been. */
  readonly most: number;
  readonly isFull: boolean;
  open(): Account;
}

/** @param limit bytes of all clients together */
export function createBufferedBytes(limit: number): BufferedBytes {
  let total = 0;
  let most = 0;

  return {
    get total() {
      return total;
    },
    get most() {
      return most;
    },
    get isFull() {
      return total > limit;
    },
    open() {
      let held = 0;
      let isOpen = true;
      const set = (bytes: number): void => {
        if (!isOpen) return;
        total += bytes - held;
        held = bytes;
        most = Math.max(most, total);
      };
      return {
        set,
        close() {
          set(0);
          isOpen = false;
        },
      };
    },
  };
}
