/** The command `serverless-mqtt principals`, on an identity table in memory. */
import type { Page, Principal } from '../../src/broker/ports.ts';
import { createAdmin, policyOf } from './admin.ts';

const SECRET = 'correct horse battery staple';
const PASSWORD = `plain:${SECRET}`;

const withPolicies = async (...names: readonly string[]) => {
  const admin = createAdmin();
  for (const name of names) await admin.administration.putPolicy(name, '{}');
  return admin;
};

/** One who was entered before. */
const withAnn = async (changes: Partial<Principal> = {}) => {
  const admin = await withPolicies('a', 'b', 'c');
  await admin.administration.addPrincipal('ann', {
    passwordHash: PASSWORD,
    policies: ['a'],
    attributes: {},
    ...changes,
  });
  return admin;
};

describe('add', () => {
  it('asks for the password twice, and enters what it was given', async () => {
    const { principals, identity, isClosed } = await withPolicies('a', 'b');
    const { code, out, said, asked } = await principals(
      'add ann --policy a --policy b --attribute site=berlin --attribute line=4',
      { typed: [SECRET, SECRET] },
    );
    expect({ code, out, said }).toEqual({ code: 0, out: '', said: 'ann is entered, with a, b.' });
    expect(asked).toEqual(['New password of ann: ', 'The same once more: ']);
    expect(await identity.principal('ann')).toEqual({
      passwordHash: PASSWORD,
      policies: ['a', 'b'],
      attributes: { site: 'berlin', line: '4' },
    });
    expect(isClosed()).toBe(true);
  });

  it('takes the first line of standard input where nobody sits there', async () => {
    const { principals, identity } = await withPolicies('a');
    const { code, asked } = await principals('add ann --policy a', { input: `${SECRET}\nmore\n` });
    expect({ code, asked }).toEqual({ code: 0, asked: [] });
    expect(await identity.principal('ann')).toMatchObject({ passwordHash: PASSWORD });
  });

  it('makes a password that nobody guesses, and prints nothing else', async () => {
    const { principals, identity } = await withPolicies('a');
    const { code, out } = await principals('add ann --generate --policy a');
    expect(code).toBe(0);
    expect(out).toMatch(/^[\w-]{24}$/);
    expect(await identity.principal('ann')).toMatchObject({ passwordHash: `plain:${out}` });
    expect((await principals('add bob --generate')).out).not.toBe(out);
  });

  it('enters a caller of AWS, without a password', async () => {
    const { principals, identity } = await withPolicies('a');
    const user = 'arn:aws:iam::123456789012:user/ann';
    expect(await principals(`add ${user} --no-password --policy a`)).toMatchObject({ code: 0, asked: [] });
    expect(await identity.principal(user)).toEqual({ passwordHash: '', policies: ['a'], attributes: {} });
    const session = 'arn:aws:sts::123456789012:assumed-role/pumps/i-0123';
    expect((await principals(`add ${session} --no-password`)).said).toContain('this one session of the role alone');
  });

  it('says where somebody may do nothing', async () => {
    const { principals } = createAdmin();
    expect((await principals('add ann --generate')).said).toBe(
      'ann is entered, with no policy yet, so it may do nothing.',
    );
  });

  it('leaves who is there already as they are, and asks for no password', async () => {
    const { principals, identity } = await withAnn();
    const { code, said, asked } = await principals('add ann --policy b', {
      typed: ['another password', 'another password'],
    });
    expect({ code, asked }).toEqual({ code: 1, asked: [] });
    expect(said).toContain('There is a principal ann already');
    expect(await identity.principal('ann')).toMatchObject({ passwordHash: PASSWORD, policies: ['a'] });
  });

  it('leaves who was entered by somebody else meanwhile, and prints no password that does not count', async () => {
    const { principals, administration, identity } = createAdmin();
    const bySomebodyElse: Principal = { passwordHash: 'theirs', policies: [], attributes: {} };
    const { addPrincipal } = administration;
    administration.addPrincipal = async (name, principal) => {
      await addPrincipal(name, bySomebodyElse);
      return addPrincipal(name, principal);
    };
    expect(await principals('add ann --generate')).toMatchObject({ code: 1, out: '' });
    expect(await identity.principal('ann')).toEqual(bySomebodyElse);
  });

  it('refuses a policy that does not exist, and enters nobody', async () => {
    const { principals, identity } = await withPolicies('a');
    const { code, said, asked } = await principals('add ann --policy a --policy aa --policy b', {
      typed: [SECRET, SECRET],
    });
    expect({ code, asked }).toEqual({ code: 1, asked: [] });
    expect(said).toContain('There is no policy aa, b');
    expect(await identity.principal('ann')).toBeUndefined();
  });
});

