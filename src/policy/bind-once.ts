/**
 * What is known of a client is known for good, what a question adds only with it.
 *
 * Rules of this file:
 * - A question adds to what is known of the client, and never replaces it: so what needs nothing else is made once.
 */
import type { Values } from './permit.ts';
import type { Lookup } from './template.ts';

/** `make` with what is known: once, if the client has all of `keys`; with each question otherwise. */
export function bindOnce<T>(
  keys: readonly string[],
  client: Values,
  make: (lookup: Lookup, question?: Values) => T,
): (question?: Values) => T {
  if (!keys.every((key) => client.has(key))) {
    return (question) => make((key) => client.get(key) ?? question?.get(key), question);
  }
  const made = make((key) => client.get(key));
  return () => made;
}
