/** In the page of `browser.test.ts`: the libraries, called from the test. */
import type { LibraryClient, Message, Settings } from './library.ts';
import { connectMqttJs } from './mqttjs-library.ts';
import { connectPaho } from './paho-library.ts';

/** A message on its way between the test and the page: its payload in base64. */
export type PlainMessage = Omit<Message, 'payload'> & { readonly payload: string };

export interface PageSettings extends Pick<Settings, 'url' | 'clientId' | 'clean'> {
  readonly library: keyof typeof libraries;
  readonly will: PlainMessage | undefined;
  /** Which client of the page. */
  readonly client: number;
}

export interface Page {
  connect(settings: PageSettings): Promise<void>;
  subscribe(client: number, ...args: Parameters<LibraryClient['subscribe']>): Promise<number>;
  unsubscribe(client: number, ...args: Parameters<LibraryClient['unsubscribe']>): Promise<void>;
  publish(client: number, message: PlainMessage): Promise<void>;
  disconnect(client: number): Promise<void>;
}

declare global {
  var page: Page;
  /** In the test. */
  var heard: (client: number, message: PlainMessage) => Promise<void>;
}

const libraries = { 'MQTT.js': connectMqttJs, 'paho-mqtt': connectPaho };
const clients = new Map<number, LibraryClient>();

const toBase64 = (bytes: Uint8Array): string => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
const fromBase64 = (base64: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
const read = (message: PlainMessage): Message => ({ ...message, payload: fromBase64(message.payload) });

const find = (client: number): LibraryClient => {
  const found = clients.get(client);
  if (!found) throw new Error(`there is no client ${client}`);
  return found;
};

globalThis.page = {
  async connect({ library, client, will, ...settings }) {
    const connected = await libraries[library]({
      ...settings,
      will: will && read(will),
      heard: (message) => void heard(client, { ...message, payload: toBase64(message.payload) }),
    });
    clients.set(client, connected);
  },
  subscribe: (client, topicFilter, qos) => find(client).subscribe(topicFilter, qos),
  unsubscribe: (client, topicFilter) => find(client).unsubscribe(topicFilter),
  publish: (client, message) => find(client).publish(read(message)),
  disconnect: (client) => find(client).disconnect(),
};
