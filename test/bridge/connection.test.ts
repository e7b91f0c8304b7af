/** One client of the bridge: what passes, what is held, and how it ends. */
import type * as mqttSocket from '../../client/mqtt-socket.ts';
import {
  again,
  base64,
  CONNACK,
  CONNECT,
  connectWith,
  DISCONNECT,
  PINGREQ,
  PINGRESP,
  puback,
  publish,
  reply,
} from '../client/scripted-socket.ts';
import { createWorld, type SceneClient, say, sent, type World } from './scene.ts';

let mockSends = 0;
jest.mock<typeof mqttSocket>('../../client/mqtt-socket.ts', () => {
  const actual = jest.requireActual<typeof mqttSocket>('../../client/mqtt-socket.ts');
  return {
    ...actual,
    createMqttSocket(url, options) {
      const socket = actual.createMqttSocket(url, options);
      const { send } = socket;
      socket.send = (packet) => {
        mockSends += 1;
        send(packet);
      };
      return socket;
    },
  };
});

/** A PUBLISH with QoS 0 that nearly fills a frame. */
const FULL = `30c0bb01000161${'00'.repeat(23_997)}`;
const FULL_BYTES = FULL.length / 2;

const ends = ({ log }: World) =>
  log.filter(({ event }) => event === 'client-ended').map(({ client, reason }) => `${client} ${reason}`);

/** A client that the broker has accepted. */
const connected = async (world: World): Promise<SceneClient> => {
  const client = world.client();
  await client.write(CONNECT);
  await world.clock.pass(0);
  world.gateways.at(-1)?.tell('open');
  await world.clock.pass(0);
  await say(world.gateways.at(-1), reply(1, CONNACK));
  expect(sent(world.gateways.at(-1))).toEqual([CONNECT]);
  expect(client.heard.splice(0)).toEqual([CONNACK]);
  return client;
};

