/**
 * mosquitto's own commands through the bridge to the local stack, and what they have to do with clients on the transport.
 * Skipped where mosquitto_pub and mosquitto_sub are not installed (package mosquitto-clients).
 */
import { type BridgedStack, everyQos, startBridgedStack } from './bridged.ts';
import { layCable } from './cable.ts';
import { isThere, type Program, runProgram } from './programs.ts';
import { numbered } from './stack.ts';

const installed = isThere('sh', '-c', 'command -v mosquitto_pub && command -v mosquitto_sub');
const reason = installed ? '' : ' (skipped: mosquitto_pub and mosquitto_sub are not installed)';

(installed ? describe : describe.skip)(`mosquitto_pub and mosquitto_sub${reason}`, () => {
  let stack: BridgedStack;
  let programs: Program[] = [];
  /** Resolves when the broker has told that this client has subscribed, once more. */
  let hasSubscribed: (clientId: string) => Promise<void>;
  beforeAll(async () => {
    stack = await startBridgedStack({ settings: { redeliveryRate: 1000 } });
  });
  beforeEach(async () => {
    const watcher = await stack.connect('watcher-of-subscriptions');
    const subscribed: string[] = [];
    const waiting = new Set<() => void>();
    watcher.mqtt.on('message', (topic) => {
      subscribed.push(topic.slice(topic.lastIndexOf('/') + 1));
      for (const look of [...waiting]) look();
    });
    await watcher.mqtt.subscribeAsync('$aws/events/subscriptions/subscribed/#', { qos: 1 });
    hasSubscribed = (clientId) =>
      new Promise((resolve) => {
        const look = (): void => {
          const at = subscribed.indexOf(clientId);
          if (at < 0) return;
          subscribed.splice(at, 1);
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      });
  });
  afterEach(async () => {
    for (const { child } of programs) child.kill('SIGKILL');
    await Promise.all(programs.map(({ exit }) => exit));
    programs = [];
    await stack.endAll();
  });
  afterAll(() => stack?.stop());

  const run = (program: string, args: readonly string[], input?: string): Program => {
    const running = runProgram(program, ['-p', String(stack.ports.tcp), ...args], input);
    programs.push(running);
    return running;
  };
  /** mosquitto_sub keeps to itself when the SUBACK has come; the broker does not. */
  const subscribe = async (clientId: string, ...args: string[]): Promise<Program> => {
    const program = run('mosquitto_sub', ['-i', clientId, '-F', 'got %t %p', ...args]);
    await hasSubscribed(clientId);
    return program;
  };
  const publish = async (args: readonly string[], input?: string): Promise<void> => {
    const program = run('mosquitto_pub', args, input);
    expect([await program.exit, program.errors()]).toEqual([0, '']);
  };
  const messages = (program: Program): string[] =>
    program
      .output()
      .split('\n')
      .filter((line) => line.startsWith('got '));

  it.each(everyQos)('QoS %i goes from one to the other, and between them and the transport', async (qos) => {
    const subscriber = await subscribe(`sub-${qos}`, '-t', `m/${qos}/#`, '-q', String(qos), '-C', '2');
    const other = await stack.connect(`other-${qos}`);
    await other.mqtt.subscribeAsync(`m/${qos}/#`, { qos });
    await publish(['-t', `m/${qos}/a`, '-m', 'from mosquitto', '-q', String(qos)]);
    await other.until(1);
    await other.mqtt.publishAsync(`m/${qos}/b`, 'from the transport', { qos });
    expect(await subscriber.exit).toBe(0);
    expect(messages(subscriber)).toEqual([`got m/${qos}/a from mosquitto`, `got m/${qos}/b from the transport`]);
    expect(await other.until(2)).toEqual(['from mosquitto', 'from the transport']);
  });

  it('MQTT 3.1 is refused by the broker, and the client hears it', async () => {
    const program = run('mosquitto_pub', ['-V', 'mqttv31', '-i', 'old', '-t', 'a', '-m', 'b']);
    expect(await program.exit).toBe(1);
    expect(program.errors()).toContain('unacceptable protocol version');
  });

  it('a persistent session gets what was published while it was away', async () => {
    const options = ['-c', '-t', 'away', '-q', '1'];
    const first = await subscribe('away', ...options, '-C', '1');
    await publish(['-t', 'away', '-m', 'here', '-q', '1']);
    expect(await first.exit).toBe(0);
    for (const payload of numbered(3)) await publish(['-t', 'away', '-m', payload, '-q', '1']);
    const back = await subscribe('away', ...options, '-C', '3');
    expect(await back.exit).toBe(0);
    expect(messages(back)).toEqual(numbered(3).map((payload) => `got away ${payload}`));
  });

  it('its will is published when it is killed', async () => {
    const watcher = await stack.connect('watcher');
    await watcher.mqtt.subscribeAsync('will', { qos: 1 });
    const killed = await subscribe(
      'doomed',
      '-t',
      'x',
      '--will-topic',
      'will',
      '--will-payload',
      'gone',
      '--will-qos',
      '1',
    );
    killed.child.kill('SIGKILL');
    expect(await watcher.until(1)).toEqual(['gone']);
  });

  it('a retained message reaches who subscribes later, with RETAIN set', async () => {
    await publish(['-t', 'kept', '-m', 'kept', '-q', '1', '-r']);
    const later = await subscribe('later', '-t', 'kept', '-q', '1', '-C', '1', '-F', 'got %t %p %r');
    expect(await later.exit).toBe(0);
    expect(messages(later)).toEqual(['got kept kept 1']);
  });

  it('a persistent session whose socket is cut in the middle of a stream misses nothing, and stays in order', async () => {
    const cable = await layCable(stack.ports.tcp as number);
    const subscriber = await subscribe('cut', '-p', String(cable.port), '-c', '-t', 'stream', '-q', '1');
    const sent = numbered(40);
    const publishing = publish(['-t', 'stream', '-q', '1', '-l'], sent.map((line) => `${line}\n`).join(''));
    await subscriber.lines(5);
    cable.cut();
    await publishing;
    await subscriber.until('got stream m40');
    expect([...new Set(messages(subscriber))]).toEqual(sent.map((payload) => `got stream ${payload}`));
    const connections = stack.lines.filter((line) => line.includes('"connected"') && line.includes('"clientId":"cut"'));
    expect(connections).toHaveLength(2);
    subscriber.child.kill('SIGKILL');
    await cable.remove();
  }, 60_000);

  it('1,000 lines of standard input arrive in order', async () => {
    const subscriber = await subscribe('lines', '-t', 'lines', '-q', '1', '-C', '1000');
    await publish(
      ['-t', 'lines', '-q', '1', '-l'],
      numbered(1_000)
        .map((line) => `${line}\n`)
        .join(''),
    );
    expect(await subscriber.exit).toBe(0);
    expect(messages(subscriber)).toEqual(numbered(1_000).map((payload) => `got lines ${payload}`));
  }, 120_000);

  it('a message of 128 KiB arrives', async () => {
    const subscriber = await subscribe('large', '-t', 'large', '-q', '1', '-C', '1');
    await publish(['-t', 'large', '-q', '1', '-s'], 'x'.repeat(131_072));
    expect(await subscriber.exit).toBe(0);
    expect(messages(subscriber)).toEqual([`got large ${'x'.repeat(131_072)}`]);
  });
});
