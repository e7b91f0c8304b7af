/**
 * What every MQTT library must be able to do over the transport, against a local stack: one table of cases, and one small
 * adapter for each library.
 *
 * Each library speaks to itself, and so to the broker in between: what one client writes another reads.
 */
import { type LocalStack, startLocalStack } from '../../local/stack.ts';
import { type Cable, layCable } from './cable.ts';
import type { Connect, LibraryClient, Message, Qos } from './library.ts';

interface Client extends LibraryClient {
  readonly received: readonly Message[];
  /** Resolves with what was received when it is so much. */
  until(count: number): Promise<readonly Message[]>;
  /** Cuts its socket. */
  cut(): void;
}

const text = (payload: Uint8Array): string => new TextDecoder().decode(payload);
const message = (topic: string, payload: string | Uint8Array<ArrayBuffer>, qos: Qos = 1, retain = false): Message => ({
  topic,
  payload: typeof payload === 'string' ? new TextEncoder().encode(payload) : payload,
  qos,
  retain,
});
const numbered = (count: number): readonly string[] => Array.from({ length: count }, (_, index) => `m${index + 1}`);
const qoses: readonly Qos[] = [0, 1, 2];

/** Any bytes: valid as UTF-8 neither in whole nor in part. */
const bytes = (length: number): Uint8Array<ArrayBuffer> =>
  Uint8Array.from({ length }, (_, index) => ((index * 7_919) >> 3) | (index % 2 === 0 ? 0x80 : 0));

