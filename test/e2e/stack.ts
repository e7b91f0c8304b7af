/** A local stack for end-to-end tests, and MQTT.js clients over the transport. */
import mqtt, { type IClientOptions, type IConnackPacket, type MqttClient } from 'mqtt';
import { WebSocket } from 'ws';
import { type Clock, systemClock } from '../../client/clock.ts';
import { overServerlessMqtt, type TransportOptions } from '../../client/transport.ts';
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

/** Makes the clients of one broker, and ends them. */
export interface Clients {
  /**
   * One that connects, and goes on connecting whatever happens. Ask it for the reasons by its `error` events.
   * @param clock the time that its transport goes by
   */
  open(clientId: string, options?: IClientOptions, clock?: Clock): MqttClient;
  /** One that is connected. Rejects where it is refused. */
  connect(clientId: string, options?: IClientOptions, clock?: Clock): Promise<Client>;
  /** Cuts the client's socket in the middle of whatever it does, and ends the client. */
  cut(client: MqttClient): Promise<void>;
  /** Ends those that are still there, without a word. */
  endAll(): Promise<void>;
}

export interface Stack extends LocalStack, Clients {
  readonly lines: string[];
}

export async function startStack(options: LocalStackOptions = {}): Promise<Stack> {
  const lines: string[] = [];
  const stack = await startLocalStack({
    port: 0,
    log: (line) => lines.push(line),
    ...options,
  });
  const clients = clientsOf(stack.url);
  return {
    ...stack,
    ...clients,
    lines,
    stop: async () => {
      await clients.endAll();
      await stack.stop();
    },
  };
}

/** @param transformWsUrl for every socket of every client */
export function clientsOf(url: string, transformWsUrl?: TransportOptions['transformWsUrl']): Clients {
  /** Each with its newest socket. */
  const sockets = new Map<MqttClient, () => WebSocket | undefined>();
  const open = (clientId: string, options: IClientOptions = {}, clock: Clock = systemClock): MqttClient => {
    let newest: WebSocket | undefined;
    class Socket extends WebSocket {
      constructor(address: string, protocols: string[]) {
        super(address, protocols);
        newest = this;
      }
    }
    const client = mqtt.connect(url, {
      ...overServerlessMqtt({ WebSocket: Socket as never, random: () => 0, clock, transformWsUrl }),
      clientId,
      clean: true,
      keepalive: 0, // clients go by their own time, and the stack's time is made to jump
      ...options,
    });
    sockets.set(client, () => newest);
    client.once('end', () => sockets.delete(client));
    return client;
  };
  return {
    open,
    connect: (clientId, options, clock) => connected(open(clientId, options, clock)),
    cut: async (client) => {
      sockets.get(client)?.()?.terminate();
      await client.endAsync(true);
    },
    endAll: async () => {
      await Promise.all(Array.from(sockets.keys(), (client) => client.endAsync(true)));
    },
  };
}

/** Resolves with the first CONNACK. Messages are recorded from the first one on. */
export const connected = (client: MqttClient): Promise<Client> =>
  new Promise((resolve, reject) => {
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
          await client.endAsync();
        },
      });
    });
  });

export const numbered = (count: number, prefix = 'm'): readonly string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}${index + 1}`);