describe('a password', () => {
  test.each([
    ['is typed twice, and not the same', { typed: [SECRET, `${SECRET}!`] }, 'not the same'],
    ['is too short', { typed: ['1234567', '1234567'] }, '7 bytes: it must have 8 to 256'],
    ['is too short in standard input', { input: '1234567\nmore' }, '7 bytes: it must have 8 to 256'],
    ['is too long', { input: 'ä'.repeat(129) }, '258 bytes: it must have 8 to 256'],
    ['is missing', { input: '' }, 'There is no password'],
    ['is broken off', { typed: [] }, 'Broken off'],
  ])('that %s is refused, and nothing is changed', async (_, given, text) => {
    const { principals, identity, isClosed } = await withAnn();
    for (const line of ['add bob', 'passwd ann']) {
      const { code, out, said } = await principals(line, given);
      expect({ code, out }).toEqual({ code: 1, out: '' });
      expect(said).toContain(text);
    }
    expect(await identity.principal('bob')).toBeUndefined();
    expect(await identity.principal('ann')).toMatchObject({ passwordHash: PASSWORD });
    expect(isClosed()).toBe(true);
  });

  test.each(['12345678', 'ä'.repeat(128)])('may be %s', async (password) => {
    const { principals, identity } = createAdmin();
    expect((await principals('add ann', { typed: [password, password] })).code).toBe(0);
    expect(await identity.principal('ann')).toMatchObject({ passwordHash: `plain:${password}` });
  });

  test.each([
    'add ann SECRET',
    'add ann --password SECRET',
    'add ann --password=SECRET',
    'add ann --Passwd=SECRET',
    'add ann --pasword=SECRET',
    'add ann -pSECRET',
    'add ann --attribute SECRET',
    'passwd ann SECRET',
    'passwd ann --password SECRET',
    'passwd ann --no-password=SECRET',
    'set ann SECRET',
    'set ann a=SECRET\u0000',
    'unlock ann SECRET',
    'remove ann SECRET',
    'list SECRET',
  ])('on the command line is refused, and not repeated: %s', async (line) => {
    const { principals, places } = await withAnn();
    const { code, out, said } = await principals(line);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(said).not.toContain('SECRET');
    expect(places).toEqual([]);
  });

  it('that comes by an option is refused with the reason', async () => {
    const { principals } = createAdmin();
    expect((await principals('add ann --password x')).said).toContain('read as one line from standard input');
  });

  it('is shown by no command, nor is its hash', async () => {
    const { principals } = await withAnn();
    const given = { typed: [SECRET, SECRET] };
    const lines = ['add bob', 'add bob', 'passwd ann', 'attach ann b', 'detach ann b', 'set ann a=1', 'show ann'];
    for (const line of [...lines, 'show ann --json', 'list', 'list --json', 'unlock ann', 'remove ann']) {
      const { out, said } = await principals(line, given);
      expect([line, out + said]).toEqual([line, expect.not.stringContaining(SECRET)]);
      expect([line, out + said]).toEqual([line, expect.not.stringContaining('plain:')]);
    }
  });
});

