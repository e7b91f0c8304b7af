/**
 * Who may do what, as this process knows it: what a client has proved to be (its grant), with the policies that are attached now.
 *
 * Rules of this file:
 * - A grant never changes, and policies seldom do. So both are remembered, and one small item is read every `policyCheckSeconds`
 *   that tells whether any policy or principal was changed since. What a message costs does not grow with the policies.
 * - What cannot be read is not allowed: an outage is thrown, a grant that is missing allows nothing.
 */
import { bindPolicies } from '../policy/bind-policies.ts';
import type { NamedPolicy, Permit, Values } from '../policy/permit.ts';
import { type ReadPolicy, readPolicy } from '../policy/read-policy.ts';
import { type ClientId, type ConnectionId, type Generation, type GrantId, NO_GRANT } from '../session/ids.ts';
import type { Settings } from './context.ts';
import { inParallel, WIDTH } from './in-parallel.ts';
import type { Clock, Grant, Identity, Log, Principal } from './ports.ts';
import { createRecent, type Recent } from './recent.ts';
import { isPrincipal } from './stored-identity.ts';

export interface Authority {
  /** Nobody has to say who they are, and everybody may do everything. */
  readonly isOpen: boolean;
  /** @throws when AWS fails */
  permitOf(grant: GrantId, clientId: ClientId): Promise<Permit>;
  /** The permit of a client that is not connected yet. @throws when AWS fails */
  permitFor(grant: Grant, clientId: ClientId): Promise<Permit>;
  /** The grant that this session was last seen with. */
  lastGrant(session: Generation): GrantId | undefined;
  noteGrant(session: Generation, grant: GrantId): void;
  /** Whether this process has found the connection to be one whose client was let in. What it was good for may be over. */
  wasAdmitted(connection: ConnectionId): boolean;
  noteAdmitted(connection: ConnectionId): void;
  /** The whole ARN of something in this broker: `topic/topicName`. */
  arnOf(resource: string): string;
  /** How a client has proved who it is, a colon, and its name. @throws when AWS fails */
  principalOf(grant: GrantId): Promise<string>;
}

/** The principal of everybody where nobody has to say who they are. */
export const ANONYMOUS = 'anonymous';

const everything: Permit = { decide: () => ({ allowed: true, by: { policy: 'authentication none', statement: 0 } }) };
const nothing: Permit = { decide: () => ({ allowed: false, because: 'not allowed' }) };

export const openAuthority: Authority = {
  isOpen: true,
  permitOf: async () => everything,
  permitFor: async () => everything,
  lastGrant: () => undefined,
  noteGrant: () => {},
  wasAdmitted: () => true,
  noteAdmitted: () => {},
  arnOf: (resource) => resource,
  principalOf: async () => ANONYMOUS,
};

export interface AuthorityOptions {
  readonly identity: Pick<Identity, 'version' | 'principal' | 'policy' | 'grant'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly settings: Pick<
    Settings,
    'authentication' | 'connectAttributes' | 'policyCheckSeconds' | 'policyCacheSeconds' | 'policyCacheEntries'
  >;
  /** ARN of everything in this broker, up to the account and its colon. */
  readonly arnBase: string;
}

/** What was read since the last change that this process knows of. Reads that began before it end in the one before. */
interface Known {
  readonly version: number;
  readonly since: number;
  readonly permits: Recent<string, Bound>;
  readonly policies: Recent<string, ReadPolicy | undefined>;
}

interface Bound {
  readonly permit: Permit;
  /** As many clients of the usual size. */
  readonly weight: number;
}

/** Resources and conditions of a client of the usual size. */
const USUAL_SIZE = 20;
/** Of the policies that come with a grant of the usual size. */
const USUAL_CHARACTERS = 4_000;

