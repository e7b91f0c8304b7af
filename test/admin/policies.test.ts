/** The command `serverless-mqtt policies`, on an identity table in memory. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from '../local/fixtures/temporary-directory.ts';
import { ARN_BASE, allowed, createAdmin, policyOf } from './admin.ts';

let directory: ReturnType<typeof temporaryDirectory>;
beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(() => directory.remove());

const file = (content: string | Uint8Array, name = 'policy.json'): string => {
  const path = join(directory.path, name);
  writeFileSync(path, content);
  return path;
};

const variable = (key: string): string => `\${${key}}`;

const pumps = policyOf(
  allowed('iot:Connect', 'client/*', { Sid: 'Anybody' }),
  allowed('iot:Publish', `topic/${variable('principal:site')}/*`, { Sid: 'Own' }),
  { ...allowed('iot:Publish', 'topic/*/secret'), Effect: 'Deny' },
);

describe('put', () => {
  it('stores what a file holds, as it stands there, also in place of another', async () => {
    const { policies, identity } = createAdmin();
    const text = `${JSON.stringify(JSON.parse(pumps), undefined, 4)}\n`;
    expect(await policies(`put pumps ${file(text)}`)).toMatchObject({
      code: 0,
      out: '',
      said: 'The policy pumps is stored: 3 statements.',
    });
    expect(await identity.policy('pumps')).toBe(text);
    expect((await policies('put pumps -', { input: policyOf(allowed('*', '*')) })).said).toContain('1 statement.');
    expect(await identity.policy('pumps')).toBe(policyOf(allowed('*', '*')));
  });

  test.each([
    ['{', 'line 1, column 2'],
    [policyOf({ ...allowed('iot:Connect', '*'), Effect: 'Alow' }), 'Statement 1, Effect: must be "Allow" or "Deny"'],
    [policyOf(allowed('iot:Connect', '*'), allowed('iot:Dance', '*')), 'Statement 2, Action: "iot:Dance" is none of'],
    [policyOf(allowed('iot:Connect', '*', { Condition: { StringLik: { a: 'b' } } })), 'did you mean StringLike?'],
    [' '.repeat(20_481), '20481 characters'],
  ])('refuses what is no policy, with its place: %.60s', async (text, problem) => {
    const { policies, identity, places } = createAdmin();
    const path = file(text);
    const { code, out, said } = await policies(`put pumps ${path}`);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(said).toContain(`${path} is no policy.`);
    expect(said).toContain(problem);
    expect(await identity.policy('pumps')).toBeUndefined();
    expect(places).toEqual([]);
  });

  it('says what is wrong with a file', async () => {
    const { policies } = createAdmin();
    const missing = join(directory.path, 'missing.json');
    expect(await policies(`put pumps ${missing}`)).toMatchObject({ code: 1, said: expect.stringContaining(missing) });
    expect(await policies(`put pumps ${directory.path}`)).toMatchObject({ code: 1 });
    expect((await policies(`put pumps ${file(new Uint8Array([34, 255, 34]))}`)).said).toContain('is not text in UTF-8');
    expect((await policies('put pumps -', { input: '{' })).said).toContain('Standard input is no policy.');
  });
});

test('get prints what put took', async () => {
  const { policies } = createAdmin();
  await policies(`put pumps ${file(`${pumps}\n`)}`);
  expect(await policies('get pumps')).toMatchObject({ code: 0, out: pumps, said: '' });
  expect(await policies('get pump')).toMatchObject({
    code: 1,
    out: '',
    said: expect.stringContaining('no policy pump:'),
  });
});

test('list tells how many statements each has, and which cannot be read', async () => {
  const { policies, administration } = createAdmin();
  await administration.putPolicy('pumps', pumps);
  await administration.putPolicy('broken', '{}');
  const problem = 'Version: is missing; write "2012-10-17"';
  expect((await policies('list')).out.split('\n')).toEqual([
    'NAME    HOLDS',
    `broken  nothing that can be read, so it denies everything: ${problem}`,
    'pumps   3 statements',
  ]);
  expect(JSON.parse((await policies('list --json')).out)).toEqual([
    { name: 'broken', problem, document: '{}' },
    { name: 'pumps', statements: 3, document: pumps },
  ]);
});

