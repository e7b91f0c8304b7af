/**
 * The clean-up job: cleanUp of src/broker/run-job.ts, call by call.
 *
 * Rules of this file:
 * - What a dead session has left is removed in one step: nobody who knew it alive is there to see it go piece by piece, and
 *   whoever removes the rest after a death finds less.
 * - It comes at least once, late, or after the client came back; a worker that dies leaves its job.
 * - It is sent before the write that ends a session, and delayed by the longest life of a Lambda: by then that write is done,
 *   or its Lambda is dead. In the same way it leaves a session alone for as long as anyone may know it alive.
 */
import { type Condition, holds } from '../../src/session/change.ts';
import type { Generation } from '../../src/session/ids.ts';
import { deadSessions, type Session } from '../../src/session/session.ts';
import { predecessorsGone } from '../../src/session/transitions.ts';
import {
  changeSession,
  cleanUpLater,
  type Emit,
  type Emitted,
  goOn,
  isBroken,
  kept,
  leave,
  type Model,
  start,
} from './model.ts';
import { BLANK, type CleanUp, type Lambda, type State } from './state.ts';

export const jobs = (m: Model, s: State, emit: Emit): Emitted => {
  const waiting = isBroken(m, 'the clean-up job waits for the end') ? 0 : s.lambdas.filter(isAboutToEnd).length;
  if (s.cleanUps <= waiting) return;
  const taken = { ...s, cleanUps: s.cleanUps - 1 };
  const { session } = s;
  const dead = session ? deadSessions(session).map(({ generation }) => generation) : [];
  if (!session || dead.length === 0) return emit('step', taken, () => 'a clean-up job finds nothing to clean up');
  const isKnown = (generation: Generation) =>
    !isBroken(m, 'a dead session is left alone while it is known alive') &&
    s.lambdas.some((each) => knowsAlive(each, generation));
  const due = dead.filter((each) => !isKnown(each));
  const remain = dead.filter(isKnown);
  if (due.length === 0) return; // the job is sent anew, with a delay: that changes nothing
  const lambda: CleanUp = {
    kind: 'clean-up',
    step: 'remains',
    generation: session.generation,
    epoch: session.epoch,
    ended: session.status === 'ended',
    predecessors: session.predecessors,
    due,
    remain,
  };
  const state = remain.length > 0 ? cleanUpLater(taken) : taken;
  emit('step', start(state, lambda), () => `a clean-up job begins with generations ${due.join(' ')}`);
};

/** It has sent a clean-up job, and the write is still to come. */
const isAboutToEnd = (l: Lambda): boolean =>
  (l.kind === 'deliver' && (l.step === 'end' || (l.step === 'lose connection' && !l.persistent))) ||
  (l.kind === 'redeliver' && l.step === 'lose connection' && !l.persistent) ||
  (l.kind === 'connect' && (l.step === 'lose connection' || (l.step === 'write' && !l.resumes)));

/** It has read the session of `generation` while it lived, and may write on its behalf. */
const knowsAlive = (l: Lambda, generation: Generation): boolean => {
  switch (l.kind) {
    case 'deliver':
      return l.to === generation && l.step !== 'allocate' && l.step !== 'remove leftover';
    case 'redeliver':
      return l.tick.generation === generation;
    case 'subscribe':
      return l.generation === generation && l.step === 'write';
    case 'connect':
    case 'acknowledge':
      return l.generation === generation;
    case 'clean-up':
      return false;
  }
};

/** The next call of the Lambda at `at`. */
export const cleanUp = (m: Model, s: State, at: number, j: CleanUp, emit: Emit): Emitted => {
  const step = (state: State, next: Partial<CleanUp>, text: () => string) =>
    emit('step', goOn(state, at, { ...j, ...next }), () => `clean-up: ${text()}`);
  switch (j.step) {
    case 'remains': {
      const isDue = ({ generation }: { readonly generation: Generation }) => j.due.includes(generation);
      const { subscription } = s;
      const isOwn =
        subscription !== undefined &&
        (isDue(subscription) || isBroken(m, 'a subscription is removed by its generation'));
      const inFlight = s.inFlight.filter((each) => !isDue(each));
      const queue = s.queue.filter((each) => !isDue(each));
      const state = { ...s, inFlight, queue, subscription: isOwn ? undefined : subscription };
      return step(
        state,
        { step: 'record' },
        () => `removes what generations ${j.due.join(' ')} have left${isOwn ? ', and the subscription' : ''}`,
      );
    }
    case 'record': {
      const session = asRead(j);
      if (!j.ended || j.remain.length > 0) {
        const remain = deadSessions(session).filter((each) => j.remain.includes(each.generation));
        const gone = changeSession(m, s, predecessorsGone(session, remain));
        return emit('step', leave(gone.done ? gone.state : s, at), () => 'clean-up: notes that it is done');
      }
      const removed = s.session !== undefined && holds(kept(m, 'remove', conditions(session)), s.session);
      const isLost = removed && s.session?.status !== 'ended';
      const after = removed
        ? { ...s, session: undefined, ...(isLost && { broken: 'P12: the record of a living session is removed' }) }
        : s;
      return emit('step', leave(after, at), () => {
        return `clean-up: ${removed ? 'removes the record' : 'the record is not what it was'}`;
      });
    }
  }
};

/** The session as `j` has read it. */
const asRead = (j: CleanUp): Session => ({
  ...BLANK,
  generation: j.generation,
  epoch: j.epoch,
  status: j.ended ? 'ended' : 'online',
  predecessors: j.predecessors,
});

/** asRead in src/broker/run-job.ts */
const conditions = ({ epoch }: Session): readonly Condition<Session>[] => [['=', 'epoch', epoch]];
