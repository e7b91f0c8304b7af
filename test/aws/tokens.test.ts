/** Which JSON Web Tokens are good, and how often their issuer is asked for keys. */
import { createTokens, type TokenSettings } from '../../src/aws/tokens.ts';
import {
  createKey,
  type Issuer,
  type SigningKey,
  signToken,
  signWithSecret,
  startIssuer,
  unsignedToken,
} from './issuer.ts';

const keys = { rsa: createKey('RS256'), ec: createKey('ES256') };
/** With the name of a key of the issuer, and not of it. */
const forged = createKey('RS256', keys.rsa.jwk.kid);

const seconds = () => Math.floor(Date.now() / 1_000);

let issuer: Issuer;
beforeEach(async () => {
  issuer = await startIssuer(keys.rsa, keys.ec);
});
afterEach(() => issuer.stop());

const claimsWith = (changes: Readonly<Record<string, unknown>> = {}) => ({
  iss: issuer.url,
  aud: 'broker',
  sub: 'pump-7',
  iat: seconds(),
  exp: seconds() + 600,
  ...changes,
});

const createSubject = (changes: Partial<TokenSettings> = {}) => {
  const clock = { time: Date.now(), now: () => clock.time };
  const tokens = createTokens({ issuer: issuer.url, audience: 'broker,fleet', keysUrl: '', ...changes }, clock);
  return { ...tokens, advance: (milliseconds: number) => (clock.time += milliseconds) };
};

const good = { valid: true };
const bad = (problem: string) => ({ valid: false, problem: `the token ${problem}` });

describe('a token is good', () => {
  it.each(['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'EdDSA'])('that its issuer has signed with %s', async (alg) => {
    const key = createKey(alg, 'new');
    issuer.publish(keys.rsa.jwk, key.jwk);
    const claims = claimsWith({ groups: ['a', 'b'] });
    expect(await createSubject().verify(signToken(key, claims))).toEqual({ valid: true, claims });
  });

  it.each([
    ['another of the audiences', { aud: 'fleet' }],
    ['this audience among others', { aud: ['elsewhere', 'broker'] }],
    ['now, and not before', { nbf: seconds() - 1 }],
  ])('that is for %s', async (_, changes) => {
    expect(await createSubject().verify(signToken(keys.rsa, claimsWith(changes)))).toMatchObject(good);
  });

  it('with keys from the URL that the operator names', async () => {
    const keysUrl = `${issuer.url}/.well-known/jwks.json`;
    const subject = createSubject({ issuer: 'https://issuer.example/', keysUrl });
    const token = signToken(keys.ec, claimsWith({ iss: 'https://issuer.example/' }));
    expect(await subject.verify(token)).toMatchObject(good);
  });
});

