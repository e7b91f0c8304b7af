/**
 * What has to hold (docs/model.md lists it). P2, P5, P6, P7, P9 and P11 to P15 are judged where the step that breaks them is taken.
 *
 * Rules of this file: a property that holds only with an exception states the exception.
 */
import type { Generation } from '../../src/session/ids.ts';
import { deadSessions, isAlive } from '../../src/session/session.ts';
import { nameOf } from './gateway.ts';
import { hasHappened, type Model } from './model.ts';
import { payloadOf, type Record, type State } from './state.ts';

/** The property that `s` breaks, if there is one. */
export const brokenIn = (m: Model, s: State): string | undefined =>
  s.broken ?? acknowledgedIsKept(s) ?? ticksDoNotBreed(m, s) ?? backlogIsRight(m, s) ?? remainsAreKnown(s);

/** P1: what is owed to a session that lives was delivered, or is stored. What the bound refused is not owed. */
const acknowledgedIsKept = (s: State): string | undefined => {
  const { session } = s;
  const missing = s.owed & ~s.delivered;
  if (missing === 0 || !session) return undefined;
  let stored = 0;
  for (const each of s.queue) if (each.generation === session.generation) stored |= 1 << payloadOf(each.id);
  for (const each of s.inFlight) if (each.generation === session.generation) stored |= 1 << payloadOf(each.id);
  const lost = missing & ~stored;
  return lost === 0
    ? undefined
    : `P1: ${nameOf(31 - Math.clz32(lost))} has its PUBACK and is neither delivered nor stored`;
};

/** P4: an epoch has its tick and the next one, one more for each further publisher that parks it, and for each fault. */
const ticksDoNotBreed = (m: Model, { session, ticks, lambdas, left }: State): string | undefined => {
  if (!session) return undefined;
  let live = 0;
  for (const { generation, epoch, number } of ticks) {
    if (generation === session.generation && epoch === session.epoch && number >= session.tick) live++;
  }
  for (const each of lambdas) {
    if (each.kind === 'redeliver' && each.tick.generation === session.generation && each.tick.epoch === session.epoch)
      live++;
  }
  const { faults, publishers } = m.bound;
  let most = 1 + publishers;
  for (const each of ['doubles', 'deaths', 'throttles', 'stalls'] as const) most += faults[each] - left[each];
  return live > most ? `P4: ${live} ticks live in epoch ${session.epoch}` : undefined;
};

/**
 * P8: the backlog is never less than what the queue holds and what somebody living has counted and not sent yet. It may be
 * more: a publisher that died in between has counted for nothing, and what a tick deletes is counted down later.
 */
const backlogIsRight = (m: Model, s: State): string | undefined => {
  const { session } = s;
  if (!session || session.status === 'ended') return undefined;
  let least = 0;
  for (const { generation } of s.queue) if (generation === session.generation) least++;
  for (const each of s.lambdas) {
    if (each.kind === 'deliver' && each.step === 'send' && each.to === session.generation) least += each.fitting;
  }
  if (session.backlog < least) return `P8: a backlog of ${session.backlog} where ${least} are stored or about to be`;
  return session.backlog > m.bound.maxStored ? `P8: a backlog of ${session.backlog} beyond the bound` : undefined;
};

/** P10: what a dead session has left behind is known to the record, so that it will be cleaned up. */
const remainsAreKnown = ({ session, inFlight, queue, subscription }: State): string | undefined => {
  const isKnown = (generation: Generation) =>
    session !== undefined &&
    (generation === session.generation ||
      (session.predecessors !== '' && deadSessions(session).some((each) => each.generation === generation)));
  const all = inFlight.every((each) => isKnown(each.generation)) && queue.every((each) => isKnown(each.generation));
  if (all && (!subscription || isKnown(subscription.generation))) return undefined;
  return 'P10: nobody remembers the dead session that has left something behind';
};

/** P3b: every publisher has its PUBACK. */
export const isAnswered = (m: Model, s: State): boolean =>
  s.publishers.every(({ next }) => next === m.bound.messages) &&
  !s.lambdas.some((each) => each.kind === 'deliver' && each.answers);

/** Room that was lost with a Lambda is found when a message needs it, or on the next connection. */
const isWindowFree = (m: Model, s: State): boolean => {
  const left = s.session?.windowLeft ?? 0;
  return left === m.bound.window || (left < m.bound.window && hasHappened(m, s, 'deaths'));
};

/**
 * Put in flight by somebody who died, or was too late, on an older connection. Its publisher has sent it again; the next
 * epoch does so too, once more.
 */
const isOrphan = (m: Model, s: State, { generation, epoch }: Record): boolean =>
  (hasHappened(m, s, 'deaths') || m.bound.hiddenEndsEarly) &&
  generation === s.session?.generation &&
  epoch < s.session.epoch;

/**
 * P3 and P10: all is said and done. The client is there, has everything that is owed to it and has acknowledged it; nothing
 * is counted, nothing is left of a dead session.
 */
export const isQuiescent = (m: Model, s: State): boolean => {
  const { session, client, connections, subscription } = s;
  return (
    isAnswered(m, s) &&
    s.lambdas.length === 0 &&
    s.ticks.length === 0 &&
    s.queue.length === 0 &&
    s.inFlight.every((each) => isOrphan(m, s, each)) &&
    s.cleanUps === 0 &&
    session !== undefined &&
    session.status === 'online' &&
    session.mode === 'direct' &&
    session.backlog === 0 &&
    session.predecessors === '' &&
    (m.bound.window === 0 || isWindowFree(m, s)) &&
    isAlive(session, session.generation) &&
    subscription?.generation === session.generation &&
    client.phase === 'ready' &&
    client.subscribed &&
    client.former === '' &&
    client.connection === session.connectionId &&
    client.unacknowledged.length === 0 &&
    client.waiting.length === 0 &&
    connections.every(({ socket, id }) => socket === 'closed' || id === client.connection) &&
    (s.owed & ~s.delivered) === 0
  );
};
