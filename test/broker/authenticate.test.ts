/** Which way of proving who one is a CONNECT takes. */
import { authenticate } from '../../src/broker/authenticate.ts';
import type { Claim } from '../../src/broker/authentication.ts';
import type { ClientId, ConnectionId } from '../../src/session/ids.ts';
import { plainToken } from './credentials.ts';
import { createWorld } from './world.ts';

jest.mock('../../src/broker/authenticate-by-password.ts', () => ({ authenticateByPassword: async () => 'password' }));
jest.mock('../../src/broker/authenticate-by-authorizer.ts', () => ({ authenticateByAuthorizer: async () => 'custom' }));
jest.mock('../../src/broker/authenticate-by-handshake.ts', () => ({ authenticateByHandshake: async () => 'iam' }));
jest.mock('../../src/broker/authenticate-by-token.ts', () => ({
  authenticateByToken: async (_: unknown, __: unknown, found: string) =>
    `jwt ${found === token ? '' : 'another'}`.trim(),
}));

const token = plainToken({ sub: 'pump-7' });
const wayOf = (authentication: string, userName?: string, password?: string | Uint8Array) =>
  authenticate(createWorld({ authentication }).context, {
    connectionId: 'connection=' as ConnectionId,
    sourceIp: undefined,
    clientId: 'client' as ClientId,
    userName,
    password: typeof password === 'string' ? new TextEncoder().encode(password) : password,
  } satisfies Claim);

const refused = (returnCode: 4 | 5) => expect.objectContaining({ proved: false, returnCode });
const named = 'ann?x-amz-customauthorizer-name=mine';

describe('a CONNECT proves who sends it', () => {
  it.each<readonly [string, string, string | undefined, string | undefined, unknown]>([
    // what it brings: nothing
    ['nothing', 'password', undefined, undefined, refused(5)],
    ['nothing', 'jwt', undefined, undefined, refused(5)],
    ['nothing', 'password,jwt', undefined, undefined, refused(5)],
    ['nothing', 'custom', undefined, undefined, 'custom'],
    ['nothing', 'iam', undefined, undefined, 'iam'],
    ['nothing', 'password,jwt,custom,iam', undefined, undefined, 'iam'],
    ['nothing', 'password,custom', undefined, undefined, 'custom'],
    // a user name
    ['a user name', 'password', 'ann', undefined, refused(4)],
    ['a user name', 'jwt', 'ann', undefined, refused(4)],
    ['a user name', 'password,custom', 'ann', undefined, 'custom'],
    ['the name of an SDK', 'password,iam', '?SDK=JavaV2&Version=1.0', undefined, 'iam'],
    // a password, too
    ['a password', 'password', 'ann', 'secret', 'password'],
    ['a password', 'jwt', 'ann', 'secret', refused(4)],
    ['a password', 'iam', 'ann', 'secret', refused(4)],
    ['a password', 'custom', 'ann', 'secret', 'custom'],
    ['a password', 'password,jwt,custom,iam', 'ann', 'secret', 'password'],
    ['a password', 'password', '', 'secret', 'password'],
    ['an empty password', 'password', 'ann', '', 'password'],
    // a token
    ['a token as the password', 'jwt', '', token, 'jwt'],
    ['a token as the password', 'password,jwt,custom,iam', 'ann', token, 'jwt'],
    ['a token as the user name', 'jwt', token, undefined, 'jwt'],
    ['a token as the user name', 'password,jwt', token, 'secret', 'jwt'],
    ['two tokens', 'jwt', plainToken({ sub: 'other' }), token, 'jwt'],
    ['a token', 'password', 'ann', token, 'password'],
    ['a token', 'custom', 'ann', token, 'custom'],
    ['a token without a signature', 'jwt', 'ann', token.replace('signature', ''), 'jwt another'],
    ['half a token', 'jwt', 'ann', token.slice(0, 10), refused(4)],
    ['a token and more', 'jwt', 'ann', `${token} `, refused(4)],
    // the name of an authorizer
    ['an authorizer', 'custom,password', named, 'secret', 'custom'],
    ['an authorizer', 'custom,jwt', named, token, 'custom'],
    ['an authorizer', 'custom,jwt', 'ann?SDK=Java&X-Amz-CustomAuthorizer-Name=mine', token, 'custom'],
    ['an authorizer', 'password', named, 'secret', 'password'],
  ])('by %s, where authentication is %s', async (_, authentication, userName, password, way) => {
    expect(await wayOf(authentication, userName, password)).toEqual(way);
  });

  it('by 16,384 bytes of user name and password at most, in whatever way', async () => {
    for (const authentication of ['password', 'custom', 'password,jwt,custom,iam']) {
      expect(await wayOf(authentication, 'ü'.repeat(192), new Uint8Array(16_000))).toBe(authentication.split(',')[0]);
      expect(await wayOf(authentication, 'ü'.repeat(192), new Uint8Array(16_001))).toEqual(refused(4));
    }
    expect(await wayOf('iam', 'n'.repeat(16_385))).toEqual(refused(4));
    expect(await wayOf('jwt', `eyJ.${'A'.repeat(16_380)}.`)).toEqual(refused(4));
  });

  it('and is looked at in no time, whatever it brings', async () => {
    // Patterns that go back over what they have read would be at this for minutes.
    for (const text of [
      '?'.repeat(16_384),
      'eyJ.'.repeat(4_096),
      `eyJ${'-'.repeat(16_381)}`,
      '?x-amz-'.repeat(2_340),
    ]) {
      expect(await wayOf('jwt,custom,iam', text)).toBe('iam');
    }
  });
});
