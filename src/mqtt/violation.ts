/** What a peer did that MQTT, or the wire of this broker, does not allow. Thrown here, caught in one place: the connection closes. */

/** The value of `close=` in a reply (docs/wire-protocol.md §3), as far as bytes and topics can cause it. */
export type ViolationReason =
  | 'malformed-frame'
  | 'malformed-packet'
  | 'protocol-violation'
  | 'topic-invalid'
  | 'packet-too-large'
  | 'unsupported'
  | 'not-authorized';

export class ProtocolViolation extends Error {
  override readonly name = 'ProtocolViolation';
  readonly reason: ViolationReason;
  /** For the log: what exactly, with the normative id where there is one. Never a payload, a password or a user name. */
  readonly detail: string;

  constructor(reason: ViolationReason, detail: string) {
    super(`${reason}: ${detail}`);
    this.reason = reason;
    this.detail = detail;
  }
}
