/** The connection is over in our books: its client end connects again (wire §3). */
export class NotConnected extends Error {
  override readonly name = 'NotConnected';

  /** @param detail for the log: never a token */
  constructor(detail = 'this connection is over') {
    super(detail);
  }
}
