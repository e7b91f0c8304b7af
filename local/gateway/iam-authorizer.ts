/**
 * The IAM authorizer of `$connect`: who has signed a handshake (Signature Version 4), in the `Authorization` header or in the query
 * string. Pure.
 *
 * Rules of this file:
 * - In doubt a handshake is refused: one that is accepted here must not be refused on AWS.
 * - Why is for the log. It names what is wrong, and holds no signature and no token.
 * - Assumption: a signature is good for five minutes before and after its time. `X-Amz-Expires` makes that shorter, never longer.
 */
import { createHash, createHmac } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { Sha256 } from '@aws-crypto/sha256-js';
import { createScope, getCanonicalHeaders, getCanonicalQuery, getSigningKey } from '@smithy/signature-v4';
import { LOCAL_REGION, localCredentials } from '../credentials.ts';
import { ACCOUNT } from '../sqs/queues.ts';

/** As `requestContext.identity` names it. */
export interface Caller {
  readonly accessKey: string;
  readonly accountId: string;
  readonly userArn: string;
  readonly user: string;
  readonly caller: string;
}

export type Verdict =
  | { readonly signed: true; readonly caller: Caller }
  | { readonly signed: false; readonly problem: string };

export interface HandshakeRequest {
  /** Path and query, as they came. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

const ALGORITHM = 'AWS4-HMAC-SHA256';
const SERVICE = 'execute-api';
const CLOCK_SKEW_MS = 300_000;
/** Longest `X-Amz-Expires`, in seconds: a week. */
const MOST_EXPIRES = 604_800;
const EMPTY_BODY = createHash('sha256').update('').digest('hex');

/** What a request says of its own signature. */
interface Claim {
  readonly credential: string;
  /** Names, in lower case. */
  readonly signedHeaders: readonly string[];
  readonly signature: string;
  /** `YYYYMMDDTHHMMSSZ` */
  readonly date: string;
  readonly expires: string | undefined;
  readonly token: string | undefined;
}

type Query = Readonly<Record<string, string | string[]>>;

/** The handshake is refused. The message says why. */
class Refusal extends Error {
  override readonly name = 'Refusal';
}

/** @param now ms since 1970 */
export const judgeHandshake = async (request: HandshakeRequest, now: number): Promise<Verdict> => {
  try {
    return { signed: true, caller: await callerOf(request, now) };
  } catch (error) {
    if (error instanceof Refusal) return { signed: false, problem: error.message };
    throw error;
  }
};

const callerOf = async ({ url, headers }: HandshakeRequest, now: number): Promise<Caller> => {
  const [path = '/', search = ''] = url.split(/\?(.*)/s);
  const query = queryOf(search);
  const claim = claimOf(headers, query);
  checkTime(claim, now);
  const day = claim.date.slice(0, 8);
  checkCredential(claim, day);
  checkSignedHeaders(claim, headers);
  const canonical = canonicalRequest(path, query, claim, headers);
  if (claim.signature !== (await signatureOf(claim, day, canonical))) {
    throw new Refusal('the signature does not match: other secret, path, query or headers than those that were signed');
  }
  return callerBy(claim);
};

const queryOf = (search: string): Query => {
  const parameters = new URLSearchParams(search);
  const values = (name: string): string | string[] => {
    const [first = '', ...more] = parameters.getAll(name);
    return more.length === 0 ? first : [first, ...more];
  };
  return Object.fromEntries(Array.from(parameters.keys(), (name) => [name, values(name)]));
};

// ── What is claimed ────────────────────────────────────────────────────────────────────────────────────────────────

const claimOf = (headers: IncomingHttpHeaders, query: Query): Claim => {
  const inQuery = Object.keys(query).some((name) => /^x-amz-(?:algorithm|credential|signature)$/i.test(name));
  const inHeader = headers.authorization !== undefined;
  if (inQuery && inHeader) throw new Refusal('it is signed twice, in the Authorization header and in the query string');
  if (inQuery) return claimInQuery(query);
  if (inHeader) return claimInHeader(headers);
  throw new Refusal('it is not signed');
};

const claimInQuery = (query: Query): Claim => {
  const field = (name: string): string => {
    const value = query[name];
    if (typeof value !== 'string' || value === '') throw new Refusal(`its query string has no ${name}, or several`);
    return value;
  };
  const optional = (name: string): string | undefined => (query[name] === undefined ? undefined : field(name));
  checkAlgorithm(field('X-Amz-Algorithm'));
  return {
    credential: field('X-Amz-Credential'),
    signedHeaders: namesIn(field('X-Amz-SignedHeaders')),
    signature: field('X-Amz-Signature'),
    date: field('X-Amz-Date'),
    expires: optional('X-Amz-Expires'),
    token: optional('X-Amz-Security-Token'),
  };
};

const claimInHeader = (headers: IncomingHttpHeaders): Claim => {
  const [algorithm = '', rest = ''] = (headers.authorization ?? '').split(/\s+(.*)/s);
  checkAlgorithm(algorithm);
  const fields = new Map(rest.split(',').map((field) => field.trim().split(/=(.*)/s) as [string, string]));
  const field = (name: string): string => {
    const value = fields.get(name);
    if (!value) throw new Refusal(`its Authorization header has no ${name}`);
    return value;
  };
  const date = headers['x-amz-date'];
  if (typeof date !== 'string') throw new Refusal('it has no header X-Amz-Date');
  const token = headers['x-amz-security-token'];
  return {
    credential: field('Credential'),
    signedHeaders: namesIn(field('SignedHeaders')),
    signature: field('Signature'),
    date,
    expires: undefined,
    token: typeof token === 'string' ? token : undefined,
  };
};

/** In the order that they have to be signed in. */
const namesIn = (list: string): readonly string[] => list.split(';').sort();

const checkAlgorithm = (algorithm: string): void => {
  if (algorithm !== ALGORITHM) throw new Refusal(`the algorithm is not ${ALGORITHM}`);
};

// ── Whether it can be so ───────────────────────────────────────────────────────────────────────────────────────────

const checkTime = ({ date, expires }: Claim, now: number): void => {
  const [, ...parts] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date) ?? [];
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts.map(Number);
  if (parts.length === 0) throw new Refusal('X-Amz-Date is not of the form YYYYMMDDTHHMMSSZ');
  const age = now - Date.UTC(year, month - 1, day, hour, minute, second);
  const seconds = Math.round(Math.abs(age) / 1_000);
  if (age < -CLOCK_SKEW_MS) throw new Refusal(`it was signed ${seconds} s from now: look at the client's clock`);
  if (age > CLOCK_SKEW_MS) throw new Refusal(`it was signed ${seconds} s ago, and a signature is good for 300 s`);
  if (expires === undefined) return;
  if (!/^\d{1,6}$/.test(expires) || Number(expires) < 1 || Number(expires) > MOST_EXPIRES) {
    throw new Refusal(`X-Amz-Expires is not a number of seconds from 1 to ${MOST_EXPIRES}`);
  }
  if (age > Number(expires) * 1_000) throw new Refusal(`it was signed ${seconds} s ago, for ${expires} s`);
};

