/** test/vectors/clients.json: what MQTT clients really send. */

import { bytes } from '../client/vectors.ts';
import recorded from '../vectors/clients.json' with { type: 'json' };

export interface Capture {
  readonly name: string;
  /** As they arrived; over WebSocket each is a message. */
  readonly chunks: readonly Uint8Array[];
}

export const captures: readonly Capture[] = recorded.captures.map(({ name, over, chunks }) => ({
  name: `${name} over ${over}`,
  chunks: chunks.map(bytes),
}));
