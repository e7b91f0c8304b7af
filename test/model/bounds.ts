/**
 * Which part of the world is looked at: how many publishers and messages, and how many faults of each kind.
 *
 * Rules of this file:
 * - `small` bounds run with the tests and take a second or two each; `full` ones (`npm run model`) take a minute or two. `open` ones
 *   are too large to be explored to their end: `npm run model -- --bound NAME` looks as far as it may.
 * - A bound is there for what no other one shows. Faults of two kinds at once are where protocols break, so most full ones
 *   are such pairs.
 */
import type { Faults } from './state.ts';

export interface Bound {
  readonly name: string;
  readonly about: string;
  readonly size: 'small' | 'full' | 'open';
  readonly publishers: number;
  /** Messages of each publisher, 3 at most. */
  readonly messages: number;
  /** How many of them it sends in one frame. */
  readonly perFrame: number;
  /** Messages that the queue hands out at once. */
  readonly batch: number;
  /** The in-flight window; 0: it is never full. */
  readonly window: number;
  /** Messages that are stored at most. */
  readonly maxStored: number;
  /** `new`: the broker does not know the client. */
  readonly start: 'offline' | 'direct' | 'new';
  /** The client may vanish before it has its CONNACK, too. */
  readonly leavesEarly: boolean;
  /** What was received may become visible while its receiver still lives. */
  readonly hiddenEndsEarly: boolean;
  readonly faults: Faults;
}

const NO_FAULTS: Faults = {
  deaths: 0,
  leaves: 0,
  doubles: 0,
  stalls: 0,
  throttles: 0,
  unclear: 0,
  cleanStarts: 0,
  expiries: 0,
  rebinds: 0,
};

type Given = Partial<Omit<Bound, 'faults' | 'name' | 'about'>>;

const bound = (name: string, about: string, faults: Partial<Faults>, given: Given = {}): Bound => ({
  name,
  about,
  size: 'small',
  publishers: 1,
  messages: 2,
  perFrame: 1,
  batch: 2,
  window: 0,
  maxStored: 100,
  start: 'offline',
  leavesEarly: false,
  hiddenEndsEarly: false,
  ...given,
  faults: { ...NO_FAULTS, ...faults },
});

const full = (name: string, about: string, faults: Partial<Faults>, given: Given = {}): Bound =>
  bound(name, about, faults, { ...given, size: 'full' });

const open = (name: string, about: string, faults: Partial<Faults>, given: Given = {}): Bound =>
  bound(name, about, faults, { ...given, size: 'open' });

const direct = { start: 'direct' } as const;
const one = { messages: 1 } as const;
const pair = { perFrame: 2 } as const;
const nobody = { publishers: 0, messages: 0 } as const;
const two = { publishers: 2, messages: 1 } as const;

