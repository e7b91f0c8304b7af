/**
 * A stream of QoS 1 messages through a broker in trouble, and what must hold of it: no acknowledged message is lost, each
 * topic stays in order, what is sent again carries DUP, and nobody gets what is another's.
 *
 * Two topics have a publisher each and one subscriber, which comes and goes. A third topic has a subscriber that stays, and
 * must get its own and nothing else.
 */
import type { IConnackPacket, MqttClient } from 'mqtt';
import { type Clients, numbered } from './stack.ts';

export interface Arrival {
  readonly topic: string;
  readonly payload: string;
  readonly packetId: number;
  readonly dup: boolean;
}

/** A client with a persistent session, over all its connections. */
export interface Subscriber {
  readonly clientId: string;
  /** What arrived, in this order. */
  readonly arrivals: readonly Arrival[];
  /** How often the broker has accepted it. */
  connections(): number;
  /** Connects, and resolves with Session Present. */
  come(): Promise<boolean>;
  /** Goes with a DISCONNECT. */
  leave(): Promise<void>;
  /** Its socket is cut. */
  drop(): Promise<void>;
  /** Its socket is cut at the moment the next message arrives, so that nothing of that push is acknowledged. */
  dropAtNextMessage(): Promise<Arrival>;
  /** Sends a PINGREQ: its answer says if the broker has given the connection up. */
  ping(): void;
  /** Resolves when so many messages have arrived for the first time. */
  until(count: number): Promise<void>;
  /** Resolves when a message has arrived that was sent before: with DUP. */
  untilSentAgain(): Promise<void>;
}

export interface Stream {
  readonly subscriber: Subscriber;
  /** So many more messages to each topic, all topics at once. Resolves when all are acknowledged. */
  publish(count: number, how?: 'one by one' | 'in one go'): Promise<void>;
  /** Resolves when everybody has what was acknowledged and they wait for; fails unless all that must hold holds. */
  holds(): Promise<void>;
}

/** Begins with everybody connected and subscribed. `name` keeps it apart from other streams. */
export const startStream = async (clients: Clients, name: string): Promise<Stream> => {
  const topics = [`${name}/1`, `${name}/2`];
  const others = [`${name}-other/1`];
  const subscriber = await subscribe(clients, `${name}-subscriber`, topics);
  const bystander = await subscribe(clients, `${name}-bystander`, others);
  const publishers = [...topics, ...others].map((topic) => startPublisher(clients, topic));
  const acknowledged = (of: readonly string[]) =>
    publishers.flatMap((each) => (of.includes(each.topic) ? each.acknowledged : []));

  return {
    subscriber,
    publish: async (count, how = 'one by one') => {
      await Promise.all(publishers.map((each) => each.publish(count, how)));
    },
    holds: async () => {
      for (const [who, of] of [
        [subscriber, topics],
        [bystander, others],
      ] as const) {
        await who.until(acknowledged(of).length);
        for (const { topic, published } of publishers) {
          expect(firsts(who.arrivals, topic)).toEqual(of.includes(topic) ? published : []);
        }
        expect(who.arrivals.filter(({ topic }) => !of.includes(topic))).toEqual([]);
        expect(sentAgain(who.arrivals).filter(({ dup }) => !dup)).toEqual([]);
      }
    },
  };
};

const startPublisher = (clients: Clients, topic: string) => {
  const client = clients.open(`${topic}-publisher`, { clean: false });
  client.on('error', () => {}); // it connects again
  const published: string[] = [];
  const acknowledged: string[] = [];
  const publishOne = async (payload: string): Promise<void> => {
    published.push(payload);
    await client.publishAsync(topic, payload, { qos: 1 });
    acknowledged.push(payload);
  };
  return {
    topic,
    published,
    acknowledged,
    publish: async (count: number, how: 'one by one' | 'in one go'): Promise<void> => {
      const payloads = numbered(published.length + count).slice(-count);
      if (how === 'in one go') await Promise.all(payloads.map(publishOne));
      else for (const payload of payloads) await publishOne(payload);
    },
  };
};

const subscribe = async (clients: Clients, clientId: string, topics: string[]): Promise<Subscriber> => {
  const arrivals: Arrival[] = [];
  const waiting = new Set<() => void>();
  let connections = 0;
  let atNextMessage: ((arrival: Arrival) => void) | undefined;

  const open = (): MqttClient => {
    const opened = clients.open(clientId, { clean: false });
    opened.on('error', () => {}); // it connects again
    opened.on('connect', () => {
      connections += 1;
    });
    opened.on('message', (topic, payload, { messageId = 0, dup }) => {
      const arrival = { topic, payload: String(payload), packetId: messageId, dup };
      arrivals.push(arrival);
      atNextMessage?.(arrival);
      for (const look of [...waiting]) look();
    });
    return opened;
  };
  const untilTrue = (isTrue: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (!isTrue()) return;
        waiting.delete(look);
        resolve();
      };
      waiting.add(look);
      look();
    });
  let client = open();
  await client.subscribeAsync(topics, { qos: 1 });

  return {
    clientId,
    arrivals,
    connections: () => connections,
    come: () => {
      client = open();
      return new Promise((resolve) =>
        client.once('connect', ({ sessionPresent }: IConnackPacket) => resolve(sessionPresent)),
      );
    },
    leave: () => client.endAsync(),
    drop: () => clients.cut(client),
    dropAtNextMessage: () =>
      new Promise((resolve) => {
        atNextMessage = (arrival) => {
          atNextMessage = undefined;
          void clients.cut(client).then(() => resolve(arrival));
        };
      }),
    ping: () => client.sendPing(),
    until: (count) =>
      untilTrue(() => new Set(arrivals.map(({ topic, payload }) => `${topic} ${payload}`)).size >= count),
    untilSentAgain: () => untilTrue(() => arrivals.some(({ dup }) => dup)),
  };
};

/** The payloads of a topic, each at its first arrival. */
const firsts = (arrivals: readonly Arrival[], topic: string): readonly string[] => [
  ...new Set(arrivals.filter((each) => each.topic === topic).map(({ payload }) => payload)),
];

/** What arrived before under the same packet id. A message that its publisher sent twice has two. */
const sentAgain = (arrivals: readonly Arrival[]): readonly Arrival[] =>
  arrivals.filter((arrival, index) =>
    arrivals
      .slice(0, index)
      .some(
        ({ topic, payload, packetId }) =>
          topic === arrival.topic && payload === arrival.payload && packetId === arrival.packetId,
      ),
  );
