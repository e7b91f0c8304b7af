/**
 * Each Lambda on the way of a QoS 2 message fails at each of its calls in turn. Both clients keep their sessions and do as
 * [MQTT-4.3.3] says. Every message reaches the subscriber once, in order.
 */
import { createFaultyWorld, type Failure, type FaultyWorld, failures } from './faults.ts';
import { type Packet, type parseReply, publishPacket, type Received } from './world.ts';

type Answer = 'accepted' | 'throttled' | 'unclear';
type Socket = Awaited<ReturnType<FaultyWorld['connect']>>;
type Reply = ReturnType<typeof parseReply>;
interface Fault {
  readonly call: number;
  readonly failure: Failure;
}

/** A client library: what it has had of QoS 2 and not yet forgotten, and what it has to say. */
const createLibrary = async (world: FaultyWorld, clientId: string) => {
  let socket: Socket = await world.connect(clientId, { clean: false });
  const held = new Set<number>();
  const seen: string[] = [];
  let replies: Packet[] = [];
  /** By packet id: what it says until that is answered. */
  const unanswered = new Map<number, Packet>();

  const hear = ({ cmd, messageId, qos, payload }: Received): void => {
    const id = messageId as number;
    if (cmd === 'publish' && qos === 2) {
      if (!held.has(id)) seen.push(String(payload));
      held.add(id);
      replies.push({ cmd: 'pubrec', messageId: id });
    }
    if (cmd === 'pubrel') {
      held.delete(id);
      replies.push({ cmd: 'pubcomp', messageId: id });
    }
    if (cmd === 'pubrec') unanswered.set(id, { cmd: 'pubrel', messageId: id });
    if (cmd === 'pubcomp') unanswered.delete(id);
  };
  const library = {
    seen,
    socket: () => socket,
    isDone: () => unanswered.size === 0,
    reconnect: async () => {
      const former = socket;
      replies = [];
      socket = await world.connect(clientId, { clean: false });
      await former.drop();
      for (const [id, packet] of unanswered) {
        unanswered.set(id, packet.cmd === 'publish' ? ({ ...packet, dup: true } as Packet) : packet);
      }
    },
    publish: (packet: ReturnType<typeof publishPacket>) => {
      unanswered.set(packet.messageId ?? 0, packet);
    },
    /** One frame: what it has to say. Its Lambda fails at `fault.call`. @returns whether it did */
    speak: async (fault?: Fault): Promise<boolean> => {
      for (const packet of socket.pushes()) hear(packet);
      const said = [...replies, ...unanswered.values()];
      if (said.length === 0) return false;
      replies = [];
      const frame = () => socket.send(...said);
      const { struck, result }: { struck: boolean; result?: Reply } = fault
        ? await world.during(fault.call, fault.failure, frame)
        : { struck: false, result: await frame() };
      for (const packet of result?.packets ?? []) hear(packet);
      // No reply, or one that closes.
      if (result === undefined) world.advance(35_000);
      if (result === undefined || result.close !== undefined) await library.reconnect();
      return struck;
    },
  };
  return library;
};

/** The n-th thing that somebody does fails: a frame of a client, or a tick. */
const play = async (turn: number, fault: Fault, arrange: Arrangement): Promise<boolean> => {
  /** What the gateway says to posts to the subscriber's first connection. */
  const answers: Answer[] = [];
  let first: string | undefined;
  const world = createFaultyWorld({ redeliveryRate: 3, maxInFlight: 3 }, ({ gateway }) => ({
    gateway: {
      ...gateway,
      post: async (...post) => {
        const answer = post[0] === first ? answers.shift() : undefined;
        return answer === undefined || answer === 'accepted' ? gateway.post(...post) : answer;
      },
    },
  }));
  const subscriber = await createLibrary(world, 'subscriber');
  await subscriber.socket().send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 2 }] });
  first = subscriber.socket().connectionId;
  const publisher = await createLibrary(world, 'publisher');
  const texts = ['A', 'B', 'C', 'D', 'E'];
  for (const [index, text] of texts.entries()) publisher.publish(publishPacket('a', text, 2, index + 1));
  if (arrange === 'offline') {
    await subscriber.socket().drop();
    await world.runJobs();
  }
  if (arrange === 'throttled') answers.push('accepted', 'throttled', 'throttled');
  if (arrange === 'unclear') answers.push('unclear');

  let turns = 0;
  let struck = false;
  const now = () => ++turns === turn;
  for (
    let second = 0;
    second < 400 && !(subscriber.seen.length >= texts.length && publisher.isDone() && second > 200);
    second++
  ) {
    for (const client of [publisher, subscriber]) {
      if (client === subscriber && arrange === 'offline' && second < 2) continue;
      if (!client.socket().isOpen()) await client.reconnect();
      struck = (await client.speak(now() ? fault : undefined)) || struck;
    }
    const isDue = world.ticks.some(({ at }) => at <= world.context.clock.now());
    if (isDue && now()) struck = (await world.failingTick(fault.call, fault.failure)) || struck;
    await world.runTicks();
    await world.runJobs();
    world.advance(1_000);
  }
  expect({ turn, call: fault.call, seen: subscriber.seen }).toEqual({ turn, call: fault.call, seen: texts });
  expect(publisher.isDone()).toBe(true);
  return struck;
};

type Arrangement = 'online' | 'offline' | 'throttled' | 'unclear';

describe.each<Arrangement>(['online', 'offline', 'throttled', 'unclear'])('to a subscriber that is %s', (arrange) => {
  it.each(failures)('[MQTT-4.3.3-2] once and in order, with: %s at any call of any turn', async (failure) => {
    let played = 0;
    for (let turn = 1; turn <= 12; turn++) {
      for (let call = 1; await play(turn, { call, failure }, arrange); call++) played++;
    }
    expect(played).toBeGreaterThan(30);
  });
});
