/** paho-mqtt for JavaScript as a test asks for it. */
import Paho from 'paho-mqtt';
import { overServerlessMqtt } from '../../client/paho.ts';
import type { Connect, Message, Qos } from './library.ts';

const toPaho = ({ topic, payload, qos, retain }: Message): Paho.Message => {
  const message = new Paho.Message(payload);
  message.destinationName = topic;
  message.qos = qos;
  message.retained = retain;
  return message;
};

export const connectPaho: Connect = async ({ url, clientId, clean, will, WebSocket, heard }) => {
  const options = overServerlessMqtt(url, { WebSocket });
  const client = new Paho.Client(url, clientId);
  const delivered = new Map<Paho.Message, () => void>();
  let hasLeft = false;
  client.onMessageDelivered = (message) => delivered.get(message)?.();
  client.onMessageArrived = (message) =>
    heard({
      topic: message.destinationName,
      payload: new Uint8Array(message.payloadBytes as Uint8Array),
      qos: message.qos,
      retain: message.retained,
    });
  await new Promise<void>((resolve, reject) => {
    client.connect({
      ...options,
      cleanSession: clean,
      ...(will && { willMessage: toPaho(will) }),
      onSuccess: () => resolve(),
      onFailure: ({ errorMessage }) => reject(new Error(errorMessage)),
    });
  });
  return {
    subscribe: (topicFilter, qos) =>
      new Promise((resolve) =>
        client.subscribe(topicFilter, {
          qos,
          onSuccess: ({ grantedQos }) => resolve((grantedQos as unknown as Qos[])[0] ?? 128),
          onFailure: () => resolve(128),
        }),
      ),
    unsubscribe: (topicFilter) =>
      new Promise((resolve) => client.unsubscribe(topicFilter, { onSuccess: () => resolve() })),
    publish: (each) =>
      new Promise((resolve) => {
        const message = toPaho(each);
        if (each.qos > 0) delivered.set(message, resolve);
        client.send(message);
        if (each.qos === 0) resolve();
      }),
    // One that is on its way back would go on connecting for ever, so it is waited for.
    disconnect: () =>
      new Promise((resolve) => {
        const leave = (): void => {
          hasLeft = true;
          client.onConnectionLost = () => resolve();
          client.disconnect();
        };
        if (hasLeft) resolve();
        else if (client.isConnected()) leave();
        else Object.assign(client, { onConnected: leave }); // not in the types of paho 1.0
      }),
  };
};
