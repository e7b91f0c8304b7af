/**
 * The broker on memory ports, with virtual time: clients are driven packet by packet, queues are worked off when the test
 * says so. Nothing here waits for real time.
 */

import { createHash } from 'node:crypto';
import { generate, parser } from 'mqtt-packet';
import { createAuthority } from '../../src/broker/authority.ts';
import { type Context, type Settings, stillAtWork } from '../../src/broker/context.ts';
import { handleDisconnect } from '../../src/broker/handle-disconnect.ts';
import { handleFrame } from '../../src/broker/handle-frame.ts';
import type { Gateway, Job, Ports, RedeliveryTick } from '../../src/broker/ports.ts';
import { redeliver } from '../../src/broker/redeliver.ts';
import { runJob } from '../../src/broker/run-job.ts';
import { watchSocket } from '../../src/broker/watch-socket.ts';
import { createMemoryStores } from '../../src/memory/stores.ts';
import { MAX_FRAME_CHARACTERS } from '../../src/mqtt/frame.ts';
import type { ClientId, ConnectionId, Generation, MessageId } from '../../src/session/ids.ts';
import { noAuthorizer, noTokens, plainPasswords } from './credentials.ts';

export type Packet = Parameters<typeof generate>[0];
export interface Will {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
}
export interface ConnectOptions {
  readonly clean?: boolean;
  readonly keepalive?: number;
  readonly will?: Will;
  readonly username?: string;
  readonly password?: Buffer;
}
export type Received = Record<string, unknown> & { readonly cmd: string };

export const defaultSettings: Settings = {
  sessionExpirySeconds: 3_600,
  redeliveryRate: 10,
  liveTraffic: 'ordered',
  maxPayloadBytes: 131_072,
  maxStoredMessages: 10_000,
  maxStoredBytes: 100_000_000,
  maxInFlight: 100,
  maxSubscriptions: 100,
  maxClientIdBytes: 256,
  maxTopicBytes: 512,
  maxTopicLevels: 16,
  maxFilterShapes: 100,
  lifecycleEvents: 'off',
  qos2: 'on',
  authentication: 'none',
  connectAttributes: 'strict',
  unauthorizedPublish: 'close',
  policyCheckSeconds: 20,
  policyCacheSeconds: 900,
  policyCacheEntries: 1_000,
  jwtPolicies: '',
  jwtPrincipalClaim: 'sub',
  jwtPoliciesClaim: '',
  iamPolicies: '',
  customAuthorizerTokenKey: '',
};

/** What policies speak of, in the tests. */
export const ARN_BASE = 'arn:aws:iot:us-east-1:123456789012:';

const timing = { lambdaTimeout: 25_000, queueVisibility: 10_000, clockMargin: 5_000, postTimeout: 2_000 };

const hash = (secret: string): string => createHash('sha256').update(secret).digest('hex');

interface Due<T> {
  readonly at: number;
  readonly body: T;
}

