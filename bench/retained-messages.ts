/**
 * What a PUBLISH with RETAIN and a SUBSCRIBE cost while much is retained: the broker through the real SDK on the embedded
 * DynamoDB, its calls counted.
 *
 *     npx tsx bench/retained-messages.ts [--retained 100000] [--payload 100]
 *
 * Rules of this file: it prints numbers and judges nothing. Times are those of this machine and of the embedded DynamoDB.
 */
import { parseArgs } from 'node:util';
import { BatchWriteItemCommand } from '@aws-sdk/client-dynamodb';
import { marshall } from '@aws-sdk/util-dynamodb';
import { generate } from 'mqtt-packet';
import { retainedKey } from '../src/aws/keys.ts';
import { openAuthority } from '../src/broker/authority.ts';
import type { Context } from '../src/broker/context.ts';
import { handleFrame } from '../src/broker/handle-frame.ts';
import { inParallel, WIDTH } from '../src/broker/in-parallel.ts';
import type { Job } from '../src/broker/ports.ts';
import { runJob } from '../src/broker/run-job.ts';
import type { ConnectionId } from '../src/session/ids.ts';
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
/** Parts of a push that has not come whole yet. */
const pushed = new Map<string, string>();
const context: Context = {
  ...subject.ports,
  settings: { ...defaultSettings, lifecycleEvents: 'off', maxInFlight: 1_000_000 },
  timing: { lambdaTimeout: 25_000, queueVisibility: 10_000, clockMargin: 5_000, postTimeout: 2_000 },
  authority: openAuthority,
  knownShapes: new Set(),
  timers: {
    send: async (job) => {
      jobs.push(job);
    },
  },
  gateway: {
    ...subject.ports.gateway,
    post: async (_, frame) => {
      const [head = '', body = ''] = frame.split(':');
      const [, unit = '', index, parts] = /;part=([\w-]+)\.(\d+)\.(\d+)/.exec(head) ?? [];
      pushed.set(unit, (pushed.get(unit) ?? '') + body);
      if (Number(index ?? 0) + 1 < Number(parts ?? 1)) return 'accepted';
      copies +=
        Buffer.from(pushed.get(unit) ?? '', 'base64')
          .toString('latin1')
          .split('plant/').length - 1;
      pushed.delete(unit);
      return 'accepted';
    },
  },
};

const calls = new Map<string, number>();
subject.clients.dynamodb.middlewareStack.add(
  (next, { commandName = '' }) =>
    (args) => {
      const { TableName = 'several' } = args.input as { readonly TableName?: string };
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
const batches = Array.from({ length: Math.ceil(count / 25) }, (_, batch) =>
  Array.from({ length: Math.min(25, count - batch * 25) }, (_, at) => {
    const index = batch * 25 + at;
    const topic = `plant/${Math.floor(index / 10)}/${index}`;
    const message = {
      id: 'id',
      topic,
      payload: new Uint8Array(bytes),
      qos: 0,
      retain: true,
      publisher: 'p',
      epoch: 1,
      at: 0,
    };
    return { PutRequest: { Item: marshall({ ...retainedKey(topic), ...message }) } };
  }),
);
await inParallel(batches, WIDTH, (retained) =>
  subject.clients.dynamodb.send(new BatchWriteItemCommand({ RequestItems: { retained } })),
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
