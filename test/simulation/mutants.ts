/**
 * A broker that is spoilt on purpose, in every way we know of. Each must be caught: that shows that the simulation can fail,
 * and that a condition or an order is there for a reason.
 *
 * Conditions are left out mechanically: whoever adds one to a named write (`Change.name`) has added its mutant. Orders of
 * calls, and the rest, stand below.
 */
import type { Authority } from '../../src/broker/authority.ts';
import type { Context } from '../../src/broker/context.ts';
import type { Job, Ports, Will } from '../../src/broker/ports.ts';
import type { Permit } from '../../src/policy/permit.ts';
import { apply, type Change, type Condition, holds, type Outcome } from '../../src/session/change.ts';
import type { Connection } from '../../src/session/connection.ts';
import type { ClientId, GrantId, WillId } from '../../src/session/ids.ts';
import type { RetainedMessage } from '../../src/session/retained.ts';
import { type InFlight, type Message, NEXT_TICK, type Session } from '../../src/session/session.ts';
import { type Conditional, conditionals, type PortName, render } from './calls.ts';
import type { Spoil } from './cloud.ts';
import type { FaultRates } from './faults.ts';
import type { Trouble } from './run.ts';
import { spotOf } from './weak-spot.ts';

export interface Mutant {
  readonly name: string;
  /** Made anew for every run. */
  readonly spoil: () => Spoil;
  /** Where trouble is most likely to show it. */
  readonly trouble?: Trouble;
  /** It shows only where clients have to say who they are. */
  readonly rights?: boolean;
}

type Method = (...args: unknown[]) => Promise<unknown>;

// ── Conditions left out ────────────────────────────────────────────────────────────────────────────────────────────

/** The same ports with one method of one of them replaced. */
const replacing = <P extends Ports>(ports: P, port: PortName, method: string, by: (original: Method) => Method): P => {
  const original = ports[port] as unknown as Record<string, Method>;
  const spoilt = new Proxy(original, {
    get: (target, key) =>
      key === method ? by((...args) => (target[method] as Method)(...args)) : target[key as string],
  });
  return { ...ports, [port]: spoilt };
};

const eachConditional = <P extends Ports>(
  ports: P,
  see: (name: string, conditional: Conditional, args: readonly unknown[]) => readonly unknown[],
): P =>
  conditionals.reduce(
    (spoilt, conditional) =>
      replacing(
        spoilt,
        conditional.port,
        conditional.method,
        (original) =>
          (...args) =>
            original(...see(conditional.name(args), conditional, args)),
      ),
    ports,
  );

/** Notes every condition that comes by. */
export const collecting =
  (into: Set<string>): Spoil =>
  (context) =>
    eachConditional(context, (name, conditional, args) => {
      for (const condition of conditional.conditions(args)) into.add(`${name}: ${render(condition)}`);
      return args;
    });

const troubleAt = (calls: readonly string[], faults: FaultRates = {}): Trouble => ({
  weakSpots: calls.map(spotOf),
  faults,
});

/** Conditions whose race needs more than a Lambda that hangs at this very write. */
const troubles: Readonly<Record<string, Trouble>> = {
  'keep: = active': troubleAt(['subscribe', 'keep'], { longPause: 0.02 }),
  'nudge: = tickDueAt': troubleAt(['nudge'], { deadLettered: 0.2 }),
  'park: = tick': troubleAt(['park'], { repeated: 0.1, throttled: 0.2 }),
  'turnDirect: = leaseUntil': troubleAt(['turnDirect'], { repeated: 0.1, throttled: 0.2 }),
};

const WITHOUT = 'without ';

/** Conditions of writes that are made only where clients have to say who they are. */
const ofRights: readonly string[] = ['allocate: = grant', 'inFlight.remove if = id, < epoch: ', 'withdraw: '];

/** `without`: as `collecting` notes it. */
export const leavingOut = (without: string): Mutant => ({
  name: `${WITHOUT}${without}`,
  rights: ofRights.some((each) => without.startsWith(each)),
  trouble: troubles[without] ?? troubleAt([without.slice(0, without.lastIndexOf(': '))]),
  spoil: () => (context) => spoiltPorts(context, without),
});

const spoiltPorts = <P extends Ports>(ports: P, without: string): P =>
  eachConditional(ports, (name, conditional, args) =>
    conditional.without(
      args,
      conditional.conditions(args).filter((condition) => `${name}: ${render(condition)}` !== without),
    ),
  );

