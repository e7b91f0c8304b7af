/** What every use case works with: the ports, the settings, and what this process happens to remember. */
import type { FilterShape } from '../mqtt/filter-shape.ts';
import type { TopicLimits } from '../mqtt/topic.ts';
import type { ConnectAttributeMode } from '../policy/permit.ts';
import type { LiveTraffic, StorageBounds, Timing } from '../session/transitions.ts';
import type { Authority } from './authority.ts';
import type { Ports } from './ports.ts';

/** The settings of `lib/settings.ts` that the broker reads. Units and meanings stand there. */
export interface Settings extends StorageBounds, TopicLimits {
  readonly sessionExpirySeconds: number;
  readonly redeliveryRate: number;
  readonly liveTraffic: LiveTraffic;
  readonly maxPayloadBytes: number;
  readonly maxInFlight: number;
  readonly maxSubscriptions: number;
  readonly maxClientIdBytes: number;
  readonly maxFilterShapes: number;
  readonly lifecycleEvents: 'on' | 'off';
  readonly qos2: 'on' | 'off';
  /** One or several of `password`, `jwt`, `custom` and `iam`, separated by commas; or `none`. */
  readonly authentication: string;
  readonly connectAttributes: ConnectAttributeMode;
  readonly unauthorizedPublish: 'close' | 'drop';
  readonly policyCheckSeconds: number;
  readonly policyCacheSeconds: number;
  readonly policyCacheEntries: number;
  /** Names of policies, separated by commas. */
  readonly jwtPolicies: string;
  readonly jwtPrincipalClaim: string;
  readonly jwtPoliciesClaim: string;
  readonly iamPolicies: string;
  readonly customAuthorizerTokenKey: string;
}

export interface Context extends Ports {
  readonly settings: Settings;
  readonly timing: Timing;
  /** Who may do what. */
  readonly authority: Authority;
  /** Shapes of filters met so far. Only a head start: the registry is read for every frame that publishes. */
  readonly knownShapes: Set<FilterShape>;
}

/** The largest packet a client may send: a PUBLISH with the longest topic and payload, or a CONNECT of that size. */
export const maxPacketBytes = (settings: Settings): number => settings.maxPayloadBytes + settings.maxTopicBytes + 4_096;

/** How long after a change somebody may still act on what was true before it, ms: longer than any Lambda lives. */
export const stillAtWork = ({ timing }: Context): number => timing.lambdaTimeout + timing.clockMargin;
