/** The connection is over in our books: its client end connects again (wire §3). */
export class NotConnected extends Error {}