describe('remove', () => {
  const withHolders = async (...names: readonly string[]) => {
    const admin = createAdmin();
    await admin.administration.putPolicy('pumps', pumps);
    for (const name of names) {
      await admin.administration.addPrincipal(name, { passwordHash: '', policies: ['x', 'pumps'], attributes: {} });
    }
    await admin.administration.addPrincipal('other', { passwordHash: '', policies: ['pump'], attributes: {} });
    return admin;
  };

  it('takes away what nobody has attached', async () => {
    const { policies, identity } = await withHolders();
    expect(await policies('remove pumps')).toMatchObject({ code: 0, said: 'The policy pumps is removed.' });
    expect(await identity.policy('pumps')).toBeUndefined();
    expect(await policies('remove pumps')).toMatchObject({ code: 1, said: expect.stringContaining('no policy pumps') });
  });

  it('names those who have it attached, and leaves it', async () => {
    const { policies, identity } = await withHolders('bob', 'ann');
    const { code, said } = await policies('remove pumps');
    expect(code).toBe(1);
    expect(said).toContain('The policy pumps is attached to ann, bob.');
    expect(await identity.policy('pumps')).toBe(pumps);
  });

  it('names no more than 20', async () => {
    const { policies } = await withHolders(...Array.from({ length: 23 }, (_, index) => `p${index + 10}`));
    expect((await policies('remove pumps')).said).toContain('p28, p29 and 3 more.');
  });

  it('does it even so with --force', async () => {
    const { policies, identity } = await withHolders('ann');
    expect(await policies('remove pumps --force')).toMatchObject({ code: 0 });
    expect(await identity.policy('pumps')).toBeUndefined();
  });
});

