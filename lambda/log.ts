/**
 * One JSON line per event on standard output, where CloudWatch Logs, and the local stack, pick it up. Written past the
 * console, which Lambda would wrap in JSON of its own. The line of an event that is counted carries the metric, too.
 */
import type { Log } from '../src/broker/ports.ts';
import { createMetrics } from './metrics.ts';

export function createLog(stackName: string): Log {
  const metricOf = createMetrics(stackName);
  return (event, fields) => {
    const line = { timestamp: new Date().toISOString(), event, ...fields, ...metricOf(event, fields) };
    process.stdout.write(`${JSON.stringify(line)}\n`);
  };
}
