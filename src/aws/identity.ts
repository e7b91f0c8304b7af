/** The identity table: who clients may be, what they have proved to be, and what that allows them (`keys.ts`). */
import type { FailedLogins, Grant, Identity, Principal } from '../broker/ports.ts';
import { FAILED_LOGINS_TIME_TO_LIVE, SESSION_TIME_TO_LIVE } from '../broker/time-to-live.ts';
import { failedLoginsKey, grantKey, policyKey, principalKey, versionKey } from './keys.ts';
import type { Table } from './table.ts';

export function createIdentity(table: Table): Identity {
  return {
    version: async () => (await table.get<{ readonly changes: number }>(versionKey))?.changes ?? 0,
    principal: (name) => table.get<Principal>(principalKey(name)),
    policy: async (name) => (await table.get<{ readonly document: string }>(policyKey(name)))?.document,
    grant: (id) => table.get<Grant>(grantKey(id)),
    keepGrant: (id, grant) => table.put(grantKey(id), grant, SESSION_TIME_TO_LIVE),
    failedLogins: (name) => table.get<FailedLogins>(failedLoginsKey(name)),
    changeFailedLogins: (name, change) => table.change(failedLoginsKey(name), change, FAILED_LOGINS_TIME_TO_LIVE),
  };
}