export const bounds: readonly Bound[] = [
  bound('calm', 'two messages for a client that is away and comes back', {}),
  bound('two', 'the same from two publishers', {}, two),
  bound('double', 'a tick message is delivered twice', { doubles: 1 }),
  bound('double-two', 'the same with two publishers', { doubles: 1 }, two),
  bound('double-leave', 'a doubled tick, and the client vanishes', { doubles: 1, leaves: 1 }, one),
  bound('double-death', 'a doubled tick, and a Lambda dies', { doubles: 1, deaths: 1 }, one),
  bound('visible', 'what was received becomes visible under its receiver', {}, { hiddenEndsEarly: true }),
  bound('visible-death', 'the same, and a Lambda dies', { deaths: 1 }, { ...one, hiddenEndsEarly: true }),
  bound('leave', 'the client vanishes, unnoticed for a while', { leaves: 1 }),
  bound('leave-direct', 'the same while messages are posted to it', { leaves: 1 }, direct),
  bound('leave-pair', 'the same with both messages in one frame', { leaves: 1 }, pair),
  bound('leave-pair-direct', 'both messages posted as one push', { leaves: 1 }, { ...pair, ...direct }),
  bound('death-direct', 'a Lambda dies between two calls while messages are posted', { deaths: 1 }, direct),
  bound('death-pair', 'the same with both messages in one frame', { deaths: 1 }, pair),
  bound('death-pair-direct', 'both messages posted as one push', { deaths: 1 }, { ...pair, ...direct }),
  bound('leave-death', 'the client vanishes and a Lambda dies', { leaves: 1, deaths: 1 }, { ...one, ...direct }),
  bound('stall', 'a publisher sends again while its first Lambda works on', { stalls: 1 }),
  bound('throttle', 'a tick is throttled', { throttles: 1 }),
  bound('throttle-leave', 'a throttled tick, and the client vanishes', { throttles: 1, leaves: 1 }, one),
  bound(
    'throttle-direct-leave',
    'a throttled post, and the client vanishes',
    { throttles: 1, leaves: 1 },
    { ...one, ...direct },
  ),
  bound(
    'throttle-direct-death',
    'a throttled post, and a Lambda dies',
    { throttles: 1, deaths: 1 },
    { ...one, ...direct },
  ),
  bound('unclear', 'a tick gets no clear answer', { unclear: 1 }),
  bound('unclear-direct', 'a post gets no clear answer', { unclear: 1 }, direct),
  bound('window-pair', 'more messages in one frame than the window holds', {}, { ...pair, ...direct, window: 1 }),
  bound('window-two', 'two publishers and room for one message', {}, { ...two, ...direct, window: 1 }),
  bound('window-double', 'a doubled tick where the window is full', { doubles: 1 }, { ...direct, window: 1 }),
  bound('window-leave', 'the client vanishes with the window full', { leaves: 1 }, { ...one, ...direct, window: 1 }),
  bound('window-death', 'room is lost with a Lambda', { deaths: 1 }, { ...one, ...direct, window: 1 }),
  bound('window-throttle', 'a throttled post gives its room back', { throttles: 1 }, { ...direct, window: 1 }),
  bound(
    'window-throttle-leave',
    'the same, and the client vanishes',
    { throttles: 1, leaves: 1 },
    { ...one, ...direct, window: 1 },
  ),
  bound('bound-death', 'the storage bound, and a Lambda dies', { deaths: 1 }, { maxStored: 1 }),
  bound('bound-pair', 'a frame of which only half may be stored', { deaths: 1 }, { ...pair, maxStored: 1 }),
  bound('bound-two', 'two publishers, and room for one message', {}, { ...two, maxStored: 1 }),
  bound('new', 'a client that is new, and vanishes', { leaves: 1 }, { ...one, start: 'new' }),
  bound(
    'new-clean',
    'the same, and it comes back with cleanSession 1',
    { leaves: 1, cleanStarts: 1 },
    { ...one, start: 'new' },
  ),
  bound('clean', 'a session that stands is replaced by a clean one', { leaves: 1, cleanStarts: 1 }, direct),
  bound(
    'connects',
    'CONNECTs of a new client that come late',
    { leaves: 1 },
    { ...nobody, start: 'new', leavesEarly: true },
  ),
  bound('expiry', 'the session expires, and so does the next one', { expiries: 2 }, one),
  bound('expiry-death', 'the session expires, a Lambda dies', { expiries: 1, deaths: 1 }, one),
  bound('expiry-clean', 'the session expires, or is replaced', { expiries: 1, cleanStarts: 1 }, one),
  bound(
    'expiry-leave',
    'the client vanishes and its session expires',
    { expiries: 1, leaves: 1 },
    { ...one, ...direct },
  ),
  bound('rebind', 'the client moves to a second connection', { rebinds: 1 }, direct),

  full('death', 'a Lambda dies between two calls', { deaths: 1 }),
  full(
    'leave-death-double',
    'the client vanishes, a Lambda dies, a tick is doubled',
    { leaves: 1, deaths: 1, doubles: 1 },
    one,
  ),
  full(
    'leave-death-pair',
    'frames of two, the client vanishes, a Lambda dies',
    { leaves: 1, deaths: 1 },
    { ...pair, ...direct },
  ),
  full('two-leaves', 'the client vanishes twice', { leaves: 2 }, direct),
  full('two-deaths', 'two Lambdas die', { deaths: 2 }, one),
  full('two-death', 'two publishers, a Lambda dies', { deaths: 1 }, two),
  full('two-leave', 'two publishers, the client vanishes', { leaves: 1 }, { ...two, ...direct }),
  full(
    'late',
    'the client vanishes, perhaps before its CONNECT is through',
    { leaves: 1 },
    { ...one, leavesEarly: true },
  ),
  full('visible-leave', 'receipts that run out, the client vanishes', { leaves: 1 }, { ...one, hiddenEndsEarly: true }),
  full('stall-leave', 'a stalled publisher, the client vanishes', { stalls: 1, leaves: 1 }, { ...one, ...direct }),
  full('throttle-two', 'two publishers, a post is throttled', { throttles: 1 }, { ...two, ...direct }),
  full('throttle-leave-two', 'a throttled tick, the client vanishes', { throttles: 1, leaves: 1 }),
  full('unclear-leave', 'a post without a clear answer, the client vanishes', { unclear: 1, leaves: 1 }, direct),
  full(
    'window-leave-death',
    'a window of one, the client vanishes, a Lambda dies',
    { leaves: 1, deaths: 1 },
    { ...one, ...direct, window: 1 },
  ),
  full(
    'window-two-full',
    'a window of one, two publishers with two messages',
    {},
    { publishers: 2, ...direct, window: 1 },
  ),
  full('window-stall', 'a window of one, a stalled publisher', { stalls: 1 }, { ...direct, window: 1 }),
  full('clean-away', 'a session whose client is away is replaced by a clean one', { cleanStarts: 1 }, one),
  full('clean-twice', 'two clean starts, the client vanishes', { cleanStarts: 2, leaves: 1 }, { ...one, ...direct }),
  full('expiry-late', 'the session expires, the client vanishes', { expiries: 1, leaves: 1 }, one),
  full('rebind-death', 'the client moves, a Lambda dies', { rebinds: 1, deaths: 1 }, direct),
  full('rebind-leave', 'the client moves and vanishes', { rebinds: 1, leaves: 1 }, direct),
  full('bound-leave', 'the storage bound, the client vanishes', { leaves: 1 }, { messages: 3, maxStored: 1 }),

  open(
    'late-death',
    'a CONNECT that comes late, a Lambda dies',
    { leaves: 1, deaths: 1 },
    { ...one, leavesEarly: true },
  ),
  open(
    'late-new',
    'the same with a client that is new',
    { leaves: 1, deaths: 1 },
    { ...one, start: 'new', leavesEarly: true },
  ),
  open('clean-death', 'a clean start, a Lambda dies', { cleanStarts: 1, deaths: 1 }, one),
  open('clean-leave', 'a clean start, the client vanishes', { cleanStarts: 1, leaves: 1 }, one),
  open(
    'connects-clean',
    'two CONNECTs, one of them clean, one of them late',
    { leaves: 1, cleanStarts: 1 },
    { ...nobody, leavesEarly: true },
  ),
  open(
    'late-clean',
    'two clean CONNECTs, one of them late',
    { leaves: 1, cleanStarts: 2 },
    { ...one, leavesEarly: true },
  ),
  open('two-two-death', 'two publishers with two messages each, a Lambda dies', { deaths: 1 }, { publishers: 2 }),
];

export const boundOf = (name: string): Bound => {
  const found = bounds.find((each) => each.name === name);
  if (!found) throw new Error(`there is no bound '${name}': npm run model -- --list shows them`);
  return found;
};
