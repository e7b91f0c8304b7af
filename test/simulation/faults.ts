/** What may go wrong in the simulated cloud, how often, and how often it did. */
import type { Choices } from './choices.ts';

export const faultKinds = {
  death: 'a Lambda dies before or after a call',
  outage: 'a call of AWS fails, with or without its effect',
  stall: 'a Lambda hangs for a while, perhaps past its timeout',
  weakSpot: 'a Lambda hangs or dies just before one certain call',
  repeated: 'a write is sent again though it was carried out, and somebody else has written in between',
  throttled: 'a post is refused with 429',
  unclear: 'a post gets no answer; it may have been delivered',
  lost: 'a post is accepted and never delivered',
  vanished: 'a client is gone and the gateway does not notice for a while',
  silent: 'a client is gone and the gateway does not notice at all',
  noReply: 'a Lambda failed and the gateway does not tell the client',
  disconnectLost: '$disconnect never comes',
  disconnectLate: '$disconnect comes late',
  disconnectTwice: '$disconnect comes twice',
  deadLettered: 'a redelivery tick, or a clean-up, ends in the dead-letter queue',
  doubled: 'a work queue hands a message out twice',
  queueLate: 'a queue just created is not there yet',
  receivedFewer: 'a receive finds less than there is',
  indexLags: 'the index on expiry shows what was true a while ago',
  collected: 'DynamoDB collects what has outlived its time to live',
  longPause: 'a long time passes: minutes, hours, or weeks',
} as const;

export type Fault = keyof typeof faultKinds;
export type FaultRates = Readonly<Partial<Record<Fault, number>>>;

export function createFaults(choices: Choices, rates: FaultRates) {
  const counts = Object.fromEntries(Object.keys(faultKinds).map((kind) => [kind, 0])) as Record<Fault, number>;
  let calm = false;
  return {
    counts,
    /** Whether this goes wrong now. */
    strikes: (kind: Fault): boolean => {
      if (calm || !choices.chance(rates[kind] ?? 0)) return false;
      counts[kind]++;
      return true;
    },
    /** Where things go wrong anyhow, they do so more often: in those runs in which this may go wrong at all. */
    strikesAtWeakSpot: (kind: Fault): boolean => {
      if (calm || !choices.chance(rates[kind] ? 0.3 : 0)) return false;
      counts[kind]++;
      return true;
    },
    /** This went wrong for another reason. */
    note: (kind: Fault): void => {
      counts[kind]++;
    },
    /** Nothing goes wrong any more. */
    calmDown: (): void => {
      calm = true;
    },
    isCalm: () => calm,
  };
}

export type Faults = ReturnType<typeof createFaults>;