describe('passwd', () => {
  it('gives another password, leaves the rest, and forgets wrong ones', async () => {
    const { principals, identity } = await withAnn({ attributes: { site: 'berlin' } });
    await identity.changeFailedLogins('ann', { if: [], set: { failures: 9, failedAt: 1 } });
    const { code, said } = await principals('passwd ann', { input: 'another one' });
    expect({ code, said }).toEqual({ code: 0, said: 'ann has another password.' });
    expect(await identity.principal('ann')).toEqual({
      passwordHash: 'plain:another one',
      policies: ['a'],
      attributes: { site: 'berlin' },
    });
    expect(await identity.failedLogins('ann')).toBeUndefined();
  });

  it('makes one, or takes it away', async () => {
    const { principals, identity } = await withAnn();
    const { out } = await principals('passwd ann --generate');
    expect(await identity.principal('ann')).toMatchObject({ passwordHash: `plain:${out}` });
    expect(await principals('passwd ann --no-password')).toMatchObject({ code: 0, out: '' });
    expect(await identity.principal('ann')).toMatchObject({ passwordHash: '' });
  });
});

describe('attach and detach', () => {
  it('add and take away, and leave the rest', async () => {
    const { principals, identity } = await withAnn({ attributes: { site: 'berlin' } });
    expect(await principals('attach ann c a b')).toMatchObject({ code: 0, said: 'ann has a, c, b.' });
    expect(await principals('detach ann a b')).toMatchObject({ code: 0, said: 'ann has c.' });
    expect(await identity.principal('ann')).toEqual({
      passwordHash: PASSWORD,
      policies: ['c'],
      attributes: { site: 'berlin' },
    });
    expect((await principals('detach ann c')).said).toBe('ann has no policy, so it may do nothing.');
  });

  it('do nothing where one of the policies makes no sense', async () => {
    const { principals, identity } = await withAnn();
    expect(await principals('attach ann b bb')).toMatchObject({
      code: 1,
      said: expect.stringContaining('no policy bb'),
    });
    expect(await principals('detach ann a b')).toMatchObject({ code: 1, said: expect.stringContaining('not have b') });
    expect(await identity.principal('ann')).toMatchObject({ policies: ['a'] });
  });

  it('detach takes away a policy that is gone', async () => {
    const { principals, identity } = await withAnn({ policies: ['a', 'gone'] });
    expect(await principals('detach ann gone')).toMatchObject({ code: 0 });
    expect(await identity.principal('ann')).toMatchObject({ policies: ['a'] });
  });
});

test('set changes attributes, whatever the case of their keys, and removes them', async () => {
  const { principals, identity } = await withAnn({ attributes: { Site: 'berlin', line: '4', room: '1' } });
  expect(await principals('set ann site=paris line= hall=2')).toMatchObject({
    code: 0,
    said: 'ann has room=1, site=paris, hall=2.',
  });
  expect(await identity.principal('ann')).toEqual({
    passwordHash: PASSWORD,
    policies: ['a'],
    attributes: { room: '1', site: 'paris', hall: '2' },
  });
});

test('unlock forgets wrong passwords, of names that nobody has, too', async () => {
  const { principals, identity } = await withAnn();
  for (const name of ['ann', 'nobody']) {
    await identity.changeFailedLogins(name, { if: [], set: { failures: 9, failedAt: 1 } });
    expect(await principals(`unlock ${name}`)).toMatchObject({ code: 0, said: `${name} is unlocked.` });
    expect(await identity.failedLogins(name)).toBeUndefined();
    expect(await principals(`unlock ${name}`)).toMatchObject({
      code: 0,
      said: `No wrong passwords were known of ${name}.`,
    });
  }
});

test('remove takes out', async () => {
  const { principals, identity } = await withAnn();
  expect(await principals('remove ann')).toMatchObject({ code: 0, said: 'ann is removed.' });
  expect(await identity.principal('ann')).toBeUndefined();
});

test.each(['passwd bob', 'set bob a=1', 'attach bob a', 'detach bob a', 'show bob', 'remove bob'])(
  '%s: there is no such principal, and none is made',
  async (line) => {
    const { principals, identity } = await withAnn();
    const { code, out, said, asked } = await principals(line, { typed: [SECRET, SECRET] });
    expect({ code, out, asked }).toEqual({ code: 1, out: '', asked: [] });
    expect(said).toContain('There is no principal bob');
    expect(await identity.principal('bob')).toBeUndefined();
  },
);

