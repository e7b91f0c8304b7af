/** Policies, read once and bound to one client. */
import type { ConnectAttributeMode, NamedPolicy, Permit, Values } from './permit.ts';

export interface ReadPolicy extends NamedPolicy {
  readonly problem?: string;
}

export interface Binding {
  readonly values: Values;
  readonly arnBase: string;
  readonly connectAttributes: ConnectAttributeMode;
}

export const readPolicy = (policy: NamedPolicy): ReadPolicy => policy;

export const bindPolicies = (_policies: readonly ReadPolicy[], _binding: Binding): Permit => ({
  decide: () => ({ allowed: false, because: 'not allowed' }),
});
