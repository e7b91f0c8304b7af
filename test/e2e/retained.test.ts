/** Retained messages over MQTT.js and the local stack. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { IPublishPacket } from 'mqtt';
import { startLocalStack } from '../../local/stack.ts';
import { type Client, type Clients, clientsOf, numbered, type Stack, startStack } from './stack.ts';

/** Every PUBLISH that has come: topic, payload and RETAIN. Resolves when there are `count`. */
const arrivals = ({ mqtt }: Client) => {
  const packets: string[] = [];
  const waiting: { count: number; resolve: () => void }[] = [];
  mqtt.on('message', (topic, payload, { retain }: IPublishPacket) => {
    packets.push(`${topic}=${payload}${retain ? ' retained' : ''}`);
    for (const each of waiting) if (packets.length >= each.count) each.resolve();
  });
  return async (count: number): Promise<readonly string[]> => {
    if (packets.length < count) await new Promise<void>((resolve) => waiting.push({ count, resolve }));
    return packets.toSorted();
  };
};

const retain = async (publisher: Client, topic: string, payload: string, qos: 0 | 1 = 1): Promise<void> => {
  await publisher.mqtt.publishAsync(topic, payload, { qos, retain: true });
};

describe('retained messages over the local stack', () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack();
  });
  afterAll(() => stack.stop());

  it('[MQTT-3.3.1-6] [MQTT-3.3.1-8] [MQTT-3.3.1-9] reach new subscribers with RETAIN 1, and those who were there with RETAIN 0', async () => {
    const publisher = await stack.connect('set-publisher');
    const early = await stack.connect('set-early');
    const atEarly = arrivals(early);
    await early.mqtt.subscribeAsync('set/#', { qos: 1 });
    await retain(publisher, 'set/a', 'old');
    await retain(publisher, 'set/a', 'new');
    await retain(publisher, 'set/b', 'zero', 0);
    expect(await atEarly(3)).toEqual(['set/a=new', 'set/a=old', 'set/b=zero']);

    for (const filter of ['set/#', 'set/+', '+/+', '#']) {
      const late = await stack.connect(`set-late-${filter.length}-${filter.replace(/\W/g, 'w')}`);
      const atLate = arrivals(late);
      await late.mqtt.subscribeAsync(filter, { qos: 1 });
      expect(await atLate(2)).toEqual(['set/a=new retained', 'set/b=zero retained']);
      await late.end();
    }
  });

  it('[MQTT-3.3.1-10] [MQTT-3.3.1-11] an empty payload removes what was retained', async () => {
    const publisher = await stack.connect('remove-publisher');
    await retain(publisher, 'remove/a', 'gone');
    await retain(publisher, 'remove/b', 'here');
    await retain(publisher, 'remove/a', '');
    const late = await stack.connect('remove-late');
    const atLate = arrivals(late);
    await late.mqtt.subscribeAsync('remove/+', { qos: 1 });
    await publisher.mqtt.publishAsync('remove/end', 'end', { qos: 1 });
    expect(await atLate(2)).toEqual(['remove/b=here retained', 'remove/end=end']);
  });

  it('[MQTT-3.1.2-17] a will is retained', async () => {
    const will = { topic: 'will/status', payload: Buffer.from('offline'), qos: 1 as const, retain: true };
    const client = await stack.connect('will-client', { will, reconnectPeriod: 0 });
    await retain(client, 'will/status', 'online');
    const watcher = await stack.connect('will-watcher');
    const atWatcher = arrivals(watcher);
    await watcher.mqtt.subscribeAsync('will/status', { qos: 1 });
    await stack.cut(client.mqtt);
    await atWatcher(1);
    await stack.skip(3_000);
    expect(await atWatcher(2)).toEqual(['will/status=offline', 'will/status=online retained']);
    const late = await stack.connect('will-late');
    const atLate = arrivals(late);
    await late.mqtt.subscribeAsync('will/status', { qos: 1 });
    expect(await atLate(1)).toEqual(['will/status=offline retained']);
  });

  it('260 of them, more than one page, come all, each once, to one SUBSCRIBE', async () => {
    const topics = numbered(260, 'many/');
    const publisher = await stack.connect('many-publisher');
    await Promise.all(topics.map((topic) => retain(publisher, topic, 'x')));
    const late = await stack.connect('many-late');
    const atLate = arrivals(late);
    await late.mqtt.subscribeAsync('many/+', { qos: 1 });
    expect(await atLate(260)).toEqual(topics.map((topic) => `${topic}=x retained`).toSorted());
  });
});

it('a stack with a data directory keeps what is retained when it comes back', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'serverless-mqtt-retained-'));
  const undo: (() => unknown)[] = [() => rmSync(dataDir, { recursive: true, force: true })];
  const start = async (): Promise<Clients & { stop(): Promise<void> }> => {
    const { url, stop } = await startLocalStack({ port: 0, dataDir });
    const clients = clientsOf(url);
    undo.push(stop, clients.endAll);
    return { ...clients, stop };
  };
  try {
    const first = await start();
    const publisher = await first.connect('publisher');
    await retain(publisher, 'kept/a', 'kept');
    await retain(publisher, 'kept/b', 'removed');
    await retain(publisher, 'kept/b', '');
    await first.endAll();
    await first.stop();

    const second = await start();
    const late = await second.connect('late');
    const atLate = arrivals(late);
    await late.mqtt.subscribeAsync('#', { qos: 1 });
    await late.mqtt.publishAsync('kept/end', 'end', { qos: 1 });
    expect(await atLate(2)).toEqual(['kept/a=kept retained', 'kept/end=end']);
  } finally {
    for (const step of undo.toReversed()) await step();
  }
});
