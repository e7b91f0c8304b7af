/** DynamoDB on the laptop, asked by the real SDK: what the broker leans on, the late TTL, and the faults. */
import {
  BatchGetItemCommand,
  BatchWriteItemCommand,
  ConditionalCheckFailedException,
  DeleteItemCommand,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  TransactWriteItemsCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';
import { openEngine } from '../../local/dynamodb/dynalite-engine.ts';
import { type DynamoDb, openDynamoDb } from '../../local/dynamodb/dynamodb.ts';
import { createTables } from '../../local/dynamodb/tables.ts';
import { createFaults, type Faults } from '../../local/faults.ts';
import { type HttpServer, listen } from '../../local/http-server.ts';
import { temporaryDirectory } from './fixtures/temporary-directory.ts';
import './fixtures/quiet-sdk.ts';
import { type ManualClock, manualClock } from './fixtures/manual-clock.ts';

const TableName = 'sessions';
const keys = {
  partitionKey: 'pk',
  sortKey: 'sk',
  timeToLive: 'ttl',
  indexes: { byTime: { partitionKey: 'part', sortKey: 'time' } },
};
const unused = (): never => {
  throw new Error('not part of this test');
};

let http: HttpServer;
let dynamodb: DynamoDb;
let clock: ManualClock;
let faults: Faults;
let client: DynamoDBClient;

beforeEach(async () => {
  clock = manualClock();
  const switches = createFaults(() => 0.5);
  faults = switches;
  dynamodb = await openDynamoDb({
    clock,
    faults: switches,
    tables: { [TableName]: keys },
    sweepEveryMs: 600_000,
  });
  http = await listen(0);
  http.open({
    gate: { pass: (_caller, _operation, _need, call) => call(), counts: () => ({}) },
    faults,
    dynamodb: dynamodb.handle,
    sqs: unused,
    lambda: unused,
    connections: unused,
    upgrade: unused,
  });
  client = new DynamoDBClient({
    endpoint: `http://127.0.0.1:${http.port}`,
    region: 'us-east-1',
    credentials: { accessKeyId: 'any', secretAccessKey: 'any' },
    maxAttempts: 1,
  });
});
afterEach(async () => {
  client.destroy();
  await http.close();
  await dynamodb.close();
  expect(clock.pending()).toBe(0);
});

const key = (sk: string, pk = 'p') => ({ pk: { S: pk }, sk: { S: sk } });
const put = (sk: string, more: object = {}, pk = 'p') =>
  client.send(new PutItemCommand({ TableName, Item: { ...key(sk, pk), ...more } }));
const get = async (sk: string, pk = 'p') =>
  (await client.send(new GetItemCommand({ TableName, Key: key(sk, pk), ConsistentRead: true }))).Item;
const nameOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'none',
    (error: Error) => error.name,
  );

