/** What only SQS has: several servers, pages of names, and queues of which nobody knows whose they are. */
import { GetItemCommand } from '@aws-sdk/client-dynamodb';
import { CreateQueueCommand } from '@aws-sdk/client-sqs';
import { createAwsSubject } from '../contracts/aws-subject.ts';
import { freshAddress } from '../contracts/subject.ts';

describe('the queues of clients', () => {
  let subject: Awaited<ReturnType<typeof createAwsSubject>>;
  /** What was asked of AWS, in order. */
  let commands: { readonly name: string | undefined; readonly input: object }[];
  beforeEach(async () => {
    subject = await createAwsSubject();
    commands = [];
    for (const client of Object.values(subject.clients)) {
      client.middlewareStack.add(
        (next: (args: unknown) => Promise<unknown>, { commandName }: { commandName?: string }) =>
          (args: unknown) => {
            commands.push({ name: commandName, input: (args as { input: object }).input });
            return next(args);
          },
        { step: 'initialize', name: 'commands' },
      );
    }
  });
  afterEach(() => subject.stop());

  const names = () => commands.map(({ name }) => name);

  it('are received from with long polling: asking all servers, nothing then means that there is nothing', async () => {
    const session = freshAddress();
    await subject.ports.queues.create(session);
    expect(await subject.ports.queues.receive(session, 3)).toEqual([]);
    expect(commands.at(-1)).toMatchObject({ input: { MaxNumberOfMessages: 3, WaitTimeSeconds: 1 } });
  });

  it('have a note of their owner before they are there, which nothing collects, until they are gone', async () => {
    const session = freshAddress();
    await subject.ports.queues.create(session);
    expect(names()).toEqual(['PutItemCommand', 'CreateQueueCommand']);
    const [{ name } = { name: '' }] = (await subject.ports.queues.list(undefined)).found;
    const note = { TableName: 'sessions', Key: { pk: { S: `q#${name}` }, sk: { S: 'owner' } } };
    expect((await subject.clients.dynamodb.send(new GetItemCommand(note))).Item).not.toHaveProperty('ttl');
    commands = [];
    await subject.ports.queues.destroy(session);
    expect(names()).toEqual(['DeleteQueueCommand', 'DeleteItemCommand']);
    expect((await subject.clients.dynamodb.send(new GetItemCommand(note))).Item).toBeUndefined();
  });

  it('are listed in pages, those without an owner too, and no others', async () => {
    const sessions = Array.from({ length: 4 }, freshAddress);
    for (const session of sessions) await subject.ports.queues.create(session);
    const create = (QueueName: string) =>
      subject.clients.sqs.send(new CreateQueueCommand({ QueueName, Attributes: { FifoQueue: 'true' } }));
    await create('contract_session_orphan.fifo');
    await create('somebody-elses.fifo');
    subject.clients.sqs.middlewareStack.add(
      (next) => (args) => next({ ...args, input: { ...args.input, MaxResults: 2 } }),
      { step: 'initialize', priority: 'low', name: 'smallPages' },
    );
    const owners: unknown[] = [];
    let pages = 0;
    for (let after: string | undefined, more = true; more; more = after !== undefined) {
      const { found, next } = await subject.ports.queues.list(after);
      owners.push(...found.map(({ name, owner }) => owner ?? name));
      pages++;
      after = next;
    }
    expect(pages).toBe(3);
    expect(owners).toHaveLength(5);
    expect(owners).toEqual(expect.arrayContaining([...sessions, 'contract_session_orphan.fifo']));
    expect(commands).toContainEqual({
      name: 'ListQueuesCommand',
      input: { QueueNamePrefix: 'contract_session_', MaxResults: 1_000, NextToken: undefined },
    });
  });
});
