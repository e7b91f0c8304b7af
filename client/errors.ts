/**
 * What went wrong on the wire, said so that a person understands it.
 *
 * Rules of this file: one error type. `code` is for programs and stays; `message` is for people and may be reworded.
 * Both sides' faults are told apart: `bad-answer` and `gateway-error` are the peer's, `bad-packet` the MQTT library's.
 */

/** Why the broker closed (wire-protocol.md §3), in more words than the reason itself where that does not say enough. */
const meanings: Readonly<Record<string, string>> = {
  unsupported: 'not offered by this broker',
  'session-taken-over': 'the same client id has connected elsewhere',
};

/**
 * - a reason of wire-protocol.md §3, such as `session-taken-over`: the broker closed the connection
 * - `cannot-open`: no WebSocket could be opened, or the handshake was refused
 * - `closed-early`: the socket closed before CONNACK
 * - `no-reply`: the broker did not answer a frame within 35 s
 * - `bad-answer`: the broker, or something between, sent what is not of this wire
 * - `gateway-error`: API Gateway answered instead of the broker
 * - `push-lost`: a push is missing; connecting again makes the broker send it again
 * - `bad-packet`: the MQTT library wrote what is not an MQTT packet
 * - `no-websocket`: there is no WebSocket to build on
 * - `wrong-builder`: MQTT.js uses another WebSocket builder in this process
 */
export class ServerlessMqttError extends Error {
  override readonly name = 'ServerlessMqttError';
  readonly code: string;

  constructor(code: string, message: string) {
    super(`serverless-mqtt: ${message}`);
    this.code = code;
  }
}

export const badAnswer = (what: string): ServerlessMqttError =>
  new ServerlessMqttError('bad-answer', `the broker sent what this client cannot read: ${what}`);

/** @param reason the value of `close=`, which may be one that this client does not know yet */
export const closedByBroker = (reason: string): ServerlessMqttError =>
  new ServerlessMqttError(
    reason,
    `the broker closed the connection: ${reason}${meanings[reason] ? ` (${meanings[reason]})` : ''}`,
  );