// ── Calls in the wrong order ───────────────────────────────────────────────────────────────────────────────────────

/** A call: `port.method`, or with the name of the conditional write or the job. */
const isCall = (call: string, port: string, method: string, args: readonly unknown[]): boolean => {
  const [path, name] = call.split(' ');
  if (path !== `${port}.${method}`) return false;
  return (
    name === undefined ||
    args.some((each) => [(each as Change<object>)?.name, (each as { job?: string })?.job].includes(name))
  );
};

/** What a call would have returned, had it been carried out. */
const asIfDone = async (ports: Ports, port: PortName, method: string, args: readonly unknown[]): Promise<unknown> => {
  if (method === 'put' || method === 'addShape' || method === 'remove') return port === 'queues' ? args[1] : true;
  if (method === 'post') return 'accepted';
  if (method === 'send' && port === 'queues') return { sent: (args[1] as readonly unknown[]).length, missing: false };
  if (method !== 'change') return undefined;
  const change = args.at(-1) as Change<object>;
  const reads: Partial<Record<PortName, Method>> = {
    sessions: ports.sessions.read as Method,
    connections: ports.connections.read as Method,
    wills: ports.wills.read as Method,
    retained: ports.retained.read as Method,
  };
  const record = (await (reads[port]?.(...args) ?? { ...change.set })) as object | undefined;
  return holds(change.if as readonly Condition<Session>[], record as Session)
    ? { done: true, record: apply(change, record) }
    : { done: false, record };
};

const methods: readonly (readonly [PortName, string])[] = [
  ['sessions', 'change'],
  ['sessions', 'remove'],
  ['inFlight', 'put'],
  ['inFlight', 'change'],
  ['inFlight', 'remove'],
  ['filters', 'change'],
  ['filters', 'remove'],
  ['subscriptions', 'change'],
  ['subscriptions', 'remove'],
  ['subscriptions', 'addShape'],
  ['subscriptions', 'to'],
  ['retained', 'read'],
  ['retained', 'under'],
  ['retained', 'change'],
  ['connections', 'change'],
  ['connections', 'close'],
  ['wills', 'put'],
  ['wills', 'change'],
  ['wills', 'remove'],
  ['queues', 'create'],
  ['queues', 'send'],
  ['queues', 'remove'],
  ['queues', 'destroy'],
  ['gateway', 'post'],
  ['redelivery', 'send'],
  ['timers', 'send'],
];

/** The calls of `first` are carried out only after one of `second`, by every Lambda whose name fits `who`. */
const swapped = (
  name: string,
  first: string,
  second: readonly string[],
  who = /./,
  weakCall = first.slice(first.indexOf(' ') + 1),
): Mutant => ({
  name,
  trouble: troubleAt([weakCall]),
  spoil: () => (context, ports, lambda) => {
    if (!who.test(lambda.name)) return context;
    let late: (() => Promise<unknown>)[] = [];
    return methods.reduce(
      (spoilt, [port, method]) =>
        replacing(spoilt, port, method, (original) => async (...args) => {
          const isSecond = second.some((call) => isCall(call, port, method, args));
          const isFirst = isCall(first, port, method, args);
          if (isFirst && (!isSecond || late.length === 0)) {
            late.push(() => original(...args));
            return asIfDone(ports, port, method, args);
          }
          const result = await original(...args);
          if (!isSecond) return result;
          const waited = late;
          late = [];
          for (const call of waited) await call();
          return result;
        }),
      context,
    );
  },
});

/** What `port.method` returns is looked up already when `before` is called. */
const tooEarly = (name: string, port: PortName, method: string, before: readonly [PortName, string]): Mutant => ({
  name,
  spoil: () => (context) => {
    let early: Promise<unknown> | undefined;
    const look = (args: readonly unknown[]) =>
      ((context[port] as unknown as Record<string, Method>)[method] as Method)(...args);
    const prefetching = replacing(context, ...before, (original) => async (...args) => {
      const [session] = args as [{ readonly clientId: string }];
      early = look([port === 'sessions' ? session.clientId : session]);
      await early;
      return original(...args);
    });
    return replacing(prefetching, port, method, (original) => async (...args) => {
      const found = early;
      early = undefined;
      return found ?? original(...args);
    });
  },
});

