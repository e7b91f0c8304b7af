/**
 * A broker small enough to see through: one process, no sessions, the wire `mqtt.base64` over the package `ws`. Written
 * from docs/wire-protocol.md with Node's own base64 and mqtt-packet, so that it shares no code with the client.
 */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import mqttPacket, { type IPublishPacket, type Packet } from 'mqtt-packet';
import { type WebSocket, WebSocketServer } from 'ws';

const MAX_FRAME = 32_768;

/** What the test may do to the answer of a frame: say something else, or wait. Nothing means: as usual. */
export type Interfere = (packets: readonly Packet[], usual: string) => string | undefined | Promise<string | undefined>;

export interface FakeBroker {
  readonly url: string;
  /** Every frame of a client that carried whole packets: their kinds. */
  readonly frames: string[][];
  /** What clients did that the wire forbids. */
  readonly violations: string[];
  readonly closed: string[];
  /** How many sessions have moved to another socket. */
  readonly moves: number;
  /** How many handshakes were tried. */
  readonly handshakes: number;
  interfere: Interfere;
  /** Status that handshakes are refused with. */
  refuseWith: number | undefined;
  /** One push to the clients connected now, whatever they subscribed to. Without a number the PUBLISH packets count. */
  push(packets: readonly Packet[], number?: number): void;
  stop(): Promise<void>;
}

interface Connection {
  readonly socket: WebSocket;
  nextNumber: number;
  nextUnit: number;
  parts: string[];
  isAwaitingReply: boolean;
  /** Good for one move to another connection; none before CONNECT, and after the move. */
  token: string | undefined;
}

const encode = (packets: readonly Packet[]): string =>
  Buffer.concat(packets.map((packet) => mqttPacket.generate(packet))).toString('base64');

function decode(base64: string): Packet[] {
  const packets: Packet[] = [];
  const parser = mqttPacket.parser();
  parser.on('packet', (packet: Packet) => packets.push(packet));
  parser.parse(Buffer.from(base64, 'base64'));
  return packets;
}

function answerTo(packet: Packet): Packet[] {
  const { messageId = 0 } = packet;
  switch (packet.cmd) {
    case 'connect':
      return [{ cmd: 'connack', returnCode: 0, sessionPresent: false }];
    case 'publish':
      return packet.qos === 1 ? [{ cmd: 'puback', messageId }] : [];
    case 'subscribe':
      return [{ cmd: 'suback', messageId, granted: packet.subscriptions.map(({ qos }) => qos) }];
    case 'unsubscribe':
      return [{ cmd: 'unsuback', messageId, granted: [] }];
    case 'pingreq':
      return [{ cmd: 'pingresp' }];
    default:
      return [];
  }
}

