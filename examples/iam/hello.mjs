// AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local node examples/iam/hello.mjs
import mqtt from 'mqtt';
import { overServerlessMqtt } from 'serverless-mqtt/client';
import { WebSocket } from 'ws'; // Node 20; browsers and Node 22 have their own
import { signedBy } from './sign.mjs';

const url = process.argv[2] ?? 'ws://127.0.0.1:4800/mqtt';
const region = process.env.AWS_REGION ?? 'us-east-1';
// Where a role is assumed: fromNodeProviderChain() of @aws-sdk/credential-providers, which gets new ones in time.
const credentials = {
  accessKeyId: process.env.AWS_ACCESS_KEY_ID,
  secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY,
  sessionToken: process.env.AWS_SESSION_TOKEN,
};

const transport = overServerlessMqtt({ WebSocket, transformWsUrl: signedBy({ credentials, region }) });
const client = mqtt.connect(url, { ...transport, clientId: 'pump-7', clean: true });
client.on('error', ({ message }) => console.error(message));
client.on('message', (topic, payload) => {
  console.log(`${topic}: ${payload}`);
  client.end();
});
await client.subscribeAsync('plant/+/temperature', { qos: 1 });
await client.publishAsync('plant/7/temperature', '21.5', { qos: 1 });