describe('single-item conditional writes', () => {
  test('a failed condition returns the item that failed it, if asked', async () => {
    await put('s', { epoch: { N: '3' } });
    const update = (more: object) =>
      client.send(
        new UpdateItemCommand({
          TableName,
          Key: key('s'),
          UpdateExpression: 'SET #e = :next',
          ConditionExpression: '#e = :epoch',
          ExpressionAttributeNames: { '#e': 'epoch' },
          ExpressionAttributeValues: { ':epoch': { N: '2' }, ':next': { N: '4' } },
          ...more,
        }),
      );
    const asked = await update({ ReturnValuesOnConditionCheckFailure: 'ALL_OLD' }).catch((error: unknown) => error);
    expect(asked).toBeInstanceOf(ConditionalCheckFailedException);
    expect((asked as ConditionalCheckFailedException).Item).toEqual({ ...key('s'), epoch: { N: '3' } });
    const unasked = await update({}).catch((error: unknown) => error);
    expect((unasked as ConditionalCheckFailedException).Item).toBeUndefined();
  });

  test('so do PutItem and DeleteItem; of an item that is not there, nothing', async () => {
    await put('s');
    const ReturnValuesOnConditionCheckFailure = 'ALL_OLD';
    const putNew = client.send(
      new PutItemCommand({
        TableName,
        Item: key('s'),
        ConditionExpression: 'attribute_not_exists(pk)',
        ReturnValuesOnConditionCheckFailure,
      }),
    );
    expect(await putNew.catch(({ Item }: ConditionalCheckFailedException) => Item)).toEqual(key('s'));
    const remove = (sk: string) =>
      client.send(
        new DeleteItemCommand({
          TableName,
          Key: key(sk),
          ConditionExpression: 'attribute_exists(nowhere)',
          ReturnValuesOnConditionCheckFailure,
        }),
      );
    expect(await remove('s').catch(({ Item }: ConditionalCheckFailedException) => Item)).toEqual(key('s'));
    expect(await remove('t').catch((error: ConditionalCheckFailedException) => [error.name, error.Item])).toEqual([
      'ConditionalCheckFailedException',
      undefined,
    ]);
  });

  test('of many writers at once, one wins', async () => {
    const claims = Array.from({ length: 20 }, (_, n) =>
      nameOf(
        client.send(
          new PutItemCommand({
            TableName,
            Item: { ...key('claim'), owner: { N: String(n) } },
            ConditionExpression: 'attribute_not_exists(pk)',
          }),
        ),
      ),
    );
    const outcomes = await Promise.all(claims);
    expect(outcomes.filter((name) => name === 'none')).toHaveLength(1);
    expect(outcomes.filter((name) => name === 'ConditionalCheckFailedException')).toHaveLength(19);
  });

  test('counters lose no count', async () => {
    const add = () =>
      client.send(
        new UpdateItemCommand({
          TableName,
          Key: key('counter'),
          UpdateExpression: 'ADD n :one',
          ExpressionAttributeValues: { ':one': { N: '1' } },
        }),
      );
    await Promise.all(Array.from({ length: 30 }, add));
    expect((await get('counter'))?.n).toEqual({ N: '30' });
  });

  test('bytes come back as they went', async () => {
    const payload = Uint8Array.from({ length: 256 }, (_, n) => n);
    await put('bytes', { payload: { B: payload } });
    expect([...((await get('bytes'))?.payload?.B ?? [])]).toEqual([...payload]);
  });
});

describe('queries', () => {
  test('by prefix of the sort key, in the order of its UTF-8, whatever stands beside', async () => {
    const sorted = ['inflight/1', 'inflight/10', 'inflight/2', 'inflight/ä', 'inflight/€', 'inflight/😀', 'session'];
    for (const sk of sorted) await put(sk);
    await put('inflight/1', {}, 'other');
    await put('inflight/1', {}, 'p/2');
    const { Items } = await client.send(
      new QueryCommand({
        TableName,
        ConsistentRead: true,
        KeyConditionExpression: 'pk = :pk AND begins_with(sk, :sk)',
        ExpressionAttributeValues: { ':pk': { S: 'p' }, ':sk': { S: 'inflight/' } },
      }),
    );
    expect(Items?.map(({ sk }) => sk?.S)).toEqual(sorted.slice(0, -1));
  });

  test('pages of 1 MB are followed to the end', async () => {
    const large = { S: 'x'.repeat(300_000) };
    for (let n = 0; n < 10; n += 1) await put(`n${n}`, { large });
    const found: (string | undefined)[] = [];
    let pages = 0;
    let ExclusiveStartKey: Record<string, { S: string }> | undefined;
    do {
      const page = await client.send(
        new QueryCommand({
          TableName,
          KeyConditionExpression: 'pk = :pk',
          ExpressionAttributeValues: { ':pk': { S: 'p' } },
          ExclusiveStartKey,
        }),
      );
      pages += 1;
      found.push(...(page.Items ?? []).map(({ sk }) => sk?.S));
      ExclusiveStartKey = page.LastEvaluatedKey as typeof ExclusiveStartKey;
    } while (ExclusiveStartKey !== undefined);
    expect(found).toEqual(Array.from({ length: 10 }, (_, n) => `n${n}`));
    expect(pages).toBeGreaterThan(1);
  });

  test('an item above 400 KB is refused', async () => {
    expect(await nameOf(put('huge', { large: { S: 'x'.repeat(410_000) } }))).toBe('ValidationException');
  });
});

