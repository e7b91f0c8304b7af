/** What a process remembers of who may do what: for how long, and how much of it. */
import { createAuthority } from '../../src/broker/authority.ts';
import type { Grant, Identity } from '../../src/broker/ports.ts';
import type { ClientId, GrantId } from '../../src/session/ids.ts';
import { allow, type Statement } from './guarded-world.ts';
import { ARN_BASE, defaultSettings } from './world.ts';

const grantOf = (name: string): Grant => ({
  principal: `password:${name}`,
  records: [name],
  policies: [],
  documents: [],
  values: {},
});

/** One policy for everybody, and a count of what was read. */
const createScene = (policy: string, settings = {}, override: Partial<Identity> = {}) => {
  let now = 1_000_000;
  const read: string[] = [];
  const identity = {
    version: async () => 1,
    principal: async (name: string) => {
      read.push(name);
      return { passwordHash: '', policies: ['all'], attributes: {} };
    },
    policy: async () => policy,
    grant: async (id: GrantId) => grantOf(id),
    ...override,
  };
  const authority = createAuthority({
    identity,
    clock: { now: () => now, pause: async () => {} },
    log: () => {},
    settings: { ...defaultSettings, authentication: 'password', ...settings },
    arnBase: ARN_BASE,
  });
  const mayPublish = async (name: string): Promise<boolean> => {
    const permit = await authority.permitOf(name as GrantId, name as ClientId);
    return permit.decide({ action: 'iot:Publish', resource: 'topic/a' }).allowed;
  };
  return {
    read,
    mayPublish,
    advance: (milliseconds: number) => {
      now += milliseconds;
    },
  };
};

const statements = (count: number): readonly Statement[] =>
  Array.from({ length: count }, (_, index) => ['iot:Publish', index === 0 ? 'topic/a' : `topic/${index}`]);

describe('rights that are remembered', () => {
  it.each([
    ['the clients that were asked about last', 1, 10, 10],
    ['fewer where each has large policies, or the process would run out of memory', 100, 10, 2],
    ['the last one, however large', 100, 1, 1],
  ])('are those of %s', async (_, count, policyCacheEntries, remembered) => {
    const { read, mayPublish } = createScene(allow(...statements(count)), { policyCacheEntries });
    const names = Array.from({ length: 20 }, (_, index) => `c${index}`);
    for (const name of names) expect(await mayPublish(name)).toBe(true);
    read.length = 0;
    for (const name of names.slice(-remembered)) await mayPublish(name);
    expect(read).toEqual([]);
    await mayPublish(names.at(-remembered - 1) ?? '');
    expect(read).toHaveLength(1);
  });
});

it('reads the policies of a client who has hundreds a few at a time, or their answers would come too late', async () => {
  let open = 0;
  let most = 0;
  const policies = Array.from({ length: 200 }, (_, index) => `group-${index}`);
  const { mayPublish } = createScene(
    '',
    {},
    {
      principal: async () => ({ passwordHash: '', policies, attributes: {} }),
      policy: async (name) => {
        open++;
        most = Math.max(most, open);
        await new Promise(setImmediate);
        open--;
        return name === 'group-199' ? allow(...statements(1)) : undefined;
      },
    },
  );
  expect(await mayPublish('c')).toBe(true);
  expect(most).toBeLessThan(50);
});

describe('a process that was frozen while it asked whether anything was changed', () => {
  it('asks again: what the answer says is old', async () => {
    let version = 1;
    let policy = allow(...statements(1));
    let freezes = false;
    let thaw = (): void => {};
    const frozen = new Promise<void>((resolve) => {
      thaw = resolve;
    });
    const { mayPublish, advance } = createScene(
      '',
      {},
      {
        policy: async () => policy,
        version: async () => {
          const answer = version;
          if (freezes) {
            freezes = false;
            await frozen;
          }
          return answer;
        },
      },
    );
    expect(await mayPublish('c')).toBe(true);
    advance(20_000);
    freezes = true;
    const before = mayPublish('c');
    version = 2;
    policy = allow(['iot:Publish', 'topic/b']);
    advance(600_000);
    const after = mayPublish('c');
    thaw();
    expect(await after).toBe(false);
    await before;
    expect(await mayPublish('c')).toBe(false);
  });

  it('does not stay with an answer that failed', async () => {
    let fails = true;
    const version = async () => {
      if (fails) throw new Error('no answer');
      return 1;
    };
    const { mayPublish } = createScene(allow(...statements(1)), {}, { version });
    await expect(mayPublish('c')).rejects.toThrow('no answer');
    fails = false;
    expect(await mayPublish('c')).toBe(true);
  });
});
