/** A stack with a data directory goes down in the middle of everything and comes back on the same port. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type LocalStack, startLocalStack } from '../../local/stack.ts';
import { command, run } from './command.ts';
import { type Clients, clientsOf } from './stack.ts';
import { startStream } from './stream.ts';

/** A Lambda's lease on a session runs out, and what it received is visible again: ms. */
const LEASE = 31_000;

describe('a local stack with a data directory', () => {
  let dataDir: string;
  /** Of the test that runs, undone last first. */
  let undo: (() => unknown)[];
  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'serverless-mqtt-data-'));
    undo = [() => rmSync(dataDir, { recursive: true, force: true })];
  });
  afterEach(async () => {
    for (const step of undo.reverse()) await step();
  });

  const startHere = async (port = 0): Promise<LocalStack> => {
    const stack = await startLocalStack({ port, dataDir });
    undo.push(stack.stop);
    return stack;
  };
  const clientsAt = (url: string): Clients => {
    const clients = clientsOf(url);
    undo.push(clients.endAll);
    return clients;
  };

  it('that is stopped in the middle of a drain keeps what was acknowledged, and its order', async () => {
    const first = await startHere();
    const stream = await startStream(clientsAt(first.url), 'stopped');
    await stream.subscriber.leave();
    await stream.publish(8, 'in one go');
    await stream.subscriber.come();
    await stream.subscriber.until(1);
    const publishing = stream.publish(5);
    await first.stop();

    const second = await startHere(first.port);
    await second.skip(LEASE);
    await publishing;
    await stream.holds();
    expect(stream.subscriber.connections()).toBeGreaterThanOrEqual(3);
  });

  it('that is killed in the middle of a drain, twice, keeps what was acknowledged, and its order', async () => {
    const start = async (port: string) => {
      const stack = run([command, 'start', '--port', port, '--no-bridge', '--data', dataDir]);
      undo.push(() => stack.child.kill('SIGKILL'));
      const [url = ''] = await stack.until(/ws:\/\/127\.0\.0\.1:\d+\/mqtt/);
      const kill = async (): Promise<void> => {
        stack.child.kill('SIGKILL');
        await stack.exit;
        expect(stack.child.signalCode).toBe('SIGKILL');
      };
      return { ...stack, url, kill };
    };
    const first = await start('0');
    const { port } = new URL(first.url);
    const stream = await startStream(clientsAt(first.url), 'killed');
    await stream.subscriber.leave();
    await stream.publish(10, 'in one go');

    await stream.subscriber.come();
    await stream.subscriber.until(1);
    const publishing = stream.publish(5);
    await first.kill();

    const second = await start(port);
    expect(second.output()).toContain('was left behind by a stack that died: taken over');
    await stream.subscriber.untilSentAgain();
    await second.kill();

    const third = await startHere(Number(port));
    await third.skip(LEASE);
    await publishing;
    await stream.holds();
  }, 120_000); // a stack in a process of its own waits for leases in real time: 20 s on an idle machine
});
