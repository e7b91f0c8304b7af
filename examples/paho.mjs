import Paho from 'paho-mqtt';
import { overServerlessMqtt } from 'serverless-mqtt/paho';
import { WebSocket } from 'ws'; // Node 20; browsers and Node 22 have their own

const url = process.argv[2] ?? 'ws://127.0.0.1:4800/mqtt';
const options = overServerlessMqtt(url, { WebSocket });
const client = new Paho.Client(url, 'pump-8');
client.onMessageArrived = ({ destinationName, payloadString }) => {
  console.log(`${destinationName}: ${payloadString}`);
  client.disconnect();
};
const publish = () => client.send('plant/8/temperature', '21.5', 1);
client.connect({
  ...options,
  cleanSession: false,
  onSuccess: () => client.subscribe('plant/8/temperature', { qos: 1, onSuccess: publish }),
  onFailure: ({ errorMessage }) => console.error(errorMessage),
});
