import { handler } from '../../lambda/connect.ts';
import type { ConnectEvent } from '../../lambda/events.ts';

const connecting = (headers: Record<string, string> | null): ConnectEvent => ({
  headers,
  requestContext: { eventType: 'CONNECT', connectionId: 'c=', requestId: 'r' },
});

describe('$connect', () => {
  let lines: string[];
  beforeEach(() => {
    lines = [];
    jest.spyOn(process.stdout, 'write').mockImplementation((line) => {
      lines.push(String(line));
      return true;
    });
  });
  afterEach(() => jest.restoreAllMocks());

  it.each([
    [{ 'Sec-WebSocket-Protocol': 'mqtt.base64' }],
    [{ 'sec-websocket-protocol': 'mqtt, mqtt.base64' }],
    [{ 'SEC-WEBSOCKET-PROTOCOL': ' other ,mqtt.base64 ' }],
  ])('wire §1: %j is accepted, and the sub-protocol named in return', async (headers) => {
    expect(await handler(connecting(headers))).toEqual({
      statusCode: 200,
      headers: { 'Sec-WebSocket-Protocol': 'mqtt.base64' },
    });
    expect(lines).toEqual([]);
  });

  it.each([[null], [{}], [{ 'Sec-WebSocket-Protocol': 'mqtt' }], [{ 'Sec-WebSocket-Protocol': 'mqtt.base64x' }]])(
    'wire §1: %j is refused with 400 and one line that says what to use',
    async (headers) => {
      expect(await handler(connecting(headers))).toEqual({ statusCode: 400 });
      expect(lines).toHaveLength(1);
      expect(JSON.parse(lines[0] ?? '')).toMatchObject({ event: 'handshake-refused', connectionId: 'c=' });
      expect(lines[0]).toContain('mqtt.base64');
    },
  );

  it('a token in the place of a sub-protocol is not logged', async () => {
    await handler(connecting({ 'Sec-WebSocket-Protocol': 'mqtt, s3cret-t0ken' }));
    expect(lines.join()).not.toContain('s3cret');
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ offered: 'mqtt' });
  });
});
