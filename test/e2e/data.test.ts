import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { numbered, startStack } from './stack.ts';

describe('a local stack with a data directory', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'serverless-mqtt-data-'));
  afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

  it('keeps sessions, subscriptions and stored messages across restarts, in the middle of redelivery too', async () => {
    let stack = await startStack({ dataDir });
    const before = await stack.connect('keeper', { clean: false });
    await before.mqtt.subscribeAsync('kept/#', { qos: 1 });
    await before.end();
    const publisher = await stack.connect('publisher');
    for (const payload of numbered(25)) await publisher.mqtt.publishAsync('kept/x', payload, { qos: 1 });
    await stack.stop();

    stack = await startStack({ dataDir });
    const middle = await stack.connect('keeper', { clean: false, reconnectPeriod: 0 });
    expect(middle.sessionPresent).toBe(true);
    await middle.until(10);
    await stack.stop();

    stack = await startStack({ dataDir });
    const after = await stack.connect('keeper', { clean: false });
    const all = () => [...new Set([...middle.received, ...after.received])];
    for (let count = 1; all().length < 25; count++) await after.until(count);
    expect(all()).toEqual(numbered(25));
    await stack.stop();
  });
});
