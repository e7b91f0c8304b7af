/** The example of a custom authorizer, as a person tries it: the commands of the README. */
import { command, run } from './command.ts';
import { type Clients, clientsOf } from './stack.ts';

const SECRET = 'a secret of the example';

describe('examples/custom-authorizer', () => {
  let clients: Clients;
  let stack: ReturnType<typeof run>;
  beforeAll(async () => {
    const options = ['--port', '0', '--no-bridge', '--authorizer', 'examples/custom-authorizer/authorizer.mjs'];
    stack = run([command, 'start', ...options], { environment: { SECRET, BLOCKED: 'pump9,pump13' } });
    const [url = ''] = await stack.until(/ws:\/\/127\.0\.0\.1:\d+\/mqtt/);
    clients = clientsOf(url);
  });
  afterAll(async () => {
    await clients.endAll();
    stack.child.kill('SIGINT');
    await stack.exit;
  });

  const passwordOf = async (...args: string[]): Promise<string> => {
    const program = run(['examples/custom-authorizer/password.mjs', ...args], { environment: { SECRET } });
    expect(await program.exit).toBe(0);
    return program.output().trim();
  };
  const connect = (clientId: string, username: string, password: string) =>
    clients.connect(clientId, { username, password, clean: false, reconnectPeriod: 0 });
  const refused = expect.objectContaining({ code: 5 });

  it('lets in whoever has a password that was handed out, to what is its own', async () => {
    const client = await connect('pump7-1', 'pump7', await passwordOf('pump7'));
    await client.mqtt.subscribeAsync('pump7/+', { qos: 1 });
    await client.mqtt.publishAsync('pump7/temperature', '21.5', { qos: 1 });
    expect(await client.until(1)).toEqual(['21.5']);
    await expect(client.mqtt.subscribeAsync('#', { qos: 1 })).rejects.toThrow();
    await client.end();
    await expect(connect('pump8-1', 'pump7', await passwordOf('pump7'))).rejects.toEqual(refused);
  });

  it.each<readonly [string, string, () => Promise<string>]>([
    ['the password of another device', 'pump7', () => passwordOf('pump8')],
    ['a password that has expired', 'pump7', () => passwordOf('pump7', '-1')],
    [
      'a password that it has prolonged',
      'pump7',
      async () => (await passwordOf('pump7')).replace(/^\d+/, (expires) => String(Number(expires) + 1)),
    ],
    ['no password', 'pump7', async () => ''],
    ['nonsense', 'pump7', async () => 'let me in'],
    ['a name that is blocked', 'pump13', () => passwordOf('pump13')],
    ['a name that is none', 'pump-7', () => passwordOf('pump-7')],
  ])('turns away who comes with %s', async (_what, name, password) => {
    await expect(connect(`${name}-1`, name, await password())).rejects.toEqual(refused);
  });

  it('says what it lacks', async () => {
    const program = run(['examples/custom-authorizer/password.mjs', 'pump7'], { environment: { SECRET: '' } });
    expect(await program.exit).toBe(1);
    expect(program.output()).toContain('usage: SECRET=…');
  });
});
