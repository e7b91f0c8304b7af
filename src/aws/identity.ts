/** The identity table: who clients may be, what they have proved to be, and what that allows them (`keys.ts`). */
import type { FailedLogins, Grant, Identity, Principal } from '../broker/ports.ts';
import { isGrant } from '../broker/stored-identity.ts';
import { FAILED_LOGINS_TIME_TO_LIVE, SESSION_TIME_TO_LIVE } from '../broker/time-to-live.ts';
import { failedLoginsKey, grantKey, policyKey, principalKey, versionKey } from './keys.ts';
import type { Table } from './table.ts';

export function createIdentity(table: Table): Identity {
  return {
    version: async () => (await table.get<{ readonly changes: number }>(versionKey))?.changes ?? 0,
    principal: (name) => table.get<Principal>(principalKey(name)),
    policy: async (name) => {
      const stored = await table.get<{ readonly document?: unknown }>(policyKey(name));
      // What is no text is no document that is missing: it cannot be read.
      return stored && (typeof stored.document === 'string' ? stored.document : '');
    },
    grant: async (id) => {
      const stored = await table.get<Grant>(grantKey(id));
      return stored && isGrant(stored) ? stored : undefined;
    },
    keepGrant: (id, grant) => table.put(grantKey(id), grant, SESSION_TIME_TO_LIVE),
    failedLogins: (name) => table.get<FailedLogins>(failedLoginsKey(name)),
    changeFailedLogins: (name, change) => table.change(failedLoginsKey(name), change, FAILED_LOGINS_TIME_TO_LIVE),
  };
}
