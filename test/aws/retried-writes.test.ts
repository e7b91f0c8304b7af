/**
 * DynamoDB carries a write out, its answer is lost, and the SDK sends it again. The broker must not notice: a change counts
 * once, and whoever made it learns that it was made.
 */
import { announce, open } from '../../src/session/connection.ts';
import { type ClientId, NO_GRANT, NO_WILL } from '../../src/session/ids.ts';
import { retain } from '../../src/session/retained.ts';
import { createAwsSubject } from '../contracts/aws-subject.ts';
import { freshAddress, freshConnection, messageOf, plain, sessionOf } from '../contracts/subject.ts';

describe('a write that the SDK sends twice', () => {
  let subject: Awaited<ReturnType<typeof createAwsSubject>>;
  let sent = 0;

  beforeAll(async () => {
    subject = await createAwsSubject();
    subject.clients.dynamodb.middlewareStack.add(
      (next, { commandName }) =>
        async (args) => {
          const writes = /^(Put|Update|Delete)Item/.test(commandName ?? '');
          if (writes) {
            await next(args).catch(() => {}); // carried out, or refused: nobody hears of it
            sent++;
          }
          return next(args);
        },
      { step: 'deserialize', priority: 'low', name: 'answerLost' },
    );
  });
  beforeEach(() => {
    sent = 0;
  });
  afterEach(() => expect(sent).toBeGreaterThan(0));
  afterAll(() => subject.stop());

  const created = async () => {
    const address = freshAddress();
    const session = sessionOf(address, { backlog: 5 });
    const outcome = await subject.ports.sessions.change(address.clientId, { if: [['absent']], set: session });
    return { ...address, session, outcome };
  };

  it('creates a session, and says so', async () => {
    const { session, outcome } = await created();
    expect(outcome).toEqual({ done: true, record: session });
  });

  it('adds once, and answers with the record after it', async () => {
    const { clientId, session } = await created();
    const outcome = await subject.ports.sessions.change(clientId, { if: [['=', 'epoch', 1]], add: { backlog: -2 } });
    expect(outcome).toEqual({ done: true, record: { ...session, backlog: 3 } });
    expect(await subject.ports.sessions.read(clientId)).toEqual({ ...session, backlog: 3 });
  });

  it('is done although what it wrote does not fulfil its condition any more', async () => {
    const { clientId, session } = await created();
    const outcome = await subject.ports.sessions.change(clientId, { if: [['=', 'epoch', 1]], add: { epoch: 1 } });
    expect(outcome).toEqual({ done: true, record: { ...session, epoch: 2 } });
  });

  it('is refused where it was refused the first time', async () => {
    const { clientId, session } = await created();
    const outcome = await subject.ports.sessions.change(clientId, { if: [['=', 'epoch', 7]], add: { epoch: 1 } });
    expect(outcome).toEqual({ done: false, record: session });
  });

  it('puts a message in flight, and says so; another one at the same packet id is refused', async () => {
    const here = freshAddress();
    expect(await subject.ports.inFlight.put(here, messageOf(1))).toBe(true);
    expect(await subject.ports.inFlight.put(here, messageOf(65_536, { packetId: 1 }))).toBe(false);
    expect((await subject.ports.inFlight.list(here)).map(plain)).toEqual([plain(messageOf(1))]);
  });

  it('keeps a retained message, and says so', async () => {
    const message = { ...messageOf(1), topic: `retained/${freshAddress().clientId}` };
    const change = retain(message, { publisher: 'p' as ClientId, epoch: 1, at: 5 });
    expect(await subject.ports.retained.change(message.topic, change)).toMatchObject({ done: true });
    expect(await subject.ports.retained.read(message.topic)).toMatchObject({ id: message.id });
  });

  it('announces and opens a connection, and says so; closing it still tells whose it was', async () => {
    const { connections } = subject.ports;
    const connectionId = freshConnection();
    const terms = { keepAlive: 60, authorizedUntil: 0, reauthorizeAt: 0 };
    const session = { ...freshAddress(), epoch: 4, persistent: true, will: NO_WILL, grant: NO_GRANT, connectedAt: 90 };
    expect((await connections.change(connectionId, announce(session.clientId, 50))).done).toBe(true);
    expect((await connections.change(connectionId, open(session, terms, 100))).done).toBe(true);
    expect((await connections.change(connectionId, open(session, terms, 110))).done).toBe(false);
    expect(await connections.close(connectionId, 200)).toMatchObject(session);
  });

  it('enters a principal, and says so; edits it once, and counts the version up by one for each', async () => {
    const { administration, ports } = subject;
    const name = freshAddress().clientId;
    const before = await ports.identity.version();
    const principal = { passwordHash: '', policies: ['p'], attributes: {} };
    expect(await administration.addPrincipal(name, principal)).toBe(true);
    await administration.editPrincipal(name, (now) => ({ ...now, policies: [...now.policies, 'q'] }));
    expect(await ports.identity.principal(name)).toMatchObject({ policies: ['p', 'q'] });
    expect(await ports.identity.version()).toBe(before + 2);
  });
});
