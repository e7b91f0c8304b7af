/** What the other end of a WebSocket must do, whoever implements it. */
import { NO_CONNECTION } from '../../src/session/ids.ts';
import { freshConnection, type Subject } from './subject.ts';

export function gatewayContract(subject: () => Subject): void {
  const gateway = () => subject().ports.gateway;

  describe('the gateway', () => {
    it('takes a frame for an open socket, which gets it', async () => {
      const socket = await subject().openSocket();
      expect(await gateway().post(socket.connectionId, '>7:AAAA')).toBe('accepted');
      expect(await socket.next()).toBe('>7:AAAA');
    });

    it('says that a connection is gone, or never was', async () => {
      const socket = await subject().openSocket();
      await socket.close();
      expect(await gateway().post(socket.connectionId, '>:')).toBe('gone');
      expect(await gateway().post(freshConnection(), '>:')).toBe('gone');
    });

    it('knows a socket that is open, and none that is gone or never was', async () => {
      const socket = await subject().openSocket();
      expect(await gateway().has(socket.connectionId)).toBe(true);
      await socket.close();
      expect(await gateway().has(socket.connectionId)).toBe(false);
      expect(await gateway().has(freshConnection())).toBe(false);
    });

    it('takes no connection, which a session has that went offline meanwhile, for one that is gone', async () => {
      expect(await gateway().post(NO_CONNECTION, '>:')).toBe('gone');
      expect(await gateway().has(NO_CONNECTION)).toBe(false);
      await gateway().close(NO_CONNECTION);
    });

    it('closes a socket; closing one that is gone is no error', async () => {
      const socket = await subject().openSocket();
      await gateway().close(socket.connectionId);
      await socket.closed();
      await gateway().close(socket.connectionId);
    });
  });
}
