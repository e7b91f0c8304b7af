/**
 * One simulated run: a subscriber that comes and goes, publishers that send until they are acknowledged. Everything is
 * chosen by one seed. A run ends when all is delivered and the broker has come to rest.
 */
import { generate } from 'mqtt-packet';
import type { Settings } from '../../src/broker/context.ts';
import type { Change } from '../../src/session/change.ts';
import type { ClientId } from '../../src/session/ids.ts';
import type { Session } from '../../src/session/session.ts';
import { connectPacket, defaultSettings, parsePackets, publishPacket, subscribePacket } from '../broker/world.ts';
import { createRandom, type Random } from './scheduler.ts';
import { createSimulatedWorld, type SimulatedWorld, type Socket } from './world.ts';

export interface RunOptions {
  readonly seed: number;
  readonly settings?: Partial<Settings>;
  readonly mutate?: (change: Change<Session>) => Change<Session>;
  readonly trace?: (line: string) => void;
}

/** The run broke a promise of the broker. */
export class Broken extends Error {}

const MESSAGES = 6;
const MOST_STEPS = 20_000;
const SUBSCRIBER = 'subscriber' as ClientId;

type Packet = Parameters<typeof generate>[0];
const encode = (...packets: readonly Packet[]): string =>
  Buffer.concat(packets.map((packet) => generate(packet))).toString('base64');
const packetsIn = (frame: string) => parsePackets(frame.slice(frame.indexOf(':') + 1));

/** @throws Broken with what went wrong */
export async function run({ seed, settings, mutate, trace = () => {} }: RunOptions) {
  const random = createRandom(seed);
  const world = createSimulatedWorld({
    random,
    settings: { ...defaultSettings, redeliveryRate: 3, maxInFlight: 4, ...settings },
    deathRate: seed % 3 === 0 ? 0 : 0.01,
    ...(mutate && { mutate }),
    trace,
  });
  const judge = createJudge(trace);
  const subscriber = createSubscriber(world, random, judge, trace);
  const publishers = Array.from({ length: 1 + (seed % 2) }, (_, index) =>
    createPublisher(world, random, `p${index + 1}`),
  );
  const expected = publishers.length * MESSAGES;

  for (let steps = 0; steps < MOST_STEPS; steps++) {
    world.bury();
    const calm = publishers.every(({ done }) => done());
    const session = await world.stores.sessions.read(SUBSCRIBER);
    judge.check(session);
    const atRest = session?.mode === 'direct' && world.stores.inFlight.all().length === 0 && world.quiet();
    if (calm && judge.seen() === expected && atRest) return { steps, deaths: world.deaths() };

    const choices = [
      ...world.choices(),
      ...subscriber.choices(calm, steps),
      ...(subscriber.subscribed() ? publishers.flatMap((publisher) => publisher.choices()) : []),
    ];
    if (choices.length === 0 || random.chance(0.1)) world.passTime(100 + random.below(400));
    if (choices.length === 0) world.skipAhead();
    else await random.pick(choices)();
  }
  throw new Broken(`wedged: ${judge.seen()} of ${expected} delivered`);
}

/** What the broker promised. */
const createJudge = (trace: (line: string) => void) => {
  const seen = new Set<string>();
  let broken: string | undefined;
  return {
    seen: () => seen.size,
    delivered: (payload: string, afterConnack: boolean): void => {
      trace(`  subscriber gets ${payload}`);
      const [publisher, number] = payload.split(':') as [string, string];
      const before = `${publisher}:${Number(number) - 1}`;
      if (!afterConnack) broken ??= `${payload} came before CONNACK`;
      if (number !== '1' && !seen.has(before)) broken ??= `${payload} came before ${before}`;
      seen.add(payload);
    },
    check: (session: Session | undefined): void => {
      if (broken) throw new Broken(broken);
      if (session && session.backlog < 0) throw new Broken('the backlog is negative');
    },
  };
};

