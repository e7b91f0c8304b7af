/** What a seed plays: who takes part, with which settings, and what goes wrong how often. */
import type { Settings } from '../../src/broker/context.ts';
import { defaultSettings } from '../broker/world.ts';
import type { Choices } from './choices.ts';
import type { FaultRates } from './faults.ts';
import type { PublisherPlan } from './publisher.ts';
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
}

const filterSets: readonly Readonly<Record<string, 0 | 1>>[] = [
  { 't/+': 1 },
  { '#': 1 },
  { 't/p1': 1, 't/+': 1 },
  { 't/p1': 1, 't/p2': 1, 'q/+': 0 },
  { '+/p1': 1, 't/p2': 0 },
];

export function createScenario(choices: Choices): Scenario {
  const crowd = choices.chance(0.02);
  const longLives = choices.chance(0.25);
  const sometimes = (probability: number, rate: number): number => (choices.chance(probability) ? rate : 0);
  const publishers = Array.from(
    { length: 1 + choices.below(crowd ? 10 : 2) },
    (_, index): PublisherPlan => ({
      name: `p${index + 1}`,
      messages: 2 + choices.below(5),
      bare: choices.chance(0.05),
      atOnce: 1 + choices.below(4),
      rests: choices.pick([0, 0, 2_000, 30_000]),
    }),
  );
  const clients = crowd ? 4 + choices.below(10) : choices.chance(0.25) ? 2 : 1;
  const subscribers = Array.from({ length: clients }, (_, index) => createDevices(choices, index, longLives)).flat();
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
    },
    faults,
    weakSpot: choices.below(spots),
    clockError: choices.chance(0.2) ? 2_000 : 0,
    longLives,
    publishers,
    subscribers,
    mischief: calmWorld ? 0 : 0.01 + 0.01 * choices.below(3),
    pace: choices.pick([20, 50, 200]),
  };
}

/** One client, or two with the same client id that take each other's session over. */
const createDevices = (choices: Choices, index: number, longLives: boolean): readonly SubscriberPlan[] => {
  const clientId = `s${index + 1}`;
  const plan: SubscriberPlan = {
    name: clientId,
    clientId,
    persistent: !choices.chance(0.15),
    filters: choices.pick(filterSets),
    acknowledges: choices.chance(0.3) ? (choices.chance(0.3) ? 'never' : 'late') : 'at once',
    away: choices.pick([500, 0, 3_000, 15_000, 60_000]),
    // A message may then be acknowledged twice. Where packet ids come round within seconds, the second would meet the next owner.
    acknowledgesFormer: !longLives,
    bare: choices.chance(0.05),
  };
  if (!choices.chance(0.15)) return [plan];
  // The session that is there may be the other's: what was received in an older one must not be acknowledged in it.
  const sharing = { ...plan, acknowledgesFormer: false };
  return [sharing, { ...sharing, name: `${clientId}'`, bare: choices.chance(0.05) }];
};
