/** What the stores must do, whoever implements them. */

import type { Subscription } from '../../src/broker/ports.ts';
import type { Change } from '../../src/session/change.ts';
import type { ClientId } from '../../src/session/ids.ts';
import type { Session } from '../../src/session/session.ts';
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
    const session = { ...freshAddress(), epoch: 4, persistent: true };

    it('opens once', async () => {
      const connection = freshConnection();
      expect(await ports().connections.read(connection)).toBeUndefined();
      expect(await ports().connections.open(connection, session)).toBe(true);
      expect(await ports().connections.open(connection, session)).toBe(false);
      expect(await ports().connections.read(connection)).toEqual({ ...session, state: 'connected' });
    });

    it('closes for good, and says what it was, once', async () => {
      const connection = freshConnection();
      await ports().connections.open(connection, session);
      expect(await ports().connections.close(connection)).toEqual({ ...session, state: 'connected' });
      expect((await ports().connections.close(connection))?.state).toBe('closed');
      expect((await ports().connections.read(connection))?.state).toBe('closed');
      expect(await ports().connections.open(connection, session)).toBe(false);
    });

    it('remembers a close that came before the connection was known', async () => {
      const connection = freshConnection();
      expect(await ports().connections.close(connection)).toBeUndefined();
      expect(await ports().connections.open(connection, session)).toBe(false);
    });

    it('keeps the parts of a packet in order, the last written of an index', async () => {
      const connection = freshConnection();
      const piece = (index: number, text: string) => ({ index, count: 12, text, receivedAt: 1 });
      for (const index of [10, 2, 0, 2]) await ports().connections.putPiece(connection, piece(index, `text ${index}`));
      await ports().connections.putPiece(connection, piece(2, 'newer'));
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
      await ports().connections.open(connection, session);
      await ports().connections.putPiece(connection, { index: 0, count: 2, text: 'x'.repeat(32_768), receivedAt: 1 });
      const read = await ports().connections.readWithPieces(connection);
      expect(read.connection).toEqual({ ...session, state: 'connected' });
      expect(read.pieces).toHaveLength(1);
    });
  });
}
