import mqtt from 'mqtt';
import { overServerlessMqtt } from 'serverless-mqtt/client';
import { WebSocket } from 'ws'; // Node 20; browsers and Node 22 have their own

const url = process.argv[2] ?? 'ws://127.0.0.1:4800/mqtt';
const client = mqtt.connect(url, { ...overServerlessMqtt({ WebSocket }), clientId: 'pump-7', clean: false });
client.on('message', (topic, payload) => {
  console.log(`${topic}: ${payload}`);
  client.end();
});
await client.subscribeAsync('plant/+/temperature', { qos: 1 });
await client.publishAsync('plant/7/temperature', '21.5', { qos: 1 });
