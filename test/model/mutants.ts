/**
 * The protocol spoilt on purpose, in every way the model can: each of these has to be caught.
 *
 * Rules of this file:
 * - `without` leaves out one condition of one write, named as the write is in the code; `rule` breaks what no condition
 *   says; `order` swaps steps of a tick.
 * - `bound` is a small one, or a full one whose counterexample comes early; `breaks` is the property that shows it.
 * - What no bound catches is listed in docs/model.md, with the reason.
 */
import type { RedeliverStep } from './state.ts';

export interface Mutant {
  readonly name: string;
  readonly bound: string;
  /** The property it breaks (`properties.ts`). */
  readonly breaks: string;
  /** Its counterexample takes too long for the tests: `npm run model -- --mutants` finds it. */
  readonly isLate?: boolean;
  readonly without?: string;
  readonly rule?: Rule;
  readonly order?: readonly RedeliverStep[];
}

export type Rule =
  | 'a message is in flight before it is posted'
  | 'a message is counted before it is sent'
  | 'the tick is sent before the session is parked'
  | 'the first tick comes after the CONNACK'
  | 'the client end waits for a hole'
  | 'a second look after the post'
  | 'the newest is taken back first'
  | 'a subscription is removed by its generation'
  | 'a lease outlives its worker'
  | 'healing waits for senders'
  | 'healing waits for older ticks'
  | 'healing waits for what is hidden'
  | 'the next tick is sent before it is due'
  | 'only what was really deleted counts'
  | "a dead worker's messages are sent again"
  | 'an older epoch does not subscribe'
  | 'a dead session does not subscribe'
  | 'the clean-up job waits for the end'
  | 'a dead session is left alone while it is known alive'
  | 'a tick waits for who parks'
  | 'what is in flight for too long is sent again'
  | 'a leaked window is noticed'
  | 'a tick stops at a newer epoch';

const without = (condition: string, bound: string, breaks: string): Mutant => ({
  name: `without ${condition}`,
  bound,
  breaks,
  without: condition,
});

const not = (rule: Rule, bound: string, breaks: string): Mutant => ({ name: `not: ${rule}`, bound, breaks, rule });

const ordered = (name: string, bound: string, breaks: string, ...order: readonly RedeliverStep[]): Mutant => ({
  name,
  bound,
  breaks,
  order: [...order, 'heal'],
});

export const mutants: readonly Mutant[] = [
  without('begin: absent', 'connects', 'P10'),
  without('begin: = epoch', 'late-clean', 'P10'),
  without('resume: = status', 'expiry-clean', 'P15'),
  without('goOffline: = epoch', 'leave-direct', 'P12'),
  without('goOffline: any(= status = status)', 'expiry-leave', 'P15'),
  without('endWithConnection: = epoch', 'new-clean', 'P12'),
  without('end: = epoch', 'expiry', 'P12'),
  without('predecessorsGone: = predecessors', 'connects-clean', 'P10'),
  without('allocate: = generation', 'expiry-clean', 'P7'),
  without('allocate: = status', 'leave-pair', 'P3b'),
  without('allocate: = mode', 'calm', 'P2'),
  without('allocate: >= windowLeft', 'window-pair', 'P11'),
  without('unallocate: = epoch', 'window-throttle-leave', 'P3'),
  without('credit: = epoch', 'window-leave', 'P3'),
  without('park: = epoch', 'throttle-direct-leave', 'P3'),
  { ...without('park: = tick', 'window-two-full', 'P4'), isLate: true },
  without('count: = generation', 'clean-leave', 'P13'),
  without('count: any(<> status <> mode)', 'calm', 'P3'),
  without('count: <= backlog', 'bound-two', 'P8'),
  without('claim: = epoch', 'window-double', 'P6'),
  without('claim: = tick', 'calm', 'P4'),
  without('claim: any(= status = status)', 'leave', 'P15'),
  without('claim: = mode', 'window-double', 'P6'),
  without('claim: = leaseUntil', 'double', 'P6'),
  without('allocateForTick: = epoch', 'leave', 'P14'),
  without('turnDirect: = epoch', 'leave-pair', 'P3'),
  without('turnDirect: = backlog', 'calm', 'P8'),
  without('heal: = quietSince', 'bound-pair', 'P8'),
  without('endTick: = epoch', 'double-leave', 'P6'),
  without('stamp: <= epoch', 'leave', 'P3'),
  without('acknowledge: = epoch', 'window-leave', 'P3'),
  without('remove: = epoch', 'new-clean', 'P12'),

  not('a message is in flight before it is posted', 'calm', 'P3'),
  not('a message is counted before it is sent', 'calm', 'P8'),
  not('the tick is sent before the session is parked', 'throttle-direct-death', 'P3'),
  not('the first tick comes after the CONNACK', 'calm', 'P7'),
  not('the client end waits for a hole', 'death-pair-direct', 'P3'),
  not('a second look after the post', 'leave-pair-direct', 'P3'),
  not('the newest is taken back first', 'leave-pair-direct', 'P2'),
  not('a subscription is removed by its generation', 'expiry-clean', 'P3'),
  not('a lease outlives its worker', 'double', 'P6'),
  not('healing waits for senders', 'calm', 'P8'),
  not('healing waits for older ticks', 'bound-pair', 'P8'),
  not('healing waits for what is hidden', 'bound-pair', 'P8'),
  not('the next tick is sent before it is due', 'bound-pair', 'P3'),
  not('only what was really deleted counts', 'visible', 'P8'),
  not("a dead worker's messages are sent again", 'bound-pair', 'P3'),
  not('an older epoch does not subscribe', 'new-clean', 'P3'),
  not('a dead session does not subscribe', 'new-clean', 'P10'),
  not('the clean-up job waits for the end', 'expiry-clean', 'P3'),
  not('a dead session is left alone while it is known alive', 'expiry-clean', 'P10'),
  not('a tick waits for who parks', 'window-pair', 'P3'),
  not('what is in flight for too long is sent again', 'window-death', 'P3'),
  not('a leaked window is noticed', 'window-leave', 'P3'),

  ordered(
    'a tick lists before it receives',
    'leave-pair-direct',
    'P3',
    'list',
    'receive',
    'allocate',
    'stamp',
    'give numbers back',
    'put',
    'post',
    'delete',
    'turn direct',
  ),
  ordered(
    'a tick posts before it puts in flight',
    'calm',
    'P3',
    'receive',
    'list',
    'allocate',
    'stamp',
    'give numbers back',
    'post',
    'put',
    'delete',
    'turn direct',
  ),
  ordered(
    'a tick deletes before it puts in flight',
    'calm',
    'P1',
    'receive',
    'list',
    'allocate',
    'stamp',
    'give numbers back',
    'delete',
    'put',
    'post',
    'turn direct',
  ),
  ordered(
    'a tick deletes before it posts',
    'bound-pair',
    'P8',
    'receive',
    'list',
    'allocate',
    'stamp',
    'give numbers back',
    'put',
    'delete',
    'post',
    'turn direct',
  ),
  ordered(
    'a tick posts before it stamps',
    'leave-pair-direct',
    'P3',
    'receive',
    'list',
    'allocate',
    'give numbers back',
    'put',
    'post',
    'stamp',
    'delete',
    'turn direct',
  ),
];

export const mutantOf = (name: string): Mutant => {
  const found = mutants.find((each) => each.name === name);
  if (!found) throw new Error(`there is no mutant '${name}': npm run model -- --list shows them`);
  return found;
};
