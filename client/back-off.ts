/** How long to wait before connecting again: exponential, with full jitter (wire-protocol.md §7). Pure. */

import { FIRST_BACK_OFF_MS, LONGEST_BACK_OFF_MS } from './limits.ts';

/**
 * @param failures failures in a row before this one, from 0
 * @param random from 0 to 1
 * @returns milliseconds
 */
export function backOff(failures: number, random: number): number {
  return random * Math.min(LONGEST_BACK_OFF_MS, FIRST_BACK_OFF_MS * 2 ** failures);
}
