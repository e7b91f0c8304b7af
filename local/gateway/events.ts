/**
 * The events of API Gateway WebSocket, in the shapes that were captured on AWS.
 *
 * Rules of this file: only CONNECT has headers and query; MESSAGE has neither; DISCONNECT has a reduced set of headers and
 * says how the connection ended. `requestId` and `extendedRequestId` are equal. Assumption: who has signed the handshake is told
 * with CONNECT, and not again.
 */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Caller } from './iam-authorizer.ts';
import type { Closing } from './limits.ts';

/** What every event repeats of a connection. Plain JSON, for it outlives the process. */
export interface ConnectionFacts {
  readonly connectionId: string;
  readonly connectedAt: number;
  readonly domainName: string;
  readonly stage: string;
  readonly sourceIp: string;
  readonly userAgent: string;
}

/** Base64 of 11 bytes: 16 characters, the last one `=`, and `/` and `+` where they fall. */
export const newConnectionId = (): string => randomBytes(11).toString('base64');

export const newRequestId = (): string => randomBytes(11).toString('base64');

export const connectEvent = (
  facts: ConnectionFacts,
  request: IncomingMessage,
  requestId: string,
  now: number,
  caller?: Caller,
): object => {
  const headers = headersOf(request, facts);
  const query = queryOf(request.url ?? '');
  const context = requestContext(facts, '$connect', 'CONNECT', requestId, now);
  return {
    headers: lastOf(headers),
    multiValueHeaders: headers,
    ...(Object.keys(query).length > 0 && {
      queryStringParameters: lastOf(query),
      multiValueQueryStringParameters: query,
    }),
    requestContext: { ...context, identity: { ...context.identity, ...(caller && { ...noCognito, ...caller }) } },
    isBase64Encoded: false,
  };
};

/** With the IAM authorizer these are there, and null where the credentials are no identity pool's. */
const noCognito = {
  cognitoIdentityPoolId: null,
  cognitoIdentityId: null,
  cognitoAuthenticationType: null,
  cognitoAuthenticationProvider: null,
  principalOrgId: null,
};

export const messageEvent = (facts: ConnectionFacts, body: string, requestId: string, now: number): object => ({
  requestContext: {
    ...requestContext(facts, '$default', 'MESSAGE', requestId, now),
    messageId: newRequestId(),
  },
  body,
  isBase64Encoded: false,
});

export const disconnectEvent = (facts: ConnectionFacts, closing: Closing, requestId: string, now: number): object => {
  const headers = { Host: [facts.domainName], 'x-api-key': [''], 'X-Forwarded-For': [''], 'x-restapi': [''] };
  return {
    headers: lastOf(headers),
    multiValueHeaders: headers,
    requestContext: {
      ...requestContext(facts, '$disconnect', 'DISCONNECT', requestId, now),
      disconnectStatusCode: closing.code,
      disconnectReason: closing.reason,
    },
    isBase64Encoded: false,
  };
};

const requestContext = (
  facts: ConnectionFacts,
  routeKey: string,
  eventType: string,
  requestId: string,
  now: number,
) => ({
  routeKey,
  eventType,
  messageDirection: 'IN',
  extendedRequestId: requestId,
  requestId,
  requestTime: requestTime(now),
  requestTimeEpoch: now,
  connectedAt: facts.connectedAt,
  connectionId: facts.connectionId,
  stage: facts.stage,
  apiId: 'local',
  domainName: facts.domainName,
  identity: { userAgent: facts.userAgent, sourceIp: facts.sourceIp },
});

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** Such as `16/Mar/2025:00:46:22 +0000`. */
const requestTime = (now: number): string => {
  const date = new Date(now);
  const day = String(date.getUTCDate()).padStart(2, '0');
  return `${day}/${months[date.getUTCMonth()]}/${date.getUTCFullYear()}:${date.toISOString().slice(11, 19)} +0000`;
};

type Values = Record<string, string[]>;

const lastOf = (values: Readonly<Values>): Record<string, string> =>
  Object.fromEntries(Object.entries(values).map(([name, all]) => [name, all.at(-1) ?? '']));

/** As the client wrote their names, without those of the hop itself, with those a load balancer adds. */
const headersOf = (request: IncomingMessage, facts: ConnectionFacts): Values => {
  const headers: Values = {};
  for (let at = 0; at + 1 < request.rawHeaders.length; at += 2) {
    const name = request.rawHeaders[at] ?? '';
    if (/^(?:connection|upgrade)$/i.test(name)) continue;
    headers[name] = [...(headers[name] ?? []), request.rawHeaders[at + 1] ?? ''];
  }
  const seconds = Math.floor(facts.connectedAt / 1_000).toString(16);
  return {
    ...headers,
    'X-Amzn-Trace-Id': [`Root=1-${seconds}-${randomBytes(12).toString('hex')}`],
    'X-Forwarded-For': [facts.sourceIp],
    'X-Forwarded-Port': ['443'],
    'X-Forwarded-Proto': ['https'],
  };
};

const queryOf = (url: string): Values => {
  const query: Values = {};
  for (const [name, value] of new URL(url, 'http://local').searchParams) query[name] = [...(query[name] ?? []), value];
  return query;
};
