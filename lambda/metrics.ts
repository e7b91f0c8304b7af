/**
 * Which events are counted, and as what: CloudWatch makes a metric out of a log line that says so (Embedded Metric Format),
 * with no call to AWS.
 */
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import type { Log } from '../src/broker/ports.ts';

type Fields = Parameters<Log>[1];

/** A metric's name, and what an event adds to it. */
type Counted = readonly [name: string, value: number];

const counted: Readonly<Record<string, (fields: Fields) => Counted | undefined>> = {
  'messages-stored': ({ messages }) => ['MessagesStored', Number(messages)],
  'messages-redelivered': ({ messages }) => ['MessagesRedelivered', Number(messages)],
  'storage-bound': ({ refused }) => ['MessagesRefused', Number(refused)],
  connected: ({ sessionPresent }) => [sessionPresent ? 'SessionsResumed' : 'SessionsCreated', 1],
  'session-ended': ({ cause }) => (cause === 'expired' ? ['SessionsExpired', 1] : undefined),
  'connect-refused': () => ['ConnectsRefused', 1],
  violation: ({ reason }) => (reason === 'not-authorized' ? ['PublishesRefused', 1] : undefined),
  'publish-dropped': ({ messages }) => ['PublishesRefused', Number(messages)],
  'receive-refused': ({ messages }) => ['DeliveriesRefused', Number(messages)],
  'will-published': () => ['WillsPublished', 1],
};

/** What makes a metric of an event's line, to be added to it; undefined where it is not counted. */
export function createMetrics(stackName: string): (event: string, fields: Fields) => object | undefined {
  const metrics = new Metrics({ namespace: 'ServerlessMqtt' });
  metrics.clearDefaultDimensions(); // the library's own, `service`
  metrics.setDefaultDimensions({ stack: stackName });
  return (event, fields) => {
    const metric = counted[event]?.(fields);
    if (metric === undefined) return undefined;
    const [name, value] = metric;
    metrics.addMetric(name, MetricUnit.Count, value);
    const line = metrics.serializeMetrics();
    metrics.clearMetrics();
    return line;
  };
}