describe('a token is not good', () => {
  /** Stands in every place of a token from which it might get into a log. */
  const secret = 's3cret-word';

  it.each<readonly [string, string, () => string]>([
    ['that has expired', 'has expired', () => signToken(keys.rsa, claimsWith({ exp: seconds() - 1, sub: secret }))],
    ['that never expires', 'has no expiry, exp', () => signToken(keys.rsa, claimsWith({ exp: undefined }))],
    ['whose time has not come', 'is not valid yet', () => signToken(keys.rsa, claimsWith({ nbf: seconds() + 60 }))],
    [
      'from another issuer',
      'is from another issuer than jwtIssuer',
      () => signToken(keys.rsa, claimsWith({ iss: secret })),
    ],
    [
      'from nobody',
      'is from another issuer than jwtIssuer',
      () => signToken(keys.rsa, claimsWith({ iss: undefined, sub: secret })),
    ],
    [
      'for another audience',
      'is for another audience than jwtAudience',
      () => signToken(keys.rsa, claimsWith({ aud: secret })),
    ],
    [
      'for the audiences as the setting spells them',
      'is for another audience than jwtAudience',
      () => signToken(keys.rsa, claimsWith({ aud: 'broker,fleet' })),
    ],
    [
      'for no audience',
      'is for another audience than jwtAudience',
      () => signToken(keys.rsa, claimsWith({ aud: undefined })),
    ],
    ['that somebody else has signed', 'has a wrong signature', () => signToken(forged, claimsWith({ sub: secret }))],
    [
      'that was changed',
      'has a wrong signature',
      () => {
        const [header, , signature] = signToken(keys.rsa, claimsWith()).split('.');
        const [, payload] = signToken(keys.rsa, claimsWith({ sub: secret })).split('.');
        return `${header}.${payload}.${signature}`;
      },
    ],
    [
      'whose signature is cut short',
      'has a signature that cannot be checked',
      () => signToken(keys.ec, claimsWith()).slice(0, -4),
    ],
    [
      'without a signature',
      'cannot be read',
      () => unsignedToken(claimsWith({ sub: secret }), { alg: 'none', kid: keys.rsa.jwk.kid }),
    ],
    [
      'that says it needs no signature, and has something there',
      'has a signature of another kind than its key',
      () => unsignedToken(claimsWith({ sub: secret }), { alg: 'none', kid: keys.rsa.jwk.kid }, 'AAAA'),
    ],
    [
      'that takes the public key, as PEM, for a shared secret',
      'has a signature of another kind than its key',
      () => {
        const pem = String(keys.rsa.publicKey.export({ format: 'pem', type: 'spki' }));
        return signWithSecret(pem, claimsWith({ sub: secret }), { kid: keys.rsa.jwk.kid });
      },
    ],
    [
      'that takes the public key, as JSON, for a shared secret',
      'has a signature of another kind than its key',
      () => signWithSecret(JSON.stringify(keys.rsa.jwk), claimsWith(), { kid: keys.rsa.jwk.kid }),
    ],
    [
      'with another algorithm than its key is for',
      'has a signature of another kind than its key',
      () => signToken({ ...keys.rsa, alg: 'RS512' }, claimsWith()),
    ],
    [
      'that names a key of another kind than signed it',
      'has a signature of another kind than its key',
      () => signToken(keys.rsa, claimsWith(), { kid: keys.ec.jwk.kid }),
    ],
    [
      'that brings its own key',
      'has a wrong signature',
      () => signToken(forged, claimsWith(), { jwk: forged.jwk, jku: `${issuer.url}/forged` }),
    ],
    [
      'that names a key nobody knows',
      'names a key that the issuer does not have',
      () => signToken(keys.rsa, claimsWith(), { kid: secret }),
    ],
    ['that names no key', 'names no key, kid', () => signToken(keys.rsa, claimsWith(), { kid: undefined })],
    [
      'that asks for what is not understood',
      'asks for an extension that is not known here',
      () => signToken(keys.rsa, claimsWith({ sub: secret }), { crit: [secret] }),
    ],
    ['that is no JSON', 'cannot be read', () => `${Buffer.from(secret).toString('base64url')}.${secret}.AAAA`],
    ['whose expiry is a text', 'cannot be read', () => signToken(keys.rsa, claimsWith({ exp: secret }))],
    ['that is no token', 'cannot be read', () => secret],
    ['that is empty', 'cannot be read', () => ''],
  ])('%s', async (_, problem, token) => {
    const answer = await createSubject().verify(token());
    expect(answer).toEqual(bad(problem));
    expect(JSON.stringify(answer)).not.toContain(secret);
  });

  it.each(['ES256', 'EdDSA', 'RS256'])('whose key says nothing of its algorithm, and that says %s', async (alg) => {
    const [rsa, ec, ed] = [createKey('RS256', 'rsa'), createKey('ES256', 'ec'), createKey('EdDSA', 'ed')];
    issuer.publish(...[rsa, ec, ed].map(({ jwk }) => ({ ...jwk, alg: undefined })));
    const { verify } = createSubject();
    for (const key of [rsa, ec, ed]) {
      if (key.alg === alg) continue;
      const forgery = unsignedToken(claimsWith({ sub: secret }), { alg, kid: key.jwk.kid }, 'A'.repeat(86));
      expect(await verify(forgery)).toEqual({ valid: false, problem: expect.stringMatching(/signature/) });
    }
  });

  it.each([
    ['for encryption', { use: 'enc' }],
    ['a shared secret', { kty: 'oct', k: 'c2VjcmV0' }],
  ])('that names a key which is %s', async (_, changes) => {
    issuer.publish({ ...keys.rsa.jwk, ...changes });
    expect(await createSubject().verify(signToken(keys.rsa, claimsWith()))).toEqual(
      bad('names a key of the issuer that is not one for signatures'),
    );
  });

  it('whatever its audience, where the settings name none', async () => {
    const subject = createSubject({ audience: '' });
    for (const aud of ['broker', '', undefined]) {
      const answer = await subject.verify(signToken(keys.rsa, claimsWith({ aud })));
      expect(answer).toEqual(bad('is for another audience than jwtAudience'));
    }
  });
});

describe('a token of Cognito', () => {
  const pool = 'https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Example';
  const verify = (changes: Readonly<Record<string, unknown>>) =>
    createSubject({ issuer: pool, keysUrl: `${issuer.url}/.well-known/jwks.json` }).verify(
      signToken(keys.rsa, claimsWith({ iss: pool, aud: undefined, ...changes })),
    );

  it.each([
    ['an access token of one of the clients', { token_use: 'access', client_id: 'broker' }],
    ['an id token for one of them', { token_use: 'id', aud: 'fleet' }],
  ])('is good: %s', async (_, changes) => {
    expect(await verify(changes)).toMatchObject(good);
  });

  const forOthers = bad('is for another audience than jwtAudience');
  it.each([
    ['an access token of another client', { token_use: 'access', client_id: 'other' }, forOthers],
    ['an access token that names its client elsewhere', { token_use: 'access', aud: 'broker' }, forOthers],
    ['an id token for another client', { token_use: 'id', aud: 'other', client_id: 'broker' }, forOthers],
    ['a token of no such kind', { aud: 'broker' }, bad('is neither an access token nor an id token')],
    [
      'one of another pool',
      { iss: `${pool}2`, token_use: 'id', aud: 'broker' },
      bad('is from another issuer than jwtIssuer'),
    ],
  ])('is not good: %s', async (_, changes, answer) => {
    expect(await verify(changes)).toEqual(answer);
  });
});

