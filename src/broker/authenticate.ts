/**
 * Which way of proving who one is a CONNECT has chosen, and whether it holds.
 *
 * Rules of this file: what a CONNECT brings decides which way is taken, and that one alone: nothing is tried twice.
 */
import { authenticateByAuthorizer } from './authenticate-by-authorizer.ts';
import { authenticateByHandshake } from './authenticate-by-handshake.ts';
import { authenticateByPassword } from './authenticate-by-password.ts';
import { authenticateByToken } from './authenticate-by-token.ts';
import { type Authentication, type Claim, noProof } from './authentication.ts';
import type { Context } from './context.ts';

/** Longest user name and password together that are looked at, bytes. */
const MOST_CREDENTIALS = 16_384;

/** @throws when AWS, or the issuer of tokens, fails */
export async function authenticate(context: Context, claim: Claim): Promise<Authentication> {
  const methods = context.settings.authentication.split(',');
  const { userName, password } = claim;
  const size = (password?.byteLength ?? 0) + new TextEncoder().encode(userName ?? '').byteLength;
  if (size > MOST_CREDENTIALS)
    return noProof(4, `user name and password have ${size} bytes, ${MOST_CREDENTIALS} at most`);
  const isOn = (method: string) => methods.includes(method);
  if (isOn('jwt') && tokenOf(claim) !== undefined) return authenticateByToken(context, claim);
  if (isOn('custom') && (!isOn('password') || namesAuthorizer(userName)))
    return authenticateByAuthorizer(context, claim);
  if (isOn('password') && userName !== undefined) return authenticateByPassword(context, claim);
  if (isOn('iam') && userName === undefined) return authenticateByHandshake(context, claim);
  return noProof(5, `the CONNECT brings nothing that fits authentication ${context.settings.authentication}`);
}

/** What looks like a JSON Web Token: the password, or the user name. */
export const tokenOf = ({ userName, password }: Claim): string | undefined =>
  [password && new TextDecoder().decode(password), userName].find(
    (text) => text !== undefined && /^eyJ[\w-]*\.[\w-]+\.[\w-]*$/.test(text),
  );

/** As IoT Core's clients write it: `user?x-amz-customauthorizer-name=…`. */
const namesAuthorizer = (userName: string | undefined): boolean =>
  userName?.toLowerCase().includes('?x-amz-customauthorizer-') ?? false;