describe('beginning', () => {
  test('no gateway is bothered before the CONNECT is whole', async () => {
    const world = createWorld();
    const client = world.client();
    await client.write(CONNECT.slice(0, 20));
    await world.clock.pass(5_000);
    expect(world.gateways).toEqual([]);
    await client.write(CONNECT.slice(20));
    await world.clock.pass(0);
    expect(world.gateways.map(({ url, protocols }) => [url, protocols])).toEqual([
      ['wss://broker.example/mqtt', ['mqtt.base64']],
    ]);
  });

  test('a client without a CONNECT is closed after 10 s, and not a moment before', async () => {
    const world = createWorld();
    const client = world.client();
    await client.write('10');
    await world.clock.pass(9_999);
    expect(client.heard).toEqual([]);
    await world.clock.pass(1);
    expect(client.heard).toEqual(['close: connect-missing']);
    expect(world.clock.pending).toBe(0);
  });

  test('after the CONNECT it may be silent as long as its keep-alive says', async () => {
    const world = createWorld();
    const client = await connected(world);
    await world.clock.pass(60_000);
    expect(client.heard).toEqual([]);
  });

  test('[MQTT-3.1.2-24] the pings of the wire do not hide that a client with a long keep-alive is silent', async () => {
    const world = createWorld();
    const client = world.client();
    await client.write(connectWith({ keepAlive: 600 }));
    await world.clock.pass(0);
    world.gateways[0]?.tell('open');
    await world.clock.pass(0);
    await say(world.gateways[0], reply(1, CONNACK));
    await world.clock.pass(540_000);
    expect(sent(world.gateways[0]).at(-1)).toBe(PINGREQ);
    await say(world.gateways[0], reply(1, PINGRESP));
    await client.write(PINGREQ);
    await say(world.gateways[0], reply(1, PINGRESP));
    await world.clock.pass(540_000);
    await say(world.gateways[0], reply(1, PINGRESP));
    await world.clock.pass(359_999);
    expect(client.heard).toEqual([CONNACK, PINGRESP]);
    await world.clock.pass(1);
    expect(client.heard.at(-1)).toBe('close: keep-alive-timeout');
  });

  test('a client without a keep-alive may be silent for ever', async () => {
    const world = createWorld();
    const client = world.client();
    await client.write(connectWith({ keepAlive: 0 }));
    await world.clock.pass(0);
    world.gateways[0]?.tell('open');
    await world.clock.pass(0);
    await say(world.gateways[0], reply(1, CONNACK));
    for (let times = 0; times < 200; times++) {
      await world.clock.pass(540_000);
      await say(world.gateways[0], reply(1, PINGRESP));
    }
    expect(client.heard).toEqual([CONNACK]);
  });

  test('what comes behind the CONNECT goes with it, in order', async () => {
    const world = createWorld();
    const client = world.client();
    await client.write(`${CONNECT}${publish(1)}`, publish(2));
    await world.clock.pass(0);
    await client.write(publish(3));
    world.gateways[0]?.tell('open');
    await world.clock.pass(0);
    expect(sent(world.gateways[0])).toEqual([`${CONNECT}${publish(1)}${publish(2)}${publish(3)}`]);
  });

  test('a refused handshake closes the client, and the log says why', async () => {
    const world = createWorld();
    const client = world.client();
    await client.write(CONNECT);
    await world.clock.pass(0);
    world.gateways[0]?.tell('error', { message: 'Unexpected server response: 403' });
    world.gateways[0]?.tell('close', { code: 1006 });
    await world.clock.pass(0);
    expect(client.heard).toEqual(['close: cannot-open']);
    expect(world.log.at(-1)).toMatchObject({
      event: 'client-ended',
      client: 1,
      reason: 'cannot-open',
      detail: expect.stringContaining('cannot open wss://broker.example/mqtt (Unexpected server response: 403)'),
      bytesIn: 15,
      bytesOut: 0,
    });
  });

  test('a refused CONNECT reaches the client before the end', async () => {
    const world = createWorld();
    const client = world.client();
    await client.write(CONNECT);
    await world.clock.pass(0);
    world.gateways[0]?.tell('open');
    await world.clock.pass(0);
    await say(world.gateways[0], `!1;close=refused:${base64('20020005')}`);
    await world.clock.pass(100);
    expect(client.heard).toEqual(['20020005', 'close: refused']);
  });

  test('a client whose connections are lost waits longer each time, and the log says so', async () => {
    const world = createWorld({}, () => 1);
    for (const delay of [0, 1_000, 2_000]) {
      const before = world.gateways.length;
      const client = world.client();
      await client.write(CONNECT);
      if (delay > 0) await world.clock.pass(delay - 1);
      expect(world.gateways).toHaveLength(before);
      await world.clock.pass(1);
      world.gateways[before]?.tell('close', { code: 1006 });
      await world.clock.pass(0);
      await client.close();
      expect(client.isReleased).toBe(true);
    }
    expect(world.log.filter(({ event }) => event === 'client-delayed')).toEqual([
      { event: 'client-delayed', client: 2, milliseconds: 1_000 },
      { event: 'client-delayed', client: 3, milliseconds: 2_000 },
    ]);
  });
});

