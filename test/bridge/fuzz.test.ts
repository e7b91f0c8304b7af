/**
 * The bridge under whatever may come: bytes, packets, mutated recordings of real clients, in chunks of any size. Nothing
 * crashes, hangs or is held for ever, and what passes is what was sent.
 */
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { WebSocket, WebSocketServer } from 'ws';
import { createFramer } from '../../client/bridge/framing.ts';
import * as packetType from '../../client/packet-type.ts';
import { splitPackets, typeOf } from '../../client/packets.ts';
import { CONNACK, CONNECT, puback, publish } from '../client/scripted-socket.ts';
import { anyBytes, anyStream, mutatedStream, validStream } from './arbitrary-streams.ts';
import { captures } from './captures.ts';
import { listen, startBridge, tcpClient } from './running.ts';
import { createWorld } from './scene.ts';

const LARGEST = 400;

/** As `expect`, which takes longer than what is tested. */
const must = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(`it must hold: ${what}`);
};

/** Every packet, and how it ends. */
const frame = (chunks: readonly Uint8Array[]): { packets: string[]; end: string | number } => {
  const framer = createFramer(LARGEST);
  const packets: string[] = [];
  let pushed = 0;
  let taken = 0;
  for (const chunk of chunks) {
    framer.push(chunk);
    pushed += chunk.length;
    for (let next = framer.next(); next !== undefined; next = framer.next()) {
      if (typeof next === 'string') {
        must(framer.bytes === 0, 'after a fault nothing is held');
        return { packets, end: next };
      }
      taken += next.length;
      packets.push(Buffer.from(next).toString('hex'));
    }
    must(framer.bytes === pushed - taken, 'what has not been handed out is held');
    must(framer.bytes <= LARGEST, 'less than a packet of the largest size is left over');
  }
  return { packets, end: framer.bytes };
};

describe('framing', () => {
  const holds = (chunks: readonly Uint8Array[]): void => {
    const all = Buffer.concat(chunks);
    const found = frame(chunks);
    must(isDeepStrictEqual(found, frame([all])), 'it does not matter how it was cut');
    const { packets = [], rest } = splitPackets(all) ?? {};
    const whole = packets.map((packet) => Buffer.from(packet).toString('hex'));
    const [count, isFault] = [found.packets.length, typeof found.end === 'string'];
    if (rest) must(isDeepStrictEqual(found.packets, whole.slice(0, count)), 'packets come out as they went in');
    must(isFault || (count === whole.length && found.end === rest?.length), 'without a fault all come out');
  };

  test.each([
    ['any bytes', anyBytes, 10_000],
    ['packets and recordings', validStream, 4_000],
    ['mutated packets and recordings', mutatedStream, 10_000],
  ] as const)('%s', (_, streams, numRuns) => {
    fc.assert(fc.property(streams, holds), { numRuns });
  });

  test.each(captures)('$name: every chunk is taken, and nothing is left', ({ chunks }) => {
    const { packets, end } = frame(chunks);
    expect([packets.join(''), end]).toEqual([Buffer.concat(chunks).toString('hex'), 0]);
    expect(packets.at(-1)).toBe('e000');
  });
});