describe('test', () => {
  const withAnn = async (...names: readonly string[]) => {
    const admin = createAdmin();
    await admin.administration.putPolicy('pumps', pumps);
    await admin.administration.addPrincipal('ann', {
      passwordHash: '',
      policies: ['pumps', ...names],
      attributes: { Site: 'berlin' },
    });
    return admin;
  };
  const ann = 'test --principal ann --client-id c';

  test.each([
    ['topic/berlin/x', 0, 'allowed  iot:Publish on topic/berlin/x: statement 2 (Own) of pumps'],
    ['topic/paris/x', 3, 'denied   iot:Publish on topic/paris/x: no statement allows it'],
    ['topic/berlin/secret', 3, 'denied   iot:Publish on topic/berlin/secret: statement 3 of pumps'],
    [`${ARN_BASE}topic/berlin/x`, 0, 'allowed  iot:Publish on topic/berlin/x: statement 2 (Own) of pumps'],
  ])('decides by what is attached to a principal, and its attributes: %s', async (resource, code, out) => {
    const { policies } = await withAnn();
    expect(await policies(`${ann} --action iot:Publish --resource ${resource}`)).toEqual({
      code,
      out,
      said: '',
      asked: [],
    });
  });

  it('knows the name that a password proves', async () => {
    const { policies, administration } = await withAnn('named');
    await administration.putPolicy('named', policyOf(allowed('iot:Receive', `topic/${variable('aws:Username')}`)));
    const test = `${ann} --action iot:Receive --resource topic`;
    expect((await policies(`${test}/ann`)).code).toBe(0);
    expect((await policies(`${test}/bob --value aws:Username=bob`)).code).toBe(3);
  });

  it('knows what the ARN of a caller of AWS says', async () => {
    const { policies, administration } = createAdmin();
    const own = ['aws:Username', 'sts:RoleSessionName'].map((key) => allowed('iot:Receive', `topic/${variable(key)}`));
    await administration.putPolicy('own', policyOf(...own));
    const [user, session] = ['iam::123456789012:user/a/ann', 'sts::123456789012:assumed-role/pumps/i-0123'];
    for (const [name, topic] of [[user, 'ann'] as const, [session, 'i-0123'] as const]) {
      const principal = { passwordHash: '', policies: ['own'], attributes: {} };
      await administration.addPrincipal(`arn:aws:${name}`, principal);
      const test = `test --principal arn:aws:${name} --client-id c --action iot:Receive --resource topic`;
      expect((await policies(`${test}/${topic}`)).code).toBe(0);
      expect((await policies(`${test}/other`)).code).toBe(3);
    }
  });

  it('knows what it is told besides', async () => {
    const { policies, administration } = await withAnn('grouped');
    const Condition = {
      'ForAnyValue:StringEquals': { 'jwt:groups': 'b' },
      IpAddress: { 'aws:SourceIp': '192.0.2.0/24' },
    };
    await administration.putPolicy('grouped', policyOf(allowed('iot:Receive', 'topic/*', { Condition })));
    const test = `${ann} --action iot:Receive --resource topic/a`;
    expect((await policies(test)).code).toBe(3);
    const values = '--value jwt:groups=a --value JWT:Groups=b --value aws:SourceIp=192.0.2.7';
    expect((await policies(`${test} ${values}`)).code).toBe(0);
  });

  const persistent = { Condition: { 'ForAllValues:StringEquals': { 'iot:ConnectAttributes': ['PersistentConnect'] } } };

  it('asks what a CONNECT asks, the will among it', async () => {
    const { policies, administration } = await withAnn('wills');
    const connect = `${ann} --action iot:Connect`;
    expect(await policies(connect)).toMatchObject({
      code: 0,
      out: 'allowed  iot:Connect on client/c: statement 1 (Anybody) of pumps',
    });
    const refused = await policies(`${connect} --connect-attributes PersistentConnect`);
    expect(refused).toMatchObject({
      code: 3,
      out: expect.stringContaining('denied   iot:Connect on client/c: in mode strict'),
    });
    expect((await policies(`${connect} --connect-attributes PersistentConnect --mode iam`)).code).toBe(0);
    await administration.putPolicy('wills', policyOf(allowed('iot:Connect', 'client/c', persistent)));
    expect((await policies(`${connect} --connect-attributes PersistentConnect`)).code).toBe(0);
    const will = await policies(`${connect} --will-topic paris/x --mode iam`);
    expect(will.code).toBe(3);
    expect(will.out.split('\n')).toEqual([
      'allowed  iot:Connect on client/c: statement 1 (Anybody) of pumps',
      'denied   iot:Publish on topic/paris/x: no statement allows it',
    ]);
  });

  it('says what is attached and not there, or cannot be read', async () => {
    const { policies, administration } = await withAnn('gone', 'broken');
    const test = `${ann} --action iot:Publish --resource topic/berlin/x`;
    expect(await policies(test)).toMatchObject({
      code: 0,
      said: 'The policy gone is attached, and there is none: it counts for nothing.\nThe policy broken is attached, and there is none: it counts for nothing.',
    });
    await administration.putPolicy('broken', '[]');
    const { code, out } = await policies(test);
    expect(code).toBe(3);
    expect(out).toContain(
      'denied   iot:Publish on topic/berlin/x: the policy broken cannot be read. document: must be',
    );
  });

  it('says that there is no such principal, and no verdict', async () => {
    const { policies } = await withAnn();
    const { code, out, said } = await policies('test --principal bob --client-id c --action iot:Connect');
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(said).toContain('There is no principal bob');
  });

  it('decides by files, and opens nothing where the ARN is whole, or the laptop is meant', async () => {
    const { policies, places } = createAdmin();
    const [one, two] = [file(policyOf(allowed('iot:Publish', 'topic/a')), 'one'), file(pumps, 'two')];
    const test = `test --file ${one} --file ${two} --client-id c --action iot:Publish`;
    expect(await policies(`${test} --resource ${ARN_BASE}topic/a`)).toMatchObject({
      code: 0,
      out: `allowed  iot:Publish on topic/a: statement 1 of ${one}`,
    });
    expect(await policies(`${test} --resource topic/b/x --value principal:site=b --local`)).toMatchObject({
      code: 0,
      out: `allowed  iot:Publish on topic/b/x: statement 2 (Own) of ${two}`,
    });
    expect(places).toEqual([]);
    expect((await policies(`${test} --resource topic/a`)).code).toBe(0);
    expect(places).toHaveLength(1);
  });

  it('reads a policy from standard input', async () => {
    const { policies } = createAdmin();
    const test = `test --file - --client-id c --action iot:Publish --resource ${ARN_BASE}topic/a`;
    expect((await policies(test, { input: policyOf(allowed('iot:*', '*')) })).code).toBe(0);
    expect(await policies(test, { input: '{' })).toMatchObject({
      code: 3,
      out: expect.stringContaining('the policy Standard input cannot be read'),
    });
  });

  test.each([
    ['another Region', 'arn:aws:iot:us-east-1:123456789012:topic/a', 3],
    ['another account', 'arn:aws:iot:eu-central-1:111111111111:topic/a', 3],
    ['the same', 'topic/a', 0],
  ])('tells the ARN of this broker from %s', async (_, resource, code) => {
    const { policies } = createAdmin();
    const Resource = `${ARN_BASE}topic/a`;
    const path = file(policyOf({ Effect: 'Allow', Action: 'iot:Publish', Resource }));
    const test = `test --file ${path} --client-id c --action iot:Publish --resource ${resource}`;
    expect((await policies(test)).code).toBe(code);
  });

  it('needs a whole ARN where only the table is known', async () => {
    const { policies, administration } = createAdmin();
    await administration.addPrincipal('ann', { passwordHash: '', policies: [], attributes: {} });
    const test = `${ann} --table table --action iot:Publish --resource`;
    expect(await policies(`${test} topic/a`)).toMatchObject({
      code: 1,
      said: expect.stringContaining('--resource must be a whole ARN'),
    });
    expect((await policies(`${test} ${ARN_BASE}topic/a`)).code).toBe(3);
  });
});

test('--help explains every command and option, and opens nothing', async () => {
  const { policies, places } = createAdmin();
  const { code, out } = await policies('--help');
  expect(code).toBe(0);
  for (const word of ['put', 'get', 'list', 'remove', 'test']) expect(out).toMatch(new RegExp(`^ {2}${word} `, 'm'));
  const ofTest = [
    'principal',
    'file',
    'client-id',
    'action',
    'resource',
    'value',
    'connect-attributes',
    'will-topic',
    'mode',
  ];
  const options = [...ofTest, 'force', 'stack', 'table', 'profile', 'region', 'local', 'help'];
  for (const option of options) expect(out).toMatch(new RegExp(`^ +--${option}\\b`, 'm'));
  expect(places).toEqual([]);
});
