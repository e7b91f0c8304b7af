/**
 * `npm run demo`: what a persistent session does, seen from outside, against a running local stack.
 *
 * Rules of this file: only what any MQTT.js client can do. It proves what it shows: the exit code is 0 only if every
 * message arrived, in order, and redelivery kept its rate.
 */
import { parseArgs } from 'node:util';
import mqtt, { type IConnackPacket, type MqttClient } from 'mqtt';
import { WebSocket } from 'ws';
import { overServerlessMqtt } from '../client/transport.ts';
import { DEFAULT_PORT } from './port.ts';

const MESSAGES = 35;
const RATE = 10;
/** What left in different seconds may arrive a little closer together. Milliseconds. */
const WINDOW = 900;
/** 35 messages at 10 a second: the last five leave three seconds after the first ten. Milliseconds. */
const SHORTEST = 3_000;
const PATIENCE = 60_000;

const usage = `Usage: npm run demo -- [--url ws://127.0.0.1:${DEFAULT_PORT}/mqtt]

A subscriber with a persistent session goes away, ${MESSAGES} QoS 1 messages are published, and it comes back.
Needs the local stack with its default settings: run "npm start" in another terminal first.`;

interface Arrival {
  readonly payload: string;
  readonly at: number;
}

/** @returns the exit code: 0 all as promised, 1 not, 2 wrong arguments */
export async function main(argv: readonly string[]): Promise<number> {
  const url = readUrl(argv);
  if (typeof url === 'number') return url;
  try {
    return await show(url);
  } catch (error) {
    console.error(`The demo could not run against ${url}: ${(error as Error).message}`);
    console.error('Is the local stack running? Start it with "npm start" in another terminal.');
    return 1;
  }
}

const readUrl = (argv: readonly string[]): string | number => {
  try {
    const options = { url: { type: 'string' }, help: { type: 'boolean', short: 'h' } } as const;
    const { values } = parseArgs({ args: [...argv], options });
    if (!values.help) return values.url ?? `ws://127.0.0.1:${DEFAULT_PORT}/mqtt`;
    console.log(usage);
    return 0;
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${usage}`);
    return 2;
  }
};

const show = async (url: string): Promise<number> => {
  const run = Date.now().toString(36);
  const topic = `demo/${run}`;
  const subscriberId = `demo-subscriber-${run}`;
  const sent = Array.from({ length: MESSAGES }, (_, index) => `message ${index + 1}`);

  const before = await connect(url, subscriberId, { clean: false });
  await before.client.subscribeAsync(topic, { qos: 1 });
  console.log(`subscriber  sessionPresent ${before.sessionPresent}, subscribes to ${topic}, goes away`);
  await before.client.endAsync();

  const publisher = await connect(url, `demo-publisher-${run}`, { clean: true });
  await Promise.all(sent.map((payload) => publisher.client.publishAsync(topic, payload, { qos: 1 })));
  console.log(`publisher   ${sent.length} messages published and acknowledged`);
  await publisher.client.endAsync();

  const arrivals: Arrival[] = [];
  let complete = (): void => {};
  const all = new Promise<void>((resolve) => {
    complete = resolve;
  });
  const after = await connect(url, subscriberId, { clean: false }, (payload) => {
    arrivals.push({ payload, at: Date.now() });
    if (arrivals.length >= sent.length) complete();
  });
  console.log(`subscriber  sessionPresent ${after.sessionPresent}, is back; its messages and when they came:`);
  const patience = setTimeout(complete, PATIENCE);
  await all;
  clearTimeout(patience);
  await after.client.endAsync();

  // A clean connection ends the session: the demo leaves nothing behind.
  const last = await connect(url, subscriberId, { clean: true });
  await last.client.endAsync();
  return judge(sent, arrivals, after.sessionPresent);
};

const judge = (sent: readonly string[], arrivals: readonly Arrival[], sessionPresent: boolean): number => {
  const start = arrivals[0]?.at ?? 0;
  for (const { payload, at } of arrivals)
    console.log(`  ${((at - start) / 1_000).toFixed(3).padStart(7)} s  ${payload}`);

  const took = (arrivals.at(-1)?.at ?? 0) - start;
  const densest = Math.max(
    0,
    ...arrivals.map(({ at }) => arrivals.filter((each) => each.at >= at && each.at < at + WINDOW).length),
  );
  const inOrder = arrivals.length === sent.length && arrivals.every(({ payload }, index) => payload === sent[index]);
  const checks: readonly (readonly [string, boolean])[] = [
    [`sessionPresent was ${sessionPresent}`, sessionPresent],
    [
      `${arrivals.length} of ${sent.length} messages arrived, ${inOrder ? 'in order' : 'NOT as they were sent'}`,
      inOrder,
    ],
    [`they took ${(took / 1_000).toFixed(1)} s, at least ${SHORTEST / 1_000} s`, took >= SHORTEST],
    [`no ${WINDOW / 1_000} s held more than ${densest} of them, at most ${RATE}`, densest <= RATE],
  ];
  for (const [text, holds] of checks) console.log(`${holds ? 'ok  ' : 'FAIL'} ${text}`);
  return checks.every(([, holds]) => holds) ? 0 : 1;
};

/** Resolves with CONNACK. Messages go to `onMessage` from the first on: it is set before anything can arrive. */
const connect = (
  url: string,
  clientId: string,
  { clean }: { readonly clean: boolean },
  onMessage: (payload: string) => void = () => {},
): Promise<{ readonly client: MqttClient; readonly sessionPresent: boolean }> =>
  new Promise((resolve, reject) => {
    const client = mqtt.connect(url, { ...overServerlessMqtt({ WebSocket: WebSocket as never }), clientId, clean });
    client.on('message', (_topic, payload) => onMessage(String(payload)));
    client.once('connect', ({ sessionPresent }: IConnackPacket) => resolve({ client, sessionPresent }));
    client.once('error', (error) => {
      client.end(true);
      reject(error);
    });
  });