describe('a connection', () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.constant('chunk' as const) },
    { weight: 5, arbitrary: fc.constantFrom('open', 'take', 'take one') },
    { weight: 2, arbitrary: fc.constantFrom('push', 'deaf', 'weigh', 'second') },
    { weight: 1, arbitrary: fc.constantFrom('garbage', 'cut', 'half', 'close', 'finish', 'text', 'throttle') },
  );
  const garbage = ['!9:', '!x', '>', '>1;part=a.0.2:AAAA', '!1;close=refused:', '{"message":"Forbidden"}', '', '^'];

  const live = async (chunks: readonly Uint8Array[], steps: readonly string[], seed: number): Promise<void> => {
    const world = createWorld({ packetBytes: LARGEST, clientBytes: 140_000, totalBytes: 140_000 });
    const { buffered, clock, gateways, log } = world;
    const client = world.client();
    let written = '';
    const left = [...chunks];
    let taken = '';

    const gateway = () => gateways.at(-1);
    /** The broker takes some packets of the newest frame. */
    const take = (most: number): void => {
      const newest = gateway()?.sent.splice(0).at(-1);
      if (newest === undefined) return;
      const packets = splitPackets(Buffer.from(newest, 'base64'))?.packets ?? [];
      const count = Math.min(most, packets.length);
      taken += Buffer.concat(packets.slice(0, count)).toString('hex');
      const types = packets.slice(0, count).map(typeOf);
      const close = types.includes(packetType.disconnect) ? ';close=disconnected' : '';
      const body = types.includes(packetType.connect) ? 'IAIAAA==' : '';
      gateway()?.tell('message', { data: `!${count}${close}:${body}` });
    };
    const act: Readonly<Record<string, () => unknown>> = {
      chunk: () => {
        const chunk = left.shift();
        if (!chunk) return;
        written += Buffer.from(chunk).toString('hex');
        client.connection.receive(chunk);
      },
      open: () => gateway()?.tell('open'),
      take: () => take(1_000),
      'take one': () => take(1),
      push: () => gateway()?.tell('message', { data: '>:MAUAAWFiYw==' }),
      garbage: () => gateway()?.tell('message', { data: garbage[seed % garbage.length] }),
      throttle: () => gateway()?.tell('message', { data: '{"message":"Too Many Requests"}' }),
      cut: () => gateway()?.tell('close', { code: 1006 }),
      deaf: () => {
        client.reads = false;
      },
      weigh: () => client.connection.weigh(),
      half: () => client.connection.clientLeft(),
      close: () => client.connection.closed(),
      finish: () => client.connection.finish(),
      text: () => client.connection.end('text-message'),
      second: () => clock.pass(1_000),
    };
    for (const name of steps) {
      await act[name]?.();
      // What is said in one go leaves in a microtask.
      await Promise.resolve();
      must(buffered.total >= 0 && buffered.total <= written.length / 2 + client.unread, 'what is held has come');
      if (name === 'chunk' && gateways.length === 0) await clock.pass(0);
    }
    expect(written.startsWith(taken)).toBe(true);

    client.connection.closed();
    await clock.pass(120_000);
    expect(log.filter(({ event }) => event === 'client-ended')).toHaveLength(1);
    expect([client.isReleased, buffered.total, clock.pending]).toEqual([true, 0, 0]);
    expect(gateways.every(({ closedWith }) => closedWith !== undefined)).toBe(true);
  };

  test('whatever client, gateway and time do: it ends once, holds nothing, and passed on what was sent', async () => {
    await fc.assert(fc.asyncProperty(anyStream, fc.array(step, { maxLength: 16 }), fc.nat(), live), {
      numRuns: 17_000,
    });
  });
});

/** A broker that takes whatever it is sent, and answers what the test waits for. */
const startPatientBroker = async () => {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, handleProtocols: () => 'mqtt.base64' });
  await once(server, 'listening');
  server.on('connection', (socket) => {
    socket.on('message', (data) => {
      const packets = splitPackets(Buffer.from(String(data), 'base64'))?.packets ?? [];
      const answers = packets.flatMap((packet) => answerOf(Buffer.from(packet).toString('hex')));
      const close = packets.some((packet) => typeOf(packet) === packetType.disconnect) ? ';close=disconnected' : '';
      socket.send(`!${packets.length}${close}:${Buffer.from(answers.join(''), 'hex').toString('base64')}`);
    });
  });
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: () => new Promise((resolve) => server.close(resolve)),
  };
};

const answerOf = (packet: string): readonly string[] => {
  if (packet.startsWith('10')) return [CONNACK];
  return packet.startsWith('3205000161') ? [puback(Number.parseInt(packet.slice(10), 16))] : [];
};

describe('real listeners', () => {
  test('another client is not touched by any of it', async () => {
    const broker = await startPatientBroker();
    const bridge = startBridge({ to: broker.url });
    const [tcpPort, wsPort] = [await listen(bridge, 'tcp'), await listen(bridge, 'ws')];
    const bystander = tcpClient(tcpPort);
    bystander.write(CONNECT);
    await bystander.until(CONNACK);

    const overTcp = async (chunks: readonly Uint8Array[]): Promise<void> => {
      const client = tcpClient(tcpPort);
      for (const chunk of chunks) client.socket.write(chunk);
      client.socket.end();
      await client.ended;
    };
    const overWebSocket = async (chunks: readonly Uint8Array[], isRaw: boolean): Promise<void> => {
      const socket = new WebSocket(`ws://127.0.0.1:${wsPort}`, 'mqtt');
      socket.on('error', () => {});
      const closed = new Promise((resolve) => socket.once('close', resolve));
      await once(socket, 'open');
      // Below WebSocket: what is no frame at all.
      const below = (socket as unknown as { _socket: Socket })._socket;
      for (const chunk of chunks) {
        if (isRaw) below.write(chunk);
        else socket.send(chunk);
      }
      if (isRaw) below.end();
      else socket.close();
      await closed;
    };

    let id = 0;
    await fc.assert(
      fc.asyncProperty(anyStream, fc.constantFrom('tcp', 'ws', 'raw'), async (chunks, over) => {
        if (over === 'tcp') await overTcp(chunks);
        else await overWebSocket(chunks, over === 'raw');
        id += 1;
        bystander.write(publish(id));
        await bystander.until(puback(id));
      }),
      { numRuns: 300 },
    );
    await bridge.stop();
    expect([bridge.clients, bridge.buffered.total]).toEqual([0, 0]);
    expect(bridge.buffered.most).toBeLessThan(100_000);
    const ends = bridge.log.filter(({ client, reason }) => client === 1 && reason !== undefined);
    expect(ends).toMatchObject([{ reason: 'bridge-stopping' }]);
    await broker.stop();
  }, 60_000);
});
