/** What a seed plays: who takes part, with which settings, and what goes wrong how often. */
import type { Settings } from '../../src/broker/context.ts';
import { defaultSettings } from '../broker/world.ts';
import type { Choices } from './choices.ts';
import type { FaultRates } from './faults.ts';
import type { LifePlan } from './link.ts';
import type { PublisherPlan } from './publisher.ts';
import { PUBLISHER } from './rights.ts';
import type { SubscriberPlan } from './subscriber.ts';
import { spots } from './weak-spot.ts';

export interface Scenario {
  readonly settings: Settings;
  readonly faults: FaultRates;
  /** The call at which `weakSpot` strikes. */
  readonly weakSpot: number;
  /** Clocks of Lambdas are off by so much at most, ms. */
  readonly clockError: number;
  /** Packet ids begin to be used again during the run. */
  readonly longLives: boolean;
  readonly publishers: readonly PublisherPlan[];
  readonly subscribers: readonly SubscriberPlan[];
  /** How often a client does something nobody expects, per step. */
  readonly mischief: number;
  /** Time that passes per step, ms, on average. */
  readonly pace: number;
  /** How often a client end moves long before the two hours are over. */
  readonly moves: number;
  /** The sweeper comes every minute. */
  readonly isSwept: boolean;
  /** Queues are looked through for those that nobody owns. */
  readonly collectsQueues: boolean;
  /** In calm, some fall silent. */
  readonly fallsSilent: boolean;
  /** In calm, the gateway cuts all connections off after two hours. */
  readonly isCut: boolean;
  /** At the end, sessions are left to expire. */
  readonly expires: boolean;
  /** How often the operator changes what somebody may do, per step. */
  readonly changesRights: number;
}

const filterSets: readonly Readonly<Record<string, 0 | 1 | 2>>[] = [
  { 't/+': 1 },
  { '#': 1 },
  { 't/p1': 1, 't/+': 1 },
  { 't/p1': 1, 't/p2': 1, 'q/+': 0 },
  { '+/p1': 1, 't/p2': 0 },
];

export function createScenario(choices: Choices): Scenario {
  const crowd = choices.chance(0.02);
  const longLives = choices.chance(0.25);
  const hasWills = choices.chance(0.5);
  const hasEvents = choices.chance(0.04);
  const hasQos2 = choices.chance(0.3);
  const atMost = (qos: 1 | 2): 1 | 2 => (hasQos2 && choices.chance(0.7) ? qos : 1);
  const createLife = (): LifePlan => ({
    keepAlive: choices.pick([60, 60, 60, 20, 0, 1_200]),
    will: hasWills && choices.chance(0.7) ? choices.pick([atMost(2), 1, 0] as const) : undefined,
    retainsWill: choices.chance(0.3),
  });
  const sometimes = (probability: number, rate: number): number => (choices.chance(probability) ? rate : 0);
  const publishers = Array.from(
    { length: 1 + choices.below(crowd ? 10 : 2) },
    (_, index): PublisherPlan => ({
      name: `p${index + 1}`,
      messages: 2 + choices.below(5),
      qos: atMost(2),
      bare: choices.chance(0.05),
      atOnce: 1 + choices.below(4),
      rests: choices.pick([0, 0, 2_000, 30_000]),
      retains: choices.chance(0.4),
      ...createLife(),
    }),
  );
  const clients = crowd ? 4 + choices.below(10) : choices.chance(0.25) ? 2 : 1;
  const subscribers = Array.from({ length: clients }, (_, index) =>
    createDevices(choices, index, longLives, createLife(), atMost(2)),
  ).flat();
  const watches = (hasWills && choices.chance(0.7)) || hasEvents;
  if (watches) subscribers.push(createWatcher(choices, hasEvents, atMost(2)));
  const calmWorld = choices.chance(0.1);
  const faults: FaultRates = calmWorld
    ? {}
    : {
        death: sometimes(0.6, 0.01),
        outage: sometimes(0.3, 0.01),
        stall: sometimes(0.4, 0.01),
        weakSpot: sometimes(0.5, 0.3),
        repeated: sometimes(0.15, 0.02),
        throttled: sometimes(0.3, 0.1),
        unclear: sometimes(0.3, 0.05),
        lost: sometimes(0.15, 0.05),
        noReply: sometimes(0.3, 0.3),
        disconnectLost: sometimes(0.4, 0.3),
        disconnectLate: sometimes(0.4, 0.3),
        disconnectTwice: sometimes(0.4, 0.3),
        deadLettered: sometimes(0.1, 0.03),
        doubled: sometimes(0.4, 0.05),
        queueLate: sometimes(0.3, 0.5),
        receivedFewer: sometimes(0.2, 0.2),
        indexLags: sometimes(0.4, 0.3),
        collected: sometimes(0.2, 0.01),
        longPause: sometimes(0.15, 0.005),
      };
  return {
    settings: {
      ...defaultSettings,
      redeliveryRate: 1 + choices.below(4),
      maxInFlight: 1 + choices.below(5),
      maxStoredMessages: choices.chance(0.1) ? 1 + choices.below(4) : defaultSettings.maxStoredMessages,
      maxStoredBytes: choices.chance(0.03) ? 30 : defaultSettings.maxStoredBytes,
      sessionExpirySeconds: choices.chance(0.2)
        ? 1 + choices.below(choices.pick([5, 60]))
        : defaultSettings.sessionExpirySeconds,
      liveTraffic: choices.chance(0.1) ? 'interleaved' : 'ordered',
      lifecycleEvents: hasEvents ? 'on' : 'off',
    },
    faults,
    weakSpot: choices.below(spots),
    clockError: choices.chance(0.2) ? 2_000 : 0,
    longLives,
    publishers,
    subscribers,
    mischief: calmWorld ? 0 : 0.01 + 0.01 * choices.below(3),
    pace: choices.pick([20, 50, 200]),
    moves: choices.pick([0, 0.3, 0.8]),
    isSwept: choices.chance(0.25),
    collectsQueues: choices.chance(0.1),
    fallsSilent: choices.chance(0.2),
    isCut: choices.chance(0.1),
    expires: choices.chance(0.25),
    changesRights: 0,
  };
}

