/** What happens to real clients when nobody calls: keep-alive, Last Will, expiry, and what the broker tells about it. */
import { once } from 'node:events';
import { CreateQueueCommand, GetQueueUrlCommand, SQSClient } from '@aws-sdk/client-sqs';
import { generate, type IConnectPacket } from 'mqtt-packet';
import { WebSocket } from 'ws';
import type { Clock } from '../../client/clock.ts';
import { skippableClock } from '../../local/clock.ts';
import { type Client, type Stack, startStack } from './stack.ts';

const SECOND = 1_000;
const MINUTE = 60_000;

const will = (payload: string, qos: 0 | 1 = 1) => ({
  topic: 'gone',
  payload: Buffer.from(payload),
  qos,
  retain: false,
});

describe('time', () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack({ settings: { sessionExpirySeconds: 90 } });
  });
  afterEach(() => stack.endAll());
  afterAll(() => stack.stop());

  /** Lets time pass, second by second, until the message is there. */
  const hears = async (watcher: Client, count: number, step = SECOND): Promise<readonly string[]> => {
    while (watcher.received.length < count) await stack.skip(step);
    return watcher.received;
  };

  const watch = async (filters: string | string[], clock?: Clock): Promise<Client> => {
    const watcher = await stack.connect('watcher', {}, clock);
    await watcher.mqtt.subscribeAsync(filters, { qos: 1 });
    return watcher;
  };

  /** A client that says no more than its CONNECT, if that; the promise is fulfilled when its socket is closed. */
  const silent = async (packet?: Partial<IConnectPacket>) => {
    const socket = new WebSocket(stack.url, 'mqtt.base64');
    const frames: string[] = [];
    socket.on('message', (data) => frames.push(String(data)));
    const closed = once(socket, 'close');
    await once(socket, 'open');
    if (packet !== undefined) {
      const connect = {
        cmd: 'connect',
        protocolId: 'MQTT',
        protocolVersion: 4,
        clean: true,
        ...packet,
      } as IConnectPacket;
      socket.send(generate(connect).toString('base64'));
      await once(socket, 'message');
    }
    return { socket, frames, closed };
  };

  const passes = async (until: Promise<unknown>, step = SECOND): Promise<void> => {
    let isOver = false;
    const over = until.then(() => {
      isOver = true;
    });
    while (!isOver) await stack.skip(step);
    await over;
  };

  it('a socket that sends no CONNECT is closed', async () => {
    const { closed } = await silent();
    await passes(closed);
    expect(stack.lines.some((line) => line.includes('"connect-missing"'))).toBe(true);
  });

  it('[MQTT-3.1.2-24] a silent client is told so and disconnected, and its will published', async () => {
    const watcher = await watch('gone');
    const { frames, closed } = await silent({ clientId: 'silent', keepalive: 2, will: will('silent') });
    await passes(closed);
    expect(frames.at(-1)).toBe('>;close=keep-alive-timeout:');
    expect(await hears(watcher, 1)).toEqual(['silent']);
  });

  it.each([0, 1] as const)(
    '[MQTT-3.1.2-8] a will with QoS %s is published once when the client is cut off',
    async (qos) => {
      const watcher = await watch('gone');
      const client = await stack.connect('cut', { will: will(`cut ${qos}`, qos) });
      await stack.cut(client.mqtt);
      expect(await hears(watcher, 1)).toEqual([`cut ${qos}`]);
    },
  );

  it('[MQTT-3.1.2-10] a will is not published after a DISCONNECT', async () => {
    const watcher = await watch('gone');
    const leaving = await stack.connect('leaving', { will: will('never') });
    await leaving.end();
    const client = await stack.connect('cut', { will: will('later') });
    await stack.cut(client.mqtt);
    expect(await hears(watcher, 1)).toEqual(['later']);
  });

  it('a session ends by the clock, is swept with all that it owned, and is not there for a client that comes late', async () => {
    const watcher = await watch('$aws/events/session/#');
    const client = await stack.connect('late', { clean: false });
    await client.mqtt.subscribeAsync('t', { qos: 1 });
    await client.end();
    await watcher.mqtt.publishAsync('t', 'stored', { qos: 1 });
    const [event = ''] = await hears(watcher, 1, 30 * SECOND);
    expect(JSON.parse(event)).toMatchObject({ clientId: 'late', eventType: 'expired' });
    const destroyed = stack.counts().DeleteQueue ?? 0;
    while ((stack.counts().DeleteQueue ?? 0) === destroyed) await stack.skip(10 * SECOND);
    expect((await stack.connect('late', { clean: false })).sessionPresent).toBe(false);
  });

  it('the broker tells of clients that come, go, and subscribe', async () => {
    const watcher = await watch(['$aws/events/presence/+/told', '$aws/events/subscriptions/+/told']);
    const client = await stack.connect('told');
    await client.mqtt.subscribeAsync('t');
    await client.end();
    const events = (await watcher.until(3)).map((event) => JSON.parse(event));
    expect(new Set(events.map(({ eventType }) => eventType))).toEqual(
      new Set(['connected', 'subscribed', 'disconnected']),
    );
    expect(events.find(({ eventType }) => eventType === 'connected')).toMatchObject({ ipAddress: '127.0.0.1' });
  });

  it('counts in the very lines of its log', async () => {
    const client = await stack.connect('counted', { clean: false });
    await client.mqtt.subscribeAsync('counted', { qos: 1 });
    await client.end();
    const publisher = await stack.connect('publisher');
    await publisher.mqtt.publishAsync('counted', 'x', { qos: 1 });
    await (await stack.connect('counted', { clean: false })).until(1);
    await stack.quiet();
    const metrics = stack.lines
      .filter((line) => line.includes('"clientId":"counted"') && line.includes('_aws'))
      .map((line) => JSON.parse(line)._aws.CloudWatchMetrics[0].Metrics[0].Name);
    expect(metrics).toEqual(['SessionsCreated', 'MessagesStored', 'SessionsResumed', 'MessagesRedelivered']);
  });

  it('collects a queue that no session owns, and no other', async () => {
    const client = await stack.connect('owner', { clean: false });
    await client.mqtt.subscribeAsync('owned', { qos: 1 });
    await client.end();
    const publisher = await stack.connect('publisher');
    await publisher.mqtt.publishAsync('owned', 'x', { qos: 1 });
    const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
    const sqs = new SQSClient({ endpoint: stack.endpoint, region: 'us-east-1', credentials });
    const QueueName = `${stack.environment.CLIENT_QUEUE_PREFIX}orphan.fifo`;
    await sqs.send(new CreateQueueCommand({ QueueName, Attributes: { FifoQueue: 'true' } }));
    await stack.invoke('timer', { Records: [{ messageId: '1', body: JSON.stringify({ job: 'collect-queues' }) }] });
    await expect(sqs.send(new GetQueueUrlCommand({ QueueName }))).rejects.toThrow(/does not exist/);
    expect(await (await stack.connect('owner', { clean: false })).until(1)).toEqual(['x']);
  });

  it.each([true, false])(
    'wire §8: a session outlives the two hours of its socket, and the library notices nothing: clean %s',
    async (clean) => {
      const clock = skippableClock();
      const clientId = `lasting ${clean}`;
      const watcher = await watch([`never of ${clientId}`, `$aws/events/presence/+/${clientId}`], clock);
      const never = { ...will('never'), topic: `never of ${clientId}` };
      const lasting = await stack.connect(clientId, { clean, will: never }, clock);
      await watcher.until(1);
      const noticed: string[] = [];
      for (const event of ['connect', 'reconnect', 'close', 'offline', 'error'] as const) {
        lasting.mqtt.on(event, () => noticed.push(event));
      }
      await lasting.mqtt.subscribeAsync('lasting', { qos: 1 });
      const seen = stack.lines.length;
      const untilMoved = async (times: number): Promise<void> => {
        const moves = () => stack.lines.slice(seen).filter((line) => line.includes('"event":"moved"'));
        while (moves().length < 2 * times) await new Promise((resolve) => setImmediate(resolve));
      };
      const published: string[] = [];
      for (let minutes = 0; minutes < 250; minutes += 5) {
        await untilMoved(Math.floor(minutes / 115)); // both clients, before time jumps again
        published.push(`after ${minutes} minutes`);
        await lasting.mqtt.publishAsync('lasting', published.at(-1) ?? '', { qos: 1 });
        await lasting.until(published.length);
        await lasting.mqtt.publishAsync('behind its PUBACK', '', { qos: 1 });
        await watcher.mqtt.publishAsync('alive', '', { qos: 1 });
        await stack.skip(5 * MINUTE);
        clock.skip(5 * MINUTE);
      }
      expect(lasting.received).toEqual(published);
      expect(noticed).toEqual([]);
      expect(watcher.received.map((event) => JSON.parse(event).eventType)).toEqual(['connected']);
    },
  );
});
