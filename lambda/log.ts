/**
 * One JSON line per event on standard output, where CloudWatch Logs, and the local stack, pick it up. Written past the
 * console, which Lambda would wrap in JSON of its own.
 */
import type { Log } from '../src/broker/ports.ts';

export const log: Log = (event, fields) => {
  process.stdout.write(`${JSON.stringify({ timestamp: new Date().toISOString(), event, ...fields })}\n`);
};
