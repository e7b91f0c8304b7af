/**
 * Plain MQTT over TCP, and over TLS.
 *
 * Rules of this file: bytes in, bytes out. A client may close its sending side and still be answered. A socket whose end
 * has been said is read on, and what comes is dropped: closing over unread bytes would take away what was sent last.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { Address } from './address.ts';
import { LINGER_MS, PROBE_AFTER_MS } from './limits.ts';
import { type Certificate, type Listener, open, type Reception } from './listener.ts';

/** @throws the system's error, such as EADDRINUSE, or OpenSSL's where the certificate is none */
export async function listenTcp(at: Address, reception: Reception, certificate?: Certificate): Promise<Listener> {
  const { limits } = reception;
  /** Sockets of clients in their TLS handshake. */
  const handshaking = new Map<string, Socket>();
  const server: Server = certificate
    ? createTlsServer({ ...certificate, allowHalfOpen: true, handshakeTimeout: limits.connectMs })
    : createServer({ allowHalfOpen: true });
  // Also those that have not shaken hands yet.
  server.maxConnections = limits.clients;

  if (certificate) {
    server.on('connection', (socket: Socket) => {
      const name = peerOf(socket);
      handshaking.set(name, socket);
      socket.once('close', () => handshaking.delete(name));
    });
  }
  server.on(certificate ? 'secureConnection' : 'connection', (socket: Socket) => {
    handshaking.delete(peerOf(socket));
    serve(socket, reception);
  });
  const where = await open(server, at, reception);

  return {
    ...where,
    close() {
      server.close();
      for (const socket of handshaking.values()) socket.destroy();
    },
  };
}

const peerOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;

function serve(socket: Socket, reception: Reception): void {
  let isClosing = false;
  const from = String(socket.remoteAddress);
  // 'close' follows, and is all that matters.
  socket.on('error', () => {});
  const connection = reception.accept(
    {
      get heldBytes() {
        return socket.destroyed ? 0 : socket.writableLength;
      },
      send: (bytes) => void (socket.writable && socket.write(bytes)),
      pause: () => void socket.pause(),
      resume: () => void socket.resume(),
      close() {
        if (isClosing) return;
        isClosing = true;
        socket.resume();
        if (socket.writable) socket.end();
        const timer = setTimeout(() => socket.destroy(), LINGER_MS);
        socket.once('close', () => clearTimeout(timer));
      },
    },
    from,
  );
  if (!connection) {
    socket.destroy();
    return;
  }
  socket.setNoDelay(true);
  socket.setKeepAlive(true, PROBE_AFTER_MS);
  socket.on('data', (bytes: Buffer) => connection.receive(bytes));
  socket.on('drain', () => connection.weigh());
  socket.on('end', () => connection.clientLeft());
  socket.on('close', () => connection.closed());
}
