/**
 * Whatever is sent over a real socket, through the gateway, the Lambda's handler, and what DynamoDB and SQS take: one reply each,
 * nothing fails, and a client of MQTT.js that minds its own business never notices. What the broker alone makes of far more of it:
 * `test/broker/fuzz.test.ts`.
 */
import fc from 'fast-check';
import { openClient } from '../local/fixtures/web-socket-client.ts';
import { conversation, edited, type Sent } from '../mqtt/arbitrary-frames.ts';
import { captures } from '../mqtt/damaged-packets.ts';
import { type Stack, startStack } from './stack.ts';

const REPLY = /^!\d{1,15}(?:;close=([a-z-]+))?(?:;[a-z]+=[^;:]*)*:[A-Za-z0-9+/]*={0,2}$/;
const secrets = ['capture-user', 'capture-password', 'capture-payload', 'capture-will'];

describe('hostile frames', () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack();
  });
  afterAll(() => stack.stop());

  /** Sends one frame after the other, as the wire has it, until the connection is over; and returns the replies. */
  const converse = async (frames: readonly string[]): Promise<readonly string[]> => {
    const client = await openClient(stack.url, ['mqtt.base64']);
    const over = client.closed.then(() => undefined); // taken over by another that uses its client id
    const replies: string[] = [];
    for (const frame of frames) {
      client.socket.send(frame);
      let reply: string | undefined;
      do {
        reply = (await Promise.race([client.next(), over]))?.text;
      } while (reply?.startsWith('>'));
      if (reply === undefined) break;
      replies.push(reply);
      if (reply.includes(';close=')) break;
    }
    client.socket.close();
    await client.closed;
    return replies;
  };

  const textOf = (sent: Sent): string =>
    sent.kind === 'text' ? sent.text : `^${sent.edits.reduce(edited, 'bm9ib2R5.c2VjcmV0')}`;
  const recorded = captures.map(([, packets]) => packets.map((packet) => Buffer.from(packet).toString('base64')));

  it('get their replies, and nobody else notices', async () => {
    const bystander = await stack.connect('bystander', { clean: false });
    await bystander.mqtt.subscribeAsync('bystander/+', { qos: 1 });
    const reasons: string[] = [];
    const hold = (replies: readonly string[]): void => {
      for (const reply of replies) {
        expect(reply).toMatch(REPLY);
        reasons.push(REPLY.exec(reply)?.[1] ?? 'none');
      }
    };
    for (const frames of recorded) hold(await converse(frames));
    await fc.assert(
      fc.asyncProperty(fc.array(conversation, { minLength: 1, maxLength: 6 }), async (all) => {
        for (const replies of await Promise.all(all.map((sent) => converse(sent.map(textOf))))) hold(replies);
      }),
      { numRuns: 12, endOnFailure: true },
    );
    expect(reasons).not.toContain('internal-error');
    expect(reasons).toEqual(expect.arrayContaining(['none', 'refused', 'malformed-packet', 'protocol-violation']));

    await (await stack.connect('publisher')).mqtt.publishAsync('bystander/a', 'still here', { qos: 1 });
    expect(await bystander.until(1)).toEqual(['still here']);
    const log = stack.lines.filter((line) => line.includes('"event":'));
    expect(log.filter((line) => line.includes('"event":"error"'))).toEqual([]);
    expect(log.filter((line) => line.includes('"event":"violation"')).length).toBeGreaterThan(10);
    expect(stack.lines.filter((line) => secrets.some((secret) => line.includes(secret)))).toEqual([]);
  }, 120_000);
});
