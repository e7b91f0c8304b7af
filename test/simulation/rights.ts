/**
 * Who clients are and what they may receive, in runs in which they have to say so; and the operator, who changes that at any time.
 *
 * Rules of this file:
 * - Every change is one call of the administration, which takes effect at once. What was true when is remembered.
 * - What is true is decided here: nothing of `src/policy` is asked.
 */
import type { createMemoryIdentity } from '../../src/memory/identity.ts';
import { allow, anyConnect, PASSWORD, type Statement } from '../broker/guarded-world.ts';
import type { Choices } from './choices.ts';
import type { Time } from './time.ts';

/** The addresses that clients connect from. What some may receive depends on it. */
export const places = ['10.0.0.1', '10.0.0.2'] as const;

/** The principal of publishers, who may do everything. */
export const PUBLISHER = 'publisher';
const NOBODY = 'nobody';

/** Somebody, somewhere. */
export interface Receiver {
  readonly principal: string;
  readonly place: string | undefined;
}

/** What is true of one principal. */
interface Standing {
  readonly isThere: boolean;
  readonly policy: 'readable' | 'malformed' | 'missing';
  /** From where it may receive what is published in an area (`areaOf`): a place, `anywhere` or `nowhere`. */
  readonly from: Readonly<Record<string, string>>;
  /** The publisher that it may hear from anywhere: an attribute of the principal. */
  readonly favourite: string;
}

/** Every topic of a publisher is an area; everything else that has the same first level is one, too. */
const areaOf = (topic: string): string => (topic.startsWith('t/') ? topic : `${topic.split('/')[0]}/*`);

const isWhole = ({ isThere, policy }: Standing): boolean => isThere && policy === 'readable';

const allows = (standing: Standing, topic: string, place: string | undefined): boolean => {
  const from = standing.from[areaOf(topic)];
  return isWhole(standing) && (topic === `t/${standing.favourite}` || from === 'anywhere' || from === place);
};

const documentOf = ({ policy, from }: Standing): string => {
  if (policy === 'malformed') return '{"Version":"2012-10-17","Statement":[{"Effect":"Alow"}]}';
  const receive = Object.entries(from)
    .filter(([, place]) => place !== 'nowhere')
    .map(([area, place]): Statement => {
      const condition = place === 'anywhere' ? {} : { Condition: { IpAddress: { 'aws:SourceIp': place } } };
      return ['iot:Receive', `topic/${area}`, condition];
    });
  return allow(
    anyConnect,
    ['iot:Publish', '*'],
    ['iot:RetainPublish', '*'],
    ['iot:Subscribe', '*'],
    ['iot:Receive', `topic/t/\${principal:favourite}`],
    ...receive,
  );
};

type MemoryIdentity = ReturnType<typeof createMemoryIdentity>;

export interface RightsOptions {
  readonly choices: Choices;
  readonly time: Pick<Time, 'now'>;
  readonly identity: MemoryIdentity;
  /** Of subscribers. */
  readonly principals: readonly string[];
  readonly publishers: readonly string[];
  readonly trace: ((line: string) => void) | undefined;
}

export function createRights({ choices, time, identity, principals, publishers, trace }: RightsOptions) {
  const topics = [...publishers.map((name) => `t/${name}`), 't/all'];
  const areas = [...topics, 'q/*', 'w/*', '$aws/*'];
  const history = new Map<string, { readonly since: number; readonly standing: Standing }[]>();

  const now = (principal: string): Standing => history.get(principal)?.at(-1)?.standing as Standing;
  const note = (principal: string, standing: Standing): void => {
    history.set(principal, [...(history.get(principal) ?? []), { since: time.now(), standing }]);
  };
  // In memory these calls have taken effect when they return.
  const writePolicy = (principal: string): void => {
    if (now(principal).policy === 'missing') void identity.removePolicy(principal);
    else void identity.putPolicy(principal, documentOf(now(principal)));
  };
  const writePrincipal = (principal: string): void => {
    const { isThere, favourite } = now(principal);
    const record = { passwordHash: `plain:${PASSWORD}`, policies: [principal], attributes: { favourite } };
    if (isThere) void identity.putPrincipal(principal, record);
    else void identity.removePrincipal(principal);
  };
  const enter = (principal: string, from: Standing['from'], favourite: string): void => {
    note(principal, { isThere: true, policy: 'readable', from, favourite });
    writePolicy(principal);
    writePrincipal(principal);
  };
  const changePolicy = (principal: string, changed: Partial<Pick<Standing, 'policy' | 'from'>>): void => {
    trace?.(`the operator: ${principal} ${JSON.stringify(changed)}`);
    note(principal, { ...now(principal), ...changed });
    writePolicy(principal);
  };
  const changePrincipal = (principal: string, changed: Partial<Pick<Standing, 'isThere' | 'favourite'>>): void => {
    trace?.(`the operator: ${principal} ${JSON.stringify(changed)}`);
    note(principal, { ...now(principal), ...changed });
    writePrincipal(principal);
  };
  const mend = (principal: string): void => {
    const { isThere, policy } = now(principal);
    if (!isThere) changePrincipal(principal, { isThere: true });
    if (policy !== 'readable') changePolicy(principal, { policy: 'readable' });
  };

  const anyFavourite = (): string => choices.pick([NOBODY, ...publishers]);
  const anyPlace = (): string => choices.pick(['anywhere', 'anywhere', ...places, 'nowhere', 'nowhere']);
  enter(PUBLISHER, Object.fromEntries(areas.map((area) => [area, 'anywhere'])), NOBODY);
  for (const principal of principals) {
    const from = areas.map((area) => [area, choices.chance(0.3) ? anyPlace() : 'anywhere']);
    enter(principal, Object.fromEntries(from), anyFavourite());
  }

  /** At some moment from the one to the other. */
  const wasEver = (principal: string, from: number, until: number, holds: (standing: Standing) => boolean): boolean => {
    const all = history.get(principal) ?? [];
    return all.some(({ since, standing }, index) => {
      const end = all[index + 1]?.since ?? Number.POSITIVE_INFINITY;
      return since <= until && end >= from && holds(standing);
    });
  };

  return {
    /** The operator does something. */
    change: (): void => {
      const principal = choices.pick(principals);
      if (!isWhole(now(principal)) && choices.chance(0.7)) {
        mend(principal);
        return;
      }
      const kind = choices.below(12);
      if (kind === 11) changePrincipal(principal, { isThere: false });
      else if (kind === 10) changePolicy(principal, { policy: choices.pick(['missing', 'malformed']) });
      else if (kind === 9) changePrincipal(principal, { favourite: anyFavourite() });
      else {
        const area = choices.pick(choices.chance(0.3) ? areas : topics);
        changePolicy(principal, { from: { ...now(principal).from, [area]: anyPlace() } });
      }
    },
    /** Everybody can connect again; what they may receive stays as it is. */
    mend: (): void => {
      for (const principal of principals) mend(principal);
    },
    mayReceive: ({ principal, place }: Receiver, topic: string): boolean => allows(now(principal), topic, place),
    wasAllowed: ({ principal, place }: Receiver, topic: string, from: number, until: number): boolean =>
      wasEver(principal, from, until, (standing) => allows(standing, topic, place)),
    wasForbidden: ({ principal, place }: Receiver, topic: string, from: number, until: number): boolean =>
      wasEver(principal, from, until, (standing) => !allows(standing, topic, place)),
    /** It could do nothing at all. */
    wasMute: (principal: string, from: number, until: number): boolean =>
      wasEver(principal, from, until, (standing) => !isWhole(standing)),
  };
}

export type Rights = ReturnType<typeof createRights>;
