/**
 * A state without what nobody will look at any more: ticks that are over, sockets nobody names, what a Lambda remembers of a
 * step that is done. Part of the canonical form (`packed.ts`).
 *
 * Rules of this file: nothing is left out that any step asks for. A mutant may ask for more: `keepsAll`.
 */
import type { Session } from '../../src/session/session.ts';
import type { Tick } from '../../src/session/transitions.ts';
import type { Model } from './model.ts';
import {
  type Connection,
  connectionOf,
  type Deliver,
  generationOf,
  type Lambda,
  type Redeliver,
  type State,
} from './state.ts';

export const keepsAll = ({ mutant }: Model, ...writes: readonly string[]): boolean =>
  writes.some((each) => mutant?.without?.startsWith(`${each}:`));

export const simplified = (m: Model, s: State): State => {
  const { session } = s;
  const lambdas = s.lambdas.map((each) => lambdaSimplified(m, s, each));
  const keepsTicks = keepsAll(m, 'claim', 'park');
  const ticks = keepsTicks ? s.ticks : s.ticks.filter((tick) => mayMatter(session, tick));
  const connections = s.connections.map((each) => connectionSimplified(m, s, each, lambdas));
  return { ...s, lambdas, ticks, connections };
};

const mayMatter = (session: Session | undefined, tick: Tick): boolean =>
  session !== undefined &&
  session.generation === tick.generation &&
  session.epoch === tick.epoch &&
  (session.status === 'online' || session.status === 'connecting') &&
  tick.number >= (session.mode === 'queued' ? session.tick : session.tick + 1);

const connectionSimplified = (m: Model, { session }: State, c: Connection, lambdas: readonly Lambda[]): Connection => {
  if (c.socket !== 'closed') return c;
  const isUnderWay = lambdas.some((each) => each.kind === 'connect' && each.connectionId === c.id);
  const isCurrent =
    session?.generation === c.generation &&
    session.epoch === c.epoch &&
    (session.status === 'online' || session.status === 'connecting');
  const matters = c.epoch === 0 ? isUnderWay : isCurrent || keepsAll(m, 'goOffline', 'endWithConnection');
  const notice = c.notice && matters;
  return notice ? c : { ...c, notice, epoch: 0, generation: generationOf(0), persistent: true };
};

export const NOWHERE = connectionOf(0);

const lambdaSimplified = (m: Model, s: State, l: Lambda): Lambda => {
  switch (l.kind) {
    case 'deliver':
      return deliverSimplified(m, l);
    case 'redeliver':
      return m.mutant?.order ? l : redeliverSimplified(m, s, l);
    case 'acknowledge':
    case 'subscribe':
      return l.connectionId === s.client.connection ? l : { ...l, connectionId: NOWHERE };
    default:
      return l;
  }
};

const deliverSimplified = (m: Model, d: Deliver): Deliver => {
  const posts = d.step === 'put' || d.step === 'post' || d.step === 'close socket';
  const parks =
    d.step === 'send tick' || d.step === 'park' || d.fate === 'throttled' || (posts && m.bound.faults.throttles > 0);
  return {
    ...d,
    connectionId: posts ? d.connectionId : NOWHERE,
    tick: parks ? d.tick : 0,
    sequence: d.batch > 0 ? d.sequence : 0,
    pushed: d.batch > 0 ? d.pushed : 0,
    look: d.step === 'post' ? d.look : 'pending',
  };
};

const redeliverSimplified = (m: Model, s: State, w: Redeliver): Redeliver => {
  const healing = w.healing && (w.quietSince === s.session?.quietSince || keepsAll(m, 'heal'));
  const seen: Redeliver = { ...w, healing, quietSince: healing ? 0 : LONG_AGO };
  switch (w.step) {
    case 'receive':
    case 'list':
    case 'allocate':
    case 'stamp':
    case 'give numbers back':
    case 'put':
    case 'post':
    case 'unallocate':
      return seen;
    case 'close socket':
      return { ...seen, ...POSTED };
    default:
      return { ...seen, ...POSTED, connectionId: NOWHERE };
  }
};

export const LONG_AGO = 255;
const POSTED = { fresh: [], resend: [], unused: 0, stamped: 0, count: 0, pushed: 0, sequence: 0, written: 0 } as const;
