/**
 * What the broker promises where clients have to say who they are: nothing that somebody may not receive is posted to it, but for
 * as long as a Lambda may go by what it has read; and nothing that belongs to one principal's session becomes another's.
 *
 * Rules of this file: as for judge.ts, to which it tells what a session may have missed. A session's rights are those of the grant
 * of its last connection.
 */
import type { Ports } from '../../src/broker/ports.ts';
import type { ConnectionId, Generation, GrantId } from '../../src/session/ids.ts';
import { packetsIn } from './pushed-packets.ts';
import type { Receiver, Rights } from './rights.ts';

export interface RightsJudgeOptions {
  readonly rights: () => Rights;
  readonly now: () => number;
  readonly fail: (what: string) => void;
  /** How long a Lambda goes by what it has read, ms. */
  readonly policyCheck: number;
  /** The longest that a Lambda runs, ms. */
  readonly lambdaTimeout: number;
}

export interface RightsJudge {
  readonly watch: (ports: Ports) => Ports;
  /** A Lambda that began `from` then is about to post. */
  readonly posting: (from: number, connectionId: ConnectionId, frame: string) => void;
  /** Its right was missing at some moment since then, or a Lambda may have gone by what it was before. */
  readonly mayHaveMissed: (session: Generation, topic: string, since: number) => boolean;
  /** Now. */
  readonly isForbidden: (grant: GrantId, topic: string) => boolean;
  /** Whoever has this grant could do nothing at some moment since then, as far as a Lambda may know. */
  readonly mayBeMute: (grant: GrantId, since: number) => boolean;
  readonly isOfSamePrincipal: (one: GrantId, other: GrantId) => boolean;
}

/** Where nobody has to say who they are. */
export const noRights: RightsJudge = {
  watch: (ports) => ports,
  posting: () => {},
  mayHaveMissed: () => false,
  isForbidden: () => false,
  mayBeMute: () => false,
  isOfSamePrincipal: () => true,
};

export function createRightsJudge(options: RightsJudgeOptions): RightsJudge {
  const { rights, now, fail, policyCheck, lambdaTimeout } = options;
  const receivers = new Map<GrantId, Receiver>();
  const sessions = new Map<Generation, { readonly since: number; readonly grant: GrantId }[]>();
  const grants = new Map<ConnectionId, GrantId>();
  const receiverOf = (grant: GrantId): Receiver => receivers.get(grant) ?? { principal: '', place: undefined };

  const isOfSamePrincipal = (one: GrantId, other: GrantId): boolean =>
    receiverOf(one).principal === receiverOf(other).principal;

  const connected = (clientId: string, generation: Generation, connectionId: ConnectionId, grant: GrantId): void => {
    const known = sessions.get(generation) ?? [];
    const [former] = known;
    if (former && !isOfSamePrincipal(former.grant, grant))
      fail(
        `the session of ${clientId} is ${receiverOf(former.grant).principal}'s, and ${receiverOf(grant).principal} has it`,
      );
    sessions.set(generation, [...known, { since: now(), grant }]);
    grants.set(connectionId, grant);
  };

  const watch = (ports: Ports): Ports => ({
    ...ports,
    identity: {
      ...ports.identity,
      keepGrant: async (id, grant) => {
        receivers.set(id, {
          principal: grant.records[0] ?? '',
          place: grant.values['aws:sourceip'] as string | undefined,
        });
        return ports.identity.keepGrant(id, grant);
      },
    },
    sessions: {
      ...ports.sessions,
      change: async (clientId, change) => {
        const outcome = await ports.sessions.change(clientId, change);
        if (outcome.done && ['begin', 'resume', 'move'].includes(change.name ?? '')) {
          const { generation, connectionId, grant } = outcome.record;
          connected(clientId, generation, connectionId, grant);
        }
        return outcome;
      },
    },
  });

  return {
    watch,
    posting: (from, connectionId, frame) => {
      const grant = grants.get(connectionId);
      if (grant === undefined) return;
      const receiver = receiverOf(grant);
      for (const packet of packetsIn(frame)) {
        if (packet.cmd !== 'publish') continue;
        const { topic, payload } = packet;
        if (!rights().wasAllowed(receiver, topic, from - policyCheck, now()))
          fail(`${payload} is posted to ${receiver.principal} at ${receiver.place}, who may not receive ${topic}`);
      }
    },
    mayHaveMissed: (generation, topic, since) => {
      const all = sessions.get(generation) ?? [];
      return all.some(({ since: begins, grant }, index) => {
        const ends = all[index + 1]?.since ?? now();
        if (ends < since) return false;
        // A Lambda that asks about a former connection, and hangs, may find the client where it was then.
        const isBack = all.slice(0, index).some((each) => each.grant === grant);
        const from = Math.max(begins, since) - policyCheck - (isBack ? lambdaTimeout : 0);
        return rights().wasForbidden(receiverOf(grant), topic, from, ends);
      });
    },
    isForbidden: (grant, topic) => !rights().mayReceive(receiverOf(grant), topic),
    mayBeMute: (grant, since) => rights().wasMute(receiverOf(grant).principal, since - policyCheck, now()),
    isOfSamePrincipal,
  };
}
