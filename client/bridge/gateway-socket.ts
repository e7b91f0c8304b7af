/**
 * The WebSocket to the gateway, of the package `ws`.
 *
 * Rules of this file: the certificate of a `wss:` gateway is always checked. A handshake, and a close, that the gateway does
 * not answer end by themselves.
 */
import { once } from 'node:events';
import { rootCertificates } from 'node:tls';
import { WebSocket } from 'ws';
import type { WebSocketConstructor } from '../mqtt-socket.ts';

/** API Gateway's largest message. The wire's frames are smaller (wire-protocol.md §2). */
const LARGEST_MESSAGE_BYTES = 131_072;
const CLOSE_TIMEOUT_MS = 5_000;

export interface GatewaySockets {
  readonly WebSocket: WebSocketConstructor;
  /** Resolves when all are closed. Those that do not manage in time are cut off. */
  allClosed(): Promise<void>;
}

/** @param ca PEM: trusted besides what Node trusts */
export function createGatewaySockets(ca: string | undefined): GatewaySockets {
  const all = new Set<WebSocket>();
  const options = {
    maxPayload: LARGEST_MESSAGE_BYTES,
    perMessageDeflate: false,
    closeTimeout: CLOSE_TIMEOUT_MS,
    // With `ca` nothing else is trusted; without it also what NODE_EXTRA_CA_CERTS names.
    ...(ca !== undefined && { ca: [...rootCertificates, ca] }),
  };

  class GatewaySocket extends WebSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols, options);
      all.add(this);
      this.once('close', () => all.delete(this));
    }
  }

  return {
    // Its events have more fields than are used, and stricter types.
    WebSocket: GatewaySocket as unknown as WebSocketConstructor,
    async allClosed() {
      const cut = setTimeout(() => {
        for (const socket of all) socket.terminate();
      }, CLOSE_TIMEOUT_MS);
      await Promise.all(Array.from(all, (socket) => once(socket, 'close')));
      clearTimeout(cut);
    },
  };
}