describe('passing', () => {
  test('packets pass as they are, both ways', async () => {
    const world = createWorld();
    const client = await connected(world);
    const strange = 'f3050102030405'; // no packet of MQTT 3.1.1: the broker decides
    await client.write(publish(7), strange);
    expect(sent(world.gateways[0])).toEqual([publish(7) + strange]);
    await say(world.gateways[0], reply(1, puback(7)));
    expect(client.heard.splice(0)).toEqual([puback(7)]);
    expect(sent(world.gateways[0])).toEqual([strange]);
  });

  test.each([
    ['not-mqtt', '30ffffffff01'],
    ['packet-too-large', '3081801000'],
  ])('%s: what cannot be taken ends the connection', async (reason, bytes) => {
    const world = createWorld();
    const client = await connected(world);
    await client.write(`${publish(1)}${bytes}`);
    expect(client.heard).toEqual([`close: ${reason}`]);
    expect(world.gateways[0]?.closedWith).toBe(1000);
  });

  test('wire §8: a session moves to a new socket, and the client does not notice', async () => {
    const world = createWorld();
    const client = world.client();
    await client.write(CONNECT);
    await world.clock.pass(0);
    world.gateways[0]?.tell('open');
    await world.clock.pass(0);
    await say(world.gateways[0], `!1;token=t1:${base64(CONNACK)}`);
    await say(world.gateways[0], `>1:${base64(publish(1))}`);
    await world.clock.pass(6_900_000);
    world.gateways[1]?.tell('open');
    await world.clock.pass(0);
    expect(sent(world.gateways[1])).toEqual(['^t1']);
    await say(world.gateways[1], '!0;token=t2;next=1:');
    world.gateways[0]?.tell('close', { code: 1001 });
    await say(world.gateways[1], `>1:${base64(again(1))}`);
    await client.write(puback(1));
    expect(sent(world.gateways[1])).toEqual([puback(1)]);
    expect(client.heard).toEqual([CONNACK, publish(1)]);
  });

  test('the gateway goes away: the client is closed', async () => {
    const world = createWorld();
    const client = await connected(world);
    world.gateways[0]?.tell('close', { code: 1001 });
    await world.clock.pass(100);
    expect(client.heard).toEqual(['close: gateway-closed']);
  });

  test('the broker closes with a reason: what it says last reaches the client, the reason the log', async () => {
    const world = createWorld();
    const client = await connected(world);
    await client.write(publish(1));
    await say(world.gateways[0], `!1;close=topic-invalid:${base64(puback(1))}`);
    await world.clock.pass(100);
    expect(client.heard).toEqual([puback(1), 'close: topic-invalid']);
    expect(world.log.at(-1)?.detail).toContain('the broker closed the connection: topic-invalid');
  });
});

