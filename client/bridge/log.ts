/**
 * One JSON line per event, as the broker's own. What the events mean stands in docs/operations.md.
 *
 * Rules of this file: fields are ids, counts, addresses and reasons. Never a payload, a client id, a user name, a password,
 * a token, or the query of a URL.
 */

export type BridgeLog = (event: string, fields: Readonly<Record<string, unknown>>) => void;

export const jsonLines =
  (print: (line: string) => void): BridgeLog =>
  (event, fields) =>
    print(JSON.stringify({ timestamp: new Date().toISOString(), event, ...fields }));