export function createAuthority({ identity, clock, log, settings, arnBase }: AuthorityOptions): Authority {
  if (settings.authentication === 'none') return openAuthority;
  const most = settings.policyCacheEntries;
  const grants = createRecent<GrantId, Grant | undefined>(most, weightOfGrant);
  const seen = new Map<Generation, GrantId>();
  const admitted = new Map<ConnectionId, true>();
  let known: Known | undefined;
  let checkedAt = 0;
  let checking: { readonly since: number; readonly done: Promise<void> } | undefined;

  const check = async (): Promise<void> => {
    const now = clock.now();
    const version = await identity.version();
    const isOld = known === undefined || now - known.since >= settings.policyCacheSeconds * 1_000;
    if (isOld || known?.version !== version) {
      known = {
        version,
        since: now,
        permits: createRecent(most, ({ weight }) => weight),
        policies: createRecent(most, (policy) => weightOf([policy])),
      };
    }
    checkedAt = now;
  };
  const isDue = (since: number): boolean => clock.now() - since >= settings.policyCheckSeconds * 1_000;
  const current = async (): Promise<Known> => {
    if (known === undefined || isDue(checkedAt)) {
      // A process may be frozen for long while a check is under way: what that brings is not new any more.
      if (checking === undefined || isDue(checking.since)) {
        const begun = { since: clock.now(), done: check() };
        checking = begun;
        begun.done
          .catch(() => {})
          .finally(() => {
            if (checking === begun) checking = undefined;
          });
      }
      await checking.done;
    }
    return known as Known;
  };

  const grantOf = async (id: GrantId): Promise<Grant | undefined> => {
    if (id === NO_GRANT) return undefined;
    const grant = await grants.get(id, () => identity.grant(id));
    if (grant === undefined) grants.forget(id); // a client that proves the same again brings it back
    return grant;
  };

  const policyOf = ({ policies }: Known, name: string): Promise<ReadPolicy | undefined> =>
    policies.get(name, async () => {
      const document = await identity.policy(name);
      return document === undefined ? undefined : read({ name, document });
    });

  const read = (policy: NamedPolicy): ReadPolicy => {
    const found = readPolicy(policy);
    if ('problem' in found) log('policy-malformed', { policy: policy.name, detail: found.problem });
    return found;
  };

  const load = async (now: Known, grant: Grant, clientId: ClientId): Promise<Bound> => {
    const records = await Promise.all(grant.records.map((name) => identity.principal(name)));
    const principal = records.find((record) => record !== undefined);
    if (principal && !isPrincipal(principal)) {
      log('principal-malformed', { principal: grant.principal, detail: 'its policies or attributes are no texts' });
      return { permit: nothing, weight: 1 };
    }
    const names = [...new Set([...grant.policies, ...(principal?.policies ?? [])])];
    const attached = await inParallel(names, WIDTH, (name) => policyOf(now, name));
    const own = grant.documents.map((document, index) => read({ name: `of the authorizer, ${index + 1}`, document }));
    const policies = [...attached.filter((policy) => policy !== undefined), ...own];
    const permit = bindPolicies(policies, {
      values: valuesOf(grant, principal, clientId),
      arnBase,
      connectAttributes: settings.connectAttributes,
    });
    return { permit: withTime(permit, clock), weight: weightOf(policies) };
  };

  return {
    isOpen: false,
    permitOf: async (id, clientId) => {
      const now = await current();
      const grant = await grantOf(id);
      if (grant === undefined) return nothing;
      return (await now.permits.get(`${id} ${clientId}`, () => load(now, grant, clientId))).permit;
    },
    permitFor: async (grant, clientId) => (await load(await current(), grant, clientId)).permit,
    lastGrant: (session) => seen.get(session),
    noteGrant: (session, grant) => note(seen, session, grant, most),
    wasAdmitted: (connection) => admitted.has(connection),
    noteAdmitted: (connection) => note(admitted, connection, true, most),
    arnOf: (resource) => `${arnBase}${resource}`,
    principalOf: async (id) => (await grantOf(id))?.principal ?? ANONYMOUS,
  };
}

const weightOfGrant = (grant: Grant | undefined): number =>
  Math.max(1, (grant?.documents.join('').length ?? 0) / USUAL_CHARACTERS);

const weightOf = (policies: readonly (ReadPolicy | undefined)[]): number => {
  const statements = policies.flatMap((policy) => (policy && 'statements' in policy ? policy.statements : []));
  const size = statements.reduce((sum, { resources, conditions }) => sum + resources.length + conditions.length, 0);
  return Math.max(1, size / USUAL_SIZE);
};

/** The `most` keys that were noted last stay. */
const note = <K, V>(cache: Map<K, V>, key: K, value: V, most: number): void => {
  cache.delete(key);
  cache.set(key, value);
  for (const [oldest] of cache) {
    if (cache.size <= most) return;
    cache.delete(oldest);
  }
};

const valuesOf = (grant: Grant, principal: Principal | undefined, clientId: ClientId): Values => {
  const values = new Map<string, string | readonly string[]>(Object.entries(grant.values));
  for (const [name, value] of Object.entries(principal?.attributes ?? {})) {
    values.set(`principal:${name.toLowerCase()}`, value);
  }
  // Last, so that nothing a client or an issuer says can stand in its place.
  values.set('iot:clientid', clientId);
  values.set('aws:securetransport', 'true');
  return values;
};

/** With what `Date…` conditions ask for: seconds since 1970, as IAM takes a date, too. */
const withTime = (permit: Permit, clock: Clock): Permit => {
  let second = -1;
  let time: Values = new Map();
  return {
    decide: (question) => {
      const now = Math.floor(clock.now() / 1_000);
      if (now !== second) {
        second = now;
        time = new Map([
          ['aws:currenttime', String(now)],
          ['aws:epochtime', String(now)],
        ]);
      }
      const values = question.values ? new Map([...question.values, ...time]) : time;
      return permit.decide({ ...question, values });
    },
  };
};
