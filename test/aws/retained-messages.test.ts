/** What the broker asks of DynamoDB for what is retained, call by call. */
import { GetItemCommand } from '@aws-sdk/client-dynamodb';
import type { ClientId, MessageId } from '../../src/session/ids.ts';
import { retain } from '../../src/session/retained.ts';
import { createAwsSubject } from '../contracts/aws-subject.ts';

let subject: Awaited<ReturnType<typeof createAwsSubject>>;
let calls: string[] = [];

beforeAll(async () => {
  subject = await createAwsSubject();
  subject.clients.dynamodb.middlewareStack.add(
    (next, { commandName = '' }) =>
      (args) => {
        const { Key, Item } = args.input as Record<string, Record<string, { S: string }> | undefined>;
        calls.push([commandName.replace('Command', ''), (Key ?? Item)?.pk?.S].join(' ').trim());
        return next(args);
      },
    { step: 'initialize', name: 'calls' },
  );
});
beforeEach(() => {
  calls = [];
});
afterAll(() => subject.stop());

const keep = (topic: string, payload: string, at = 0) =>
  subject.ports.retained.change(
    topic,
    retain(
      { id: 'id' as MessageId, topic, payload: new TextEncoder().encode(payload), qos: 1, retain: true },
      { publisher: 'p' as ClientId, epoch: 1, at },
    ),
  );

const itemOf = async (topic: string) => {
  const Key = { pk: { S: `t#${topic.split('/')[0]}` }, sk: { S: topic } };
  return (await subject.clients.dynamodb.send(new GetItemCommand({ TableName: 'retained', Key }))).Item;
};

it('one write for a message, besides one for each first level that the process has not seen', async () => {
  await keep('plant/1', 'x');
  await keep('plant/2', 'x');
  await keep('plant/1', 'y');
  expect(calls.map((call) => call.replace(/levels#\d/, 'levels'))).toEqual([
    'PutItem levels',
    'UpdateItem t#plant',
    'UpdateItem t#plant',
    'UpdateItem t#plant',
  ]);
});

it('a first level is registered before anything is found under it, and for a removal it is not', async () => {
  await keep('none/1', '');
  expect(calls).toEqual(['UpdateItem t#none']);
  await keep('some/1', 'x');
  expect(calls.slice(1)).toEqual([expect.stringMatching(/^PutItem levels/), 'UpdateItem t#some']);
});

it('a removal has a time to live; what is retained has none, even where a removal was', async () => {
  await keep('ttl/1', 'x');
  expect(await itemOf('ttl/1')).not.toHaveProperty('ttl');
  await keep('ttl/1', '');
  expect(await itemOf('ttl/1')).toHaveProperty('ttl');
  await keep('ttl/1', 'again');
  expect(await itemOf('ttl/1')).toMatchObject({ payload: { B: expect.anything() } });
  expect(await itemOf('ttl/1')).not.toHaveProperty('ttl');
});

it('never scans', async () => {
  await keep('scan/1', 'x');
  calls = [];
  await subject.ports.retained.read('scan/1');
  await subject.ports.retained.under('scan', undefined);
  await subject.ports.retained.firstLevels(undefined);
  expect(calls.map((call) => call.split(' ')[0])).toEqual(['GetItem', 'Query', 'Query']);
});
