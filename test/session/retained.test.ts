/** Which of two publications stays. */
import { apply, holds } from '../../src/session/change.ts';
import type { ClientId, MessageId } from '../../src/session/ids.ts';
import { isRetained, type Publication, type RetainedMessage, retain } from '../../src/session/retained.ts';

const message = (id: string, payload = id) => ({
  id: id as MessageId,
  topic: 'a/b',
  payload: new TextEncoder().encode(payload),
  qos: 1 as const,
  retain: true,
});
const by = (publisher: string, epoch: number, at: number): Publication => ({
  publisher: publisher as ClientId,
  epoch,
  at,
});
const there = (publication: Publication): RetainedMessage => ({ ...message('there'), ...publication });

describe('a retained message', () => {
  it('[MQTT-3.3.1-5] is kept with its QoS where nothing was', () => {
    const change = retain(message('new'), by('p', 1, 100));
    expect(holds(change.if, undefined)).toBe(true);
    expect(apply(change, undefined)).toEqual({ ...message('new'), publisher: 'p', epoch: 1, at: 100 });
  });

  it.each<readonly [string, Publication, Publication, boolean]>([
    ['replaces what its publisher sent before', by('p', 5, 100), by('p', 5, 101), true],
    ['replaces it whatever the clock of its Lambda says', by('p', 5, 100), by('p', 5, 90), true],
    ['replaces what came on an older connection', by('p', 4, 100), by('p', 5, 90), true],
    ['never replaces what came on a younger connection', by('p', 6, 100), by('p', 5, 200), false],
    ['replaces what another published before', by('q', 9, 100), by('p', 5, 101), true],
    ['replaces what another published at the same moment, and came first', by('q', 9, 100), by('p', 5, 100), true],
    ['never replaces what another published after it', by('q', 1, 100), by('p', 5, 99), false],
  ])('%s', (_, former, publication, replaces) => {
    const change = retain(message('new'), publication);
    expect(holds(change.if, there(former))).toBe(replaces);
    if (replaces) expect(apply(change, there(former))).toEqual({ ...message('new'), ...publication });
  });

  it('[MQTT-3.3.1-10] [MQTT-3.3.1-11] with an empty payload leaves a trace that is not retained, and is overtaken like any other', () => {
    const removal = apply(retain(message('gone', ''), by('p', 5, 100)), there(by('p', 5, 50)));
    expect(isRetained(removal)).toBe(false);
    expect(holds(retain(message('late'), by('p', 4, 200)).if, removal)).toBe(false);
    expect(holds(retain(message('late'), by('q', 4, 99)).if, removal)).toBe(false);
    expect(holds(retain(message('next'), by('p', 5, 101)).if, removal)).toBe(true);
  });
});