export function createWorld(changes: Partial<Settings> = {}, override: (ports: Ports) => Partial<Ports> = () => ({})) {
  let now = Date.UTC(2026, 0, 1);
  let counter = 0;
  const clock = {
    now: () => now,
    pause: async (milliseconds: number) => {
      now += milliseconds;
    },
  };
  const ticks: Due<RedeliveryTick>[] = [];
  const jobs: Due<Job>[] = [];
  const lines: Record<string, unknown>[] = [];
  const sockets = new Map<ConnectionId, { open: boolean; frames: string[] }>();
  const gateway: Gateway = {
    post: async (connectionId, frame) => {
      const socket = sockets.get(connectionId);
      if (!socket?.open) return 'gone';
      socket.frames.push(frame);
      return 'accepted';
    },
    close: async (connectionId) => {
      const socket = sockets.get(connectionId);
      if (socket) socket.open = false;
    },
    has: async (connectionId) => sockets.get(connectionId)?.open ?? false,
  };
  const stores = createMemoryStores(clock, timing.queueVisibility);
  const ports: Ports = {
    ...stores,
    queues: {
      ...stores.queues,
      receive: (session, most) => {
        if (most < 1 || most > 10) throw new Error(`SQS hands out 1 to 10 messages, not ${most}`);
        return stores.queues.receive(session, most);
      },
    },
    gateway,
    redelivery: {
      send: async (body, delay) => {
        ticks.push({ at: now + delay * 1_000, body });
      },
    },
    timers: {
      send: async (body, delay) => {
        jobs.push({ at: now + delay * 1_000, body });
      },
    },
    clock,
    ids: {
      generation: () => `generation-${++counter}` as Generation,
      message: () => `message-${++counter}` as MessageId,
      client: () => `auto-${++counter}` as ClientId,
      unit: () => `unit-${++counter}`,
    },
    secrets: {
      create: () => `secret-${++counter}`,
      hash,
      matches: (secret, expected) => hash(secret) === expected,
    },
    passwords: plainPasswords,
    tokens: noTokens,
    authorizer: noAuthorizer,
    log: (event, fields) => {
      lines.push({ event, ...fields });
    },
  };
  const settings = { ...defaultSettings, ...changes };
  const used = { ...ports, ...override(ports) };
  const context: Context = {
    ...used,
    settings,
    authority: createAuthority({ ...used, settings, arnBase: ARN_BASE }),
    timing,
    knownShapes: new Set(),
  };

  const takeDue = <T>(queue: Due<T>[]): T | undefined => {
    const index = queue.findIndex(({ at }) => at <= now);
    return index < 0 ? undefined : queue.splice(index, 1)[0]?.body;
  };

  const world = {
    context,
    stores,
    sockets,
    lines,
    ticks,
    jobs,
    session: (clientId: string) => stores.sessions.read(clientId as ClientId),
    /** Lines of one event. */
    logged: (event: string) => lines.filter((line) => line.event === event),
    advance: (milliseconds: number) => {
      now += milliseconds;
    },
    /** Works off every job that is due. */
    runJobs: async () => {
      for (let job = takeDue(jobs); job; job = takeDue(jobs)) await runJob(context, job);
    },
    /** Lets the time pass until what has just ended may be cleaned up, and works off the jobs. */
    cleanUp: async () => {
      now += stillAtWork(context);
      await world.runJobs();
    },
    /** Works off the ticks that are due. */
    runTicks: async () => {
      for (let tick = takeDue(ticks); tick; tick = takeDue(ticks)) {
        await redeliver(context, tick, now + timing.lambdaTimeout);
      }
    },
    /** Lets virtual time pass in steps of `step` ms, working off ticks. */
    drain: async (milliseconds: number, step = 100) => {
      for (let passed = 0; passed <= milliseconds; passed += step) {
        await world.runTicks();
        now += step;
      }
    },
    open: (sourceIp?: string) => {
      const connectionId = `connection-${++counter}=` as ConnectionId;
      sockets.set(connectionId, { open: true, frames: [] });
      return createSocket(connectionId, sourceIp);
    },
    /** Lets virtual time pass in steps of a second, working off jobs and ticks as they become due. */
    pass: async (seconds: number) => {
      for (let passed = 0; passed < seconds; passed++) {
        now += 1_000;
        await world.runJobs();
        await world.runTicks();
      }
    },
    /** As `open`, with what `$connect` does. */
    handshake: async () => {
      const socket = world.open();
      await watchSocket(context.timers, socket.connectionId);
      return socket;
    },
    /** A client that has connected; fails where CONNACK does not say 0. */
    connect: async (
      clientId: string,
      { watched, ...options }: ConnectOptions & { readonly watched?: boolean } = {},
    ) => {
      const socket = watched ? await world.handshake() : world.open();
      const { packets, token } = await socket.send({ ...connectPacket(clientId), ...options } as Packet);
      const connack = [...packets, ...socket.pushes()].find(({ cmd }) => cmd === 'connack');
      if (connack?.returnCode !== 0) throw new Error(`no CONNACK 0 but ${JSON.stringify(connack)}`);
      return { ...socket, sessionPresent: connack.sessionPresent as boolean, token: token ?? '' };
    },
  };

  const createSocket = (connectionId: ConnectionId, sourceIp: string | undefined) => {
    let seen = 0;
    const parts = new Map<string, string[]>();
    /** Base64 of whole packets, or nothing while parts of a push are missing (wire §5). */
    const bodyOf = (push: string): string => {
      const [head = '', body = ''] = push.split(':');
      const [, unit = '', index, count] = /;part=([\w-]{1,32})\.(\d+)\.(\d+)/.exec(head) ?? [];
      if (unit === '') return body;
      const pieces = parts.get(unit) ?? [];
      pieces[Number(index)] = body;
      parts.set(unit, pieces);
      return Object.keys(pieces).length === Number(count) ? pieces.join('') : '';
    };
    const frame = async (body: string) => {
      if (body.length > MAX_FRAME_CHARACTERS) throw new Error('the gateway would close this connection with 1009');
      const text = await handleFrame(context, {
        connectionId,
        body,
        deadline: now + timing.lambdaTimeout,
        sourceIp,
      });
      return parseReply(text);
    };
    return {
      connectionId,
      frame,
      send: (...packets: Packet[]) => frame(encodeFrame(packets)),
      bytes: (...bytes: number[]) => frame(Buffer.from(bytes).toString('base64')),
      /** Moves the session of `token` here (wire §8). */
      move: (token: string) => frame(`^${token}`),
      /** Packets pushed since the last call. */
      pushes: (): Received[] => {
        const socket = sockets.get(connectionId);
        const fresh = socket?.frames.slice(seen) ?? [];
        seen = socket?.frames.length ?? 0;
        return fresh.flatMap((text) => parsePackets(bodyOf(text)));
      },
      /** Every push so far, as it was posted. */
      frames: (): readonly string[] => sockets.get(connectionId)?.frames ?? [],
      isOpen: () => sockets.get(connectionId)?.open ?? false,
      /** The socket is gone; API Gateway says so. */
      drop: async () => {
        const socket = sockets.get(connectionId);
        if (socket) socket.open = false;
        await handleDisconnect(context, connectionId, 1006, '');
      },
      /** The socket is gone, and nobody says so. */
      vanish: () => {
        const socket = sockets.get(connectionId);
        if (socket) socket.open = false;
      },
    };
  };
  return world;
}