export async function startFakeBroker(): Promise<FakeBroker> {
  const connections = new Set<Connection>();
  let handshakes = 0;
  let tokens = 0;
  let moves = 0;
  const server = new WebSocketServer({
    host: '127.0.0.1',
    port: 0,
    handleProtocols: () => 'mqtt.base64',
    verifyClient: ({ req }, done) => {
      handshakes += 1;
      const offers = req.headers['sec-websocket-protocol'] === 'mqtt.base64';
      done(offers && broker.refuseWith === undefined, broker.refuseWith ?? 400);
    },
  });
  await once(server, 'listening');

  const pushTo = (connection: Connection, packets: readonly Packet[], number = connection.nextNumber): void => {
    const numbered = packets.filter((packet) => packet.cmd === 'publish' && packet.qos > 0).length;
    const head = numbered > 0 || number !== connection.nextNumber ? `>${number}` : '>';
    connection.nextNumber += numbered;
    const body = encode(packets);
    const room = 32_000;
    if (body.length <= room) {
      connection.socket.send(`${head}:${body}`);
      return;
    }
    const count = Math.ceil(body.length / room);
    const unit = `u${connection.nextUnit++}`;
    // Backwards: the gateway promises no order.
    for (let index = count - 1; index >= 0; index--) {
      const piece = body.slice(index * room, (index + 1) * room);
      connection.socket.send(`${head};part=${unit}.${index}.${count}:${piece}`);
    }
  };

  const answer = async (connection: Connection, packets: readonly Packet[]): Promise<void> => {
    broker.frames.push(packets.map(({ cmd }) => cmd));
    const leaves = packets.at(-1)?.cmd === 'disconnect';
    if (packets[0]?.cmd === 'connect') connection.token = `token-${tokens++}`;
    const token = packets[0]?.cmd === 'connect' ? `;token=${connection.token}` : '';
    const fields = `${leaves ? ';close=disconnected' : ''}${token}`;
    const usual = `!${packets.length}${fields}:${encode(packets.flatMap(answerTo))}`;
    const said = (await broker.interfere(packets, usual)) ?? usual;
    connection.isAwaitingReply = false;
    connection.socket.send(said);
    if (/^!\d+;close=/.test(said) || said !== usual) return;
    const published = packets.filter((packet): packet is IPublishPacket => packet.cmd === 'publish');
    if (published.length > 0)
      pushTo(
        connection,
        published.map((packet) => ({ ...packet, dup: false })),
      );
  };

  const move = (connection: Connection, token: string): void => {
    const former = [...connections].find((each) => each.token === token);
    if (!former || connection.token !== undefined) broker.violations.push('a move of no session');
    if (former?.isAwaitingReply) broker.violations.push('a move before the reply to the frame before');
    if (!former) return;
    connections.delete(former);
    former.token = undefined;
    connection.token = `token-${tokens++}`;
    connection.nextNumber = former.nextNumber + 100;
    connection.isAwaitingReply = false;
    moves += 1;
    connection.socket.send(`!0;token=${connection.token};next=${connection.nextNumber}:`);
  };

  const hear = (connection: Connection, frame: string): void => {
    if (!connections.has(connection)) broker.violations.push('a frame on a socket that its session has left');
    if (connection.isAwaitingReply) broker.violations.push('a frame before the reply to the one before');
    if (frame.length > MAX_FRAME) broker.violations.push(`a frame of ${frame.length} characters`);
    connection.isAwaitingReply = true;
    if (frame.startsWith('^')) return void setImmediate(move, connection, frame.slice(1));
    const part = /^~(\d+)\.(\d+):/.exec(frame);
    if (part) {
      if (Number(part[1]) !== connection.parts.length) broker.violations.push('a part out of turn');
      connection.parts.push(frame.slice(part[0].length));
      if (connection.parts.length < Number(part[2])) {
        connection.isAwaitingReply = false;
        connection.socket.send('!0:');
        return;
      }
    }
    const whole = part ? connection.parts.splice(0).join('') : frame;
    // Not in the same turn of the event loop, so that a client that does not wait is caught.
    setImmediate(() => void answer(connection, decode(whole)));
  };

  server.on('connection', (socket) => {
    const connection: Connection = {
      socket,
      nextNumber: 1,
      nextUnit: 0,
      parts: [],
      isAwaitingReply: false,
      token: undefined,
    };
    connections.add(connection);
    socket.on('message', (data, isBinary) => {
      if (isBinary) broker.violations.push('a binary frame');
      hear(connection, String(data));
    });
    socket.on('close', (code) => {
      connections.delete(connection);
      broker.closed.push(`${code}${connection.isAwaitingReply ? ' before the reply' : ''}`);
    });
  });

  const broker: FakeBroker = {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/mqtt`,
    frames: [],
    violations: [],
    closed: [],
    get moves() {
      return moves;
    },
    get handshakes() {
      return handshakes;
    },
    interfere: () => undefined,
    refuseWith: undefined,
    push(packets, number) {
      for (const connection of connections) pushTo(connection, packets, number);
    },
    async stop() {
      for (const socket of server.clients) socket.terminate();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return broker;
}
