/** User name and password: who gets in, what the others learn, and how long a name is locked. */
import type { Ports } from '../../src/broker/ports.ts';
import { plainPasswords } from './credentials.ts';
import { allowAll } from './policies.ts';
import { connectPacket, createWorld, type Packet } from './world.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

/** A port that notes the names of the methods that are called. */
const noting = <T extends object>(port: T, calls: string[]): T =>
  new Proxy(port, {
    get: (target, method) => {
      const call = Reflect.get(target, method) as (...parameters: unknown[]) => unknown;
      return (...parameters: unknown[]) => {
        calls.push(String(method));
        return call.apply(target, parameters);
      };
    },
  });

/** A broker that knows `ann`, whose password is `right`, and `sensor`, who has none. */
const entered = async (override: (ports: Ports) => Partial<Ports> = () => ({})) => {
  const calls: string[] = [];
  const world = createWorld({ authentication: 'password' }, (ports) => {
    const { identity, passwords } = { ...ports, ...override(ports) };
    return { identity: noting(identity, calls), passwords: noting(passwords, calls) };
  });
  const { identity } = world.stores;
  await identity.putPolicy('all', allowAll);
  const passwordHash = await plainPasswords.hash(bytes('right'));
  await identity.putPrincipal('ann', { passwordHash, policies: ['all'], attributes: {} });
  await identity.putPrincipal('sensor', { passwordHash: '', policies: ['all'], attributes: {} });
  let clients = 0;
  /** CONNECT with these credentials on a socket of its own. */
  const login = async (username?: string, password?: string) => {
    const socket = world.open();
    calls.length = 0;
    const reply = await socket.send({
      ...connectPacket(`client-${++clients}`),
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password: Buffer.from(password) }),
    } as Packet);
    const returnCode = reply.packets[0]?.returnCode;
    return { returnCode, close: reply.close, calls: [...calls], clientId: `client-${clients}` };
  };
  const fail = async (times: number, username = 'ann') => {
    for (let time = 0; time < times; time++) expect(await login(username, `wrong ${time}`)).toMatchObject(refusal);
  };
  return { world, identity, login, fail };
};

const refusal = { returnCode: 4, close: 'refused' };
const longest = 'n'.repeat(128);

describe('a CONNECT with user name and password', () => {
  it('[MQTT-3.1.4-4] is accepted where they are right, and its session knows whose it is', async () => {
    const { world, identity, login } = await entered();
    const { returnCode, clientId } = await login('ann', 'right');
    expect(returnCode).toBe(0);
    const session = await world.session(clientId);
    expect(session && (await identity.grant(session.grant))).toEqual({
      principal: 'password:ann',
      records: ['ann'],
      policies: [],
      documents: [],
      proof: expect.any(String),
      values: { 'aws:userid': 'ann', 'aws:username': 'ann' },
    });
  });

  it('makes a grant that does not change from one connection to the next', async () => {
    const { world, login } = await entered();
    const [one, other] = [await login('ann', 'right'), await login('ann', 'right')];
    expect((await world.session(one.clientId))?.grant).toBe((await world.session(other.clientId))?.grant);
  });

  it.each<readonly [string, string | undefined, string | undefined]>([
    ['a wrong password', 'ann', 's3cret-typed'],
    ['a user name that nobody has', 's3cret-typed', 'right'],
    ['a principal that has no password', 'sensor', 's3cret-typed'],
    ['an empty password', 'ann', ''],
    ['an empty password for one that has none', 'sensor', ''],
    ['no password', 's3cret-typed', undefined],
    ['an empty user name', '', 's3cret-typed'],
    ['a user name that is too long', `${longest}n`, 's3cret-typed'],
  ])(
    '[MQTT-3.2.2-5] gets return code 4 with %s, one line in the log, and nothing of it there',
    async (_, name, password) => {
      const { world, login } = await entered();
      expect(await login(name, password)).toMatchObject(refusal);
      expect(world.lines).toMatchObject([{ event: 'connect-refused', detail: expect.any(String) }]);
      expect(JSON.stringify(world.lines)).not.toMatch(/s3cret-typed|right|nnnn|ann/);
    },
  );

  it('may have a user name of 128 characters', async () => {
    const { identity, login } = await entered();
    const passwordHash = await plainPasswords.hash(bytes('right'));
    await identity.putPrincipal(longest, { passwordHash, policies: ['all'], attributes: {} });
    expect((await login(longest, 'right')).returnCode).toBe(0);
  });

  it('asks nobody where it cannot be right, whoever exists', async () => {
    const { login } = await entered();
    expect((await login('ann')).calls).toEqual([]);
    expect((await login('', 'right')).calls).toEqual([]);
    expect((await login(`${longest}n`, 'right')).calls).toEqual([]);
    expect(await login('ann', 'x'.repeat(16_382))).toMatchObject({ ...refusal, calls: [] });
    expect((await login('ann', 'x'.repeat(16_381))).calls).toContain('matches');
  });
});

