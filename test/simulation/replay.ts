/** Somebody who has got hold of a token that is not good any more, or never was, and tries to take the session over with it. */
import type { Cloud } from './cloud.ts';

export function replayToken(cloud: Cloud, name: string, token: string): void {
  const socket = cloud.sockets.open({ onFrame: () => cloud.sockets.close(socket), onClose: () => {} });
  cloud.handshake(socket, `thief of ${name}`, () => cloud.frame(socket, `thief of ${name}`, `^${token}`));
}
