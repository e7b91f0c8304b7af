/** `$disconnect` never comes, comes twice, or comes when the client is long back. */
import type { FaultPatch, SwitchName } from '../../local/faults.ts';
import { type Stack, startStack } from './stack.ts';
import { startStream } from './stream.ts';

const MINUTE = 60_000;

describe('$disconnect', () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack({ settings: { redeliveryRate: 100 } });
  });
  afterEach(async () => {
    stack.faults.clear();
    await stack.endAll();
  });
  afterAll(() => stack.stop());

  it.each<readonly [string, SwitchName, FaultPatch['disconnect']]>([
    ['never comes', 'disconnect.drop', { drop: { share: 1 } }],
    ['comes twice', 'disconnect.double', { double: { share: 1 } }],
    ['comes a minute late', 'disconnect.delayMs', { delayMs: MINUTE }],
  ])(
    'that %s: nothing published meanwhile is lost, nor what the client had not acknowledged',
    async (_, name, disconnect) => {
      const stream = await startStream(stack, name);
      const struck = stack.faults.struck(name);
      await stream.publish(2);

      stack.faults.set({ disconnect });
      for (let times = 1; times <= 3; times++) {
        const cut = stream.subscriber.dropAtNextMessage();
        await stream.publish(3, 'in one go');
        const unacknowledged = await cut;
        await stack.faults.untilStruck(name, struck + times);
        await stream.publish(3);
        await stream.subscriber.come();
        await stream.publish(2);
        await stream.holds();
        expect(stream.subscriber.arrivals).toContainEqual({ ...unacknowledged, dup: true });
      }

      // What is late comes now, and means connections that were replaced long ago.
      await stack.skip(MINUTE);
      await stack.quiet();
      await stream.publish(3);
      await stream.holds();
    },
  );
});