describe('what is held', () => {
  test('a client that sends more than the broker takes is not read any more, until the broker has taken it', async () => {
    const world = createWorld();
    const client = await connected(world);
    await client.write(FULL);
    expect(client.isPaused).toBe(false);
    await client.write(FULL, publish(1));
    expect(client.isPaused).toBe(true);
    expect(world.buffered.total).toBe(2 * FULL_BYTES + 7);
    await say(world.gateways[0], '!1:');
    expect(client.isPaused).toBe(false);
    expect(world.buffered.total).toBe(FULL_BYTES + 7);
    await say(world.gateways[0], reply(2, puback(1)));
    expect(world.buffered.total).toBe(0);
    expect(sent(world.gateways[0]).join('')).toBe(FULL + FULL + publish(1));
  });

  test('a heap of tiny packets stays bytes until the broker can use them', async () => {
    const world = createWorld();
    const client = await connected(world);
    mockSends = 0;
    await client.write(PINGREQ.repeat(100_000));
    expect(mockSends).toBe(16 * 1024);
    let pings = 0;
    while (pings < 100_000) {
      expect(client.isPaused).toBe(world.buffered.total > 32 * 1024);
      const count = sent(world.gateways[0]).join('').length / 4;
      expect(count).toBeGreaterThan(0);
      pings += count;
      await say(world.gateways[0], reply(count));
    }
    expect([pings, world.buffered.total]).toEqual([100_000, 0]);
  });

  test('while the gateway is being opened a client is paused, too', async () => {
    const world = createWorld();
    const client = world.client();
    await client.write(CONNECT, FULL, FULL);
    expect(client.isPaused).toBe(true);
    await world.clock.pass(0);
    world.gateways[0]?.tell('open');
    await world.clock.pass(0);
    await say(world.gateways[0], reply(1, CONNACK));
    await say(world.gateways[0], '!1:');
    expect(client.isPaused).toBe(false);
  });

  test('a client that does not read what it is sent is closed at its bound', async () => {
    const world = createWorld();
    const client = await connected(world);
    client.reads = false;
    let pushes = 0;
    while (client.heard.at(-1) !== 'close: client-too-slow') {
      await say(world.gateways[0], `>:${base64(FULL)}`);
      pushes += 1;
      expect(pushes).toBeLessThan(50);
    }
    expect(pushes * FULL_BYTES).toBeGreaterThan(world.limits.clientBytes);
    expect((pushes - 1) * FULL_BYTES).toBeLessThanOrEqual(world.limits.clientBytes);
    client.unread = 0;
    await client.close();
    expect(world.buffered.total).toBe(0);
  });

  test('where all clients together hold too much, who needs more pays, and nobody else', async () => {
    const world = createWorld({ totalBytes: 1024 * 1024 });
    const idle = await connected(world);
    const [hoarder, other] = [await connected(world), await connected(world)];
    hoarder.reads = false;
    hoarder.unread = 900_000;
    hoarder.connection.weigh();
    await other.write(`30ffff07${'00'.repeat(131_000)}`);
    // It waits for nothing that could end by itself: half a packet.
    expect(ends(world)).toEqual([]);
    await other.write('00');
    expect(ends(world)).toEqual([]);
    hoarder.unread = 1_000_000;
    hoarder.connection.weigh();
    expect(ends(world)).toEqual(['2 bridge-full']);
    expect(idle.heard).toEqual([]);
    await hoarder.close();
    expect(world.buffered.total).toBe(131_005);
  });

  test('where all hold too much, a client with something at the broker waits instead', async () => {
    const world = createWorld({ totalBytes: 1024 * 1024 });
    const [hoarder, other] = [await connected(world), await connected(world)];
    hoarder.unread = 1024 * 1024;
    hoarder.connection.weigh();
    await other.write(publish(1));
    expect([other.isPaused, ends(world)]).toEqual([true, []]);
    await say(world.gateways[1], reply(1, puback(1)));
    expect([other.isPaused, ends(world)]).toEqual([false, []]);
  });
});

