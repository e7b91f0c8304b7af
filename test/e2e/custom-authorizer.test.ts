/** Clients that the operator's authorizer judges, over MQTT.js and the local stack: from CONNECT to the end of their time. */
import type { Wish } from './authorizer.ts';
import { type Client, clientsOf, type Stack, startStack } from './stack.ts';

const MINUTE = 60_000;

describe('a custom authorizer over the local stack', () => {
  let stack: Stack;
  /** Milliseconds that the stack's time is ahead. */
  let ahead = 0;
  beforeAll(async () => {
    stack = await startStack({
      authorizer: `${process.cwd()}/test/e2e/authorizer.ts`,
      settings: { customAuthorizerTokenKey: 'wish' },
    });
  });
  afterEach(() => stack.endAll());
  afterAll(() => stack.stop());

  const skip = async (milliseconds: number): Promise<void> => {
    ahead += milliseconds;
    await stack.skip(milliseconds);
  };
  const connect = (clientId: string, wish: Wish): Promise<Client> =>
    stack.connect(clientId, { username: 'pump', password: JSON.stringify(wish), reconnectPeriod: 0 });
  const refused = expect.objectContaining({ code: 5 });
  /** Why the transport closes its connection. */
  const closing = ({ mqtt }: Client): Promise<unknown> =>
    new Promise((resolve) => {
      let reason: unknown;
      mqtt.on('error', (error) => {
        reason = error;
      });
      mqtt.once('close', () => resolve(reason));
    });
  const notAuthorized = expect.objectContaining({ message: expect.stringContaining('not-authorized') });

  it('a client that it accepts does what its policies allow, and no more', async () => {
    const client = await connect('pump7-1', {});
    await client.mqtt.subscribeAsync('pump7/news', { qos: 1 });
    await client.mqtt.publishAsync('pump7/news', 'for me', { qos: 1 });
    expect(await client.until(1)).toEqual(['for me']);
    await expect(client.mqtt.subscribeAsync('pump8/news', { qos: 1 })).rejects.toThrow(/Unspecified error/);
    expect(stack.invocations('message').some(({ calls }) => calls.includes('Invoke'))).toBe(true);
    await expect(connect('pump8-1', {})).rejects.toEqual(refused);
  });

  it('a token behind the user name is one', async () => {
    const username = `pump?x-amz-customauthorizer-name=any&wish=${encodeURIComponent('{}')}`;
    await (await stack.connect('pump7-1', { username, reconnectPeriod: 0 })).end();
  });

  it('so is one in the query of the handshake', async () => {
    const clients = clientsOf(`${stack.url}?wish=${encodeURIComponent('{}')}`);
    await clients.connect('pump7-1', { reconnectPeriod: 0 });
    await expect(clients.connect('pump8-1', { reconnectPeriod: 0 })).rejects.toEqual(refused);
    await clients.endAll();
  });

  it.each<readonly [string, Wish, string]>([
    ['turns away', { until: 0 }, 'the authorizer has turned the client away'],
    ['fails over', { throw: 'hush' }, 'the function failed (Unhandled): its own log says why'],
    ['takes too long over', { hang: true }, 'no answer within 5000 ms'],
    ['says nonsense about', { answer: { principalId: 'pump 7' } }, 'principalId is not a text'],
  ])('a client that it %s gets return code 5, and the reason stays in the log', async (_what, wish, detail) => {
    const before = stack.lines.length;
    await expect(connect('pump7-2', wish)).rejects.toEqual(refused);
    const refusals = stack.lines.slice(before).filter((line) => line.includes('"connect-refused"'));
    expect(refusals).toEqual([expect.stringContaining(detail)]);
    expect(refusals.join()).not.toContain('hush');
  });

  it('a client is disconnected when its time is over', async () => {
    const client = await connect('pump7-3', { answer: { disconnectAfterInSeconds: 300 } });
    const closed = closing(client);
    await skip(5 * MINUTE);
    expect(await closed).toEqual(notAuthorized);
    expect(stack.lines.some((line) => line.includes('CUSTOMAUTH_TTL_EXPIRATION'))).toBe(true);
  });

  it('a renewal takes a right away from a client that stays', async () => {
    const client = await connect('pump7-4', {
      answer: { refreshAfterInSeconds: 300 },
      secretUntil: Date.now() + ahead + MINUTE,
    });
    await client.mqtt.subscribeAsync('pump7/#', { qos: 1 });
    await client.mqtt.publishAsync('pump7/secret', 'mine', { qos: 1 });
    expect(await client.until(1)).toEqual(['mine']);

    const asked = stack.invocations('authorizer').length;
    await skip(5 * MINUTE);
    await stack.quiet();
    expect(stack.invocations('authorizer')).toHaveLength(asked + 1);

    const other = await connect('pump7-5', {});
    await other.mqtt.publishAsync('pump7/secret', 'not for it', { qos: 1 });
    await other.mqtt.publishAsync('pump7/news', 'for it', { qos: 1 });
    expect(await client.until(2)).toEqual(['mine', 'for it']);

    const closed = closing(client);
    client.mqtt.publish('pump7/secret', 'mine', { qos: 1 });
    expect(await closed).toEqual(notAuthorized);
  });

  it('a renewal that turns the client away disconnects it', async () => {
    const until = Date.now() + ahead + MINUTE;
    const client = await connect('pump7-6', { answer: { refreshAfterInSeconds: 300 }, until });
    const closed = closing(client);
    await skip(5 * MINUTE);
    expect(await closed).toEqual(notAuthorized);
    expect(stack.lines.some((line) => line.includes('FORBIDDEN_ACCESS'))).toBe(true);
  });
});
