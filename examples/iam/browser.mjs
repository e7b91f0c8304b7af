// npx esbuild examples/iam/browser.mjs --bundle --servedir=examples/iam --outdir=examples/iam — then open browser.html there.
import mqtt from 'mqtt';
import { overServerlessMqtt } from 'serverless-mqtt/client';
import { signedBy } from './sign.mjs';

const url = new URLSearchParams(location.search).get('url') ?? 'ws://127.0.0.1:4800/mqtt';
const log = (line) => document.querySelector('#log').append(`${line}\n`);

// On AWS fromCognitoIdentityPool() of @aws-sdk/credential-providers: nobody puts a secret of theirs into a page.
const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };

const transport = overServerlessMqtt({ transformWsUrl: signedBy({ credentials, region: 'us-east-1' }) });
const client = mqtt.connect(url, { ...transport, clientId: 'page-1' });
client.on('error', ({ message }) => log(message));
client.on('message', (topic, payload) => log(`${topic}: ${payload}`));
client.subscribe('plant/+/temperature', { qos: 1 }, () => client.publish('plant/7/temperature', '21.5', { qos: 1 }));
