/**
 * The clients' queues in memory with the weaknesses of SQS: one that was just created is not there yet, a receive finds
 * less than there is, and a name is blocked for 60 s after its deletion.
 */
import type { ClientQueues, Clock } from '../../src/broker/ports.ts';
import type { createMemoryClientQueues } from '../../src/memory/client-queues.ts';
import type { SessionAddress } from '../../src/session/session.ts';
import type { Choices } from './choices.ts';
import type { Faults } from './faults.ts';

const BLOCKED = 60_000;
const LATE = 3_000;

export function createSimulatedClientQueues(
  memory: ReturnType<typeof createMemoryClientQueues>,
  clock: Pick<Clock, 'now'>,
  choices: Choices,
  faults: Faults,
): ClientQueues {
  const usableAt = new Map<string, number>();
  const destroyedAt = new Map<string, number>();
  const keyOf = ({ clientId, generation }: SessionAddress) => `${generation} ${clientId}`;
  const isThere = (session: SessionAddress) => (usableAt.get(keyOf(session)) ?? 0) <= clock.now();
  return {
    ...memory,
    create: async (session) => {
      const key = keyOf(session);
      if (clock.now() - (destroyedAt.get(key) ?? 0) < BLOCKED) throw new Error('QueueDeletedRecently');
      if (!usableAt.has(key)) usableAt.set(key, clock.now() + (faults.strikes('queueLate') ? choices.below(LATE) : 0));
      return memory.create(session);
    },
    send: async (session, messages) => (isThere(session) ? memory.send(session, messages) : { sent: 0, missing: true }),
    receive: async (session, most) => {
      if (most < 1 || most > 10) throw new Error(`SQS hands out 1 to 10 messages, not ${most}`);
      if (!isThere(session)) return [];
      // With long polling, SQS hands out something if there is anything.
      return memory.receive(session, faults.strikes('receivedFewer') ? 1 + choices.below(most) : most);
    },
    destroy: async (session) => {
      destroyedAt.set(keyOf(session), clock.now());
      usableAt.delete(keyOf(session));
      return memory.destroy(session);
    },
  };
}