describe('which names there are', () => {
  it('nobody learns: to a name that nobody has, everything happens as to a wrong password', async () => {
    const { world, login } = await entered();
    let passwordsTried = 0;
    for (let attempt = 0; attempt < 12; attempt++) {
      const known = await login('ann', 'wrong');
      passwordsTried += known.calls.filter((call) => call === 'matches').length;
      expect(await login('nobody', 'wrong')).toMatchObject({ ...refusal, calls: known.calls });
      expect(await login('sensor', 'wrong')).toMatchObject({ ...refusal, calls: known.calls });
      world.advance(1_000);
    }
    // Five that were free, one after 2 s, one after 4 s more.
    expect(passwordsTried).toBe(7);
  });

  it('no log line tells either', async () => {
    const { world, login } = await entered();
    await login('ann', 'wrong');
    await login('nobody', 'wrong');
    const [known, unknown] = world.logged('connect-refused');
    expect(known?.detail).toBe(unknown?.detail);
  });
});

describe('a name with wrong passwords', () => {
  it('is locked after the fifth: the right one is refused, too, and none is looked at', async () => {
    const { login, fail } = await entered();
    await fail(5);
    const { calls, ...answer } = await login('ann', 'right');
    expect(answer).toMatchObject(refusal);
    expect(calls).toEqual(['failedLogins', 'principal']);
  });

  it('is open again after 2 s, and after twice as long for every failure more, up to 15 minutes', async () => {
    const { world, login, fail } = await entered();
    await fail(5);
    for (const seconds of [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]) {
      world.advance(seconds * 1_000 - 1);
      expect((await login('ann', 'wrong')).calls).not.toContain('matches');
      world.advance(1);
      expect((await login('ann', 'wrong')).calls).toContain('matches');
    }
    world.advance(900_000);
    expect((await login('ann', 'right')).returnCode).toBe(0);
  });

  it('is not locked for longer by those who try meanwhile', async () => {
    const { world, login, fail } = await entered();
    await fail(5);
    for (let attempt = 0; attempt < 20; attempt++) await login('ann', 'wrong');
    world.advance(2_000);
    expect((await login('ann', 'right')).returnCode).toBe(0);
  });

  it('is as if it had none after the right one', async () => {
    const { login, fail } = await entered();
    await fail(4);
    expect((await login('ann', 'right')).returnCode).toBe(0);
    await fail(4);
    expect((await login('ann', 'right')).returnCode).toBe(0);
    expect((await login('ann', 'right')).calls).not.toContain('changeFailedLogins');
  });

  it('leaves other names alone', async () => {
    const { login, fail } = await entered();
    await fail(9, 'nobody');
    expect((await login('ann', 'right')).returnCode).toBe(0);
  });

  it('is opened by the operator', async () => {
    const { identity, login, fail } = await entered();
    await fail(8);
    expect(await identity.unlock('ann')).toBe(true);
    expect((await login('ann', 'right')).returnCode).toBe(0);
  });
});

describe('many logins at the same moment', () => {
  /** How many passwords were looked at. */
  const counting = () => {
    const tried = { passwords: 0 };
    return {
      tried,
      override: ({ passwords }: Ports): Partial<Ports> => ({
        passwords: {
          ...passwords,
          matches: (password, hash) => {
            tried.passwords++;
            return passwords.matches(password, hash);
          },
        },
      }),
    };
  };
  const atOnce = async <T>(count: number, task: (index: number) => Promise<T>): Promise<T[]> =>
    Promise.all(Array.from({ length: count }, (_, index) => task(index)));

  it('are all let in, and nothing is written of them, where nobody fails: a fleet may share a name', async () => {
    const { world, login } = await entered();
    const answers = await atOnce(50, () => login('ann', 'right'));
    expect(answers.map(({ returnCode }) => returnCode)).toEqual(Array(50).fill(0));
    expect(await world.stores.identity.failedLogins('ann')).toBeUndefined();
  });

  it('are one guess where a lock has just ended', async () => {
    const { tried, override } = counting();
    const { world, login, fail } = await entered(override);
    await fail(5);
    world.advance(2_000);
    tried.passwords = 0;
    await atOnce(50, (index) => login('ann', `guess ${index}`));
    expect(tried.passwords).toBe(1);
  });

  it.each([1, 2, 4])('are no more guesses than are free where %d have failed', async (failures) => {
    const { tried, override } = counting();
    const { login, fail } = await entered(override);
    await fail(failures);
    tried.passwords = 0;
    await atOnce(50, (index) => login('ann', `guess ${index}`));
    await atOnce(50, (index) => login('ann', `guess ${index}`));
    expect(tried.passwords).toBeLessThanOrEqual(5 - failures);
  });

  it('count one by one where nobody had failed before, so that the name is locked for long', async () => {
    const { world, login } = await entered();
    await atOnce(50, (index) => login('ann', `guess ${index}`));
    expect(await world.stores.identity.failedLogins('ann')).toMatchObject({ failures: 50 });
    world.advance(899_999);
    expect((await login('ann', 'right')).returnCode).toBe(4);
  });

  it('one that nobody has finished counts as a failure', async () => {
    const { world, login, fail } = await entered(({ passwords }) => ({
      passwords: {
        ...passwords,
        matches: (password, hash) => {
          if (new TextDecoder().decode(password) === 'deadly') throw new Error('this Lambda fails');
          return passwords.matches(password, hash);
        },
      },
    }));
    await fail(4);
    expect(await login('ann', 'deadly')).toMatchObject({ close: 'internal-error' });
    expect((await login('ann', 'right')).returnCode).toBe(4);
    world.advance(2_000);
    expect((await login('ann', 'right')).returnCode).toBe(0);
  });
});
