/**
 * Python's paho-mqtt 2 through the bridge to the local stack, over TCP and over WebSocket.
 * Skipped where python3, or what PYTHON names, has no paho-mqtt 2 (pip install "paho-mqtt>=2,<3").
 */
import { type BridgedStack, everyQos, startBridgedStack } from './bridged.ts';
import { isThere, type Program, python, runProgram } from './programs.ts';
import { numbered } from './stack.ts';

const installed = isThere(python, '-c', 'import paho.mqtt; assert paho.mqtt.__version__.startswith("2.")');
const reason = installed ? '' : ` (skipped: paho-mqtt 2 is not installed for ${python})`;

/**
 * A client that subscribes, says so, and prints what arrives until it has so many; it connects again by itself, and drops
 * its socket by itself after so many, once.
 */
const SUBSCRIBER = `
import sys, paho.mqtt.client as mqtt
transport, port, client_id, clean, topic, qos, count, drop = sys.argv[1:]
got = []
def on_connect(client, userdata, flags, reason, properties):
    print("connected", reason, flags.session_present, flush=True)
    if not flags.session_present: client.subscribe(topic, int(qos))
def on_subscribe(client, userdata, mid, reasons, properties):
    print("subscribed", *[reason.value for reason in reasons], flush=True)
def on_message(client, userdata, message):
    text = message.payload.decode()
    if text not in got: got.append(text)
    print("got", text if len(text) < 100 else len(text), *["retained"] * message.retain, flush=True)
    if len(got) == int(drop) and not userdata: userdata.append(1); client.socket().close()
    if len(got) == int(count): client.disconnect()
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id, clean_session=clean == "True", transport=transport, userdata=[])
client.on_connect, client.on_subscribe, client.on_message = on_connect, on_subscribe, on_message
client.reconnect_delay_set(1, 1)
client.connect("127.0.0.1", int(port), 60)
try:
    client.loop_forever(retry_first_connection=False)
except (OSError, ValueError):
    client.reconnect(); client.loop_forever()
print("first arrivals", *got, flush=True)
`;

/** Publishes the lines of its input, as many at once as it does by itself (20). */
const PUBLISHER = `
import sys, paho.mqtt.client as mqtt
transport, port, client_id, topic, qos = sys.argv[1:]
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id, transport=transport)
client.connect("127.0.0.1", int(port), 60)
client.loop_start()
for sent in [client.publish(topic, line.rstrip("\\n"), int(qos)) for line in sys.stdin]: sent.wait_for_publish(60)
client.disconnect()
client.loop_stop()
`;

/** A client with a will that says when it is connected, and then nothing. */
const DOOMED = `
import sys, paho.mqtt.client as mqtt
transport, port = sys.argv[1:]
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, "doomed-" + transport, transport=transport)
client.will_set("will/" + transport, "gone", 1)
client.on_connect = lambda *_: print("connected", flush=True)
client.connect("127.0.0.1", int(port), 60)
client.loop_forever()
`;

const transports = { tcp: 'tcp', ws: 'websockets' } as const;

