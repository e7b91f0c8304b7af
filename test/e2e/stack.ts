/** A local stack for end-to-end tests, and MQTT.js clients over the transport. */
import mqtt, { type IClientOptions, type IConnackPacket, type MqttClient } from 'mqtt';
import { WebSocket } from 'ws';
import { overServerlessMqtt } from '../../client/transport.ts';
import { type LocalStack, type LocalStackOptions, startLocalStack } from '../../local/stack.ts';

export interface Client {
  readonly mqtt: MqttClient;
  readonly sessionPresent: boolean;
  /** Payloads in the order of their arrival. */
  readonly received: string[];
  /** Resolves when so many messages have arrived in all. */
  until(count: number): Promise<readonly string[]>;
  end(): Promise<void>;
}

export interface Stack extends LocalStack {
  readonly lines: string[];
  connect(clientId: string, options?: IClientOptions): Promise<Client>;
}

export async function startStack(options: LocalStackOptions = {}): Promise<Stack> {
  const lines: string[] = [];
  const clients = new Set<MqttClient>();
  const stack = await startLocalStack({
    port: 0,
    log: (line) => lines.push(line),
    ...options,
  });
  return {
    ...stack,
    lines,
    connect: (clientId, clientOptions = {}) => connectClient(stack.url, clientId, clientOptions, clients),
    stop: async () => {
      await Promise.all([...clients].map((client) => client.endAsync(true)));
      await stack.stop();
    },
  };
}

/** Resolves with the first CONNACK. Messages are recorded from the first one on. */
export const connectClient = (
  url: string,
  clientId: string,
  options: IClientOptions = {},
  clients: Set<MqttClient> = new Set(),
): Promise<Client> =>
  new Promise((resolve, reject) => {
    const client = mqtt.connect(url, {
      ...overServerlessMqtt({ WebSocket: WebSocket as never, random: () => 0 }),
      clientId,
      clean: true,
      ...options,
    });
    clients.add(client);
    const received: string[] = [];
    const waiting: { count: number; resolve: (received: readonly string[]) => void }[] = [];
    client.on('message', (_topic, payload) => {
      received.push(String(payload));
      for (const each of waiting) if (received.length >= each.count) each.resolve(received);
    });
    const fail = (error: Error) => {
      client.end(true);
      reject(error);
    };
    client.once('error', fail);
    client.once('connect', ({ sessionPresent }: IConnackPacket) => {
      client.removeListener('error', fail);
      client.on('error', () => {});
      resolve({
        mqtt: client,
        sessionPresent,
        received,
        until: (count) =>
          received.length >= count
            ? Promise.resolve(received)
            : new Promise((settle) => waiting.push({ count, resolve: settle })),
        end: async () => {
          clients.delete(client);
          await client.endAsync();
        },
      });
    });
  });

export const numbered = (count: number, prefix = 'm'): readonly string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}${index + 1}`);
