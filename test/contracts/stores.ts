/** What the stores must do, whoever implements them. */

import type { Subscription, Will } from '../../src/broker/ports.ts';
import type { Change } from '../../src/session/change.ts';
import {
  announce,
  type Connection,
  type ConnectionTerms,
  leaveCheck,
  open,
  seen,
} from '../../src/session/connection.ts';
import {
  type ClientId,
  type ConnectionId,
  type MessageId,
  NO_GRANT,
  NO_WILL,
  type WillId,
} from '../../src/session/ids.ts';
import type { Session, SessionEpoch } from '../../src/session/session.ts';
import { freshAddress, freshConnection, messageOf, plain, type Subject, sessionOf } from './subject.ts';

export function storesContract(subject: () => Subject): void {
  const ports = () => subject().ports;

  describe('sessions', () => {
    const create = async (changes: Partial<Session> = {}) => {
      const address = freshAddress();
      const session = sessionOf(address, changes);
      await ports().sessions.change(address.clientId, { if: [['absent']], set: session });
      return { ...address, session };
    };

    it('reads what was written, and nothing where nothing was', async () => {
      const { clientId, session } = await create({ predecessors: 'a@1 b@2', epoch: 1_767_225_600_000 });
      expect(await ports().sessions.read(clientId)).toEqual(session);
      expect(await ports().sessions.read('nobody' as ClientId)).toBeUndefined();
    });

    it('creates once', async () => {
      const { clientId, session } = await create();
      const again = await ports().sessions.change(clientId, { if: [['absent']], set: { ...session, epoch: 2 } });
      expect(again).toEqual({ done: false, record: session });
    });

    it('answers a change with the record after it', async () => {
      const { clientId, generation, session } = await create({ backlog: 3 });
      const outcome = await ports().sessions.change(clientId, {
        if: [['=', 'generation', generation]],
        set: { mode: 'queued' },
        add: { backlog: -1, sequence: 5 },
      });
      expect(outcome).toEqual({ done: true, record: { ...session, mode: 'queued', backlog: 2, sequence: 5 } });
      expect(await ports().sessions.read(clientId)).toEqual(outcome.record);
    });

    it('answers a refused change with the record as it is, unchanged', async () => {
      const { clientId, session } = await create();
      const outcome = await ports().sessions.change(clientId, { if: [['=', 'epoch', 2]], set: { mode: 'queued' } });
      expect(outcome).toEqual({ done: false, record: session });
      expect(await ports().sessions.read(clientId)).toEqual(session);
    });

    it('refuses a change of a session that is not there', async () => {
      const change: Change<Session> = { if: [['=', 'epoch', 1]], set: { mode: 'queued' } };
      expect(await ports().sessions.change(freshAddress().clientId, change)).toEqual({
        done: false,
        record: undefined,
      });
    });

    it.each<readonly [string, Change<Session>['if'], boolean]>([
      ['= holds', [['=', 'backlog', 5]], true],
      ['= does not', [['=', 'backlog', 4]], false],
      ['<> holds', [['<>', 'status', 'ended']], true],
      ['<> does not', [['<>', 'status', 'online']], false],
      ['< holds', [['<', 'backlog', 6]], true],
      ['< does not at equality', [['<', 'backlog', 5]], false],
      ['<= holds at equality', [['<=', 'backlog', 5]], true],
      ['<= does not', [['<=', 'backlog', 4]], false],
      ['> holds', [['>', 'backlog', 4]], true],
      ['> does not at equality', [['>', 'backlog', 5]], false],
      ['>= holds at equality', [['>=', 'backlog', 5]], true],
      ['>= does not', [['>=', 'backlog', 6]], false],
      ['a boolean is compared', [['=', 'queueReady', false]], true],
      [
        'all must hold',
        [
          ['=', 'backlog', 5],
          ['=', 'mode', 'queued'],
        ],
        false,
      ],
      [
        'one of any is enough',
        [
          [
            'any',
            [
              ['=', 'backlog', 1],
              ['=', 'mode', 'direct'],
            ],
          ],
        ],
        true,
      ],
      [
        'none of any is not',
        [
          [
            'any',
            [
              ['=', 'backlog', 1],
              ['=', 'mode', 'queued'],
            ],
          ],
        ],
        false,
      ],
      [
        'any beside another',
        [
          ['=', 'backlog', 5],
          ['any', [['absent'], ['<=', 'epoch', 1]]],
        ],
        true,
      ],
      ['absent does not hold of what is there', [['absent']], false],
    ])('conditions: %s', async (_, conditions, expected) => {
      const { clientId } = await create({ backlog: 5 });
      const outcome = await ports().sessions.change(clientId, { if: conditions, set: { tick: 9 } });
      expect(outcome.done).toBe(expected);
    });

    it('conditions: <> does not hold of what is absent', async () => {
      const outcome = await ports().sessions.change(freshAddress().clientId, {
        if: [['<>', 'status', 'ended']],
        set: { tick: 9 },
      });
      expect(outcome).toEqual({ done: false, record: undefined });
    });

    it('lets one of many concurrent writers win', async () => {
      const { clientId } = await create();
      const outcomes = await Promise.all(
        Array.from({ length: 8 }, () =>
          ports().sessions.change(clientId, { if: [['=', 'epoch', 1]], add: { epoch: 1 } }),
        ),
      );
      expect(outcomes.filter(({ done }) => done)).toHaveLength(1);
    });

    it('removes only if the conditions hold', async () => {
      const { clientId, session } = await create();
      await ports().sessions.remove(clientId, [['=', 'epoch', 2]]);
      expect(await ports().sessions.read(clientId)).toEqual(session);
      await ports().sessions.remove(clientId, [['=', 'epoch', 1]]);
      expect(await ports().sessions.read(clientId)).toBeUndefined();
    });
  });

  describe('sessions that expire', () => {
    const create = async (expiryPart: number, expiresAt: number) => {
      const address = freshAddress();
      const status = expiresAt === 0 ? 'online' : 'offline';
      const session = sessionOf(address, { status, expiryPart, expiresAt });
      await ports().sessions.change(address.clientId, { if: [['absent']], set: session });
      return address.clientId;
    };
    /** Page after page, to the end. */
    const expired = async (part: number, before: number) => {
      const pages: (readonly ClientId[])[] = [];
      let after: string | undefined;
      do {
        const { found, next } = await ports().sessions.expired(part, before, after);
        pages.push(found);
        after = next;
      } while (after !== undefined);
      return { pages, found: pages.flat() };
    };
    const now = 1_767_225_600_000;

    it('are found in their part when their time has come, the earliest first; one that is online never', async () => {
      const second = await create(3, now);
      const first = await create(3, 999); // fewer digits, and yet earlier
      await create(3, now + 1);
      await create(3, 0);
      await create(4, 5);
      expect((await expired(3, now)).found).toEqual([first, second]);
      expect((await expired(5, now)).found).toEqual([]);
    });

    it('are found anew at each new time, and no more once they are online or removed', async () => {
      const [back, later, removed] = [await create(6, 10), await create(6, 10), await create(6, 10)];
      await ports().sessions.change(back, { if: [], set: { expiresAt: 0 } });
      await ports().sessions.change(later, { if: [], set: { expiresAt: 30 } });
      await ports().sessions.remove(removed, []);
      expect((await expired(6, 20)).found).toEqual([]);
      expect((await expired(6, 30)).found).toEqual([later]);
    });

    it('come in pages: each of very many once, several at the same time among them', async () => {
      const created = await Promise.all(
        Array.from({ length: 230 }, async (_, index) => {
          const expiresAt = 1_000 + Math.floor(index / 3);
          return { clientId: await create(7, expiresAt), expiresAt };
        }),
      );
      const times = new Map(created.map(({ clientId, expiresAt }) => [clientId, expiresAt]));
      const { pages, found } = await expired(7, now);
      expect(pages.length).toBeGreaterThan(2);
      expect([...found].sort()).toEqual([...times.keys()].sort());
      expect(found.map((clientId) => times.get(clientId))).toEqual(created.map(({ expiresAt }) => expiresAt));
    });
  });

  describe('wills', () => {
    const willOf = (changes: Partial<Will> = {}): Will => ({
      id: 'will' as MessageId,
      topic: 'a/b',
      payload: new Uint8Array([0, 1, 255]),
      qos: 1,
      retain: true,
      leaseUntil: 0,
      grant: NO_GRANT,
      ...changes,
    });
    const id = 'connection=' as WillId;
    const read = async (clientId: ClientId) => {
      const will = await ports().wills.read(clientId, id);
      return will && plain(will);
    };

    it('are read as they were put, the last one under an id; nothing where nothing was', async () => {
      const { clientId } = freshAddress();
      expect(await read(clientId)).toBeUndefined();
      await ports().wills.put(clientId, id, willOf());
      await ports().wills.put(clientId, 'another=' as WillId, willOf({ topic: 'other' }));
      expect(await read(clientId)).toEqual(plain(willOf()));
      await ports().wills.put(clientId, id, willOf({ qos: 0, payload: new Uint8Array() }));
      expect(await read(clientId)).toEqual(plain(willOf({ qos: 0, payload: new Uint8Array() })));
    });

    it('hold payloads of 128 KiB', async () => {
      const { clientId } = freshAddress();
      await ports().wills.put(clientId, id, willOf({ payload: new Uint8Array(131_072).fill(7) }));
      expect((await ports().wills.read(clientId, id))?.payload.byteLength).toBe(131_072);
    });

    it('are changed where the conditions hold, and no ghost is made of one that is gone', async () => {
      const { clientId } = freshAddress();
      const claim: Change<Will> = { if: [['<=', 'leaseUntil', 10]], set: { leaseUntil: 40 } };
      expect(await ports().wills.change(clientId, id, claim)).toEqual({ done: false, record: undefined });
      await ports().wills.put(clientId, id, willOf());
      const claimed = await ports().wills.change(clientId, id, claim);
      expect(claimed.done && plain(claimed.record)).toEqual(plain(willOf({ leaseUntil: 40 })));
      expect((await ports().wills.change(clientId, id, claim)).done).toBe(false);
      expect(await read(clientId)).toEqual(plain(willOf({ leaseUntil: 40 })));
    });

    it('are removed once, and say so', async () => {
      const { clientId } = freshAddress();
      await ports().wills.put(clientId, id, willOf());
      expect(await ports().wills.remove(clientId, id)).toBe(true);
      expect(await ports().wills.remove(clientId, id)).toBe(false);
      expect(await read(clientId)).toBeUndefined();
    });

    it('stand apart from the session of their client', async () => {
      const address = freshAddress();
      await ports().wills.put(address.clientId, id, willOf());
      expect(await ports().sessions.read(address.clientId)).toBeUndefined();
      expect(await ports().inFlight.list(address)).toEqual([]);
      expect(await ports().filters.list(address)).toEqual([]);
    });
  });

  describe('messages in flight', () => {
    it('keeps each packet id once, and tells sessions and generations apart', async () => {
      const here = freshAddress();
      const elsewhere = { ...here, generation: 'another' as typeof here.generation };
      expect(await ports().inFlight.put(here, messageOf(1))).toBe(true);
      expect(await ports().inFlight.put(here, messageOf(1, { sequence: 65_536 }))).toBe(false);
      expect(await ports().inFlight.put(elsewhere, messageOf(1))).toBe(true);
      expect((await ports().inFlight.list(here)).map(plain)).toEqual([plain(messageOf(1))]);
    });

    it('lists in order of sequence, whatever the packet ids', async () => {
      const here = freshAddress();
      for (const [packetId, sequence] of [
        [2, 65_537],
        [10, 10],
        [65_535, 65_535],
        [9, 9],
      ] as const) {
        await ports().inFlight.put(here, messageOf(sequence, { packetId }));
      }
      expect((await ports().inFlight.list(here)).map(({ sequence }) => sequence)).toEqual([9, 10, 65_535, 65_537]);
    });

    it('holds payloads of 128 KiB, more than one page of them', async () => {
      const here = freshAddress();
      const payload = new Uint8Array(131_072).fill(7);
      for (let sequence = 1; sequence <= 9; sequence++)
        await ports().inFlight.put(here, messageOf(sequence, { payload }));
      const listed = await ports().inFlight.list(here);
      expect(listed.map(({ sequence, payload: { byteLength } }) => [sequence, byteLength])).toEqual(
        Array.from({ length: 9 }, (_, index) => [index + 1, 131_072]),
      );
    });

    it('changes one that is there, and makes no ghost of one that is not', async () => {
      const here = freshAddress();
      await ports().inFlight.put(here, messageOf(1));
      const stamped = await ports().inFlight.change(here, 1, { if: [['<=', 'epoch', 2]], set: { epoch: 2, tick: 4 } });
      expect(stamped.record && plain(stamped.record)).toEqual(plain(messageOf(1, { epoch: 2, tick: 4 })));
      const ghost = await ports().inFlight.change(here, 2, { if: [['<=', 'epoch', 2]], set: { epoch: 2, tick: 4 } });
      expect(ghost).toEqual({ done: false, record: undefined });
      expect(await ports().inFlight.list(here)).toHaveLength(1);
    });

    it('removes on its conditions, and says whether it was this call', async () => {
      const here = freshAddress();
      await ports().inFlight.put(here, messageOf(1, { epoch: 3 }));
      expect(await ports().inFlight.remove(here, 1, [['<=', 'epoch', 2]])).toBe(false);
      expect(await ports().inFlight.remove(here, 1, [['<=', 'epoch', 3]])).toBe(true);
      expect(await ports().inFlight.remove(here, 1, [])).toBe(false);
      expect(await ports().inFlight.list(here)).toEqual([]);
    });
  });

  describe('subscriptions', () => {
    const subscription = (changes: Partial<Subscription> = {}): Subscription => ({
      qos: 1,
      generation: 'g' as Subscription['generation'],
      epoch: 1,
      active: true,
      ...changes,
    });

    it('finds the active subscribers of exactly one filter', async () => {
      const filter = `sport/+/${freshAddress().clientId}`;
      const put = (clientId: string, topicFilter: string, changes: Partial<Subscription> = {}) =>
        ports().subscriptions.change(topicFilter, clientId as ClientId, { if: [], set: subscription(changes) });
      await put('a', filter);
      await put('b', filter, { qos: 0 });
      await put('c', filter, { active: false });
      await put('d', `${filter}/more`);
      const found = await ports().subscriptions.to(filter);
      expect([...found].sort((x, y) => x.clientId.localeCompare(y.clientId))).toEqual([
        { topicFilter: filter, clientId: 'a', generation: 'g', qos: 1 },
        { topicFilter: filter, clientId: 'b', generation: 'g', qos: 0 },
      ]);
    });

    it('lets the younger epoch have the last word', async () => {
      const { clientId } = freshAddress();
      const write = (epoch: number, active: boolean) =>
        ports().subscriptions.change('race', clientId, {
          if: [['any', [['absent'], ['<=', 'epoch', epoch]]]],
          set: subscription({ epoch, active }),
        });
      expect((await write(2, true)).done).toBe(true);
      expect((await write(3, false)).done).toBe(true);
      expect((await write(2, true)).done).toBe(false);
      expect((await ports().subscriptions.to('race')).filter((each) => each.clientId === clientId)).toEqual([]);
    });

    it('removes only what is of the generation', async () => {
      const { clientId } = freshAddress();
      await ports().subscriptions.change('clean', clientId, { if: [], set: subscription() });
      await ports().subscriptions.remove('clean', clientId, [['=', 'generation', 'old' as Subscription['generation']]]);
      expect(await ports().subscriptions.to('clean')).toHaveLength(1);
      await ports().subscriptions.remove('clean', clientId, [['=', 'generation', 'g' as Subscription['generation']]]);
      expect(await ports().subscriptions.to('clean')).toEqual([]);
    });

    it('registers shapes up to a bound; one that is registered is no addition', async () => {
      const before = (await ports().subscriptions.shapes()).size;
      expect(await ports().subscriptions.addShape('L/+', before + 2)).toBe(true);
      expect(await ports().subscriptions.addShape('L/#', before + 2)).toBe(true);
      expect(await ports().subscriptions.addShape('+/+', before + 2)).toBe(false);
      expect(await ports().subscriptions.addShape('L/+', before + 2)).toBe(true);
      for (let look = 0; look < 10; look++) {
        expect(await ports().subscriptions.shapes()).toEqual(new Set(['L/+', 'L/#']));
      }
    });
  });

  describe('filters of a session', () => {
    it('lists them whole, of this generation only, each once', async () => {
      const here = freshAddress();
      const filters = ['#', '+/a#b', 'filter#x', 'ümlaut/+', 'a//b'].sort();
      const note = { if: [], set: { epoch: 3 } };
      const listed = async () => (await ports().filters.list(here)).map(({ topicFilter }) => topicFilter).sort();
      for (const filter of [...filters, ...filters]) await ports().filters.change(here, filter, note);
      await ports().filters.change({ ...here, generation: 'another' as typeof here.generation }, 'other', note);
      expect(await listed()).toEqual(filters);
      await ports().filters.remove(here, '#', []);
      expect(await listed()).toEqual(filters.slice(1));
    });

    it('changes and removes only where the conditions hold', async () => {
      const here = freshAddress();
      expect(await ports().filters.change(here, 'a', { if: [['=', 'epoch', 3]] })).toEqual({ done: false });
      await ports().filters.change(here, 'a', { if: [], set: { epoch: 3 } });
      expect(await ports().filters.change(here, 'a', { if: [['=', 'epoch', 3]] })).toMatchObject({ done: true });
      await ports().filters.remove(here, 'a', [['<=', 'epoch', 2]]);
      expect(await ports().filters.list(here)).toEqual([{ topicFilter: 'a', epoch: 3 }]);
      await ports().filters.remove(here, 'a', [['<=', 'epoch', 3]]);
      expect(await ports().filters.list(here)).toEqual([]);
    });
  });

  describe('connections', () => {
    const terms: ConnectionTerms = { keepAlive: 60, authorizedUntil: 0, reauthorizeAt: 0 };
    const session: SessionEpoch = {
      ...freshAddress(),
      epoch: 4,
      persistent: true,
      will: NO_WILL,
      grant: NO_GRANT,
      connectedAt: 90,
    };
    const opened: Connection = { ...session, state: 'connected', since: 100, ...terms, lastSeen: 100, check: 0 };
    const step = (connectionId: ConnectionId, change: Change<Connection>) =>
      ports().connections.change(connectionId, change);
    const announced = async () => {
      const connectionId = freshConnection();
      await step(connectionId, announce(session.clientId, 50));
      return connectionId;
    };
    const connected = async () => {
      const connectionId = await announced();
      await step(connectionId, open(session, terms, 100));
      return connectionId;
    };

    it('are announced once, and opened once', async () => {
      const connectionId = freshConnection();
      expect(await ports().connections.read(connectionId)).toBeUndefined();
      const known = { clientId: session.clientId, state: 'announced', since: 50, check: 0 };
      expect(await step(connectionId, announce(session.clientId, 50))).toEqual({ done: true, record: known });
      expect(await step(connectionId, announce(session.clientId, 60))).toEqual({ done: false, record: known });
      expect(await step(connectionId, open(session, terms, 100))).toEqual({ done: true, record: opened });
      expect(await step(connectionId, open(session, terms, 110))).toEqual({ done: false, record: opened });
      expect(await ports().connections.read(connectionId)).toEqual(opened);
    });

    it('are not opened unannounced', async () => {
      expect(await step(freshConnection(), open(session, terms, 100))).toEqual({ done: false, record: undefined });
    });

    it('close for good, and say what they were, once', async () => {
      const connectionId = await connected();
      expect(await ports().connections.close(connectionId, 200)).toEqual(opened);
      expect(await ports().connections.close(connectionId, 210)).toEqual({ ...opened, state: 'closed', since: 200 });
      expect(await ports().connections.read(connectionId)).toMatchObject({ ...session, state: 'closed' });
      for (const change of [announce(session.clientId, 300), open(session, terms, 300)]) {
        expect((await step(connectionId, change)).done).toBe(false);
      }
    });

    it('remember a close that came before they were known, or opened', async () => {
      const unknown = freshConnection();
      expect(await ports().connections.close(unknown, 40)).toBeUndefined();
      expect(await ports().connections.read(unknown)).toEqual({ state: 'closed', since: 40 });
      expect((await step(unknown, announce(session.clientId, 50))).done).toBe(false);
      const early = await announced();
      expect(await ports().connections.close(early, 60)).toMatchObject({ state: 'announced' });
      expect((await step(early, open(session, terms, 100))).done).toBe(false);
    });

    it('note when something was heard, the latest only', async () => {
      const connectionId = await connected();
      expect((await step(connectionId, seen(130))).record).toEqual({ ...opened, lastSeen: 130 });
      expect(await step(connectionId, seen(120))).toEqual({ done: false, record: { ...opened, lastSeen: 130 } });
      expect(await step(freshConnection(), seen(130))).toEqual({ done: false, record: undefined });
    });

    it('go on to the next check once', async () => {
      const connectionId = await connected();
      expect((await step(connectionId, leaveCheck(0))).record).toEqual({ ...opened, check: 1 });
      expect((await step(connectionId, leaveCheck(0))).done).toBe(false);
    });

    it('keeps the parts of a packet in order, the last written of an index', async () => {
      const connection = freshConnection();
      const piece = (index: number, text: string) => ({ index, count: 12, text, receivedAt: 1 });
      const put = (index: number, text: string) => ports().connections.putPiece(connection, piece(index, text));
      expect([await put(10, 'text 10'), await put(2, 'text 2'), await put(0, 'text 0')]).toEqual([true, true, true]);
      expect(await put(2, 'newer')).toBe(false);
      const read = await ports().connections.readWithPieces(connection);
      expect(read).toEqual({
        connection: undefined,
        pieces: [piece(0, 'text 0'), piece(2, 'newer'), piece(10, 'text 10')],
      });
      await ports().connections.removePieces(connection, read.pieces);
      expect((await ports().connections.readWithPieces(connection)).pieces).toEqual([]);
    });

    it('reads the connection together with its parts', async () => {
      const connection = freshConnection();
      await step(connection, announce(session.clientId, 50));
      await ports().connections.putPiece(connection, { index: 0, count: 2, text: 'x'.repeat(32_768), receivedAt: 1 });
      const read = await ports().connections.readWithPieces(connection);
      expect(read.connection).toMatchObject({ clientId: session.clientId, state: 'announced' });
      expect(read.pieces).toHaveLength(1);
    });

    it.each([
      { callerArn: '', headers: {}, queryString: '' },
      {
        callerArn: 'arn:aws:sts::123456789012:assumed-role/pump/CognitoIdentityCredentials',
        callerId: 'AROA1:CognitoIdentityCredentials',
        cognitoIdentityId: 'us-east-1:1',
        headers: { 'x-token': 'a', empty: '' },
        queryString: '?a=b',
      },
    ])('keeps what its handshake told, apart from the connection: %j', async (handshake) => {
      const connection = freshConnection();
      expect(await ports().connections.readHandshake(connection)).toBeUndefined();
      await ports().connections.keepHandshake(connection, handshake);
      expect(await ports().connections.readHandshake(connection)).toEqual(handshake);
      expect(await ports().connections.read(connection)).toBeUndefined();
      expect(await ports().connections.readWithPieces(connection)).toEqual({ connection: undefined, pieces: [] });
    });

    it('keeps what an authorizer was asked, apart from the connection, until it is forgotten', async () => {
      const connection = freshConnection();
      const { keepRequest, readRequest, forgetRequest, readWithPieces } = ports().connections;
      expect(await readRequest(connection)).toBeUndefined();
      await keepRequest(connection, '{"a":1}');
      await keepRequest(connection, '{"a":2}');
      expect(await readRequest(connection)).toBe('{"a":2}');
      expect(await readWithPieces(connection)).toEqual({ connection: undefined, pieces: [] });
      await forgetRequest(connection);
      await forgetRequest(connection);
      expect(await readRequest(connection)).toBeUndefined();
    });
  });
}
