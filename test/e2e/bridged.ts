/** A local stack with a bridge in front of it, on free ports, and MQTT.js clients that are plain MQTT clients. */
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { createBridge } from '../../client/bridge/bridge.ts';
import type { Certificate, ListenerKind } from '../../client/bridge/listener.ts';
import type { LocalStackOptions } from '../../local/stack.ts';
import { type Clients, connected, type Stack, startStack } from './stack.ts';

export const everyQos = [0, 1, 2] as const;

export interface BridgedStack extends Stack {
  /** Of the bridge's listeners. `tls` and `wss` are there with a certificate. */
  readonly ports: Readonly<Partial<Record<ListenerKind, number>>>;
  readonly bridgeLog: readonly Readonly<Record<string, unknown>>[];
}

/** Its clients are on the transport, as those of any stack; `bridgedClientsOf` makes the others. */
export async function startBridgedStack(
  options: LocalStackOptions & { readonly certificate?: Certificate | undefined } = {},
): Promise<BridgedStack> {
  const { certificate, ...stackOptions } = options;
  const stack = await startStack(stackOptions);
  const bridgeLog: Record<string, unknown>[] = [];
  const bridge = createBridge({
    to: stack.url,
    certificate,
    random: () => 0,
    log: (event, fields) => bridgeLog.push({ event, ...fields }),
  });
  const ports: Partial<Record<ListenerKind, number>> = {};
  for (const kind of ['tcp', 'ws', ...(certificate ? (['tls', 'wss'] as const) : [])] as const) {
    ports[kind] = (await bridge.listen(kind, { host: '127.0.0.1', port: 0 })).port;
  }
  return {
    ...stack,
    ports,
    bridgeLog,
    stop: async () => {
      await stack.endAll();
      await bridge.stop();
      await stack.stop();
    },
  };
}

const schemes = { tcp: 'mqtt', tls: 'mqtts', ws: 'ws', wss: 'wss' } as const satisfies Record<ListenerKind, string>;

/** @param ca PEM: the only certificate that its clients trust */
export function bridgedClientsOf(stack: BridgedStack, kind: ListenerKind, ca?: string): Clients {
  const open = new Set<MqttClient>();
  const clients: Clients = {
    open(clientId, options: IClientOptions = {}) {
      const client = mqtt.connect(`${schemes[kind]}://127.0.0.1:${stack.ports[kind]}`, {
        clientId,
        clean: true,
        keepalive: 0, // clients go by their own time, and the stack's time is made to jump
        reconnectPeriod: 50,
        ...(ca !== undefined && { ca }),
        ...options,
      });
      open.add(client);
      client.once('end', () => open.delete(client));
      return client;
    },
    connect: (clientId, options) => connected(clients.open(clientId, options)),
    async cut(client) {
      client.stream.destroy();
      await client.endAsync(true);
    },
    async endAll() {
      await Promise.all(Array.from(open, (client) => client.endAsync(true)));
    },
  };
  return clients;
}