(installed ? describe : describe.skip)(`paho-mqtt for Python${reason}`, () => {
  let stack: BridgedStack;
  let programs: Program[] = [];
  beforeAll(async () => {
    stack = await startBridgedStack({ settings: { redeliveryRate: 1000, lifecycleEvents: 'off' } });
  });
  afterEach(async () => {
    for (const { child } of programs) child.kill('SIGKILL');
    await Promise.all(programs.map(({ exit }) => exit));
    programs = [];
    await stack.endAll();
  });
  afterAll(() => stack?.stop());

  describe.each(['tcp', 'ws'] as const)('over %s', (kind) => {
    const run = (script: string, args: readonly (string | number | boolean)[], input?: string): Program => {
      const fixed = ['-c', script, transports[kind], String(stack.ports[kind])];
      const program = runProgram(
        python,
        [...fixed, ...args.map((each) => (each === true ? 'True' : String(each)))],
        input,
      );
      programs.push(program);
      return program;
    };
    const publish = async (topic: string, qos: number, payloads: readonly string[]): Promise<void> => {
      const program = run(PUBLISHER, [`publisher-${kind}`, topic, qos], payloads.map((each) => `${each}\n`).join(''));
      expect([await program.exit, program.errors()]).toEqual([0, '']);
    };
    const arrived = (program: Program): string[] =>
      (/^first arrivals (.*)$/m.exec(program.output())?.[1] ?? '').split(' ');

    it.each(everyQos.flatMap((qos) => [true, false].map((clean) => [qos, clean] as const)))(
      'QoS %i arrives, clean session: %s',
      async (qos, clean) => {
        const topic = `py/${kind}/${qos}/${clean}`;
        const subscriber = run(SUBSCRIBER, [`sub-${kind}-${qos}-${clean}`, clean, topic, qos, 5, 0]);
        await subscriber.until(`subscribed ${qos}`);
        await publish(topic, qos, numbered(5));
        expect(await subscriber.exit).toBe(0);
        expect(arrived(subscriber)).toEqual(numbered(5));
      },
    );

    it('its will is published when it is killed', async () => {
      const watcher = await stack.connect(`watcher-${kind}`);
      await watcher.mqtt.subscribeAsync(`will/${transports[kind]}`, { qos: 1 });
      const doomed = run(DOOMED, []);
      await doomed.until('connected');
      doomed.child.kill('SIGKILL');
      expect(await watcher.until(1)).toEqual(['gone']);
    });

    it('a retained message reaches it later, with RETAIN set', async () => {
      const publisher = await stack.connect(`retains-${kind}`);
      await publisher.mqtt.publishAsync(`kept/${kind}`, 'kept', { qos: 1, retain: true });
      const subscriber = run(SUBSCRIBER, [`later-${kind}`, true, `kept/${kind}`, 1, 1, 0]);
      expect(await subscriber.exit).toBe(0);
      expect(subscriber.output()).toContain('got kept retained\n');
    });

    it('a message of 128 KiB arrives', async () => {
      const subscriber = run(SUBSCRIBER, [`large-${kind}`, true, `large/${kind}`, 1, 1, 0]);
      await subscriber.until('subscribed 1');
      await publish(`large/${kind}`, 1, ['x'.repeat(131_072)]);
      await subscriber.until('got 131072');
    });

    it('a persistent session that drops its socket in the middle of a stream misses nothing, and stays in order', async () => {
      const topic = `drop/${kind}`;
      const subscriber = run(SUBSCRIBER, [`drop-${kind}`, false, topic, 1, 20, 7]);
      await subscriber.until('subscribed 1');
      await publish(topic, 1, numbered(20));
      expect(await subscriber.exit).toBe(0);
      expect(arrived(subscriber)).toEqual(numbered(20));
      expect(subscriber.output()).toContain('connected Success True');
    }, 60_000);
  });

  it('1,000 messages arrive in order', async () => {
    const args = (kind: 'tcp' | 'ws', script: string) => ['-c', script, transports[kind], String(stack.ports[kind])];
    const subscriber = runProgram(python, [...args('ws', SUBSCRIBER), 'many', 'True', 'many', '1', '1000', '0']);
    programs.push(subscriber);
    await subscriber.until('subscribed 1');
    const publisher = runProgram(
      python,
      [...args('tcp', PUBLISHER), 'many-publisher', 'many', '1'],
      numbered(1_000)
        .map((each) => `${each}\n`)
        .join(''),
    );
    programs.push(publisher);
    expect(await publisher.exit).toBe(0);
    expect(await subscriber.exit).toBe(0);
    expect(/^first arrivals (.*)$/m.exec(subscriber.output())?.[1]).toBe(numbered(1_000).join(' '));
  }, 120_000);
});
