/** MQTT.js in Node, over the builder that browsers use. */
import mqtt from 'mqtt';
import { overServerlessMqtt } from '../../client/transport.ts';
import { interoperates } from './interop.ts';

interoperates('MQTT.js', async ({ url, clientId, clean, will, WebSocket, heard }) => {
  const client = mqtt.connect(url, {
    ...overServerlessMqtt({ WebSocket }),
    clientId,
    clean,
    ...(will && { will: { ...will, payload: Buffer.from(will.payload) } }),
  });
  client.on('error', () => {}); // it connects again
  client.on('message', (topic, payload, { qos, retain }) =>
    heard({ topic, payload: new Uint8Array(payload), qos, retain }),
  );
  await new Promise((resolve) => client.once('connect', resolve));
  return {
    subscribe: async (topicFilter, qos) => (await client.subscribeAsync(topicFilter, { qos }))[0]?.qos ?? 128,
    unsubscribe: async (topicFilter) => {
      await client.unsubscribeAsync(topicFilter);
    },
    publish: async ({ topic, payload, qos, retain }) => {
      await client.publishAsync(topic, Buffer.from(payload), { qos, retain });
    },
    disconnect: () => client.endAsync(),
  };
});
