/**
 * A policy as `bindPolicies` takes it.
 *
 * Rules of this file:
 * - It depends on name and text alone, so that it may be kept by them.
 */
import { readDocument } from './document.ts';
import type { NamedPolicy } from './permit.ts';
import { PolicyError } from './policy-error.ts';
import type { Statement } from './statement.ts';

export type ReadPolicy =
  | { readonly name: string; readonly statements: readonly Statement[] }
  /** Why it cannot be read: the message of the `PolicyError`. */
  | { readonly name: string; readonly problem: string };

export function readPolicy({ name, document }: NamedPolicy): ReadPolicy {
  try {
    return { name, statements: readDocument(document) };
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    return { name, problem: error.message };
  }
}
