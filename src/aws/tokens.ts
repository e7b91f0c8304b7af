/**
 * JSON Web Tokens of one issuer.
 *
 * Rules of this file:
 * - Good is what one of the issuer's own keys has signed, with RSA, an elliptic curve or Ed25519. A token chooses neither where
 *   its key comes from nor a way to do without.
 * - What is told of a token that is not good is a sentence from this file, never a word of the token.
 * - Keys that cannot be had are an outage: thrown, as nobody knows whether the token is good.
 */
import { validateCognitoJwtFields } from 'aws-jwt-verify/cognito-verifier';
import {
  CognitoJwtInvalidClientIdError,
  CognitoJwtInvalidTokenUseError,
  JwkInvalidKtyError,
  JwkInvalidUseError,
  JwtExpiredError,
  JwtInvalidAudienceError,
  JwtInvalidIssuerError,
  JwtInvalidSignatureAlgorithmError,
  JwtInvalidSignatureError,
  JwtNotBeforeError,
  JwtParseError,
  JwtWithoutValidKidError,
  KidNotFoundInJwksError,
  WaitPeriodNotYetEndedJwkError,
} from 'aws-jwt-verify/error';
import { assertIsJwks, type PenaltyBox, SimpleJwksCache } from 'aws-jwt-verify/jwk';
import type { JwtHeader, JwtPayload } from 'aws-jwt-verify/jwt-model';
import { JwtVerifier } from 'aws-jwt-verify/jwt-verifier';
import type { Clock, Tokens } from '../broker/ports.ts';

export interface TokenSettings {
  readonly issuer: string;
  /** Separated by commas: a token is for one of them. */
  readonly audience: string;
  /** Empty: under the issuer. */
  readonly keysUrl: string;
}

/** Keys are fetched anew after this time, ms, so that one that the issuer has withdrawn comes to its end. */
const KEYS_GOOD_FOR = 3_600_000;
/** A token names a key that the issuer does not have: for this time, ms, nobody makes us ask the issuer again. */
const UNKNOWN_KEY_PAUSE = 10_000;
/** How long we wait for keys, ms. */
const KEYS_WITHIN = 3_500;

/** @param keysWithin how long to wait for keys, ms */
export function createTokens(
  { issuer, audience, keysUrl }: TokenSettings,
  clock: Pick<Clock, 'now'>,
  keysWithin = KEYS_WITHIN,
): Tokens {
  const audiences = audience.split(',');
  const isOfCognito = COGNITO.test(issuer);
  const createVerifier = () =>
    JwtVerifier.create(
      {
        issuer,
        jwksUri: keysUrl === '' ? `${issuer.replace(/\/$/, '')}/.well-known/jwks.json` : keysUrl,
        audience: isOfCognito ? null : audiences,
        customJwtCheck: ({ header, payload }) => {
          checkForm(header, payload);
          if (isOfCognito) validateCognitoJwtFields(payload, { tokenUse: null, clientId: audiences });
        },
      },
      {
        jwksCache: new SimpleJwksCache({
          fetcher: { fetch: (url) => fetchKeys(url, keysWithin) },
          penaltyBox: createPenaltyBox(clock),
        }),
      },
    );
  let made: { readonly verifier: ReturnType<typeof createVerifier>; readonly at: number } | undefined;
  const currentVerifier = () => {
    const now = clock.now();
    if (made === undefined || now - made.at >= KEYS_GOOD_FOR) made = { verifier: createVerifier(), at: now };
    return made.verifier;
  };
  return {
    verify: async (token) => {
      try {
        return { valid: true, claims: await currentVerifier().verify(token) };
      } catch (error) {
        if (error instanceof KeysNotHad) throw error;
        return { valid: false, problem: `the token ${problemOf(error)}` };
      }
    },
  };
}

/** Its access tokens name for whom they are in `client_id`, its id tokens in `aud`. */
const COGNITO = /^https:\/\/(issuer-)?cognito-idp\.[\w-]+\.amazonaws\.[\w.]+\/[\w-]+$/;

/** The token is not good for a reason that the library does not know of. */
class NotAccepted extends Error {}

const checkForm = ({ crit }: JwtHeader, { exp }: JwtPayload): void => {
  if (crit !== undefined) throw new NotAccepted('asks for an extension that is not known here'); // RFC 7515 §4.1.11
  if (exp === undefined) throw new NotAccepted('has no expiry, exp');
};

/** The first that an error is an instance of tells what is wrong with a token. */
const problems: ReadonlyArray<readonly [error: abstract new (...parameters: never[]) => Error, problem: string]> = [
  [JwtParseError, 'cannot be read'],
  [JwtWithoutValidKidError, 'names no key, kid'],
  [KidNotFoundInJwksError, 'names a key that the issuer does not have'],
  [WaitPeriodNotYetEndedJwkError, 'names a key that the issuer did not have a moment ago'],
  [JwkInvalidKtyError, 'names a key of the issuer that is not one for signatures'],
  [JwkInvalidUseError, 'names a key of the issuer that is not one for signatures'],
  [JwtInvalidSignatureAlgorithmError, 'has a signature of another kind than its key'],
  [JwtInvalidSignatureError, 'has a wrong signature'],
  [JwtExpiredError, 'has expired'],
  [JwtNotBeforeError, 'is not valid yet'],
  [JwtInvalidIssuerError, 'is from another issuer than jwtIssuer'],
  [JwtInvalidAudienceError, 'is for another audience than jwtAudience'],
  [CognitoJwtInvalidClientIdError, 'is for another audience than jwtAudience'],
  [CognitoJwtInvalidTokenUseError, 'is neither an access token nor an id token'],
];

const problemOf = (error: unknown): string => {
  if (error instanceof NotAccepted) return error.message;
  const [, problem] = problems.find(([kind]) => error instanceof kind) ?? [];
  // Node's own errors: a signature, or a key, that is none of its kind.
  return problem ?? 'has a signature that cannot be checked';
};

class KeysNotHad extends Error {
  override readonly name = 'KeysNotHad';
}

/** The issuer's keys: JSON. @throws KeysNotHad, which says nothing of an answer that is wrong, for it may be anything */
const fetchKeys = async (url: string, within: number): Promise<ArrayBuffer> => {
  try {
    const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(within) });
    if (!response.ok) throw new Error(`status ${response.status}`);
    const keys = await response.arrayBuffer();
    if (!areKeys(keys)) throw new Error('no JSON Web Key Set');
    return keys;
  } catch (error) {
    throw new KeysNotHad(`the issuer's keys cannot be had from ${url}: ${reasonOf(error)}`);
  }
};

const areKeys = (bytes: ArrayBuffer): boolean => {
  try {
    assertIsJwks(JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)));
    return true;
  } catch {
    return false;
  }
};

/** `fetch` itself only says that it failed. Where no address answers, the cause has no message but a code. */
const reasonOf = (error: unknown): string => {
  const { message, cause } = error as { message?: string; cause?: { message?: string; code?: string } };
  return cause?.message || cause?.code || message || String(error);
};

/** By the clock: a timer does not run in a Lambda that is frozen. */
const createPenaltyBox = (clock: Pick<Clock, 'now'>): PenaltyBox => {
  let until = 0;
  return {
    wait: async () => {
      if (clock.now() < until) throw new WaitPeriodNotYetEndedJwkError();
    },
    registerFailedAttempt: () => {
      until = clock.now() + UNKNOWN_KEY_PAUSE;
    },
    registerSuccessfulAttempt: () => {
      until = 0;
    },
  };
};
