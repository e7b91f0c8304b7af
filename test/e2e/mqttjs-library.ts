/** MQTT.js as a test asks for it, over the builder that browsers use. */
import mqtt from 'mqtt';
import { overServerlessMqtt } from '../../client/transport.ts';
import type { Connect, Message } from './library.ts';

const payloadOf = ({ payload }: Message) => payload as Buffer<ArrayBuffer>;

export const connectMqttJs: Connect = async ({ url, clientId, clean, will, WebSocket, heard }) => {
  const client = mqtt.connect(url, {
    ...overServerlessMqtt({ WebSocket }),
    clientId,
    clean,
    ...(will && { will: { ...will, payload: payloadOf(will) } }),
  });
  client.on('message', (topic, payload, { qos, retain }) =>
    heard({ topic, payload: new Uint8Array(payload), qos, retain }),
  );
  await new Promise((resolve, reject) => {
    client.once('connect', resolve);
    client.on('error', reject); // later ones are nobody's business: it connects again
  });
  return {
    subscribe: async (topicFilter, qos) => (await client.subscribeAsync(topicFilter, { qos }))[0]?.qos ?? 128,
    unsubscribe: async (topicFilter) => {
      await client.unsubscribeAsync(topicFilter);
    },
    publish: async (message) => {
      await client.publishAsync(message.topic, payloadOf(message), { qos: message.qos, retain: message.retain });
    },
    disconnect: () => client.endAsync(),
  };
};
