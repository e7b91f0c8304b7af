/**
 * What a PUBLISH with RETAIN and a SUBSCRIBE cost while much is retained: the broker through the real SDK on the embedded
 * DynamoDB, its calls counted and the capacity units that they take worked out from the sizes of items.
 *
 *     npx tsx bench/retained-messages.ts [--retained 100000] [--payload 100]
 *
 * Rules of this file: it prints numbers and judges nothing. Times are those of this machine and of the embedded DynamoDB.
 */
import { parseArgs } from 'node:util';
import { generate } from 'mqtt-packet';
import type { Context } from '../src/broker/context.ts';
import { handleFrame } from '../src/broker/handle-frame.ts';
import { inParallel, WIDTH } from '../src/broker/in-parallel.ts';
import type { Job } from '../src/broker/ports.ts';
import { runJob } from '../src/broker/run-job.ts';
import type { ClientId, ConnectionId, MessageId } from '../src/session/ids.ts';
import { retain } from '../src/session/retained.ts';
import { connectPacket, defaultSettings, type Packet, publishPacket, subscribePacket } from '../test/broker/world.ts';
import { createAwsSubject } from '../test/contracts/aws-subject.ts';

const help = `Usage: npx tsx bench/retained-messages.ts [options]

  --retained N   how many topics have a retained message (100000), ten under each second level of one first level
  --payload N    bytes of each (100)`;

const { values } = parseArgs({
  options: {
    retained: { type: 'string', default: '100000' },
    payload: { type: 'string', default: '100' },
    help: { type: 'boolean', short: 'h' },
  },
});
if (values.help) {
  console.log(help);
  process.exit(0);
}
const [count, bytes] = [Number(values.retained), Number(values.payload)];

const subject = await createAwsSubject();
const jobs: Job[] = [];
/** Copies that reach the subscriber: nothing is posted, for what a copy costs is not in question here. */
let copies = 0;
const context: Context = {
  ...subject.ports,
  settings: { ...defaultSettings, lifecycleEvents: 'off', maxInFlight: 1_000_000 },
  timing: { lambdaTimeout: 25_000, queueVisibility: 10_000, clockMargin: 5_000, postTimeout: 2_000 },
  knownShapes: new Set(),
  timers: {
    send: async (job) => {
      jobs.push(job);
    },
  },
  gateway: {
    ...subject.ports.gateway,
    post: async (_, frame) => {
      copies +=
        Buffer.from(frame.slice(frame.indexOf(':') + 1), 'base64')
          .toString('latin1')
          .split('plant/').length - 1;
      return 'accepted';
    },
  },
};

const calls = new Map<string, number>();
subject.clients.dynamodb.middlewareStack.add(
  (next, { commandName = '' }) =>
    (args) => {
      const { TableName } = args.input as { readonly TableName: string };
      const call = `${TableName} ${commandName.replace('Command', '')}`;
      calls.set(call, (calls.get(call) ?? 0) + 1);
      return next(args);
    },
  { step: 'initialize', name: 'calls' },
);

const progress = (text: string): void => {
  process.stderr.write(`${text}\n`);
};
const connect = async (clientId: string) => {
  const connectionId = `${clientId}=` as ConnectionId;
  const send = (...packets: readonly Packet[]): Promise<string> =>
    handleFrame(context, {
      connectionId,
      body: Buffer.concat(packets.map((packet) => generate(packet))).toString('base64'),
      deadline: Date.now() + 25_000,
    });
  await send(connectPacket(clientId));
  return send;
};
/** What `work` calls, how long it takes, and how many copies come of it. */
const measure = async (name: string, work: () => Promise<unknown>): Promise<void> => {
  calls.clear();
  copies = 0;
  const from = performance.now();
  await work();
  const took = Math.round(performance.now() - from);
  const made = [...calls].map(([call, number]) => `${number} × ${call}`).toSorted();
  console.log(`${name}: ${took} ms, ${copies} copies; ${made.join(', ')}`);
};

const publisher = await connect('publisher');
const packets = (topic: string, isRetained: boolean): readonly Packet[] =>
  Array.from({ length: 100 }, (_, index) => ({
    ...publishPacket(`${topic}/${index}`, 'x'.repeat(bytes), 1, index + 1),
    retain: isRetained,
  }));
const measurePublishing = async (when: string): Promise<void> => {
  await publisher(...packets('plant/warm', true));
  await measure(`100 PUBLISH without RETAIN, ${when}`, () => publisher(...packets('plant/bench', false)));
  await measure(`100 PUBLISH with RETAIN, ${when}`, () => publisher(...packets('plant/bench', true)));
};

await measurePublishing('nothing retained');
progress(`retaining ${count} messages …`);
await inParallel(
  Array.from({ length: count }, (_, index) => `plant/${Math.floor(index / 10)}/${index}`),
  WIDTH,
  (topic) =>
    context.retained.change(
      topic,
      retain(
        { id: 'id' as MessageId, topic, payload: new Uint8Array(bytes), qos: 0, retain: true },
        { publisher: 'p' as ClientId, epoch: 1, at: 0 },
      ),
    ),
);
await measurePublishing(`${count} retained`);

for (const filter of ['plant/7/77', 'plant/7/#', 'plant/+/77', '#']) {
  const subscriber = await connect(`subscriber of ${filter}`);
  await measure(`SUBSCRIBE ${filter}, until its SUBACK`, () => subscriber(subscribePacket({ [filter]: 0 })));
  await measure(`SUBSCRIBE ${filter}, its jobs`, async () => {
    let done = 0;
    for (let job = jobs.shift(); job; job = jobs.shift(), done++) await runJob(context, job);
    console.log(`  ${done} jobs`);
  });
}
await subject.stop();
