/**
 * A publisher's Lambda fails at each of its calls in turn. What was acknowledged reaches the subscriber; what was not is sent
 * again by the publisher, and reaches it as well. First deliveries are in order.
 */
import type { Gateway } from '../../src/broker/ports.ts';
import type { ClientId } from '../../src/session/ids.ts';
import {
  createFaultyWorld,
  createSubscriber,
  type Failure,
  type FaultyWorld,
  failures,
  publishInTheEnd,
  type Subscriber,
} from './faults.ts';
import { publishPacket } from './world.ts';

type Answer = Awaited<ReturnType<Gateway['post']>>;

interface Scene {
  readonly world: FaultyWorld;
  readonly subscriber: Subscriber;
  readonly publish: (...texts: readonly string[]) => Promise<void>;
  /** What the gateway says to the next posts to the subscriber. */
  readonly answer: (...answers: readonly Answer[]) => void;
}

const createScene = async (settings = {}): Promise<Scene> => {
  const answers: Answer[] = [];
  const world = createFaultyWorld({ redeliveryRate: 3, ...settings }, ({ gateway }) => ({
    gateway: { ...gateway, post: async (...post) => answers.shift() ?? gateway.post(...post) },
  }));
  const subscriber = await createSubscriber(world, 'subscriber', 'a/+');
  const other = await world.connect('other');
  const publish = async (...texts: readonly string[]) => {
    const { packets } = await other.send(...texts.map((text, index) => publishPacket('a/b', text, 1, index + 1)));
    expect(packets).toHaveLength(texts.length);
  };
  return { world, subscriber, publish, answer: (...list) => answers.push(...list) };
};

/** How things stand when the publisher sends; the messages already on their way. */
const situations: readonly (readonly [
  name: string,
  before: readonly string[],
  (scene: Scene) => Promise<unknown>,
  settings?: object,
])[] = [
  ['online', [], async () => {}],
  ['online, its window full', ['0', '1'], ({ publish }) => publish('0', '1'), { maxInFlight: 2 }],
  [
    'online, draining',
    ['0', '1', '2', '3', '4'],
    async ({ world, subscriber, publish }) => {
      await subscriber.socket().drop();
      await publish('0', '1', '2', '3', '4');
      await world.runJobs();
      await subscriber.reconnect();
      await world.runTicks();
    },
  ],
  [
    'resumed, its first tick not yet run',
    ['0'],
    async ({ subscriber, publish }) => {
      await subscriber.socket().drop();
      await publish('0');
      await subscriber.reconnect();
    },
  ],
  [
    'offline',
    ['0'],
    async ({ world, subscriber, publish }) => {
      await subscriber.socket().drop();
      await world.runJobs();
      await publish('0');
    },
  ],
  ['offline, its queue not yet created', [], ({ subscriber }) => subscriber.socket().drop()],
  ['gone unnoticed', [], async ({ subscriber }) => subscriber.socket().vanish()],
  ['throttled', [], async ({ answer }) => answer('throttled')],
  ['throttled again and again', [], async ({ answer }) => answer('throttled', 'throttled', 'throttled')],
  ['of unclear fate', [], async ({ answer }) => answer('unclear')],
];

const run = async (situation: (typeof situations)[number], call: number, failure: Failure): Promise<boolean> => {
  const [, before, arrange, settings] = situation;
  const scene = await createScene(settings);
  const { world, subscriber } = scene;
  await arrange(scene);
  const pass = async (seconds: number) => {
    if (subscriber.socket().isOpen()) return subscriber.stay(seconds);
    world.advance(seconds * 1_000);
  };
  const struck = await publishInTheEnd(world, 'a/b', ['A', 'B'], { call, failure }, pass);
  await subscriber.stay(150);
  expect({ call, seen: [...new Set(subscriber.seen)] }).toEqual({ call, seen: [...before, 'A', 'B'] });
  await scene.publish('last');
  await subscriber.stay(5);
  const seen = [...new Set(subscriber.seen)];
  await subscriber.reconnect();
  await subscriber.stay(60);

  expect({ call, seen }).toEqual({ call, seen: [...before, 'A', 'B', 'last'] });
  expect(await world.stores.sessions.read('subscriber' as ClientId)).toMatchObject({
    status: 'online',
    mode: 'direct',
    backlog: 0,
    backlogBytes: 0,
  });
  expect(world.stores.inFlight.all()).toEqual([]);
  expect([...world.stores.queues.all().values()].flat()).toEqual([]);
  expect(world.ticks).toEqual([]);
  return struck;
};

describe.each(situations.map((each) => [each[0], each] as const))('to a subscriber that is %s', (_name, situation) => {
  for (const failure of failures) {
    it(`nothing is lost by: ${failure} at any call`, async () => {
      let call = 1;
      while (await run(situation, call, failure)) call++;
      expect(call).toBeGreaterThan(6);
    });
  }
});
