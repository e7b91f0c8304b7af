/**
 * The other end of a WebSocket, through `@connections`.
 *
 * Rules of this file:
 * - The SDK must not try again by itself (`maxAttempts: 1`): a retry could overtake a later post.
 * - What was not answered in time may have been taken all the same.
 * - `NO_CONNECTION` is gone. AWS is not asked: without an id the path is another one, and forbidden.
 */
import {
  type ApiGatewayManagementApiClient,
  DeleteConnectionCommand,
  GetConnectionCommand,
  PostToConnectionCommand,
} from '@aws-sdk/client-apigatewaymanagementapi';
import type { Clock, Gateway } from '../broker/ports.ts';
import { NO_CONNECTION } from '../session/ids.ts';

export interface GatewayOptions {
  readonly client: ApiGatewayManagementApiClient;
  readonly clock: Clock;
  /** Milliseconds after which a post is given up, pauses after throttles included. */
  readonly postTimeout: number;
}

/** Pause after the first throttle, ms; doubled each time. */
const FIRST_PAUSE = 50;

export function createGateway({ client, clock, postTimeout }: GatewayOptions): Gateway {
  const attempt = async (connectionId: string, frame: string, timeLeft: number) => {
    // The SDK's own request timeout was seen to fail; the signal does not.
    const abortSignal = AbortSignal.timeout(Math.max(1, timeLeft));
    const command = new PostToConnectionCommand({ ConnectionId: connectionId, Data: Buffer.from(frame) });
    try {
      await client.send(command, { abortSignal });
      return 'accepted';
    } catch (error) {
      return outcomeOf(error);
    }
  };

  return {
    post: async (connectionId, frame) => {
      if (connectionId === NO_CONNECTION) return 'gone';
      const giveUpAt = clock.now() + postTimeout;
      for (let pause = FIRST_PAUSE; ; pause *= 2) {
        const outcome = await attempt(connectionId, frame, giveUpAt - clock.now());
        if (outcome !== 'throttled' || clock.now() + pause >= giveUpAt) return outcome;
        await clock.pause(pause);
      }
    },
    close: async (connectionId) => {
      if (connectionId === NO_CONNECTION) return;
      try {
        await client.send(new DeleteConnectionCommand({ ConnectionId: connectionId }));
      } catch (error) {
        if (outcomeOf(error) !== 'gone') throw error;
      }
    },
    has: async (connectionId) => {
      if (connectionId === NO_CONNECTION) return false;
      try {
        await client.send(new GetConnectionCommand({ ConnectionId: connectionId }));
        return true;
      } catch (error) {
        // In doubt it is there: who takes it for gone gives a session up, who does not asks again later.
        return outcomeOf(error) !== 'gone';
      }
    },
  };
}

/** @throws what is a mistake of ours: no permission, a frame that is too large */
const outcomeOf = (error: unknown): 'gone' | 'throttled' | 'unclear' => {
  const { name, $metadata } = error as { name?: string; $metadata?: { httpStatusCode?: number } };
  // An error without the header that names it arrives as "Unknown": the status code tells as well.
  if (name === 'GoneException' || $metadata?.httpStatusCode === 410) return 'gone';
  if (name === 'LimitExceededException' || $metadata?.httpStatusCode === 429) return 'throttled';
  if ($metadata?.httpStatusCode === 403 || name === 'PayloadTooLargeException') throw error;
  return 'unclear';
};
