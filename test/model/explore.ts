/**
 * Every state that can be reached, breadth first, so that a counterexample is a shortest one; then from where each leads on.
 *
 * Rules of this file:
 * - A state is known by 64 bits of its hash: that any two of n states share one has a probability of about n² / 2⁶⁵.
 * - A state that waits to be looked at is kept as bytes; of the others there are numbers only.
 */
import { Edges, Known, Numbers, Waiting } from './compact.ts';
import type { Kind, Model } from './model.ts';
import { pack } from './packed.ts';
import { brokenIn, isAnswered, isQuiescent } from './properties.ts';
import { LONG_AGO } from './simplified.ts';
import type { State } from './state.ts';
import { unpack } from './unpacked.ts';
import { initial, successors } from './world.ts';

export interface Result {
  /** All was seen. */
  readonly complete: boolean;
  readonly states: number;
  readonly edges: number;
  readonly depth: number;
  /** States in which all is said and done. */
  readonly quiescent: number;
  readonly seconds: number;
  readonly broken?: string;
  /** How it comes to that, step by step. */
  readonly trace?: readonly string[];
  readonly last?: State;
}

export interface Limits {
  /** Gives up beyond so many states. */
  readonly most?: number;
  /** Called about every two seconds. */
  readonly progress?: (states: number, waiting: number, depth: number) => void;
}

export function explore(m: Model, { most = Number.POSITIVE_INFINITY, progress }: Limits = {}): Result {
  const startedAt = Date.now();
  let reportedAt = startedAt;
  const known = new Known();
  /** From which state, and as which of its successors, a state was met first. */
  const parents = new Numbers(Uint32Array);
  const choices = new Numbers(Uint8Array);
  const goals = new Numbers(Uint8Array);
  const edges = new Edges();
  let waiting = new Waiting();
  let following = new Waiting();
  let taken = 0;
  let depth = 0;
  let quiescent = 0;

  const add = (state: State, parent: number, choice: number): number => {
    const packed = pack(m, state);
    const before = known.size;
    const id = known.add(packed);
    if (known.size === before) return id;
    parents.push(parent);
    choices.push(choice);
    const answered = isAnswered(m, state);
    // the bytes leave out what does not matter, so they are what is judged
    const rests = answered && state.lambdas.length === 0 && isQuiescent(m, unpack(m, packed.slice()));
    if (rests) quiescent++;
    goals.push((answered ? ANSWERED : 0) + (rests ? QUIESCENT : 0));
    following.push(id, packed);
    return id;
  };
  const result = (complete: boolean): Result => {
    return { complete, states: known.size, edges: taken, depth, quiescent, seconds: (Date.now() - startedAt) / 1_000 };
  };
  const wayTo = (id: number): number[] => {
    const way: number[] = [];
    for (let each = id; parents.at(each - 1) > 0; each = parents.at(each - 1)) way.unshift(choices.at(each - 1));
    return way;
  };

  add(initial(m), 0, 0);
  while (following.length > 0) {
    [waiting, following] = [following, waiting];
    following.clear();
    depth++;
    for (let index = 0; index < waiting.length; index++) {
      const id = waiting.id(index);
      let choice = 0;
      let broken: string | undefined;
      let breaking = 0;
      successors(m, unpack(m, waiting.packed(index)), (kind: Kind, next: State) => {
        if (broken) return;
        taken++;
        broken = brokenIn(m, next);
        breaking = choice;
        if (broken) return;
        const target = add(next, id, choice++);
        if (kind !== 'fault' && target !== id) edges.push(id, target, kind === 'return');
      });
      if (broken) return { ...result(false), broken, ...retrace(m, [...wayTo(id), breaking]) };
      if (known.size > most) return result(false);
      if (progress && (index & 1_023) === 0 && Date.now() - reportedAt > 2_000) {
        reportedAt = Date.now();
        progress(known.size, waiting.length - index + following.length, depth);
      }
    }
  }

  const wedge = edges.firstAstray(known.size, (id) => goals.at(id - 1) >= QUIESCENT, true);
  if (wedge > 0) return { ...result(true), broken: WEDGE, ...retrace(m, wayTo(wedge)) };
  const unanswered = edges.firstAstray(known.size, (id) => goals.at(id - 1) > 0, false);
  if (unanswered > 0) return { ...result(true), broken: UNANSWERED, ...retrace(m, wayTo(unanswered)) };
  return result(true);
}

const ANSWERED = 1;
const QUIESCENT = 2;
const WEDGE = 'P3: from here no way leads to rest without another fault';
const UNANSWERED = 'P3b: from here a publisher gets no PUBACK unless the subscriber comes back';

/**
 * What was said on the way that takes `choices`, and where it ends. States on the way are in their canonical form, with names
 * that change from one to the next; so the same way is gone beside it with the names as they were given, as far as it can be.
 */
const retrace = (m: Model, choices: readonly number[]): { readonly trace: string[]; readonly last: State } => {
  const trace: string[] = [];
  let canonical = initial(m);
  let named = canonical;
  for (const choice of choices) {
    const chosen = successorsOf(m, unpack(m, pack(m, canonical).slice()))[choice];
    if (!chosen) throw new Error('the way cannot be gone again');
    const target = pack(m, chosen.next).slice();
    const same = successorsOf(m, named).find(({ next }) => isSame(pack(m, next), target));
    canonical = chosen.next;
    named = withoutTime((same ?? chosen).next);
    trace.push((same ?? chosen).text());
  }
  return { trace, last: named };
};

/** As in the canonical form, a worker remembers only whether anything has happened since it judged that it may heal. */
const withoutTime = (s: State): State => {
  if (!s.session) return s;
  const { quietSince } = s.session;
  const lambdas = s.lambdas.map((each) =>
    each.kind === 'redeliver' ? { ...each, quietSince: each.quietSince === quietSince ? 0 : LONG_AGO } : each,
  );
  return { ...s, lambdas, session: { ...s.session, quietSince: 0 } };
};

const successorsOf = (m: Model, state: State) => {
  const found: { readonly next: State; readonly text: () => string }[] = [];
  successors(m, state, (_, next, text) => {
    found.push({ next, text });
  });
  return found;
};

const isSame = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((each, index) => each === b[index]);
