/** `$default`: one text frame of a client. What is returned here is the one reply to it. */
import { handleFrame } from '../src/broker/handle-frame.ts';
import type { ConnectionId } from '../src/session/ids.ts';
import { createContext } from './environment.ts';
import type { GatewayResult, LambdaContext, MessageEvent } from './events.ts';

const context = createContext(process.env);

export const handler = async (event: MessageEvent, lambda: LambdaContext): Promise<GatewayResult> => {
  const body = await handleFrame(context, {
    connectionId: event.requestContext.connectionId as ConnectionId,
    body: event.body ?? '',
    deadline: context.clock.now() + lambda.getRemainingTimeInMillis(),
    sourceIp: event.requestContext.identity?.sourceIp ?? undefined,
  });
  return { statusCode: 200, body };
};