describe('ending', () => {
  test('DISCONNECT is answered by the broker first, then both sides close', async () => {
    const world = createWorld();
    const client = await connected(world);
    await client.write(publish(1), DISCONNECT);
    await client.close();
    await say(world.gateways[0], reply(1, puback(1)));
    expect(world.gateways[0]?.closedWith).toBeUndefined();
    expect(sent(world.gateways[0])).toEqual([publish(1) + DISCONNECT, DISCONNECT]);
    await say(world.gateways[0], '!1;close=disconnected:');
    await world.clock.pass(100);
    expect(ends(world)).toEqual(['1 disconnected']);
    expect([client.isReleased, world.clock.pending]).toEqual([true, 0]);
  });

  test('what comes behind a DISCONNECT is not heard', async () => {
    const world = createWorld();
    const client = await connected(world);
    await client.write(`${DISCONNECT}${publish(1)}`, publish(2));
    expect(sent(world.gateways[0])).toEqual([DISCONNECT]);
  });

  test('what a client has sent before it left without a word is delivered, and only then is its gateway closed', async () => {
    const world = createWorld();
    const client = await connected(world);
    await client.write(FULL, FULL, publish(1));
    await client.close();
    await say(world.gateways[0], '!1:');
    expect(world.gateways[0]?.closedWith).toBeUndefined();
    await say(world.gateways[0], reply(2, puback(1)));
    expect(world.gateways[0]?.closedWith).toBe(1000);
    expect(sent(world.gateways[0]).join('')).toBe(FULL + FULL + publish(1));
    expect([ends(world), client.isReleased, world.buffered.total]).toEqual([['1 client-gone'], true, 0]);
  });

  test('a client that has closed its sending side is still answered', async () => {
    const world = createWorld();
    const client = await connected(world);
    await client.write(publish(1));
    client.connection.clientLeft();
    await say(world.gateways[0], reply(1, puback(1)));
    expect(client.heard).toEqual([puback(1), 'close: client-gone']);
  });

  test('delivery of what it left is bounded', async () => {
    const world = createWorld();
    const client = await connected(world);
    await client.write(publish(1));
    await client.close();
    await world.clock.pass(9_999);
    expect(client.isReleased).toBe(false);
    await world.clock.pass(1);
    expect([client.isReleased, world.gateways[0]?.closedWith]).toEqual([true, 1000]);
  });

  test('everything in one go, and gone before the gateway is open: it is delivered', async () => {
    const world = createWorld();
    const client = world.client();
    await client.write(`${CONNECT}${publish(1)}${DISCONNECT}`);
    await client.close();
    await world.clock.pass(0);
    world.gateways[0]?.tell('open');
    await world.clock.pass(0);
    expect(sent(world.gateways[0])).toEqual([`${CONNECT}${publish(1)}${DISCONNECT}`]);
    await say(world.gateways[0], '!3;close=disconnected:');
    await world.clock.pass(100);
    expect(ends(world)).toEqual(['1 disconnected']);
  });

  test.each([false, true])(
    'gone before the gateway is open, without a DISCONNECT: no session begins',
    async (opening) => {
      const world = createWorld();
      const client = world.client();
      await client.write(CONNECT);
      if (opening) await world.clock.pass(0);
      await client.close();
      await world.clock.pass(1_000);
      expect(world.gateways.map(({ closedWith }) => closedWith)).toEqual(opening ? [1000] : []);
      expect([ends(world), client.isReleased, world.clock.pending]).toEqual([['1 client-gone'], true, 0]);
    },
  );

  test('the bridge stops: what is under way is answered, and what is still on its way comes in', async () => {
    const world = createWorld();
    const [busy, idle] = [await connected(world), await connected(world)];
    await busy.write(publish(1));
    for (const { connection } of [busy, idle]) connection.finish();
    await world.clock.pass(99);
    expect([busy.heard, idle.heard]).toEqual([[], []]);
    await world.clock.pass(1);
    expect([busy.heard, idle.heard]).toEqual([[], ['close: bridge-stopping']]);
    await busy.write(publish(2).slice(0, 6));
    await say(world.gateways[0], reply(1, puback(1)));
    await world.clock.pass(1_000);
    await busy.write(publish(2).slice(6));
    await say(world.gateways[0], reply(1, puback(2)));
    await world.clock.pass(100);
    expect(busy.heard).toEqual([puback(1), puback(2), 'close: bridge-stopping']);
    // No DISCONNECT: the client has said none, and its will is its own.
    expect(sent(world.gateways[0])).toEqual([publish(1), publish(2)]);
    expect(world.gateways[0]?.closedWith).toBe(1000);
  });

  test('the bridge stops, and the broker does not answer: 10 s are the end', async () => {
    const world = createWorld();
    const client = await connected(world);
    await client.write(publish(1));
    client.connection.finish();
    await world.clock.pass(10_000);
    expect(client.heard).toEqual(['close: bridge-stopping']);
    expect(world.log.at(-1)?.detail).toBe('not all that had come could be delivered');
  });

  test('after the end nothing is said and nothing is set in motion, whatever comes', async () => {
    const world = createWorld();
    const client = await connected(world);
    client.connection.end('text-message');
    client.heard.length = 0;
    await say(world.gateways[0], `>:${base64(FULL)}`);
    await client.write(publish(1));
    client.connection.clientLeft();
    client.connection.finish();
    client.connection.end('refused');
    await client.close();
    await world.clock.pass(60_000);
    expect(client.heard).toEqual([]);
    expect([ends(world), world.clock.pending, world.buffered.total]).toEqual([['1 text-message'], 0, 0]);
  });
});
