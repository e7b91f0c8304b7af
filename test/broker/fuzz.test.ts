/**
 * Whatever is sent to the gateway: one reply to each frame, written as the wire has it; one line in the log for what was wrong,
 * without a word of what was sent; a bounded number of calls; and nobody else notices.
 */
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { handleFrame } from '../../src/broker/handle-frame.ts';
import type { Ports } from '../../src/broker/ports.ts';
import { decode, splitPackets } from '../../src/mqtt/codec.ts';
import { MAX_FRAME_CHARACTERS } from '../../src/mqtt/frame.ts';
import type { ClientId } from '../../src/session/ids.ts';
import { conversation, edited, type Sent } from '../mqtt/arbitrary-frames.ts';
import {
  createWorld,
  disconnect,
  encodeFrame,
  type Packet,
  payloads,
  pingreq,
  puback,
  publishPacket,
  subscribePacket,
  type World,
} from './world.ts';

/** As `expect`, which takes longer than what is tested. */
function must(holds: boolean, what: string, seen?: unknown): asserts holds {
  if (!holds) throw new Error(`${what}, but: ${JSON.stringify(seen)}`);
}

/** Ports that are called: the others give values. */
const isCalled = (name: string): boolean => !['clock', 'ids', 'secrets', 'log'].includes(name);

const counting = () => {
  let calls = 0;
  const counted = <T extends object>(port: T): T =>
    new Proxy(port, {
      get: (target, key) => {
        calls++;
        return Reflect.get(target, key);
      },
    });
  const world = createWorld({}, (ports: Ports) =>
    Object.fromEntries(
      Object.entries(ports).flatMap(([name, port]) => (isCalled(name) ? [[name, counted(port as object)]] : [])),
    ),
  );
  return { world, calls: () => calls };
};

/** Two clients that mind their own business: with something in flight, something subscribed, and a will. */
const bystandersOf = async (world: World) => {
  const clients = [];
  for (const clientId of ['bystander 1', 'bystander 2']) {
    const client = await world.connect(clientId, {
      clean: clientId.endsWith('1'),
      will: { topic: 'bystander/will', payload: Buffer.from('capture-will'), qos: 1, retain: false },
    });
    await client.send(subscribePacket({ [`${clientId}/+/inbox`]: 1 }));
    await client.send(publishPacket(`${clientId}/a/inbox`, 'in flight'));
    clients.push({ ...client, clientId, inFlight: client.pushes()[0]?.messageId });
  }
  return clients;
};
type Bystander = Awaited<ReturnType<typeof bystandersOf>>[number];

const booksOf = async ({ stores }: World, bystanders: readonly Bystander[]) =>
  Promise.all(
    bystanders.map(async ({ clientId, connectionId, isOpen }) => {
      const session = await stores.sessions.read(clientId as ClientId);
      must(session !== undefined, 'a session stays', clientId);
      const address = { clientId: clientId as ClientId, generation: session.generation };
      return {
        session,
        open: isOpen(),
        connection: await stores.connections.read(connectionId),
        filters: await stores.filters.list(address),
        subscribers: await stores.subscriptions.to(`${clientId}/+/inbox`),
        inFlight: await stores.inFlight.list(address),
        will: await stores.wills.read(address.clientId, session.will),
      };
    }),
  );

const isServed = async (bystander: Bystander): Promise<void> => {
  const { clientId, send, pushes, inFlight } = bystander;
  const { packets } = await send(pingreq, publishPacket(`${clientId}/b/inbox`, 'news', 1, 2), puback(inFlight));
  must(
    isDeepStrictEqual(
      packets.map(({ cmd }) => cmd),
      ['pingresp', 'puback'],
    ),
    'a bystander is answered',
    packets,
  );
  must(isDeepStrictEqual(payloads(pushes()), ['news']), 'a bystander gets its messages');
};

const REPLY =
  /^!(\d{1,15})(?:;close=([a-z-]+))?(?:;token=([\w.-]{1,1400}))?(?:;next=(\d{1,15}))?:([A-Za-z0-9+/]*={0,2})$/;
