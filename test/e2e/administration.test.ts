/** The operator's commands through the real SDK, and the clients that they are about. Some of them as a person types them. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openIdentity } from '../../src/aws/identity-place.ts';
import { scryptPasswords } from '../../src/aws/passwords.ts';
import { createAdmin } from '../admin/admin.ts';
import { temporaryDirectory } from '../local/fixtures/temporary-directory.ts';
import { type CloudFormation, startCloudFormation } from './cloudformation.ts';
import { command, type RunOptions, run } from './command.ts';
import { type Stack, startStack } from './stack.ts';

const CHECK_SECONDS = 20;

/** Somebody's own topics, on any broker. */
const own = JSON.stringify({
  Version: '2012-10-17',
  Statement: [
    { Effect: 'Allow', Action: 'iot:Connect', Resource: 'arn:aws:iot:*:*:client/*' },
    {
      Effect: 'Allow',
      Action: ['iot:Publish', 'iot:Receive', 'iot:Subscribe'],
      Resource: ['topic', 'topicfilter'].map((kind) => `arn:aws:iot:*:*:${kind}/\${principal:site}/*`),
    },
  ],
});

describe('the commands principals and policies', () => {
  const directory = temporaryDirectory();
  const file = join(directory.path, 'own.json');
  let stack: Stack;
  let cloudformation: CloudFormation;

  beforeAll(async () => {
    writeFileSync(file, own);
    stack = await startStack({ settings: { authentication: 'password', policyCheckSeconds: CHECK_SECONDS } });
    cloudformation = await startCloudFormation([
      {
        name: 'plant',
        id: 'arn:aws:cloudformation:eu-central-1:123456789012:stack/plant/11111111-2222-3333-4444-555555555555',
        outputs: { Url: 'wss://x', IdentityTableName: stack.environment.IDENTITY_TABLE },
      },
      {
        name: 'older',
        id: 'arn:aws:cloudformation:eu-central-1:123456789012:stack/older/1',
        outputs: { Url: 'wss://x' },
      },
    ]);
  });
  afterAll(async () => {
    cloudformation.close();
    await stack.stop();
    directory.remove();
  });

  const { principals, policies } = createAdmin({ open: openIdentity, passwords: scryptPasswords });
  const locally = (line: string, input = '') => {
    const [name, ...rest] = line.split(' ');
    const argv = `${rest.join(' ')} --local ${stack.port}`;
    return name === 'principals' ? principals(argv, { input }) : policies(argv, { input });
  };
  const done = async (line: string, input = ''): Promise<string> => {
    const { code, out, said } = await locally(line, input);
    expect({ line, code, said: code === 0 ? '' : said }).toEqual({ line, code: 0, said: '' });
    return out;
  };
  /** In a process of its own. */
  const typed = async (line: string, options: RunOptions = {}) => {
    const ended = run([command, ...line.split(' ')], options);
    const code = await ended.exit;
    return { code, out: ended.printed(), output: ended.output() };
  };
  const connect = (username: string, password: string) =>
    stack.connect(`${username}-1`, { username, password, reconnectPeriod: 0 });

  it('bring a client from nothing to what it may do, and take it back', async () => {
    await expect(connect('ann', 'first password')).rejects.toMatchObject({ code: 4 });
    await done(`policies put own ${file}`);
    const password = await done('principals add ann --policy own --attribute site=berlin --generate');
    const ann = await connect('ann', password);
    await ann.mqtt.subscribeAsync('berlin/news', { qos: 1 });
    await ann.mqtt.publishAsync('berlin/news', 'hello', { qos: 1 });
    expect(await ann.until(1)).toEqual(['hello']);

    const test = 'policies test --principal ann --client-id ann-1 --action iot:Publish --resource topic';
    expect(await done(`${test}/berlin/news`)).toBe('allowed  iot:Publish on topic/berlin/news: statement 2 of own');
    expect(await locally(`${test}/paris/news`)).toMatchObject({ code: 3, out: expect.stringContaining('denied') });

    await done('principals set ann site=paris');
    await stack.skip(CHECK_SECONDS * 1_000);
    const closed = new Promise<void>((resolve) => ann.mqtt.once('close', () => resolve()));
    ann.mqtt.publish('berlin/news', 'late', { qos: 1 }, () => {});
    await closed;
    expect(await locally(`${test}/paris/news`)).toMatchObject({ code: 0 });
  });

  it('change a password, and let in again who was locked', async () => {
    await done('principals add bob --policy own', 'the first password\n');
    await (await connect('bob', 'the first password')).end();
    await done('principals passwd bob', 'the second one\nand no more');
    await expect(connect('bob', 'the first password')).rejects.toMatchObject({ code: 4 });
    expect(await done('principals show bob')).toMatch(/^wrong passwords {2}1$/m);
    await done('principals unlock bob');
    await (await connect('bob', 'the second one')).end();
    await done('principals passwd bob --no-password');
    await expect(connect('bob', 'the second one')).rejects.toMatchObject({ code: 4 });
    expect(await locally('policies remove own')).toMatchObject({ code: 1, said: expect.stringContaining('bob') });
    await done('principals remove bob');
    expect(await done('principals list')).not.toContain('bob');
  });

  it('work as a person types them, and repeat no secret', async () => {
    const local = `--local ${stack.port}`;
    await done(`policies put own ${file}`);
    expect(await typed(`principals add cid --policy own ${local}`, { input: 'a password of cid\n' })).toEqual({
      code: 0,
      out: '',
      output: 'cid is entered, with own.\n',
    });
    await (await connect('cid', 'a password of cid')).end();
    expect((await typed(`principals list ${local}`)).out).toMatch(/^cid +yes +own$/m);
    const test = `policies test --principal cid --client-id c --action iot:Publish --resource topic/a ${local}`;
    expect(await typed(test)).toMatchObject({ code: 3, out: expect.stringContaining('denied') });
    const refused = await typed(`principals passwd cid --password=open-sesame ${local}`);
    expect(refused).toMatchObject({ code: 2, output: expect.not.stringContaining('sesame') });
    expect(stack.lines.join('\n')).not.toMatch(/first password|second one|password of cid/);
  });

  describe('on AWS', () => {
    const nowhere = join(directory.path, 'none');
    const signedOut = {
      AWS_REGION: 'eu-central-1',
      AWS_CONFIG_FILE: nowhere,
      AWS_SHARED_CREDENTIALS_FILE: nowhere,
      AWS_EC2_METADATA_DISABLED: 'true',
    };
    const onAws = (line: string, signedIn = true) =>
      typed(line, {
        environment: {
          ...signedOut,
          ...(signedIn && { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'a' }),
          AWS_ENDPOINT_URL_CLOUDFORMATION: cloudformation.endpoint,
          AWS_ENDPOINT_URL_DYNAMODB: stack.endpoint,
        },
      });

    it('find the table, the account and the Region by the name of the stack', async () => {
      await done(
        'policies put here -',
        JSON.stringify({
          Version: '2012-10-17',
          Statement: {
            Effect: 'Allow',
            Action: 'iot:Publish',
            Resource: 'arn:aws:iot:eu-central-1:123456789012:topic/a',
          },
        }),
      );
      await done('principals add arn:aws:iam::123456789012:user/eve --no-password --policy here');
      const test =
        'policies test --principal arn:aws:iam::123456789012:user/eve --client-id c --action iot:Publish --resource topic/a';
      expect(await onAws(`${test} --stack plant`)).toMatchObject({ code: 0, out: expect.stringContaining('allowed') });
      expect(await locally(test)).toMatchObject({ code: 3 });
    });

    it('take the name of the table as well', async () => {
      const { code, out } = await onAws('policies list --json --table identity --region eu-west-1');
      expect(code).toBe(0);
      expect(JSON.parse(out).map(({ name }: { name: string }) => name)).toContain('here');
    });

    test.each([
      ['a stack that does not exist', 'policies list', true, 'There is no stack serverless-mqtt in eu-central-1'],
      ['one that is no broker', 'policies list --stack older', true, 'The stack older has no output IdentityTableName'],
      ['a table that does not exist', 'policies list --table tabel', true, 'There is no table tabel'],
      ['nobody who is signed in', 'policies list --stack plant', false, 'There are no AWS credentials'],
      [
        'a profile that does not exist',
        'policies list --profile nobody',
        true,
        'no AWS credentials in the profile nobody',
      ],
    ])('say what to do with %s', async (_, line, signedIn, text) => {
      const { code, out, output } = await onAws(line, signedIn);
      expect({ code, out }).toEqual({ code: 1, out: '' });
      expect(output).toContain(text);
      expect(output.trim().split('\n')).toHaveLength(1);
    });
  });
});