describe('an index', () => {
  const inIndex = (part: number, time: number) => ({ part: { N: String(part) }, time: { N: String(time) } });
  const query = (more: object = {}) =>
    client.send(
      new QueryCommand({
        TableName,
        IndexName: 'byTime',
        KeyConditionExpression: '#part = :part AND #time BETWEEN :first AND :last',
        ExpressionAttributeNames: { '#part': 'part', '#time': 'time' },
        ExpressionAttributeValues: { ':part': { N: '2' }, ':first': { N: '1' }, ':last': { N: '100' } },
        ...more,
      }),
    );
  const found = async (more: object = {}) => (await query(more)).Items?.map(({ sk }) => sk?.S);

  test('is ordered by number, and holds keys only of items that have both of its own', async () => {
    await put('nine', { ...inIndex(2, 9), more: { S: 'not in the index' } });
    await put('ten', inIndex(2, 10));
    await put('zero', inIndex(2, 0));
    await put('late', inIndex(2, 101));
    await put('elsewhere', inIndex(20, 10));
    await put('half', { time: { N: '10' } });
    expect((await query()).Items).toEqual([
      { ...key('nine'), ...inIndex(2, 9) },
      { ...key('ten'), ...inIndex(2, 10) },
    ]);
  });

  test('follows what becomes of an item', async () => {
    await put('s', inIndex(2, 9));
    await put('s', inIndex(2, 0));
    expect(await found()).toEqual([]);
    await put('s', inIndex(2, 50));
    expect(await found()).toEqual(['s']);
    await client.send(new DeleteItemCommand({ TableName, Key: key('s') }));
    expect(await found()).toEqual([]);
  });

  test('comes in pages, items with one time among them', async () => {
    for (const sk of ['1', '2', '3', '4', '5']) await put(sk, inIndex(2, 7));
    const pages: (string | undefined)[] = [];
    let ExclusiveStartKey: object | undefined;
    do {
      const page = await query({ Limit: 2, ExclusiveStartKey });
      expect(page.Items?.length).toBeLessThanOrEqual(2);
      pages.push(...(page.Items ?? []).map(({ sk }) => sk?.S));
      ExclusiveStartKey = page.LastEvaluatedKey;
    } while (ExclusiveStartKey !== undefined);
    expect(pages.sort()).toEqual(['1', '2', '3', '4', '5']);
  });

  test.each([
    ['a consistent read', () => query({ ConsistentRead: true })],
    ['an index that is not there', () => query({ IndexName: 'nowhere' })],
    ['a key of the wrong type', () => put('s', { part: { S: '2' }, time: { N: '1' } })],
  ])('refuses %s', async (_, call) => {
    expect(await nameOf(call())).toBe('ValidationException');
  });
});

describe('TTL', () => {
  const inSeconds = (seconds: number) => ({ ttl: { N: String(Math.floor(clock.now() / 1_000) + seconds) } });

  test('expired TTL items stay readable, until a sweep comes by', async () => {
    await put('expired', inSeconds(-3_600));
    await put('alive', inSeconds(3_600));
    await put('eternal');
    await clock.advance(599_999);
    expect(await get('expired')).toBeDefined();
    expect(await dynamodb.sweep()).toBe(1);
    expect(await get('expired')).toBeUndefined();
    expect(await get('alive')).toBeDefined();
    expect(await get('eternal')).toBeDefined();
  });

  test('the sweeper comes by itself, late', async () => {
    await put('expired', inSeconds(10));
    await clock.advance(600_000);
    while ((await get('expired')) !== undefined) await clock.advance(0);
    while (clock.pending() === 0) await clock.advance(0);
  });

  test('what expired more than five years ago is never deleted', async () => {
    await put('ancient', inSeconds(-6 * 365 * 86_400));
    expect(await dynamodb.sweep()).toBe(0);
    expect(await get('ancient')).toBeDefined();
  });
});

