/** Who clients are, in memory. */
import type { Clock, FailedLogins, Grant, Identity, IdentityAdministration, Page, Principal } from '../broker/ports.ts';
import { FAILED_LOGINS_TIME_TO_LIVE, SESSION_TIME_TO_LIVE } from '../broker/time-to-live.ts';
import { createRecords } from './records.ts';

const ONLY = '';

export function createMemoryIdentity(
  clock: Pick<Clock, 'now'>,
): Identity & IdentityAdministration & { putPrincipal(name: string, principal: Principal): Promise<void> } {
  const principals = new Map<string, Principal>();
  const policies = new Map<string, string>();
  const grants = createRecords<Grant>(clock);
  const logins = createRecords<FailedLogins>(clock);
  let version = 0;
  const counted = async <T>(result: T): Promise<T> => {
    version++;
    return result;
  };
  return {
    version: async () => version,
    principal: async (name) => principals.get(name),
    policy: async (name) => policies.get(name),
    grant: async (id) => grants.get(id, ONLY),
    keepGrant: async (id, grant) => {
      grants.change(id, ONLY, { if: [], set: grant }, SESSION_TIME_TO_LIVE);
    },
    failedLogins: async (name) => logins.get(name, ONLY),
    changeFailedLogins: async (name, change) => logins.change(name, ONLY, change, FAILED_LOGINS_TIME_TO_LIVE),
    addPrincipal: async (name, principal) => {
      const isNew = !principals.has(name);
      if (isNew) principals.set(name, principal);
      return counted(isNew);
    },
    editPrincipal: async (name, edit) => {
      const before = principals.get(name);
      const after = before && edit(before);
      if (after) principals.set(name, after);
      return counted(after);
    },
    /** For tests: whatever was there. */
    putPrincipal: async (name: string, principal: Principal): Promise<void> => {
      principals.set(name, principal);
      return counted(undefined);
    },
    removePrincipal: async (name) => counted(principals.delete(name)),
    listPrincipals: async () => inOrder(principals),
    unlock: async (name) => logins.remove(name, ONLY, [['>', 'failures', 0]]),
    putPolicy: async (name, document) => {
      policies.set(name, document);
      return counted(undefined);
    },
    removePolicy: async (name) => counted(policies.delete(name)),
    listPolicies: async () => inOrder(policies),
  };
}

const inOrder = <T>(entries: ReadonlyMap<string, T>): Page<readonly [string, T]> => ({
  found: [...entries].sort(([a], [b]) => (a < b ? -1 : 1)),
  next: undefined,
});
