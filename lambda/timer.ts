/** The timers queue: background jobs. One that fails stays in the queue and comes back. */
import type { Job } from '../src/broker/ports.ts';
import { runJob } from '../src/broker/run-job.ts';
import { createContext } from './environment.ts';
import type { QueueEvent, QueueResult } from './events.ts';
import { workOff } from './work-off.ts';

const context = createContext(process.env);

export const handler = (event: QueueEvent): Promise<QueueResult> =>
  workOff(event, context, (body) => runJob(context, body as Job));
