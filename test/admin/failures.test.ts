/** What the operator's commands say where the identity table cannot be had, and while it is slow. */
import { startProgress } from '../../admin/progress.ts';
import { createAdmin } from './admin.ts';

const failure = (name: string, message: string, more: object = {}): Error =>
  Object.assign(new Error(message), { name, ...more });

const failing = (error: unknown) => createAdmin({ open: () => Promise.reject(error) });

test.each([
  [
    failure('CredentialsProviderError', 'Could not load credentials from any providers'),
    ['Could not load', '--profile', '--local'],
  ],
  [
    failure('TokenProviderError', "Token is expired. To refresh this SSO session run 'aws sso login'"),
    ['aws sso login'],
  ],
  [failure('ExpiredTokenException', 'The security token is expired'), ['expired', 'aws sso login']],
  [failure('InvalidClientTokenId', 'The security token is invalid.'), ['is invalid. Sign in']],
  [
    failure('AccessDeniedException', 'User: u is not authorized to perform: dynamodb:Scan on resource: arn:t'),
    ['dynamodb:Scan on resource: arn:t', 'AdministratorsPolicyArn'],
  ],
  [
    failure('AccessDenied', 'User: u is not authorized to perform: cloudformation:DescribeStacks on resource: s'),
    ['cloudformation:DescribeStacks on resource: s', 'AdministratorsPolicyArn'],
  ],
  [failure('ResourceNotFoundException', 'not found'), ['no identity table of the stack serverless-mqtt', '--table']],
  [
    failure('ValidationException', 'The provided key element does not match the schema'),
    ['no identity table', 'schema.'],
  ],
  [failure('ThrottlingException', 'Rate exceeded'), ['Rate exceeded', 'Try again.']],
  [failure('IdentityPlaceError', 'There is no stack x.'), ['There is no stack x.']],
  [failure('Error', 'Region is missing'), ['--region', 'AWS_REGION']],
  [
    failure('Error', 'getaddrinfo ENOTFOUND x', { code: 'ENOTFOUND' }),
    ['AWS cannot be reached', 'ENOTFOUND x', '--region'],
  ],
  [failure('TimeoutError', 'connection timed out'), ['AWS cannot be reached', 'timed out']],
])('%s is explained in one line, exit code 1', async (error, texts) => {
  for (const run of [failing(error).principals, failing(error).policies]) {
    const { code, out, said } = await run('list');
    expect({ code, out }).toEqual({ code: 1, out: '' });
    for (const text of texts) expect(said).toContain(text);
    expect(said).not.toContain('\n');
  }
});

test('a local broker that does not run is told from AWS', async () => {
  const { principals } = failing(failure('Error', '', { code: 'ECONNREFUSED' }));
  const { code, said } = await principals('list --local 4801');
  expect(code).toBe(1);
  expect(said).toBe(
    'No broker answers at http://127.0.0.1:4801: start it with npm start, or say its port, --local PORT.',
  );
});

test('a table that is named and not there is named', async () => {
  const { principals } = failing(failure('ResourceNotFoundException', 'not found'));
  expect((await principals('list --table tabel')).said).toContain('There is no table tabel');
});

test('an error in the middle of a command is explained, too, and the table is closed', async () => {
  const admin = createAdmin();
  admin.administration.listPrincipals = () => Promise.reject(failure('AccessDeniedException', 'dynamodb:Scan'));
  expect(await admin.principals('list')).toMatchObject({ code: 1, said: expect.stringContaining('AWS refuses this') });
  expect(admin.isClosed()).toBe(true);
});

test.each([[new TypeError('x is not a function')], ['a text']])('a fault of ours is shown whole: %s', async (error) => {
  const { code, said } = await failing(error).principals('list');
  expect(code).toBe(1);
  expect(said).toContain(error instanceof Error ? '    at ' : 'a text');
});

test('a command line that makes no sense is exit code 2, and help is offered', async () => {
  expect(await createAdmin().principals('lisst')).toMatchObject({
    code: 2,
    out: '',
    said: 'there is no command "principals lisst"\nTry serverless-mqtt principals --help.',
  });
  expect((await createAdmin().policies('lisst')).said).toContain('Try serverless-mqtt policies --help.');
});

describe('progress', () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());

  it('is told after two seconds, and again and again', () => {
    const said: string[] = [];
    const progress = startProgress((line) => said.push(line));
    progress.step('Looking for the table');
    jest.advanceTimersByTime(1_999);
    expect(said).toEqual([]);
    jest.advanceTimersByTime(1);
    progress.step('Reading the table: 7 so far');
    jest.advanceTimersByTime(4_000);
    expect(said).toEqual(['Looking for the table …', 'Reading the table: 7 so far …', 'Reading the table: 7 so far …']);
    progress.end();
    jest.advanceTimersByTime(10_000);
    expect(said).toHaveLength(3);
  });

  it('is silent while the user is asked', () => {
    const said: string[] = [];
    const progress = startProgress((line) => said.push(line));
    progress.step(undefined);
    jest.advanceTimersByTime(60_000);
    expect(said).toEqual([]);
    progress.end();
  });

  it('is told by a list that has many pages', async () => {
    const admin = createAdmin();
    const entry = ['ann', { passwordHash: '', policies: [], attributes: {} }] as const;
    admin.administration.listPrincipals = async (after) => {
      jest.advanceTimersByTime(1_000);
      const page = Number(after ?? 0);
      return { found: [entry], next: page < 4 ? String(page + 1) : undefined };
    };
    expect((await admin.principals('list --json')).said.split('\n')).toEqual([
      'Reading the principals: 1 so far …',
      'Reading the principals: 3 so far …',
    ]);
  });
});
