/**
 * Who is it, by a JSON Web Token: its claims are the client's name, its policies, and what policies may ask for.
 *
 * Rules of this file:
 * - What a token says is what its issuer says. What only the client says, such as the user name beside the token, counts for nothing.
 * - A client that comes with a new token has the same grant again if nothing but the token is new: it is told from others by its
 *   content, and what was worked out for it is remembered.
 */
import { utf8Length } from '../mqtt/topic.ts';
import { type Authentication, type Claim, namesIn, noProof, originValues } from './authentication.ts';
import type { Context, Settings } from './context.ts';
import type { Grant } from './ports.ts';

type Claims = Readonly<Record<string, unknown>>;

/** Longest name of a client. */
const MOST_NAME_CHARACTERS = 256;
/** Largest grant that a token makes: Lambdas remember those of thousands of clients. */
const MOST_GRANT_BYTES = 8_192;

/** @throws when the issuer's keys cannot be had */
export async function authenticateByToken(context: Context, claim: Claim, token: string): Promise<Authentication> {
  const answer = await context.tokens.verify(token);
  if (!answer.valid) return noProof(4, answer.problem);
  const { claims } = answer;
  const name = claims[context.settings.jwtPrincipalClaim];
  if (typeof name !== 'string' || name.length < 1 || name.length > MOST_NAME_CHARACTERS) {
    const { jwtPrincipalClaim } = context.settings;
    return noProof(
      4,
      `the token's claim ${jwtPrincipalClaim} is not a text of 1 to ${MOST_NAME_CHARACTERS} characters`,
    );
  }
  const authorizedUntil = Math.floor(Number(claims.exp) * 1_000);
  if (!Number.isSafeInteger(authorizedUntil)) return noProof(4, 'the expiry of the token, exp, is no time');
  if (authorizedUntil <= context.clock.now()) return noProof(4, 'the token has expired');
  const values = valuesOf(claims);
  if (!values) return noProof(4, 'names of two claims of the token differ by upper and lower case alone');
  const grant: Grant = {
    principal: `jwt:${name}`,
    records: [],
    policies: policiesOf(context.settings, claims),
    documents: [],
    values: {
      ...values,
      ...originValues(claim),
      'aws:username': name,
      ...(typeof claims.sub === 'string' && { 'aws:userid': claims.sub }),
    },
  };
  const size = utf8Length(JSON.stringify(grant));
  if (size > MOST_GRANT_BYTES) {
    return noProof(4, `the token's claims make ${size} bytes of values for policies, ${MOST_GRANT_BYTES} at most`);
  }
  return { proved: true, grant, authorizedUntil, reauthorizeAt: 0 };
}

/** Those of every client, and those that the token names; in order, so that the order in the token makes no difference. */
const policiesOf = ({ jwtPolicies, jwtPoliciesClaim }: Settings, claims: Claims): readonly string[] =>
  [...new Set([...namesIn(jwtPolicies), ...namesOf(claims[jwtPoliciesClaim])])].sort();

/** A claim of groups may hold what is not meant for us: what cannot be the name of a policy is passed over. */
const namesOf = (value: unknown): readonly string[] => {
  const names = typeof value === 'string' ? value.split(/[\s,]+/) : Array.isArray(value) ? value : [];
  return names.filter((name) => typeof name === 'string' && /^[\w.@-]{1,128}$/.test(name));
};

/** Claims that are new with every token, or every login. */
const passing: ReadonlySet<string> = new Set([
  ...['exp', 'iat', 'nbf', 'jti', 'auth_time', 'nonce', 'at_hash', 'c_hash', 's_hash', 'sid', 'session_state'],
  ...['origin_jti', 'event_id'], // Cognito's
  ...['uti', 'aio', 'rh'], // Entra ID's
]);

/** Claims with a plain value, or several, by `jwt:` and their names in lower case; undefined where two become one by that. */
const valuesOf = (claims: Claims): Grant['values'] | undefined => {
  const values = new Map<string, string | readonly string[]>();
  for (const [name, value] of Object.entries(claims)) {
    const text = textOf(value);
    if (text === undefined || passing.has(name)) continue;
    const key = `jwt:${name.toLowerCase()}`;
    if (values.has(key)) return undefined;
    values.set(key, text);
  }
  return Object.fromEntries(values);
};

const textOf = (value: unknown): string | readonly string[] | undefined => {
  if (isPlain(value)) return String(value);
  return Array.isArray(value) && value.every(isPlain) ? value.map(String) : undefined;
};

const isPlain = (value: unknown): value is string | number | boolean =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
