/** `$connect`, with the real SDK on the SQS stand-in: the one service it calls. */
import type { ConnectEvent, GatewayResult } from '../../lambda/events.ts';
import type { LambdaEnvironment } from '../../lib/resources.ts';
import { bodies, type SqsHarness, startSqs } from '../local/fixtures/sqs-harness.ts';

const connecting = (headers: Record<string, string> | null): ConnectEvent => ({
  headers,
  requestContext: { eventType: 'CONNECT', connectionId: 'c=', requestId: 'r' },
});

describe('$connect', () => {
  let aws: SqsHarness;
  let timers: string;
  let handler: (event: ConnectEvent) => Promise<GatewayResult>;
  let lines: string[];

  beforeAll(async () => {
    aws = await startSqs();
    timers = await aws.create('timers');
    const environment: LambdaEnvironment = {
      STACK_NAME: 'a',
      SETTINGS: '{"authentication":"none"}',
      SESSIONS_TABLE: 'sessions',
      SUBSCRIPTIONS_TABLE: 'subscriptions',
      IDENTITY_TABLE: 'identity',
      POLICY_ARN_BASE: 'arn:aws:iot:us-east-1:123456789012:',
      RETAINED_TABLE: 'retained',
      REDELIVERY_QUEUE_URL: `${aws.urlBase}redelivery`,
      TIMERS_QUEUE_URL: timers,
      CLIENT_QUEUE_PREFIX: 'a_session_',
      QUEUE_URL_BASE: aws.urlBase,
      CALLBACK_URL: 'http://127.0.0.1:1/mqtt',
    };
    Object.assign(process.env, environment, {
      AWS_ENDPOINT_URL: new URL(aws.urlBase).origin,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'any',
      AWS_SECRET_ACCESS_KEY: 'any',
    });
    ({ handler } = await import('../../lambda/connect.ts'));
  });
  afterAll(() => aws.stop());

  beforeEach(() => {
    lines = [];
    jest.spyOn(process.stdout, 'write').mockImplementation((line) => {
      lines.push(String(line));
      return true;
    });
  });
  afterEach(() => jest.restoreAllMocks());

  /** What is in the queue of timers when the time for a CONNECT is over. */
  const jobs = async () => {
    expect(bodies(await aws.receive(timers))).toEqual([]);
    await aws.clock.advance(10_000);
    const received = await aws.receive(timers);
    for (const message of received) await aws.delete(timers, message);
    return bodies(received).map((body) => JSON.parse(body ?? ''));
  };

  it.each([
    [{ 'Sec-WebSocket-Protocol': 'mqtt.base64' }],
    [{ 'sec-websocket-protocol': 'mqtt, mqtt.base64' }],
    [{ 'SEC-WEBSOCKET-PROTOCOL': ' other ,mqtt.base64 ' }],
  ])(
    'wire §1: %j is accepted, the sub-protocol named in return, and the socket looked at after 10 s',
    async (headers) => {
      expect(await handler(connecting(headers))).toEqual({
        statusCode: 200,
        headers: { 'Sec-WebSocket-Protocol': 'mqtt.base64' },
      });
      expect(lines).toEqual([]);
      expect(await jobs()).toEqual([{ job: 'check', connectionId: 'c=', number: 0 }]);
    },
  );

  it.each([[null], [{}], [{ 'Sec-WebSocket-Protocol': 'mqtt' }], [{ 'Sec-WebSocket-Protocol': 'mqtt.base64x' }]])(
    'wire §1: %j is refused with 400 and one line that says what to use; there is nothing to look at',
    async (headers) => {
      expect(await handler(connecting(headers))).toEqual({ statusCode: 400 });
      expect(lines).toHaveLength(1);
      expect(JSON.parse(lines[0] ?? '')).toMatchObject({ event: 'handshake-refused', connectionId: 'c=' });
      expect(lines[0]).toContain('mqtt.base64');
      expect(await jobs()).toEqual([]);
    },
  );

  it('a token in the place of a sub-protocol is not logged', async () => {
    await handler(connecting({ 'Sec-WebSocket-Protocol': 'mqtt, s3cret-t0ken' }));
    expect(lines.join()).not.toContain('s3cret');
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ offered: 'mqtt' });
  });

  it('a socket that nobody would look at is not opened', async () => {
    aws.sqs.queues.drop('timers');
    await expect(handler(connecting({ 'sec-websocket-protocol': 'mqtt.base64' }))).rejects.toThrow('does not exist');
  });
});
