/** MQTT.js caches how it builds WebSockets at the first connect() of a process; a test file is a process of its own here. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import mqtt from 'mqtt';
import WebSocket from 'ws';
import { overServerlessMqtt } from '../../client/transport.ts';

test('after a connect() without these options, the next one says what is wrong', async () => {
  const server = createServer((socket) => socket.end()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const other = mqtt.connect(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0 });
  await new Promise<void>((resolve) => other.once('close', resolve));
  expect(() => mqtt.connect(`ws://127.0.0.1:${port}`, { ...overServerlessMqtt({ WebSocket }), clientId: 'a' })).toThrow(
    'serverless-mqtt: make the first connect() of this process with these options',
  );
  other.end(true);
  server.close();
});
