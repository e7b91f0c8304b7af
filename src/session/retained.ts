/**
 * What is retained under a topic, and the one step it takes: to be replaced.
 *
 * Rules of this file:
 * - Pure, as `transitions.ts`; each condition stands beside its reason.
 * - Of one client the younger connection wins: no clock decides between them. Of two clients the one that published later does,
 *   and of two that did so at the same moment the one that comes later.
 */
import type { Change } from './change.ts';
import type { ClientId } from './ids.ts';
import type { Message, SessionEpoch } from './session.ts';

/** By whom, and when, something was published. */
export interface Publication {
  readonly publisher: ClientId;
  /** The epoch of its connection. */
  readonly epoch: number;
  /** When the broker took the packet, or the connection ended that the will belongs to: ms since 1970. */
  readonly at: number;
}

/** A payload of no bytes: nothing is retained, and this is kept a while so that what is older does not come back. */
export interface RetainedMessage extends Message, Publication {}

/** By what topics lie together. May be empty. */
export const firstLevelOf = (topic: string): string => topic.split('/', 1)[0] ?? '';

/** Whether anything is retained: an empty payload removes what was [MQTT-3.3.1-10], and is not retained itself [MQTT-3.3.1-11]. */
export const isRetained = ({ payload }: Pick<Message, 'payload'>): boolean => payload.byteLength > 0;

export const publicationOf = ({ clientId, epoch }: SessionEpoch, at: number): Publication => ({
  publisher: clientId,
  epoch,
  at,
});

/** The message replaces what is there [MQTT-3.3.1-5]. */
export const retain = (
  { id, topic, payload, qos }: Message,
  { publisher, epoch, at }: Publication,
): Change<RetainedMessage> => ({
  name: 'retain',
  if: [
    // else a Lambda that stalled since its client has reconnected, or a late will, undoes what the client has published since
    ['any', [['absent'], ['<>', 'publisher', publisher], ['<=', 'epoch', epoch]]],
    // else it undoes what somebody else has published since
    ['any', [['absent'], ['=', 'publisher', publisher], ['<=', 'at', at]]],
  ],
  set: { id, topic, payload, qos, retain: true, publisher, epoch, at },
});