const checkCredential = ({ credential }: Claim, day: string): void => {
  const { accessKeyId } = localCredentials;
  const [key, ...scope] = credential.split('/');
  if (key !== accessKeyId) throw new Refusal(`the access key is not ${accessKeyId}`);
  const wanted = createScope(day, LOCAL_REGION, SERVICE);
  if (scope.join('/') !== wanted)
    throw new Refusal(`it is signed for ${JSON.stringify(scope.join('/'))}, and not for ${wanted}`);
};

const checkSignedHeaders = ({ signedHeaders }: Claim, headers: IncomingHttpHeaders): void => {
  const missing = signedHeaders.find((name) => headers[name] === undefined);
  if (missing !== undefined) throw new Refusal(`the header ${JSON.stringify(missing)} was signed and is not there`);
  // Assumption: as S3 has it, whatever AWS may act upon must be signed.
  const unsigned = ['host', ...Object.keys(headers).filter((name) => name.startsWith('x-amz-'))].find(
    (name) => !signedHeaders.includes(name),
  );
  if (unsigned !== undefined) throw new Refusal(`the header ${unsigned} is not signed`);
};

// ── The signature ──────────────────────────────────────────────────────────────────────────────────────────────────

const canonicalRequest = (
  path: string,
  query: Query,
  { signedHeaders }: Claim,
  headers: IncomingHttpHeaders,
): string => {
  const request = { method: 'GET', protocol: 'wss:', hostname: '', path, query };
  const signed = Object.fromEntries(signedHeaders.map((name) => [name, String(headers[name])]));
  const canonical = getCanonicalHeaders({ ...request, headers: signed }, undefined, new Set(signedHeaders));
  return [
    'GET',
    path, // the stage's name: nothing to escape
    getCanonicalQuery({ ...request, headers: {} }),
    ...signedHeaders.map((name) => `${name}:${canonical[name]}`),
    '',
    signedHeaders.join(';'),
    EMPTY_BODY,
  ].join('\n');
};

const signatureOf = async ({ date }: Claim, day: string, canonical: string): Promise<string> => {
  const key = await getSigningKey(Sha256, localCredentials, day, LOCAL_REGION, SERVICE);
  const scope = createScope(day, LOCAL_REGION, SERVICE);
  const text = [ALGORITHM, date, scope, createHash('sha256').update(canonical).digest('hex')].join('\n');
  return createHmac('sha256', key).update(text).digest('hex');
};

// ── Who it is ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** There is no STS here: a session token says whose it is, `assumed-role/role/sessionName` or `federated-user/name`. */
const callerBy = ({ token }: Claim): Caller => {
  const { accessKeyId: accessKey } = localCredentials;
  const as = (userArn: string, id: string): Caller => ({
    accessKey,
    accountId: ACCOUNT,
    userArn,
    user: id,
    caller: id,
  });
  if (token === undefined) return as(`arn:aws:iam::${ACCOUNT}:user/${accessKey}`, 'AIDALOCAL');
  const [, kind, name, sessionName] =
    /^(assumed-role|federated-user)\/([\w+=,.@-]+)(?:\/([\w+=,.@-]+))?$/.exec(token) ?? [];
  if (kind === undefined || (kind === 'assumed-role') !== (sessionName !== undefined)) {
    throw new Refusal('the session token is neither assumed-role/ROLE/SESSION nor federated-user/NAME');
  }
  const id = kind === 'assumed-role' ? `AROALOCAL:${sessionName}` : `${ACCOUNT}:${name}`;
  return as(`arn:aws:sts::${ACCOUNT}:${token}`, id);
};