/** CONNACK, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK, PINGRESP. */
const answers = [2, 4, 5, 6, 7, 9, 11, 13];
const violations = [
  'malformed-frame',
  'malformed-packet',
  'protocol-violation',
  'topic-invalid',
  'packet-too-large',
  'unsupported',
  'not-connected',
];
/** Parts of what a line of the log must not hold; see `_about` of the captures. The tokens of this world hold `secret-`. */
const secrets = ['capture-user', 'capture-password', 'capture-payload', 'capture-will', 'secret-', 'in flight', 'news'];

/** How much a frame asks for: its packets and their filters. */
const unitsOf = (text: string): number => {
  try {
    return splitPackets(Buffer.from(text, 'base64')).reduce((sum, bytes) => {
      try {
        const packet = decode(bytes);
        if (packet.type === 'subscribe') return sum + 1 + packet.subscriptions.length;
        if (packet.type === 'unsubscribe') return sum + 1 + packet.topicFilters.length;
        return sum + 1;
      } catch {
        return sum + 1;
      }
    }, 0);
  } catch {
    return 1;
  }
};

/** A CONNECT that takes over, or a PUBLISH with its subscribers, and a violation at the end. */
const CALLS_OF_A_FRAME = 30;
const CALLS_OF_A_UNIT = 10;

type Start = 'no CONNECT' | 'clean' | 'persistent';
const starts: readonly Start[] = ['no CONNECT', 'clean', 'persistent'];

/** What the generators come to often enough: else they no longer reach what they are for. */
const outcomes = ['answered', 'taken', 'refused', 'disconnected', ...violations.slice(0, 3), 'not-connected'];