describe('faults', () => {
  test.each([
    ['ProvisionedThroughputExceededException', 400],
    ['InternalServerError', 500],
    ['ThrottlingException', 400],
    ['RequestLimitExceeded', 400],
    ['TransactionConflictException', 400],
  ] as const)('injectable for the next N calls of an operation: %s', async (error, status) => {
    faults.set({ dynamodb: { fail: [{ operation: 'PutItem', error, next: 2 }] } });
    for (const sk of ['1', '2']) {
      const failure = await put(sk).catch((caught: unknown) => caught);
      expect(failure).toMatchObject({ name: error, $metadata: { httpStatusCode: status } });
    }
    expect(await nameOf(put('3'))).toBe('none');
    expect([await get('1'), await get('2')]).toEqual([undefined, undefined]);
  });

  test('injectable for a share of all operations', async () => {
    // The draw is always 0.5.
    faults.set({ dynamodb: { fail: [{ operation: '*', share: 0.6 }] } });
    expect(await nameOf(get('1'))).toBe('ProvisionedThroughputExceededException');
    faults.set({ dynamodb: { fail: [{ operation: '*', share: 0.4 }] } });
    expect(await nameOf(get('1'))).toBe('none');
  });

  test('UnprocessedItems and UnprocessedKeys injectable', async () => {
    faults.set({ dynamodb: { unprocessed: { next: 1 } } });
    const requests = ['1', '2', '3'].map((sk) => ({ PutRequest: { Item: key(sk) } }));
    const write = await client.send(new BatchWriteItemCommand({ RequestItems: { [TableName]: requests } }));
    expect(write.UnprocessedItems).toEqual({ [TableName]: requests.slice(2) });
    expect(await get('3')).toBeUndefined();
    faults.set({ dynamodb: { unprocessed: { next: 1 } } });
    const Keys = ['1', '2'].map((sk) => key(sk));
    const read = await client.send(
      new BatchGetItemCommand({ RequestItems: { [TableName]: { Keys, ConsistentRead: true } } }),
    );
    expect(read.Responses?.[TableName]).toEqual([key('1')]);
    expect(read.UnprocessedKeys).toEqual({ [TableName]: { Keys: [key('2')], ConsistentRead: true } });
  });
});

describe('a table found on the disk', () => {
  const plainTable = {
    TableName,
    BillingMode: 'PAY_PER_REQUEST',
    AttributeDefinitions: ['pk', 'sk'].map((AttributeName) => ({ AttributeName, AttributeType: 'S' })),
    KeySchema: [
      { AttributeName: 'pk', KeyType: 'HASH' },
      { AttributeName: 'sk', KeyType: 'RANGE' },
    ],
  };
  let directory: ReturnType<typeof temporaryDirectory>;
  beforeEach(() => {
    directory = temporaryDirectory();
  });
  afterEach(() => directory.remove());

  test('is made again where a crash left it unfinished', async () => {
    const slow = await openEngine(directory.path, 100);
    await slow.run('CreateTable', plainTable);
    await slow.close();
    const engine = await openEngine(directory.path);
    await createTables(engine, { [TableName]: keys });
    expect(await engine.run('PutItem', { TableName, Item: key('s') })).toEqual({ ok: {} });
    await engine.close();
  });

  test('gets the index that it was made without, and keeps what is in it', async () => {
    const older = await openEngine(directory.path);
    await createTables(older, { [TableName]: { ...keys, indexes: {} } });
    await older.run('PutItem', { TableName, Item: key('old') });
    await older.close();
    const engine = await openEngine(directory.path);
    await createTables(engine, { [TableName]: keys });
    expect(await engine.run('GetItem', { TableName, Key: key('old') })).toEqual({ ok: { Item: key('old') } });
    const item = { ...key('new'), part: { N: '2' }, time: { N: '5' } };
    await engine.run('PutItem', { TableName, Item: item });
    const query = {
      TableName,
      IndexName: 'byTime',
      KeyConditionExpression: 'part = :part',
      ExpressionAttributeValues: { ':part': { N: '2' } },
    };
    expect(await engine.run('Query', query)).toMatchObject({ ok: { Items: [item] } });
    await engine.close();
  });
});

test('what it cannot do is said by name', async () => {
  const transaction = new TransactWriteItemsCommand({ TransactItems: [{ Delete: { TableName, Key: key('s') } }] });
  const failure = await client.send(transaction).catch((error: Error) => error);
  expect((failure as Error).message).toContain('TransactWriteItems');
});

test('requests are taken without a signature', async () => {
  await put('s');
  const response = await fetch(`http://127.0.0.1:${http.port}/`, {
    method: 'POST',
    headers: { 'X-Amz-Target': 'DynamoDB_20120810.GetItem', 'Content-Type': 'application/x-amz-json-1.0' },
    body: JSON.stringify({ TableName, Key: key('s') }),
  });
  expect(await response.json()).toEqual({ Item: key('s') });
});
