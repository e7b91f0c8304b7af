/** The redelivery queue: ticks. One that fails stays in the queue and comes back. */
import type { RedeliveryTick } from '../src/broker/ports.ts';
import { redeliver } from '../src/broker/redeliver.ts';
import { createContext } from './environment.ts';
import type { LambdaContext, QueueEvent, QueueResult } from './events.ts';
import { workOff } from './work-off.ts';

const context = createContext(process.env);

export const handler = (event: QueueEvent, lambda: LambdaContext): Promise<QueueResult> => {
  const deadline = context.clock.now() + lambda.getRemainingTimeInMillis();
  return workOff(event, context, (body) => redeliver(context, body as RedeliveryTick, deadline));
};
