/** A state in a few words, for whoever reads how it came to it. */
import { nameOf } from './gateway.ts';
import { payloadOf, type Record, type State, type Stored } from './state.ts';

export const described = (s: State): readonly string[] => {
  const { session, client } = s;
  const owed = payloads(s.owed & ~s.delivered);
  return [
    session
      ? `the session: ${session.status}, ${session.mode}, epoch ${session.epoch}, tick ${session.tick}${
          session.leaseUntil > 0 ? ' claimed' : ''
        }, backlog ${session.backlog}`
      : 'there is no session',
    `in flight: ${list(s.inFlight.map(inFlight))}; in the queue: ${list(s.queue.map(stored))}`,
    `tick messages: ${list(s.ticks.map(({ epoch, number }) => `${number} of epoch ${epoch}`))}`,
    `at work: ${list(s.lambdas.map(({ kind, step }) => `${kind} (about to ${step})`))}`,
    `the client is ${client.phase}, has ${list(payloads(s.delivered))}${owed.length > 0 ? `, is owed ${list(owed)}` : ''}`,
  ];
};

const list = (each: readonly string[]): string => each.join(', ') || 'nothing';

const inFlight = ({ id, packetId, epoch }: Record): string =>
  `${nameOf(payloadOf(id))} as ${packetId} of epoch ${epoch}`;

const stored = ({ id, hidden }: Stored): string => `${nameOf(payloadOf(id))}${hidden ? ' (received)' : ''}`;

const payloads = (bits: number): readonly string[] =>
  Array.from({ length: 8 }, (_, payload) => payload)
    .filter((payload) => bits & (1 << payload))
    .map(nameOf);
