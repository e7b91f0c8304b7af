/**
 * Which way of proving who one is a CONNECT has chosen, and whether it holds.
 *
 * Rules of this file: what a CONNECT brings decides which way is taken, and that one alone: nothing is tried twice.
 */
import { utf8Length } from '../mqtt/topic.ts';
import { authenticateByAuthorizer } from './authenticate-by-authorizer.ts';
import { authenticateByHandshake } from './authenticate-by-handshake.ts';
import { authenticateByPassword } from './authenticate-by-password.ts';
import { authenticateByToken } from './authenticate-by-token.ts';
import { type Authentication, type Claim, isOn, noProof } from './authentication.ts';
import type { Context } from './context.ts';

/** Longest user name and password together that are looked at, bytes. */
const MOST_CREDENTIALS = 16_384;

/** @throws when AWS, or the issuer of tokens, fails */
export async function authenticate(context: Context, claim: Claim): Promise<Authentication> {
  const { userName, password } = claim;
  const size = utf8Length(userName ?? '') + (password?.byteLength ?? 0);
  if (size > MOST_CREDENTIALS) {
    return noProof(4, `user name and password have ${size} bytes, ${MOST_CREDENTIALS} at most`);
  }
  if (isOn('custom', context) && namesAuthorizer(userName)) return authenticateByAuthorizer(context, claim);
  const token = isOn('jwt', context) ? tokenOf(claim) : undefined;
  if (token !== undefined) return authenticateByToken(context, claim, token);
  if (isOn('password', context) && password !== undefined) return authenticateByPassword(context, claim);
  // A user name may be there all the same: AWS's device SDKs put their own name and version into it.
  if (isOn('iam', context) && password === undefined) return authenticateByHandshake(context, claim);
  if (isOn('custom', context)) return authenticateByAuthorizer(context, claim);
  const brings = userName === undefined ? 'no user name and password' : 'a user name, or a password, of no kind';
  const returnCode = userName === undefined ? 5 : 4;
  return noProof(
    returnCode,
    `the CONNECT brings ${brings} that fits authentication ${context.settings.authentication}`,
  );
}

/** What looks like a JSON Web Token: the password, or the user name. */
const tokenOf = ({ userName, password }: Claim): string | undefined =>
  [password && new TextDecoder().decode(password), userName].find(
    (text) => text !== undefined && /^eyJ[\w-]*\.[\w-]+\.[\w-]*$/.test(text),
  );

/** As IoT Core's clients write it: `user?x-amz-customauthorizer-name=…`. */
const namesAuthorizer = (userName: string | undefined): boolean => /[?&]x-amz-customauthorizer-/i.test(userName ?? '');