describe("the issuer's keys", () => {
  const signedBy = (key: SigningKey) => signToken(key, claimsWith());

  it('are fetched once for many tokens, of many clients at once', async () => {
    const { verify } = createSubject();
    await Promise.all(Array.from({ length: 20 }, () => verify(signedBy(keys.rsa))));
    await verify(signedBy(keys.ec));
    expect(issuer.fetches()).toBe(1);
  });

  it('are fetched again for a key that is new', async () => {
    const { verify } = createSubject();
    const fresh = createKey('ES256', 'fresh');
    expect(await verify(signedBy(keys.rsa))).toMatchObject(good);
    issuer.publish(fresh.jwk);
    expect(await verify(signedBy(fresh))).toMatchObject(good);
    expect(await verify(signedBy(keys.rsa))).toEqual(bad('names a key that the issuer does not have'));
  });

  it('are fetched once in ten seconds for keys that nobody has, however many tokens name them', async () => {
    const { verify, advance } = createSubject();
    const invented = (kid: number) => signToken(keys.rsa, claimsWith(), { kid: `invented-${kid}` });
    await verify(signedBy(keys.rsa));
    for (let kid = 0; kid < 20; kid++) expect(await verify(invented(kid))).toMatchObject({ valid: false });
    expect(issuer.fetches()).toBe(2);
    expect(await verify(signedBy(keys.rsa))).toMatchObject(good);
    const fresh = createKey('ES256', 'fresh');
    issuer.publish(keys.rsa.jwk, fresh.jwk);
    advance(9_999);
    expect(await verify(signedBy(fresh))).toEqual(bad('names a key that the issuer did not have a moment ago'));
    advance(1);
    expect(await verify(signedBy(fresh))).toMatchObject(good);
    expect(issuer.fetches()).toBe(3);
  });

  it('that the issuer has withdrawn are good for an hour at most', async () => {
    const { verify, advance } = createSubject();
    expect(await verify(signedBy(keys.rsa))).toMatchObject(good);
    issuer.publish(keys.ec.jwk);
    advance(3_599_999);
    expect(await verify(signedBy(keys.rsa))).toMatchObject(good);
    advance(1);
    expect(await verify(signedBy(keys.rsa))).toEqual(bad('names a key that the issuer does not have'));
  });
});

describe('keys that cannot be had', () => {
  it.each<readonly [string, () => void, RegExp]>([
    ['an error', () => issuer.answer((_, response) => response.writeHead(503).end('s3cret')), /: status 503$/],
    ['no JSON', () => issuer.answer((_, response) => response.end('<html>s3cret')), /: no JSON Web Key Set$/],
    ['no keys', () => issuer.answer((_, response) => response.end('{}')), /: no JSON Web Key Set$/],
    [
      'another place',
      () => issuer.answer((_, response) => response.writeHead(302, { location: '/' }).end()),
      /redirect/,
    ],
    ['silence, cut off', () => issuer.answer((request) => request.socket.destroy()), /: other side closed$/],
  ])('are an outage, not a wrong token: %s', async (_, arrange, reason) => {
    arrange();
    const failure = createSubject().verify(signToken(keys.rsa, claimsWith({ sub: 's3cret' })));
    await expect(failure).rejects.toThrow(`the issuer's keys cannot be had from ${issuer.url}/.well-known/jwks.json: `);
    await expect(failure).rejects.toThrow(reason);
    await expect(failure).rejects.not.toThrow('s3cret');
  });

  it('are not waited for for ever', async () => {
    issuer.answer(() => {});
    const { verify } = createTokens({ issuer: issuer.url, audience: 'broker', keysUrl: '' }, { now: () => 0 }, 10);
    await expect(verify(signToken(keys.rsa, claimsWith()))).rejects.toThrow('timeout');
  });

  it('are asked for again with the next token', async () => {
    const { verify } = createSubject();
    issuer.answer((_, response) => response.writeHead(503).end());
    await expect(verify(signToken(keys.rsa, claimsWith()))).rejects.toThrow();
    issuer.publish(keys.rsa.jwk);
    expect(await verify(signToken(keys.rsa, claimsWith()))).toMatchObject(good);
  });
});
