/**
 * What the operator's commands write to the identity table.
 *
 * Rules of this file:
 * - The version is counted up behind every change, and also where nothing had to be changed: an earlier call may have died before it
 *   came to that.
 * - A principal is written where its revision is still the one that was read. So of two operators who change it at once, neither
 *   takes back what the other did.
 */
import { randomUUID } from 'node:crypto';
import type { FailedLogins, IdentityAdministration, Page, Principal } from '../broker/ports.ts';
import { IDENTITY_TIME_TO_LIVE } from '../broker/time-to-live.ts';
import { failedLoginsKey, policyKey, policyOf, principalKey, principalOf, versionKey } from './keys.ts';
import type { Scan } from './scan.ts';
import type { Found, Table } from './table.ts';

/** A principal as it lies in the table. */
interface KeptPrincipal extends Principal {
  /** Another with each change. No number: one that was removed and entered again must not be taken for what it was. */
  readonly revision: string;
}

export function createIdentityAdministration(table: Table, scan: Scan): IdentityAdministration {
  const counted = async <T>(result: T): Promise<T> => {
    await table.change<{ changes: number }>(versionKey, { if: [], add: { changes: 1 } }, IDENTITY_TIME_TO_LIVE);
    return result;
  };

  const edited = async (name: string, edit: (principal: Principal) => Principal): Promise<Principal | undefined> => {
    const key = principalKey(name);
    let kept = await table.get<KeptPrincipal>(key);
    while (kept) {
      const { revision, ...principal } = kept;
      const after = edit(principal);
      const outcome = await table.change<KeptPrincipal>(
        key,
        { if: [['=', 'revision', revision]], set: { ...after, revision: randomUUID() } },
        IDENTITY_TIME_TO_LIVE,
      );
      if (outcome.done) return after;
      kept = outcome.record;
    }
    return undefined;
  };

  return {
    addPrincipal: async (name, principal) =>
      counted(await table.putNew(principalKey(name), { ...principal, revision: randomUUID() }, IDENTITY_TIME_TO_LIVE)),
    editPrincipal: async (name, edit) => counted(await edited(name, edit)),
    removePrincipal: async (name) => counted(await table.remove(principalKey(name), [])),
    listPrincipals: async (after) =>
      named(await scan.page<KeptPrincipal>('principal', after), ({ key, record: { revision: _, ...principal } }) => [
        principalOf(key),
        principal,
      ]),
    unlock: (name) => table.remove<FailedLogins>(failedLoginsKey(name), [['>', 'failures', 0]]),
    putPolicy: async (name, document) => counted(await table.put(policyKey(name), { document }, IDENTITY_TIME_TO_LIVE)),
    removePolicy: async (name) => counted(await table.remove(policyKey(name), [])),
    listPolicies: async (after) =>
      named(await scan.page<{ readonly document: string }>('policy', after), ({ key, record: { document } }) => [
        policyOf(key),
        document,
      ]),
  };
}

const named = <R, T>(
  { found, next }: Page<Found<R>>,
  entry: (each: Found<R>) => readonly [string, T],
): Page<readonly [string, T]> => ({ found: found.map(entry), next });
