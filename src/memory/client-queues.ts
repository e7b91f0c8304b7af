/**
 * The clients' queues in memory: FIFO, one message group, visibility timeout, receipts that expire, usable at once.
 */
import type { ClientQueues, Clock, ReceivedMessage, StoredMessage } from '../broker/ports.ts';
import type { ClientId, Generation } from '../session/ids.ts';
import type { SessionAddress } from '../session/session.ts';

interface Entry {
  readonly message: StoredMessage;
  hiddenUntil: number;
  receipt: string;
}

export function createMemoryClientQueues(
  clock: Clock,
  visibilityTimeout: number,
): ClientQueues & { all(): ReadonlyMap<string, readonly StoredMessage[]> } {
  const queues = new Map<string, Entry[]>();
  let receipts = 0;
  const keyOf = ({ clientId, generation }: SessionAddress) => `${generation} ${clientId}`;
  const ownerOf = (key: string): SessionAddress => {
    const end = key.indexOf(' ');
    return { generation: key.slice(0, end) as Generation, clientId: key.slice(end + 1) as ClientId };
  };
  const hidden = (entry: Entry) => entry.hiddenUntil > clock.now();
  const held = (entries: readonly Entry[], { receipt }: ReceivedMessage) =>
    entries.find((entry) => entry.receipt === receipt && hidden(entry));

  return {
    create: async (session) => {
      if (!queues.has(keyOf(session))) queues.set(keyOf(session), []);
    },
    send: async (session, messages) => {
      const entries = queues.get(keyOf(session));
      if (!entries) return { sent: 0, missing: true };
      for (const message of messages) entries.push({ message, hiddenUntil: 0, receipt: '' });
      return { sent: messages.length, missing: false };
    },
    receive: async (session, most) => {
      const entries = queues.get(keyOf(session)) ?? [];
      if (entries.some(hidden)) return []; // the group is blocked
      return entries.slice(0, most).map((entry) => {
        entry.hiddenUntil = clock.now() + visibilityTimeout;
        entry.receipt = `receipt ${++receipts}`;
        return { ...entry.message, receipt: entry.receipt };
      });
    },
    remove: async (session, messages) => {
      const entries = queues.get(keyOf(session)) ?? [];
      return messages.filter((message) => {
        const entry = held(entries, message);
        if (entry) entries.splice(entries.indexOf(entry), 1);
        return entry !== undefined;
      });
    },
    release: async (session, messages) => {
      for (const message of messages) {
        const entry = held(queues.get(keyOf(session)) ?? [], message);
        if (entry) entry.hiddenUntil = 0;
      }
    },
    destroy: async (session) => {
      queues.delete(keyOf(session));
    },
    list: async () => ({ found: [...queues.keys()].map((name) => ({ name, owner: ownerOf(name) })), next: undefined }),
    discard: async (name) => {
      queues.delete(name);
    },
    all: () => new Map([...queues].map(([key, entries]) => [key, entries.map(({ message }) => message)])),
  };
}