export type World = ReturnType<typeof createWorld>;

export const connectPacket = (clientId: string) => ({
  cmd: 'connect' as const,
  protocolId: 'MQTT' as const,
  protocolVersion: 4 as const,
  clientId,
  clean: true,
  keepalive: 60,
});

export const publishPacket = (topic: string, payload: string, qos: 0 | 1 | 2 = 1, messageId = 1) => ({
  cmd: 'publish' as const,
  topic,
  payload,
  qos,
  dup: false,
  retain: false,
  ...(qos > 0 ? { messageId } : {}),
});

export const subscribePacket = (filters: Record<string, 0 | 1 | 2>, messageId = 7) => ({
  cmd: 'subscribe' as const,
  messageId,
  subscriptions: Object.entries(filters).map(([topic, qos]) => ({ topic, qos })),
});

export const puback = (messageId: unknown) => ({ cmd: 'puback' as const, messageId: messageId as number });

export const pingreq = { cmd: 'pingreq' as const };
export const disconnect = { cmd: 'disconnect' as const };

export const encodeFrame = (packets: readonly Packet[]): string =>
  Buffer.concat(packets.map((packet) => generate(packet))).toString('base64');

/** The parts of one packet, each `size` characters long with its head, the last one shorter. */
export const partsOf = (packet: Packet, size = MAX_FRAME_CHARACTERS): readonly string[] => {
  const base64 = encodeFrame([packet]);
  const room = size - '~0.0:'.length;
  const count = Math.ceil(base64.length / room);
  return Array.from({ length: count }, (_, index) => {
    return `~${index}.${count}:${base64.slice(index * room, (index + 1) * room)}`;
  });
};

export const parsePackets = (base64: string): Received[] => {
  const packets: Received[] = [];
  const reader = parser({ protocolVersion: 4 });
  reader.on('packet', (packet) => packets.push({ ...packet } as unknown as Received));
  reader.parse(Buffer.from(base64, 'base64'));
  return packets;
};

export const parseReply = (text: string) => {
  const match = /^!(\d+)((?:;[a-z]+=[^;:]+)*):(.*)$/s.exec(text);
  if (!match) throw new Error(`not a reply: ${text.slice(0, 100)}`);
  const [, taken, fields = '', body = ''] = match;
  const field = (name: string) => new RegExp(`;${name}=([^;]+)`).exec(fields)?.[1];
  return {
    taken: Number(taken),
    close: field('close'),
    token: field('token'),
    next: field('next') === undefined ? undefined : Number(field('next')),
    packets: parsePackets(body),
  };
};

/** Payloads of the PUBLISH packets among `packets`, as text. */
export const payloads = (packets: readonly Received[]): string[] =>
  packets.filter(({ cmd }) => cmd === 'publish').map(({ payload }) => String(payload));
