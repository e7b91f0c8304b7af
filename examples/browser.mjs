// npx esbuild browser.mjs --bundle --servedir=. --outdir=. — then open the page browser.html at the address it prints.
import mqtt from 'mqtt';
import Paho from 'paho-mqtt';
import * as mqttJs from 'serverless-mqtt/client';
import * as paho from 'serverless-mqtt/paho';

const url = new URLSearchParams(location.search).get('url') ?? 'ws://127.0.0.1:4800/mqtt';
const log = (line) => document.querySelector('#log').append(`${line}\n`);

const one = mqtt.connect(url, { ...mqttJs.overServerlessMqtt(), clientId: 'page-1' });
one.on('error', ({ message }) => log(message));
one.on('message', (topic, payload) => log(`MQTT.js: ${topic}: ${payload}`));
one.subscribe('plant/+/temperature', { qos: 1 });

const options = paho.overServerlessMqtt(url);
const other = new Paho.Client(url, 'page-2');
other.onConnectionLost = ({ errorMessage }) => log(errorMessage);
other.onMessageArrived = ({ destinationName, payloadString }) => log(`paho-mqtt: ${destinationName}: ${payloadString}`);
other.connect({
  ...options,
  onFailure: ({ errorMessage }) => log(errorMessage),
  onSuccess: () =>
    other.subscribe('plant/+/temperature', {
      qos: 1,
      onSuccess: () => one.publish('plant/7/temperature', '21.5', { qos: 1 }),
    }),
});