const createSubscriber = (
  world: SimulatedWorld,
  random: Random,
  judge: ReturnType<typeof createJudge>,
  trace: (line: string) => void,
) => {
  let socket: Socket | undefined;
  let connected = false;
  let subscribed = false;
  let waiting = false;
  let acknowledge: number[] = [];

  const receive = (frame: string): void => {
    for (const packet of packetsIn(frame)) {
      if (packet.cmd === 'connack') connected = true;
      if (packet.cmd !== 'publish') continue;
      judge.delivered(String(packet.payload), connected);
      acknowledge.push(packet.messageId as number);
    }
  };
  const leave = (): void => {
    socket = undefined;
    connected = false;
    waiting = false;
    acknowledge = [];
  };
  const send = (name: string, frame: string, onReply: (reply: string) => void = () => {}): void => {
    if (!socket) return;
    waiting = true;
    const from = socket;
    world.frame(from, name, frame, (reply) => {
      if (socket !== from) return;
      waiting = false;
      receive(reply);
      onReply(reply);
    });
  };
  const come = (): void => {
    const opened: Socket = world.open({
      onFrame: (frame) => socket === opened && receive(frame),
      onClose: () => socket === opened && leave(),
    });
    socket = opened;
    trace(`subscriber comes on ${opened.id}`);
    send('connect', encode({ ...connectPacket(SUBSCRIBER), clean: false }));
  };
  const vanish = (from: Socket) => (): void => {
    trace(`subscriber vanishes from ${from.id}`);
    from.state = 'deserted';
    leave();
  };

  return {
    subscribed: () => subscribed,
    choices: (calm: boolean, steps: number): (() => unknown)[] => {
      if (!socket) return [come];
      const here = socket;
      if (waiting || !connected) return [];
      if (!subscribed) {
        return [
          () =>
            send('subscribe', encode(subscribePacket({ 't/+': 1 })), () => {
              subscribed = true;
            }),
        ];
      }
      const choices: (() => unknown)[] = [];
      if (acknowledge.length > 0 && random.chance(0.7)) {
        choices.push(() => {
          const ids = acknowledge.splice(0, 1 + random.below(3));
          send('puback', encode(...ids.map((messageId) => ({ cmd: 'puback' as const, messageId }))));
        });
      }
      if (!calm && random.chance(0.04)) choices.push(vanish(here));
      // What was lost on a connection that stays is sent again on the next one: the client end comes back after a hole.
      if (calm && steps % 500 === 499) choices.push(() => world.closeSocket(here));
      return choices;
    },
  };
};

const createPublisher = (world: SimulatedWorld, random: Random, name: string) => {
  let socket: Socket | undefined;
  let acknowledged = 0;
  let waiting = false;
  const send = (to: Socket, frame: string): void => {
    waiting = true;
    world.frame(to, name, frame, (reply) => {
      waiting = false;
      for (const { cmd, messageId } of packetsIn(reply)) if (cmd === 'puback') acknowledged = messageId as number;
    });
  };
  const connect = (): void => {
    const opened: Socket = world.open({
      onFrame: () => {},
      onClose: () => {
        if (socket !== opened) return;
        socket = undefined;
        waiting = false;
      },
    });
    socket = opened;
    send(opened, encode(connectPacket(name)));
  };
  const publish = (to: Socket) => (): void => {
    const count = Math.min(1 + random.below(3), MESSAGES - acknowledged);
    const numbers = Array.from({ length: count }, (_, index) => acknowledged + 1 + index);
    send(to, encode(...numbers.map((number) => publishPacket(`t/${name}`, `${name}:${number}`, 1, number))));
  };
  return {
    done: () => acknowledged >= MESSAGES,
    choices: (): (() => unknown)[] => {
      if (waiting || acknowledged >= MESSAGES) return [];
      return [socket ? publish(socket) : connect];
    },
  };
};