const orders: readonly Mutant[] = [
  swapped('posts before it puts in flight', 'inFlight.put', ['gateway.post']),
  swapped('puts the newest in flight first', 'inFlight.put', ['inFlight.put']),
  swapped('takes the oldest back first', 'inFlight.remove', ['inFlight.remove'], /^p/),
  swapped('sends to the queue before it counts', 'sessions.change count', ['queues.send']),
  swapped('sends the first tick before the CONNACK', 'gateway.post', ['redelivery.send'], /^s\d+'?#/),
  swapped('lets the next tick be due before it sends it', 'redelivery.send', ['sessions.change endTick']),
  swapped('parks before it sends the tick', 'redelivery.send', ['sessions.change park']),
  swapped('posts stored messages after it has deleted them', 'gateway.post', ['queues.remove'], /^tick/),
  swapped('counts down before it deletes', 'queues.remove', ['sessions.change endTick', 'sessions.change turnDirect']),
  swapped('stamps after it has posted', 'inFlight.change stamp', ['gateway.post']),
  swapped('writes the subscription before it notes the filter', 'filters.change note', [
    'subscriptions.change subscribe',
  ]),
  swapped('forgets the filter before it is unsubscribed', 'subscriptions.change unsubscribe', ['filters.remove']),
  swapped('opens the connection before the session', 'sessions.change resume', ['connections.change open']),
  swapped('orders the clean-up after the end', 'timers.send clean-up', [
    'sessions.change endWithConnection',
    'sessions.change end',
    'sessions.change begin',
  ]),
  swapped('orders the close after the takeover', 'timers.send close', [
    'sessions.change begin',
    'sessions.change resume',
  ]),
  swapped('says that the queue is there before it creates it', 'queues.create', ['sessions.change queueCreated']),
  swapped(
    'removes the record before the subscriptions',
    'subscriptions.remove',
    ['sessions.remove', 'sessions.change predecessorsGone'],
    /clean-up/,
    'subscriptions.remove if = generation',
  ),
  swapped(
    'removes the record before what is in flight',
    'inFlight.remove',
    ['sessions.remove', 'sessions.change predecessorsGone'],
    /clean-up/,
  ),
  swapped(
    'removes the record before the queue',
    'queues.destroy',
    ['sessions.remove', 'sessions.change predecessorsGone'],
    /clean-up/,
  ),
  swapped(
    'removes the note before the subscription',
    'subscriptions.remove',
    ['filters.remove'],
    /clean-up/,
    'subscriptions.remove if = generation',
  ),
  swapped('orders the will after the end', 'timers.send will', [
    'sessions.change goOffline',
    'sessions.change endWithConnection',
    'sessions.change begin',
    'sessions.change resume',
  ]),
  swapped('keeps the will after the session is written', 'wills.put', [
    'sessions.change begin',
    'sessions.change resume',
  ]),
  swapped('notes that a check is done before it sends the next', 'timers.send check', [
    'connections.change leaveCheck',
  ]),
  swapped('subscribes after it has read what is retained', 'subscriptions.change subscribe', [
    'retained.read',
    'retained.under',
  ]),
  swapped('keeps what is retained after it has looked for subscribers', 'retained.change retain', ['subscriptions.to']),
  tooEarly('takes its second look before it puts in flight', 'sessions', 'read', ['inFlight', 'put']),
];

// ── Everything else ────────────────────────────────────────────────────────────────────────────────────────────────

/** What only Lambdas whose name fits do differently. */
const lambdasThat = (who: RegExp, spoil: (context: Context, ports: Ports) => Context): Mutant['spoil'] => {
  return () => (context, ports, lambda) => (who.test(lambda.name) ? spoil(context, ports) : context);
};
const WILL_JOB = /(^|\+)will/;
const CHECK = /(^|\+)check/;
const SWEEP = /(^|\+)sweep/;
const TICK = /(^|\+)tick/;
/** `$default`: what clients send. */
const FRAME = /^[pqsw]\d+'?#/;

const dropping =
  (job: string): ((original: Method) => Method) =>
  (original) =>
  async (...args) => {
    if ((args[0] as { readonly job?: string }).job !== job) return original(...args);
  };

const reading =
  <R>(see: (record: R) => R | undefined): ((original: Method) => Method) =>
  (original) =>
  async (...args) => {
    const record = (await original(...args)) as R | undefined;
    return record && see(record);
  };

/** The same context, and whether the connection that was read last in it was closed. */
const noticingTheClosed = (context: Context) => {
  let closed = false;
  const noticing = replacing(
    context,
    'connections',
    'read',
    reading<Connection>((connection) => {
      closed = connection.state === 'closed';
      return connection;
    }),
  );
  return { noticing, isClosed: () => closed };
};

const once: readonly Mutant[] = [
  {
    name: 'takes a QoS 2 message that may be posted for one that is not',
    spoil: lambdasThat(TICK, (context) =>
      replacing(context, 'inFlight', 'list', (original) => async (...args) => {
        const records = (await original(...args)) as readonly InFlight[];
        return records.map((each) => (each.qos === 2 && !each.released ? { ...each, tick: NEXT_TICK } : each));
      }),
    ),
  },
];

const timed: readonly Mutant[] = [
  {
    name: '$connect sends no check',
    spoil: lambdasThat(/^\$connect/, (context) => replacing(context, 'timers', 'send', dropping('check'))),
  },
  {
    name: 'does not settle what was closed',
    trouble: troubleAt(['goOffline', 'endWithConnection', 'open']),
    spoil: lambdasThat(CHECK, (context) => {
      const { noticing, isClosed } = noticingTheClosed(context);
      return replacing(
        noticing,
        'sessions',
        'read',
        reading<Session>((session) => (isClosed() ? undefined : session)),
      );
    }),
  },
  {
    name: 'takes a client for silent after its keep-alive',
    spoil: lambdasThat(CHECK, (context) =>
      replacing(
        context,
        'connections',
        'read',
        reading<Connection>((each) => ({ ...each, lastSeen: each.lastSeen - each.keepAlive * 1_000 })),
      ),
    ),
  },
  {
    name: 'never notes that a client was heard',
    spoil: lambdasThat(FRAME, (context, ports) =>
      replacing(context, 'connections', 'change', (original) => async (...args) => {
        const isSeen = (args[1] as Change<object>).name === 'seen';
        return isSeen ? asIfDone(ports, 'connections', 'change', args) : original(...args);
      }),
    ),
  },
  {
    name: 'notes every time that a client was heard',
    spoil: lambdasThat(FRAME, (context) =>
      replacing(
        context,
        'connections',
        'read',
        reading<Connection>((each) => ({ ...each, lastSeen: 0 })),
      ),
    ),
  },
  {
    name: 'looks for silence only after three keep-alives',
    spoil: lambdasThat(CHECK, (context) =>
      replacing(
        context,
        'connections',
        'read',
        reading<Connection>((each) => ({ ...each, lastSeen: each.lastSeen + each.keepAlive * 1_000 })),
      ),
    ),
  },
  {
    name: 'never asks the gateway',
    spoil: lambdasThat(CHECK, (context) => replacing(context, 'gateway', 'has', () => async () => true)),
  },
  {
    name: 'sends nothing again that is late',
    trouble: troubleAt(['gateway.post'], { lost: 0.1 }),
    spoil: lambdasThat(CHECK, (context) => replacing(context, 'inFlight', 'list', () => async () => [])),
  },
  {
    name: 'a check does not awaken',
    trouble: troubleAt(['park'], { deadLettered: 0.1 }),
    spoil: lambdasThat(CHECK, (context) =>
      replacing(context, 'sessions', 'change', (original) => async (...args) => {
        return (args[1] as Change<object>).name === 'nudge' ? { done: false } : original(...args);
      }),
    ),
  },
  {
    name: 'DISCONNECT does not forget the will',
    spoil: lambdasThat(FRAME, (context) => replacing(context, 'wills', 'remove', () => async () => true)),
  },
  {
    name: 'DISCONNECT that comes late does not forget the will',
    trouble: troubleAt(['connections.read']),
    spoil: lambdasThat(FRAME, (context) => {
      const { noticing, isClosed } = noticingTheClosed(context);
      return replacing(
        noticing,
        'wills',
        'remove',
        (original) =>
          async (...args) =>
            isClosed() || original(...args),
      );
    }),
  },
  {
    name: 'a takeover orders no will',
    spoil: lambdasThat(FRAME, (context) => {
      let isConnect = false;
      const noticing = replacing(context, 'connections', 'change', (original) => async (...args) => {
        isConnect ||= (args[1] as Change<object>).name === 'announce';
        return original(...args);
      });
      const deaf = dropping('will');
      return replacing(
        noticing,
        'timers',
        'send',
        (original) =>
          async (...args) =>
            (isConnect ? deaf(original) : original)(...args),
      );
    }),
  },
  {
    name: 'does not look whether the will is still kept',
    spoil: lambdasThat(WILL_JOB, (context) => replacing(context, 'sessions', 'read', () => async () => undefined)),
  },
  {
    name: 'does not look whether the client came back',
    trouble: troubleAt([], { longPause: 0.02 }),
    spoil: lambdasThat(WILL_JOB, (context) =>
      replacing(
        context,
        'sessions',
        'read',
        reading<Session>((session) => ({ ...session, version: 0 })),
      ),
    ),
  },
  {
    name: 'does not wait for whoever is about to end the connection',
    trouble: troubleAt(['goOffline']),
    spoil: () => (context) =>
      replacing(context, 'timers', 'send', (original) => async (...args) => {
        const [job, delay] = args as [Job, number];
        return original(job.job === 'will' ? { ...job, until: 0 } : job, delay);
      }),
  },
  {
    name: 'gives no grace',
    trouble: troubleAt([], { longPause: 0.02 }),
    spoil: () => (context) =>
      replacing(context, 'timers', 'send', (original) => async (...args) => {
        const [job, delay] = args as [Job, number];
        if (job.job !== 'will') return original(job, delay);
        const { unlessAfter, ...plain } = job;
        return original(plain, unlessAfter === undefined ? delay : 2);
      }),
  },
  {
    name: 'always gives grace',
    spoil: () => (context) =>
      replacing(context, 'timers', 'send', (original) => async (...args) => {
        const [job, delay] = args as [Job, number];
        return original(job.job === 'will' ? { ...job, unlessAfter: 0 } : job, delay);
      }),
  },
  {
    name: 'removes a will of QoS 0 after it has published it',
    spoil: lambdasThat(WILL_JOB, (context) => {
      let qos: number | undefined;
      let late: (() => Promise<unknown>) | undefined;
      const noticing = replacing(
        context,
        'wills',
        'read',
        reading<Will>((will) => {
          qos = will.qos;
          return will;
        }),
      );
      const deferring = replacing(noticing, 'wills', 'remove', (original) => async (...args) => {
        if (qos !== 0) return original(...args);
        late = () => original(...args);
        return true;
      });
      return replacing(deferring, 'subscriptions', 'shapes', (original) => async (...args) => {
        const shapes = await original(...args);
        await late?.();
        return shapes;
      });
    }),
  },
  {
    name: 'removes a will of QoS 1 before it has published it',
    spoil: lambdasThat(WILL_JOB, (context) =>
      replacing(context, 'wills', 'change', (original) => async (...args) => {
        const claimed = (await original(...args)) as { readonly done: boolean };
        if (claimed.done) await context.wills.remove(args[0] as ClientId, args[1] as WillId);
        return claimed;
      }),
    ),
  },
  {
    name: 'publishes a will under a new message id',
    spoil: lambdasThat(WILL_JOB, (context) =>
      replacing(
        context,
        'wills',
        'read',
        reading<Will>((will) => ({ ...will, id: context.ids.message() })),
      ),
    ),
  },
  {
    name: 'a reconnect replaces the will that is due',
    spoil: () => (context) => {
      const named = (original: Method): Method => {
        return (clientId, _, ...rest) => original(clientId, 'the only one', ...rest);
      };
      return ['put', 'read', 'change', 'remove'].reduce(
        (spoilt, method) => replacing(spoilt, 'wills', method, named),
        context,
      );
    },
  },
  {
    name: 'sweeps without judging',
    trouble: troubleAt(['resume'], { indexLags: 0.5 }),
    spoil: lambdasThat(SWEEP, (context) =>
      replacing(
        context,
        'sessions',
        'read',
        reading<Session>((session) => ({ ...session, status: 'offline', expiresAt: 1 })),
      ),
    ),
  },
  {
    name: 'sweeps too early',
    spoil: lambdasThat(SWEEP, (context) => {
      const { clock } = context;
      return { ...context, clock: { ...clock, now: () => clock.now() + 60_000 } };
    }),
  },
  {
    name: 'the sweeper orders no clean-up that was lost',
    trouble: troubleAt([], { deadLettered: 0.1 }),
    spoil: lambdasThat(SWEEP, (context) => {
      return replacing(
        context,
        'sessions',
        'read',
        reading<Session>((session) => (session.status === 'ended' ? undefined : session)),
      );
    }),
  },
  {
    name: 'collects the queues of the living',
    spoil: lambdasThat(/(^|\+)collect-queues/, (context) =>
      replacing(context, 'sessions', 'read', () => async () => undefined),
    ),
  },
];

/** What a read of retained messages is: the message, or a page of them. */
const retainedReads = ['read', 'under'] as const;

const retaining: readonly Mutant[] = [
  {
    name: 'does not look again whether what it has sent was replaced',
    spoil: () => (context) => {
      const known = new Map<string, unknown>();
      return retainedReads.reduce(
        (spoilt, method) =>
          replacing(spoilt, 'retained', method, (original) => async (...args) => {
            const key = JSON.stringify([method, ...args]);
            if (!known.has(key)) known.set(key, await original(...args));
            return known.get(key);
          }),
        context,
      );
    },
  },
  {
    name: 'sends no more of what is retained than a SUBSCRIBE has time for',
    spoil: () => (context) => replacing(context, 'timers', 'send', dropping('retained')),
  },
  {
    name: 'sends what is retained only once to each session',
    spoil: () => {
      const told = new Set<string>();
      return (context) =>
        retainedReads.reduce(
          (spoilt, method) =>
            replacing(spoilt, 'retained', method, (original) => async (...args) => {
              const found = (await original(...args)) as
                | RetainedMessage
                | { readonly found: readonly RetainedMessage[] }
                | undefined;
              const isNews = ({ id }: RetainedMessage) => !told.has(id);
              if (found && 'found' in found) {
                const news = found.found.filter(isNews);
                for (const { id } of news) told.add(id);
                return { ...found, found: news };
              }
              if (!found || !isNews(found)) return undefined;
              told.add(found.id);
              return found;
            }),
          context,
        );
    },
  },
];

// ── Rights ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** What nobody is refused anything by. */
const everything: Permit = { decide: () => ({ allowed: true, by: { policy: '', statement: 0 } }) };

/** The same context, with another way to get a permit. */
const permitting = (context: Context, by: (original: Authority['permitOf']) => Authority['permitOf']): Context => {
  const { authority } = context;
  return { ...context, authority: { ...authority, permitOf: by(authority.permitOf) } };
};

/** Why a tick asks, in this order, if there is anything to ask about. */
type Asking = 'received' | 'older' | 'again';

/** A tick that does not ask about some of the messages that it might post. */
const notAsking = (about: Asking): Mutant['spoil'] =>
  lambdasThat(TICK, (context) => {
    let epoch = 0;
    let received = 0;
    let due: Asking[] = [];
    const claiming = replacing(context, 'sessions', 'change', (original) => async (...args) => {
      const outcome = (await original(...args)) as Outcome<Session>;
      if ((args[1] as Change<Session>).name === 'claim') epoch = outcome.record?.epoch ?? 0;
      return outcome;
    });
    const receiving = replacing(claiming, 'queues', 'receive', (original) => async (...args) => {
      const found = (await original(...args)) as readonly unknown[];
      received = found.length;
      return found;
    });
    const listing = replacing(receiving, 'inFlight', 'list', (original) => async (...args) => {
      const found = (await original(...args)) as readonly InFlight[];
      const isOlder = found.some((each) => each.epoch < epoch && !each.released);
      due = [...(received > 0 ? ['received' as const] : []), ...(isOlder ? ['older' as const] : [])];
      received = 0;
      return found;
    });
    return permitting(
      listing,
      (original) =>
        async (...args) =>
          (due.shift() ?? 'again') === about ? everything : original(...args),
    );
  });

/** Permits that are kept for so long, ms, whatever has changed. */
const keepingPermits = (time: (context: Context) => number): Mutant['spoil'] => {
  return () => {
    const known = new Map<string, { readonly permit: Permit; readonly since: number }>();
    return (context) =>
      permitting(context, (original) => async (grant, clientId) => {
        const key = `${grant} ${clientId}`;
        const now = context.clock.now();
        const kept = known.get(key);
        if (kept && now - kept.since < time(context)) return kept.permit;
        const permit = await original(grant, clientId);
        known.set(key, { permit, since: now });
        return permit;
      });
  };
};

const judged: readonly Mutant[] = [
  {
    name: 'withholds what is refused to the grant that it remembers',
    spoil: () => (context) => {
      let refusedBy: GrantId | undefined;
      const asking = permitting(context, (original) => async (grant, clientId) => {
        const { decide } = await original(grant, clientId);
        return {
          decide: (question) => {
            const decision = decide(question);
            if (!decision.allowed) refusedBy = grant;
            return decision;
          },
        };
      });
      return replacing(
        asking,
        'sessions',
        'read',
        reading<Session>((session) => {
          const grant = refusedBy ?? session.grant;
          refusedBy = undefined;
          return { ...session, grant };
        }),
      );
    },
  },
  {
    name: 'asks nobody about what is live',
    spoil: lambdasThat(FRAME, (context) => permitting(context, () => async () => everything)),
  },
  { name: 'asks nobody about what has waited in the queue', spoil: notAsking('received') },
  { name: 'asks nobody about what was sent on an older connection', spoil: notAsking('older') },
  {
    name: 'asks nobody about what is sent again on the same connection',
    trouble: troubleAt(['gateway.post'], { lost: 0.1 }),
    spoil: notAsking('again'),
  },
  {
    name: 'leaves in the queue what is refused',
    spoil: lambdasThat(TICK, (context) => {
      let permit: Promise<Permit> | undefined;
      const asking = permitting(context, (original) => (...args) => {
        permit = original(...args);
        return permit;
      });
      return replacing(asking, 'queues', 'remove', (original) => async (session, messages) => {
        const { decide } = (await permit) ?? everything;
        const isAllowed = ({ topic }: Message) => decide({ action: 'iot:Receive', resource: `topic/${topic}` }).allowed;
        return original(session, (messages as readonly Message[]).filter(isAllowed));
      });
    }),
  },
  {
    name: 'takes a refused QoS 2 message out of flight without its PUBREL',
    spoil: lambdasThat(TICK, (context) =>
      replacing(context, 'inFlight', 'change', (original) => async (...args) => {
        const [session, packetId, change] = args as Parameters<Ports['inFlight']['change']>;
        if (change.name !== 'withdraw') return original(...args);
        await context.inFlight.remove(session, packetId, change.if);
        return { done: false, record: undefined };
      }),
    ),
  },
  {
    name: 'compares no principals at CONNECT',
    spoil: lambdasThat(FRAME, (context) => {
      let shown: GrantId | undefined;
      const noting = replacing(context, 'identity', 'keepGrant', (original) => async (...args) => {
        shown = args[0] as GrantId;
        return original(...args);
      });
      return replacing(
        noting,
        'sessions',
        'read',
        reading<Session>((session) => ({ ...session, grant: shown ?? session.grant })),
      );
    }),
  },
  { name: 'never looks whether policies were changed', spoil: keepingPermits(() => Number.POSITIVE_INFINITY) },
  {
    name: 'looks only every other time whether policies were changed',
    spoil: keepingPermits(({ settings }) => settings.policyCheckSeconds * 2_000),
  },
];

const rights: readonly Mutant[] = judged.map((each) => ({ ...each, rights: true }));

const others: readonly Mutant[] = [
  {
    name: 'acknowledges before the message is stored',
    spoil: () => (context, ports) =>
      replacing(context, 'queues', 'send', (original) => async (...args) => {
        void original(...args).catch(() => {});
        return asIfDone(ports, 'queues', 'send', args);
      }),
  },
  {
    name: 'subscribes after the SUBACK',
    spoil: () => (context, ports) =>
      replacing(context, 'subscriptions', 'change', (original) => async (...args) => {
        if ((args.at(-1) as Change<object>).name !== 'subscribe') return original(...args);
        void context.clock.pause(1_000).then(() => original(...args));
        return asIfDone(ports, 'subscriptions', 'change', args);
      }),
  },
  {
    name: 'registers a shape after the SUBACK',
    spoil: () => (context, ports) =>
      replacing(context, 'subscriptions', 'addShape', (original) => async (...args) => {
        void context.clock.pause(1_000).then(() => original(...args));
        return asIfDone(ports, 'subscriptions', 'addShape', args);
      }),
  },
  {
    name: 'takes an expired session for dead without ending it',
    trouble: troubleAt(['resume']),
    spoil: () => (context, _, lambda) =>
      lambda.name.startsWith('p')
        ? replacing(context, 'sessions', 'change', (original) => async (...args) => {
            const outcome = (await original(...args)) as { done: boolean; record?: Session };
            const { record } = outcome;
            const expired = record?.status === 'offline' && record.expiresAt <= context.clock.now();
            return expired ? { ...outcome, record: { ...record, status: 'ended' } } : outcome;
          })
        : context,
  },
  {
    name: 'heals at once',
    spoil: () => (context) => ({ ...context, timing: { ...context.timing, queueVisibility: -1_000_000 } }),
  },
  {
    name: 'heals on an empty answer of a queue that is not empty',
    spoil: () => (context, _, lambda) =>
      replacing(
        context,
        'queues',
        'receive',
        (original) =>
          async (...args) =>
            Number(lambda.name.split('#')[1]) % 2 === 0 ? [] : original(...args),
      ),
  },
  {
    name: 'a tick leaves two',
    spoil: () => (context, _, lambda) =>
      lambda.name.startsWith('tick')
        ? replacing(context, 'redelivery', 'send', (original) => async (...args) => {
            const [tick, delay] = args as [{ readonly number: number }, number];
            await original({ ...tick, number: tick.number + 1 }, delay);
            return original(...args);
          })
        : context,
  },
  {
    name: 'a lease is shorter than a Lambda lives',
    spoil: () => (context, _, lambda) =>
      lambda.name.startsWith('tick')
        ? { ...context, timing: { ...context.timing, lambdaTimeout: 2_000, clockMargin: 0 } }
        : context,
  },
  {
    name: 'cleans up while writers are still at work',
    spoil: () => (context) => ({ ...context, timing: { ...context.timing, clockMargin: -25_000 } }),
  },
  {
    name: 'overwrites what holds a packet id',
    spoil: () => (context, ports) =>
      replacing(context, 'inFlight', 'put', (original) => async (...args) => {
        const [session, { packetId }] = args as [never, { readonly packetId: number }];
        await ports.inFlight.remove(session, packetId, []);
        return original(...args);
      }),
  },
  {
    name: 'does not close the connection that was taken over',
    spoil: () => (context) => {
      const deaf = replacing(context, 'gateway', 'close', () => async () => {});
      return replacing(
        deaf,
        'connections',
        'close',
        (original) =>
          async (...args) =>
            original(...args),
      );
    },
  },
];

export const otherMutants: readonly Mutant[] = [...orders, ...once, ...timed, ...retaining, ...rights, ...others];

/**
 * Played by hand (directed.test.ts, directed-rights.test.ts): all packet ids must go round while Lambdas hang, or two Lambdas must write within the
 * same millisecond of their clocks, or within a job that runs once in two weeks, or posts must overtake each other just then, or
 * a client that ignores the wire's rules must be heard while a Lambda hangs that heard it before, or a Lambda must hang at one call
 * of very few.
 */
export const directed = {
  takeBack: 'without inFlight.remove if = id, = epoch: = id',
  stamp: 'without stamp: = id',
  nudge: 'without nudge: = epoch',
  turnDirect: 'without turnDirect: = epoch',
  unallocate: 'without unallocate: = pushed',
  keepNote: 'without keepNote: = epoch',
  keepWill: 'without keepWill: >= leaseUntil',
  leaveCheck: 'without leaveCheck: <= check',
  seen: 'without seen: < lastSeen',
  refresh: 'orders the refresh after the session goes on',
  forget: 'without filters.remove if <= epoch: <= epoch',
  heal: 'without heal: = quietSince',
  claim: 'without claim: = mode',
  leave: 'without leave: = epoch',
  takeOutOwner: 'without inFlight.remove if = id, < epoch: = id',
  takeOutNewer: 'without inFlight.remove if = id, < epoch: < epoch',
  withdrawOwner: 'without withdraw: = id',
  withdrawNewer: 'without withdraw: < epoch',
  newerConnection: 'a tick takes from a newer connection',
  lookBefore: 'looks at the session before it asks the policies',
  release: 'gives back only what may be received',
} as const;

/** The ports as one of these mutants has them that leave out a condition. */
export const spoiltByHand = (ports: Ports, mutant: `${typeof WITHOUT}${string}`): Ports =>
  spoiltPorts(ports, mutant.slice(WITHOUT.length));

export class UnknownMutant extends Error {}

/** @throws UnknownMutant */
export const mutantOf = (name: string): Mutant => {
  const known = otherMutants.find((each) => each.name === name);
  if (known) return known;
  if (!name.startsWith(WITHOUT)) throw new UnknownMutant(`there is no mutant '${name}'; caught.json lists them`);
  return leavingOut(name.slice(WITHOUT.length));
};
