/** The bridge of `npm start`, where its ports are not to be had. */
import { createServer } from 'node:net';
import { BridgePortError, startLocalBridge } from '../../local/bridge.ts';

const URL_OF_NOBODY = 'ws://127.0.0.1:9/mqtt';

describe('a port that somebody else has', () => {
  const other = createServer();
  let port: number;
  beforeAll(async () => {
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    ({ port } = other.address() as { port: number });
  });
  afterAll(() => new Promise((resolve) => other.close(resolve)));

  test('and nobody asked for: one line, and the rest goes on', async () => {
    const lines: string[] = [];
    const bridge = await startLocalBridge({
      url: URL_OF_NOBODY,
      ports: [
        { kind: 'tcp', at: { host: '127.0.0.1', port }, isAsked: false },
        { kind: 'ws', at: { host: '127.0.0.1', port: 0 }, isAsked: false },
      ],
      log: (line, from) => from === 'local' && lines.push(line),
    });
    expect(bridge.ports.tcp).toBeUndefined();
    expect(bridge.ports.ws?.port).toBeGreaterThan(0);
    expect(lines).toEqual([
      `127.0.0.1:${port} is taken: there is no MQTT over TCP this time (--tcp PORT takes another port).`,
    ]);
    await bridge.stop();
  });

  test('and was asked for: it does not start, and leaves nothing open', async () => {
    const ports = [
      { kind: 'ws', at: { host: '127.0.0.1', port: 0 }, isAsked: false },
      { kind: 'tcp', at: { host: '127.0.0.1', port }, isAsked: true },
    ] as const;
    const lines: string[] = [];
    const starting = startLocalBridge({ url: URL_OF_NOBODY, ports, log: (line) => lines.push(line) });
    await expect(starting).rejects.toThrow(BridgePortError);
    await expect(starting).rejects.toThrow(`--tcp: 127.0.0.1:${port} is taken: choose another port, or --tcp off.`);
    expect(lines.at(-1)).toContain('"bridge-stopped"');
  });
});
