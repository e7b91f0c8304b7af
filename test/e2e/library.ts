/** What a test asks of an MQTT library, in Node or in a browser. */
import type { WebSocketConstructor } from '../../client/mqtt-socket.ts';

export type Qos = 0 | 1 | 2;

export interface Message {
  readonly topic: string;
  readonly payload: Uint8Array<ArrayBuffer>;
  readonly qos: Qos;
  readonly retain: boolean;
}

export interface Settings {
  readonly url: string;
  readonly clientId: string;
  readonly clean: boolean;
  readonly will: Message | undefined;
  /** The WebSocket to build on. Default: the global one. */
  readonly WebSocket?: WebSocketConstructor | undefined;
  heard(message: Message): void;
}

/** A client of a library. It connects again by itself. */
export interface LibraryClient {
  /** @returns the QoS granted, or 128 */
  subscribe(topicFilter: string, qos: Qos): Promise<number>;
  unsubscribe(topicFilter: string): Promise<void>;
  /** Resolves when the library has what it waits for. */
  publish(message: Message): Promise<void>;
  /** With a DISCONNECT. Resolves when the broker has it, as far as the library tells. */
  disconnect(): Promise<void>;
}

/** Resolves when the broker has accepted the client. Rejects with the first error that a person is told of. */
export type Connect = (settings: Settings) => Promise<LibraryClient>;
