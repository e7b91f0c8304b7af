/** MQTT.js in Node. */
import WebSocket from 'ws';
import { interoperates } from './interop.ts';
import { connectMqttJs } from './mqttjs-library.ts';

interoperates('MQTT.js', (settings) => connectMqttJs({ ...settings, WebSocket }));
