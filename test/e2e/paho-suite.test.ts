/**
 * Eclipse Paho's interoperability suite for MQTT 3.1.1, as it is, through the bridge to the local stack.
 * Skipped unless the environment variable PAHO names a checkout of https://github.com/eclipse/paho.mqtt.testing.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type BridgedStack, startBridgedStack } from './bridged.ts';
import { isThere, python, runProgram } from './programs.ts';

const suite = join(process.env.PAHO ?? '', 'interoperability');
const missing = !process.env.PAHO
  ? 'PAHO names no checkout of eclipse/paho.mqtt.testing'
  : !existsSync(join(suite, 'client_test.py'))
    ? 'PAHO is set, and there is no interoperability/client_test.py in it'
    : !isThere(python, '--version')
      ? `there is no ${python}`
      : undefined;

/**
 * The suite's clients wait half a second for an answer, which a Lambda that starts does not keep, and a second or two for what must
 * have come by then, which a machine that runs other tests beside it does not keep. They get more time; nothing else is changed.
 */
const RUNNER = `
import socket, sys, time, unittest

class PatientSocket(socket.socket):
    def settimeout(self, seconds):
        super().settimeout(5 if seconds == .5 else seconds)

socket.socket = PatientSocket
sleep = time.sleep
time.sleep = lambda seconds: sleep(2 * seconds)
sys.path.insert(0, sys.argv[1])
import client_test as suite

suite.host, suite.port = "127.0.0.1", int(sys.argv[2])
suite.topics = ("TopicA", "TopicA/B", "Topic/C", "TopicA/C", "/TopicA")
suite.wildtopics = ("TopicA/+", "+/C", "#", "/#", "/+", "+/+", "TopicA/#")
suite.nosubscribe_topics = ("test/nosubscribe",)

class Results(unittest.TestResult):
    def addSuccess(self, test):
        print("passed", test._testMethodName, flush=True)

results = Results()
unittest.defaultTestLoader.loadTestsFromModule(suite).run(results)
for test, trace in results.errors + results.failures: print(test, trace)
`;

/** All there are: one that is missing, or new, fails here. */
const tests = [
  'testBasic',
  'test_dollar_topics',
  'test_keepalive',
  'test_offline_message_queueing',
  'test_overlapping_subscriptions',
  'test_redelivery_on_reconnect',
  'test_retained_messages',
  'test_subscribe_failure',
  'test_unsubscribe',
  'test_zero_length_clientid',
];

(missing ? describe.skip : describe)(`Eclipse Paho's suite${missing ? ` (skipped: ${missing})` : ''}`, () => {
  let stack: BridgedStack;
  beforeAll(async () => {
    // The suite wants one topic filter refused: test/nosubscribe. It is the only one of its topics that is so long.
    stack = await startBridgedStack({ settings: { maxTopicBytes: 'test/nosubscribe'.length - 1 } });
  });
  afterAll(() => stack?.stop());

  it('passes', async () => {
    const program = runProgram(python, ['-c', RUNNER, suite, String(stack.ports.tcp)]);
    await program.exit;
    const passed = [...program.output().matchAll(/^passed (\w+)$/gm)].map(([, name]) => name);
    if (passed.length < tests.length) throw new Error(program.output() + program.errors());
    expect(passed).toEqual(tests); // the suite goes by their names
  }, 180_000);
});
