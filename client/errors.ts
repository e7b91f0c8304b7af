/**
 * What went wrong on the wire, said so that a person understands it.
 *
 * Rules of this file: one error type. `code` is for programs and stays; `message` is for people and may be reworded.
 * Both sides' faults are told apart: `bad-answer` and `gateway-error` are the peer's, `bad-packet` the MQTT library's.
 */

/** Why the broker closed, in words (wire-protocol.md §3). `refused` and `disconnected` are no errors of the transport. */
const reasons: Readonly<Record<string, string>> = {
  'malformed-frame': 'the broker could not read a frame: are client and broker of the same version?',
  'malformed-packet': 'a packet that MQTT does not allow: bad flags, length or UTF-8, or a truncated packet',
  'protocol-violation': 'a packet out of turn, or one that only a server sends',
  'topic-invalid': 'a PUBLISH topic with a wildcard, empty, too long, or with too many levels',
  'packet-too-large': "more bytes than the broker's settings allow",
  unsupported: 'something of MQTT that this broker does not offer, such as QoS 2',
  'session-taken-over': 'the same client id has connected elsewhere',
  'keep-alive-timeout': 'nothing was heard from the client for one and a half times its keep-alive',
  'not-connected': 'this connection has no session any more',
  'internal-error': 'the broker failed; its log says why',
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

export function badAnswer(what: string): ServerlessMqttError {
  return new ServerlessMqttError('bad-answer', `the broker sent what this client cannot read: ${what}`);
}

/** @param reason the value of `close=`, which may be one that this client does not know yet */
export function closedByBroker(reason: string): ServerlessMqttError {
  const meaning = reasons[reason];
  return new ServerlessMqttError(
    reason,
    `the broker closed the connection: ${reason}${meaning === undefined ? '' : ` (${meaning})`}`,
  );
}
