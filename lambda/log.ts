/** One JSON line per event on standard output, where CloudWatch Logs, and the local stack, pick it up. */
import type { Log } from '../src/broker/ports.ts';

export const log: Log = (event, fields) => {
  console.log(JSON.stringify({ time: new Date().toISOString(), event, ...fields }));
};