/**
 * The same, where clients have to say who they are. Of two devices with one client id the second is another principal in most runs:
 * then neither may get what is the other's.
 */
export function withRights(scenario: Scenario, choices: Choices): Scenario {
  const { settings, publishers, subscribers } = scenario;
  return {
    ...scenario,
    settings: {
      ...settings,
      authentication: 'password',
      policyCheckSeconds: choices.pick([20, 5, 1, 45]),
      policyCacheSeconds: choices.chance(0.2) ? 30 : settings.policyCacheSeconds,
      policyCacheEntries: choices.chance(0.2) ? 1 + choices.below(3) : settings.policyCacheEntries,
    },
    publishers: publishers.map((plan) => ({
      ...plan,
      principal: PUBLISHER,
      messages: plan.messages + choices.below(8),
    })),
    subscribers: subscribers.map((plan) => {
      const isOther = plan.name !== plan.clientId && choices.chance(0.7);
      const isLate = choices.chance(0.4);
      return {
        ...plan,
        principal: isOther ? plan.name : plan.clientId,
        acknowledges: isLate ? 'late' : plan.acknowledges,
      };
    }),
    changesRights: choices.pick([0.02, 0.005, 0.001, 0.06]),
  };
}

/** It hears what the broker says of the others. */
const createWatcher = (choices: Choices, hasEvents: boolean, qos: 1 | 2): SubscriberPlan => ({
  name: 'w1',
  clientId: 'w1',
  persistent: true,
  filters: { 'w/#': qos, ...(hasEvents && { '$aws/events/#': choices.pick([1, 0] as const) }) },
  acknowledges: 'at once',
  away: choices.pick([0, 3_000]),
  acknowledgesFormer: false,
  isAlone: true,
  bare: false,
  keepAlive: 60,
});

/** With `qos` where QoS 1 is asked for. */
const raised = (filters: Readonly<Record<string, 0 | 1 | 2>>, qos: 1 | 2) =>
  Object.fromEntries(Object.entries(filters).map(([filter, each]) => [filter, each === 1 ? qos : each]));

/** One client, or two with the same client id that take each other's session over. */
const createDevices = (
  choices: Choices,
  index: number,
  longLives: boolean,
  life: LifePlan,
  qos: 1 | 2,
): readonly SubscriberPlan[] => {
  const clientId = `s${index + 1}`;
  const plan: SubscriberPlan = {
    name: clientId,
    clientId,
    persistent: !choices.chance(0.15),
    filters: raised(choices.pick(filterSets), qos),
    acknowledges: choices.chance(0.3) ? (choices.chance(0.3) ? 'never' : 'late') : 'at once',
    away: choices.pick([500, 0, 3_000, 15_000, 60_000]),
    // A message may then be acknowledged twice. Where packet ids come round within seconds, the second would meet the next owner.
    acknowledgesFormer: !longLives,
    isAlone: true,
    bare: choices.chance(0.05),
    ...life,
  };
  if (!choices.chance(0.15)) return [plan];
  // The session that is there may be the other's: what was received in an older one must not be acknowledged in it.
  const sharing = { ...plan, acknowledgesFormer: false, isAlone: false };
  return [sharing, { ...sharing, name: `${clientId}'`, bare: choices.chance(0.05) }];
};
