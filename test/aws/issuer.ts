/** An issuer of JSON Web Tokens on 127.0.0.1, with keys of its own. */
import { createHmac, generateKeyPairSync, type JsonWebKey, type KeyObject, sign } from 'node:crypto';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface SigningKey {
  readonly alg: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** As the issuer publishes it. */
  readonly jwk: JsonWebKey & { readonly kid: string };
}

type Claims = Readonly<Record<string, unknown>>;

const pairOf = (alg: string) => {
  switch (alg) {
    case 'ES256':
      return generateKeyPairSync('ec', { namedCurve: 'P-256' });
    case 'ES384':
      return generateKeyPairSync('ec', { namedCurve: 'P-384' });
    case 'EdDSA':
      return generateKeyPairSync('ed25519');
    default:
      return generateKeyPairSync('rsa', { modulusLength: 2_048 });
  }
};

export function createKey(alg: string, kid = `${alg}-key`): SigningKey {
  const { privateKey, publicKey } = pairOf(alg);
  return { alg, privateKey, publicKey, jwk: { ...publicKey.export({ format: 'jwk' }), kid, alg, use: 'sig' } };
}

const encoded = (part: unknown): string => Buffer.from(JSON.stringify(part)).toString('base64url');

/** @param header instead of, or besides, what the key says */
export function signToken({ alg, privateKey, jwk }: SigningKey, claims: Claims, header: Claims = {}): string {
  const input = `${encoded({ alg, kid: jwk.kid, typ: 'JWT', ...header })}.${encoded(claims)}`;
  const hash = alg === 'EdDSA' ? null : `sha${alg.slice(2)}`;
  return `${input}.${sign(hash, Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

/** A token that claims to be signed with a secret, and is: with what everybody knows of the key. */
export function signWithSecret(secret: string, claims: Claims, header: Claims): string {
  const input = `${encoded({ alg: 'HS256', typ: 'JWT', ...header })}.${encoded(claims)}`;
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
}

/** A token with this text in the place of its signature. */
export const unsignedToken = (claims: Claims, header: Claims, signature = ''): string =>
  `${encoded({ typ: 'JWT', ...header })}.${encoded(claims)}.${signature}`;

export interface Issuer {
  readonly url: string;
  /** How often its keys were fetched. */
  fetches(): number;
  /** Answers with these keys from now on … */
  publish(...keys: readonly object[]): void;
  /** … or in this way. */
  answer(listener: RequestListener): void;
  stop(): Promise<void>;
}

export async function startIssuer(...keys: readonly SigningKey[]): Promise<Issuer> {
  let fetches = 0;
  let respond: RequestListener;
  const publish = (...jwks: readonly object[]): void => {
    respond = (_, response) =>
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: jwks }));
  };
  publish(...keys.map(({ jwk }) => jwk));
  const server = createServer((request, response) => {
    if (request.url !== '/pool/.well-known/jwks.json') {
      response.writeHead(404).end();
      return;
    }
    fetches++;
    respond(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/pool`,
    fetches: () => fetches,
    publish,
    answer: (listener) => {
      respond = listener;
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