export function interoperates(library: string, connectLibrary: Connect): void {
  let stack: LocalStack;
  let clients: LibraryClient[];
  let cables: Cable[];

  beforeAll(async () => {
    stack = await startLocalStack({ port: 0, settings: { redeliveryRate: '1000' } });
  }, 120_000);
  afterAll(() => stack.stop());
  beforeEach(() => {
    clients = [];
    cables = [];
  });
  afterEach(async () => {
    await Promise.all(clients.map((client) => client.disconnect()));
    await Promise.all(cables.map((cable) => cable.remove()));
  });

  const connect = async (clientId: string, { clean = true, will }: { clean?: boolean; will?: Message } = {}) => {
    const received: Message[] = [];
    const waiting = new Set<() => void>();
    const cable = await layCable(stack.port);
    cables.push(cable);
    const library = await connectLibrary({
      url: stack.url.replace(`:${stack.port}/`, `:${cable.port}/`),
      clientId,
      clean,
      will,
      heard(each) {
        received.push(each);
        for (const look of [...waiting]) look();
      },
    });
    const client: Client = {
      ...library,
      received,
      until: (count) =>
        new Promise((resolve) => {
          const look = (): void => {
            if (received.length < count) return;
            waiting.delete(look);
            resolve(received);
          };
          waiting.add(look);
          look();
        }),
      cut: cable.cut,
      disconnect: async () => {
        clients = clients.filter((each) => each !== client);
        await library.disconnect();
      },
    };
    clients.push(client);
    return client;
  };

  describe(`${library} over the transport`, () => {
    test.each(qoses)('publishes and receives with QoS %d', async (qos) => {
      const client = await connect(`${library}-qos-${qos}`);
      expect(await client.subscribe(`qos/${qos}/+`, qos)).toBe(qos);
      await client.publish(message(`qos/${qos}/a`, 'ü', qos));
      expect(await client.until(1)).toEqual([message(`qos/${qos}/a`, 'ü', qos)]);
    });

    test('a payload of 128 KiB of any bytes arrives as it is, with each QoS', async () => {
      const client = await connect(`${library}-large`);
      await client.subscribe('large', 1);
      for (const qos of qoses) await client.publish(message('large', bytes(131_072), qos));
      for (const { payload } of await client.until(qoses.length)) {
        expect(Buffer.compare(payload, bytes(131_072))).toBe(0);
      }
    });

    test('a payload may be empty, or any single byte', async () => {
      const client = await connect(`${library}-small`);
      await client.subscribe('small', 1);
      const payloads = [new Uint8Array(0), ...[0x00, 0x7f, 0x80, 0xff].map((byte) => Uint8Array.of(byte))];
      for (const payload of payloads) await client.publish(message('small', payload));
      expect((await client.until(5)).map(({ payload }) => [...payload])).toEqual(payloads.map((each) => [...each]));
    });

    test('1,000 messages that are published in one go arrive in order', async () => {
      const [subscriber, publisher] = [await connect(`${library}-reader`), await connect(`${library}-writer`)];
      await subscriber.subscribe('many', 1);
      const published = Promise.all(numbered(1_000).map((each) => publisher.publish(message('many', each))));
      expect((await subscriber.until(1_000)).map(({ payload }) => text(payload))).toEqual(numbered(1_000));
      await published;
    }, 120_000);

    test('after UNSUBSCRIBE nothing comes', async () => {
      const client = await connect(`${library}-unsubscribes`);
      await client.subscribe('unsubscribe/a', 1);
      await client.subscribe('unsubscribe/b', 1);
      await client.unsubscribe('unsubscribe/a');
      await client.publish(message('unsubscribe/a', 'a'));
      await client.publish(message('unsubscribe/b', 'b'));
      expect((await client.until(1)).map(({ topic }) => topic)).toEqual(['unsubscribe/b']);
    });

    test('a persistent session gets what was published while it was away; a clean one does not', async () => {
      const [kept, clean] = [{ clean: false }, { clean: true }];
      const publisher = await connect(`${library}-away-publisher`);
      for (const [clientId, options] of [
        ['kept', kept],
        ['clean', clean],
      ] as const) {
        const client = await connect(`${library}-${clientId}`, options);
        await client.subscribe('away', 1);
        await client.disconnect();
      }
      for (const each of numbered(20)) await publisher.publish(message('away', each));
      const [returned, fresh] = [await connect(`${library}-kept`, kept), await connect(`${library}-clean`, clean)];
      expect((await returned.until(20)).map(({ payload }) => text(payload))).toEqual(numbered(20));
      expect(fresh.received).toEqual([]);
    });

    test('a stream goes on in order where the sockets of both ends are cut in the middle', async () => {
      const subscriber = await connect(`${library}-cut-reader`, { clean: false });
      const publisher = await connect(`${library}-cut-writer`, { clean: false });
      await subscriber.subscribe('cut', 1);
      const published = Promise.all(numbered(200).map((each) => publisher.publish(message('cut', each))));
      await subscriber.until(20);
      publisher.cut();
      await subscriber.until(40);
      subscriber.cut();
      await published;
      const firsts = (): string[] => [...new Set(subscriber.received.map(({ payload }) => text(payload)))];
      for (let count = 200; firsts().length < 200; count++) await subscriber.until(count);
      expect(firsts()).toEqual(numbered(200));
    }, 120_000);

    test('a will is published where the socket is cut, and not after a DISCONNECT', async () => {
      const watcher = await connect(`${library}-watcher`);
      await watcher.subscribe('will/+', 1);
      const [left, lost] = [
        await connect(`${library}-left`, { will: message('will/left', 'left') }),
        await connect(`${library}-lost`, { will: message('will/lost', bytes(1_000)) }),
      ];
      await left.disconnect();
      lost.cut();
      expect(await watcher.until(1)).toEqual([message('will/lost', bytes(1_000))]);
    });

    test('a retained message comes to who subscribes later, as retained', async () => {
      const publisher = await connect(`${library}-retains`);
      await publisher.publish(message('retained', 'old', 1, true));
      const client = await connect(`${library}-subscribes-later`);
      await client.subscribe('retained', 1);
      expect(await client.until(1)).toEqual([message('retained', 'old', 1, true)]);
    });
  });
}
