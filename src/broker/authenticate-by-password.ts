/**
 * Who is it, by user name and password: one of the principals that the operator has entered.
 *
 * Rules of this file:
 * - A name that nobody has is met with the same calls, in the same order, as a wrong password: neither an answer nor the time that
 *   it takes tells which names there are.
 * - What the client sent as its user name goes into no log: it may be the password, in the wrong field.
 */
import { type Authentication, type Claim, noProof, originValues } from './authentication.ts';
import type { Context } from './context.ts';
import { claimAttempt, countFailure, forgetFailures, isLocked } from './failed-logins.ts';
import { together } from './in-parallel.ts';
import type { Grant, Principal } from './ports.ts';

/** Longest name of a principal, as JavaScript counts. */
export const MOST_NAME_CHARACTERS = 128;

/** @throws when AWS fails */
export async function authenticateByPassword(context: Context, claim: Claim): Promise<Authentication> {
  const { userName: name = '', password } = claim;
  // Neither can be right, whoever exists: that may be told at once.
  if (password === undefined) return noProof(4, 'no password');
  if (name.length < 1 || name.length > MOST_NAME_CHARACTERS) {
    return noProof(4, `the user name is empty, or longer than ${MOST_NAME_CHARACTERS} characters`);
  }
  const { identity, passwords, clock } = context;
  const [former, principal] = await together([identity.failedLogins(name), identity.principal(name)]);
  if (former && isLocked(former, clock.now())) {
    return noProof(4, `the user name is locked after ${former.failures} wrong passwords`);
  }
  const claimed = former !== undefined && former.failures > 0;
  if (claimed && !(await identity.changeFailedLogins(name, claimAttempt(former, clock.now()))).done) {
    return noProof(4, 'after wrong passwords, another login with this user name came first');
  }
  const isRight = await passwords.matches(password, principal?.passwordHash);
  if (!isRight || principal === undefined) {
    if (!claimed) await identity.changeFailedLogins(name, countFailure(clock.now()));
    return noProof(4, 'user name or password is wrong');
  }
  if (claimed) await identity.changeFailedLogins(name, forgetFailures);
  return {
    proved: true,
    grant: { ...grantOfPassword(name, originValues(claim)), proof: proofOf(context, principal) },
    authorizedUntil: 0,
    reauthorizeAt: 0,
  };
}

/** Whether the password that made this grant is still the one of its principal; true where it was made by none. @throws when AWS fails */
export async function isStillProved(context: Context, { proof, records: [name] }: Grant): Promise<boolean> {
  if (proof === undefined || name === undefined) return true;
  const principal = await context.identity.principal(name);
  return principal !== undefined && proofOf(context, principal) === proof;
}

/** Of a hash with a salt of its own: it tells nothing of the password. */
const proofOf = ({ secrets }: Context, { passwordHash }: Principal): string => secrets.hash(passwordHash);

/** `values`: what else is known of the client. */
export const grantOfPassword = (name: string, values: Grant['values']): Grant => ({
  principal: `password:${name}`,
  records: [name],
  policies: [],
  documents: [],
  values: { ...values, 'aws:username': name, 'aws:userid': name },
});