describe('show', () => {
  it('tells all but the password', async () => {
    const { principals, identity } = await withAnn({
      policies: ['a', 'gone'],
      attributes: { site: 'berlin', line: '4' },
    });
    await identity.changeFailedLogins('ann', { if: [], set: { failures: 3, failedAt: 1 } });
    expect((await principals('show ann')).out.split('\n')).toEqual([
      'name             ann',
      'password         yes',
      'policies         a, gone (there is none)',
      'attributes       site=berlin, line=4',
      'wrong passwords  3',
    ]);
    expect(JSON.parse((await principals('show ann --json')).out)).toEqual({
      name: 'ann',
      password: true,
      policies: ['a', 'gone'],
      attributes: { site: 'berlin', line: '4' },
      missingPolicies: ['gone'],
      failedLogins: { failures: 3, failedAt: 1 },
    });
  });

  it('says what there is none of', async () => {
    const { principals } = await withAnn({ passwordHash: '', policies: [] });
    expect((await principals('show ann')).out.split('\n').map((line) => line.split(/ {2,}/)[1])).toEqual([
      'ann',
      'none',
      'none',
      'none',
      'none',
    ]);
  });

  it('says who is locked', async () => {
    const { principals, identity } = await withAnn();
    await identity.changeFailedLogins('ann', { if: [], set: { failures: 12, failedAt: Date.now() } });
    expect((await principals('show ann')).out).toContain('12, and locked for now');
  });
});

describe('list', () => {
  it('is of everybody, by name, over all pages', async () => {
    const { principals, administration } = createAdmin();
    const entry = (name: string, changes: Partial<Principal> = {}) =>
      [name, { passwordHash: 'hash', policies: [], attributes: {}, ...changes }] as const;
    const ann = entry('ann', { policies: ['a', 'b'], attributes: { site: 'berlin' } });
    const pages: Readonly<Record<string, Page<readonly [string, Principal]>>> = {
      one: { found: [], next: 'two' },
      two: { found: [ann], next: 'three' },
      three: { found: [entry('bob', { passwordHash: '' })], next: undefined },
    };
    administration.listPrincipals = async (after) => pages[after ?? ''] ?? { found: [entry('zoe')], next: 'one' };
    expect((await principals('list')).out.split('\n')).toEqual([
      'NAME  PASSWORD  POLICIES  ATTRIBUTES',
      'ann   yes       a, b      site=berlin',
      'bob   none',
      'zoe   yes',
    ]);
    expect(JSON.parse((await principals('list --json')).out)).toEqual([
      { name: 'ann', password: true, policies: ['a', 'b'], attributes: { site: 'berlin' } },
      { name: 'bob', password: false, policies: [], attributes: {} },
      { name: 'zoe', password: true, policies: [], attributes: {} },
    ]);
  });

  it('may be empty', async () => {
    const { principals } = createAdmin();
    expect((await principals('list')).out).toBe('NAME  PASSWORD  POLICIES  ATTRIBUTES');
    expect((await principals('list --json')).out).toBe('[]');
  });
});

test('--help explains every command and option, and opens nothing', async () => {
  const { principals, places } = createAdmin();
  const { code, out } = await principals('--help');
  expect(code).toBe(0);
  for (const word of ['add', 'passwd', 'set', 'attach', 'detach', 'unlock', 'list', 'show', 'remove']) {
    expect(out).toMatch(new RegExp(`^ {2}${word} `, 'm'));
  }
  const options = [
    'policy',
    'attribute',
    'generate',
    'no-password',
    'stack',
    'table',
    'profile',
    'region',
    'local',
    'help',
  ];
  for (const option of options) expect(out).toMatch(new RegExp(`^ +--${option} `, 'm'));
  expect(places).toEqual([]);
});

test('what is attached is what policies say', async () => {
  const admin = createAdmin();
  await admin.administration.putPolicy('p', policyOf({ Effect: 'Allow', Action: 'iot:*', Resource: '*' }));
  await admin.principals('add ann --generate --policy p');
  const test = 'test --principal ann --client-id c --action iot:Publish --resource topic/a';
  expect((await admin.policies(test)).code).toBe(0);
  await admin.principals('detach ann p');
  expect((await admin.policies(test)).code).toBe(3);
});
