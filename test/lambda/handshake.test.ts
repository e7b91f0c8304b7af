/** What is kept of a handshake, and what is not. */
import type { ConnectEvent } from '../../lambda/events.ts';
import { handshakeOf, sizeOf } from '../../lambda/handshake.ts';

const USER = 'arn:aws:iam::123456789012:user/ann';
const SIGNATURE = 'fe5f80f77d5fa3beca038a248ff027d0445342fe2855ddc963176630326f1024';

const connecting = (event: Partial<ConnectEvent>, identity: object | null = {}): ConnectEvent => ({
  ...event,
  requestContext: { eventType: 'CONNECT', connectionId: 'c=', requestId: 'r', identity } as never,
});

describe('who has signed', () => {
  it.each<[string, object | null, object]>([
    ['nobody, and API Gateway says so with nulls', { userArn: null, caller: null, cognitoIdentityId: null }, {}],
    ['nobody, and API Gateway leaves it out', { sourceIp: '192.0.2.7' }, {}],
    ['nobody, and there is no identity', null, {}],
    ['a user', { userArn: USER, caller: 'AIDA1', cognitoIdentityId: null }, { callerArn: USER, callerId: 'AIDA1' }],
    [
      'an identity of a Cognito identity pool',
      { userArn: USER, caller: 'AROA1:CognitoIdentityCredentials', cognitoIdentityId: 'us-east-1:1' },
      { callerArn: USER, callerId: 'AROA1:CognitoIdentityCredentials', cognitoIdentityId: 'us-east-1:1' },
    ],
  ])('%s', (_, identity, kept) => {
    expect(handshakeOf(connecting({}, identity), false)).toEqual({
      callerArn: '',
      headers: {},
      queryString: '',
      ...kept,
    });
  });

  it('is kept without headers and query string where nobody asks for them', () => {
    const event = connecting({ headers: { 'X-Token': 'secret' }, multiValueQueryStringParameters: { t: ['secret'] } });
    expect(JSON.stringify(handshakeOf(event, false))).not.toContain('secret');
  });
});

describe('headers', () => {
  const headersOf = (headers: NonNullable<ConnectEvent['headers']> | null) =>
    handshakeOf(connecting({ headers }), true).headers;

  it('have names in lower case, and values as they came', () => {
    expect(headersOf({ Authorization: 'Bearer Abc', 'X-Amz-CustomAuthorizer-Name': 'Mine', Empty: undefined })).toEqual(
      {
        authorization: 'Bearer Abc',
        'x-amz-customauthorizer-name': 'Mine',
        empty: '',
      },
    );
  });

  it('are kept without those of the WebSocket, and without a signature', () => {
    const kept = headersOf({
      'Sec-WebSocket-Key': 'k',
      'sec-websocket-protocol': 'mqtt.base64',
      Authorization: `AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/execute-api/aws4_request, SignedHeaders=host, Signature=${SIGNATURE}`,
      'X-Amz-Date': '20260101T000000Z',
      'X-Amz-Security-Token': 'session',
      'x-amz-content-sha256': 'e3b0',
      Host: 'broker.example',
    });
    expect(kept).toEqual({ host: 'broker.example' });
  });

  it.each([null, {}])('may be missing: %j', (headers) => {
    expect(headersOf(headers)).toEqual({});
  });
});

describe('the query string', () => {
  type Parameters = NonNullable<ConnectEvent['multiValueQueryStringParameters']> | null;
  const queryOf = (multiValueQueryStringParameters: Parameters) =>
    handshakeOf(connecting({ multiValueQueryStringParameters }), true).queryString;

  it.each<[Parameters, string]>([
    [null, ''],
    [{}, ''],
    [{ a: ['b'] }, '?a=b'],
    [{ a: ['b', 'c'], empty: [''] }, '?a=b&a=c&empty='],
    [{ 'a b': ['c&d=é+/?'] }, '?a%20b=c%26d%3D%C3%A9%2B%2F%3F'],
  ])('of %j is %j', (parameters, query) => {
    expect(queryOf(parameters)).toBe(query);
    expect(Object.fromEntries(new URLSearchParams(query))).toEqual(
      Object.fromEntries(Object.entries(parameters ?? {}).map(([name, values]) => [name, values?.at(-1)])),
    );
  });

  it('is kept without a signature', () => {
    const signed = {
      'X-Amz-Algorithm': ['AWS4-HMAC-SHA256'],
      'X-Amz-Credential': ['A/20260101/us-east-1/execute-api/aws4_request'],
      'X-Amz-Date': ['20260101T000000Z'],
      'X-Amz-Expires': ['300'],
      'X-Amz-SignedHeaders': ['host'],
      'x-amz-security-token': ['session'],
      'X-Amz-Signature': [SIGNATURE],
    };
    expect(queryOf({ ...signed, 'x-amz-customauthorizer-name': ['mine'] })).toBe('?x-amz-customauthorizer-name=mine');
    expect(queryOf(signed)).toBe('');
  });
});

it('its size is what its names and values take in UTF-8', () => {
  expect(sizeOf({ callerArn: USER, headers: { ab: 'é', c: '' }, queryString: '?a=b' })).toBe(2 + 2 + 1 + 4);
});