describe('whatever is sent', () => {
  let frames = 0;
  const seen = new Set<string>();

  /** Sends one frame, and looks at its reply, at the log, and at the calls it took. */
  const send = async (
    { world, calls }: ReturnType<typeof counting>,
    socket: ReturnType<World['open']>,
    body: string,
  ) => {
    const [lines, called] = [world.lines.length, calls()];
    const deadline = world.context.clock.now() + 25_000;
    const text = await handleFrame(world.context, { connectionId: socket.connectionId, body, deadline });
    const reply = REPLY.exec(text);
    must(reply !== null && text.length <= MAX_FRAME_CHARACTERS, 'a reply is written as wire §3 has it', text);
    const [, taken, close, token, , base64 = ''] = reply;
    must(Buffer.from(base64, 'base64').toString('base64') === base64, 'its body is base64', text);
    const packets = base64 === '' ? [] : splitPackets(Buffer.from(base64, 'base64'));
    must(
      packets.every(([first = 0]) => answers.includes(first >> 4)),
      'it holds answers',
      text,
    );
    must(Number(taken) >= packets.length && Number(taken) <= 2_000, 'it answers what it takes', text);

    const fresh = world.lines.slice(lines);
    const events = fresh.map(({ event }) => event);
    const count = (event: string): number => events.filter((each) => each === event).length;
    const isViolation = close !== undefined && violations.includes(close);
    must(close === undefined || isViolation || ['refused', 'disconnected'].includes(close), 'a reason is known', text);
    must(count('violation') === (isViolation ? 1 : 0), 'a violation is one line', [fresh, text]);
    must(!isViolation || fresh.some(({ reason }) => reason === close), 'it says what was wrong', fresh);
    must(count('connect-refused') === (close === 'refused' ? 1 : 0), 'a refusal is one line', fresh);
    must(count('error') === 0, 'nothing failed', fresh);
    // A client id may be logged, whatever stands in it.
    const written = JSON.stringify(fresh.map(({ clientId, ...rest }) => rest));
    must(!secrets.some((secret) => written.includes(secret)), 'nothing that was sent is logged', written);

    const took = calls() - called;
    const units = unitsOf(body);
    must(took <= CALLS_OF_A_FRAME + CALLS_OF_A_UNIT * units, 'a frame takes no more calls than it asks for', [
      took,
      body,
    ]);
    frames++;
    seen.add(close ?? (packets.length > 0 ? 'answered' : 'taken'));
    return { close, token };
  };

  const attack = async (
    counted: ReturnType<typeof counting>,
    start: Start,
    sent: readonly Sent[],
    tokens: { own: string; readonly other: string },
  ): Promise<ReturnType<World['open']> | undefined> => {
    const { world } = counted;
    const name = `attacker ${world.sockets.size}`;
    const opened = start === 'no CONNECT' ? undefined : await world.connect(name, { clean: start === 'clean' });
    const socket = opened ?? world.open();
    // Of a session of its own, which the next attacker may move.
    if (opened) tokens.own = opened.token;
    let over = 0;
    for (const each of sent) {
      const body = each.kind === 'text' ? each.text : `^${each.edits.reduce(edited, tokens[each.whose])}`;
      if (body === `^${tokens.other}`) continue; // who has it is no attacker
      const { close, token } = await send(counted, socket, body);
      const stays = over === 0 || (close !== undefined && violations.includes(close));
      must(stays, 'what is over stays over', close);
      if (token !== undefined) tokens.own = token;
      if (close !== undefined && ++over === 2) break;
    }
    return over > 0 ? socket : undefined;
  };

  it('gets its reply, is bounded, and harms nobody', async () => {
    const attackers = fc.array(fc.tuple(fc.constantFrom(...starts), conversation), {
      minLength: 1,
      maxLength: 20,
      size: 'max',
    });
    await fc.assert(
      fc.asyncProperty(attackers, async (all) => {
        const counted = counting();
        const { world } = counted;
        const bystanders = await bystandersOf(world);
        const before = await booksOf(world, bystanders);
        const tokens = { own: 'bm9ib2R5.none', other: bystanders[0]?.token ?? '' };
        const over = [];
        for (const [start, sent] of all) {
          over.push(await attack(counted, start, sent, tokens));
          const after = await booksOf(world, bystanders);
          must(isDeepStrictEqual(after, before), 'the books of others stay as they are', { before, after });
        }
        for (const each of bystanders) await isServed(each);
        await world.pass(5);
        must(!over.some((socket) => socket?.isOpen()), 'a socket closes whose connection is over');
        must(world.logged('error').length === 0, 'nothing fails afterwards', world.logged('error'));
      }),
      { numRuns: 800 },
    );
    expect(frames).toBeGreaterThan(10_000);
    expect([...seen]).toEqual(expect.arrayContaining([...outcomes]));
  }, 120_000);

  const count = (packet: Packet): number => Math.floor(24_576 / Buffer.from(encodeFrame([packet]), 'base64').length);
  it.each<[string, Packet]>([
    ['PINGREQ', pingreq],
    ['PUBACK', puback(1)],
    ['PUBLISH with QoS 0', publishPacket('a', '', 0)],
    ['PUBLISH with QoS 1', publishPacket('a', '', 1)],
    ['PUBLISH with QoS 2', publishPacket('a', '', 2)],
    ['PUBREC', { cmd: 'pubrec', messageId: 1 }],
    ['PUBREL', { cmd: 'pubrel', messageId: 1 }],
    ['SUBSCRIBE', subscribePacket({ a: 1 })],
    ['SUBSCRIBE with forbidden filters', subscribePacket({ 'a+': 1, '#b': 1, '': 1 })],
    ['UNSUBSCRIBE', { cmd: 'unsubscribe', messageId: 1, unsubscriptions: ['a', 'b'] }],
    ['DISCONNECT', disconnect],
  ])('is bounded in a frame full of %s, too', async (_name, packet) => {
    const counted = counting();
    const bystanders = await bystandersOf(counted.world);
    const before = await booksOf(counted.world, bystanders);
    const client = await counted.world.connect('client');
    await send(counted, client, encodeFrame(Array.from({ length: count(packet) }, () => packet)));
    expect(await booksOf(counted.world, bystanders)).toEqual(before);
    for (const each of bystanders) await isServed(each);
  });
});
