/**
 * How many AWS calls a publisher waits for, one after the other. Calls are held back until nothing else can go on, then let
 * go all together: each such round is one step of waiting, however many calls are in it.
 */
import { generate } from 'mqtt-packet';
import { createAuthority, openAuthority } from '../../src/broker/authority.ts';
import type { Context } from '../../src/broker/context.ts';
import { handleFrame } from '../../src/broker/handle-frame.ts';
import { redeliver } from '../../src/broker/redeliver.ts';
import { runJob } from '../../src/broker/run-job.ts';
import type { ConnectionId } from '../../src/session/ids.ts';
import { allow, anyConnect } from '../broker/guarded-world.ts';
import { ARN_BASE, connectPacket, defaultSettings, publishPacket, subscribePacket } from '../broker/world.ts';
import { createAwsSubject } from '../contracts/aws-subject.ts';
import type { Socket } from '../contracts/subject.ts';

describe('AWS calls one after the other (warm Lambda)', () => {
  let subject: Awaited<ReturnType<typeof createAwsSubject>>;
  let context: Context;
  let rounds: Rounds;

  beforeAll(async () => {
    subject = await createAwsSubject();
    context = {
      ...subject.ports,
      settings: defaultSettings,
      authority: openAuthority,
      timing: { lambdaTimeout: 25_000, queueVisibility: 10_000, clockMargin: 5_000, postTimeout: 2_000 },
      knownShapes: new Set(),
    };
    rounds = createRounds();
    for (const client of Object.values(subject.clients)) {
      client.middlewareStack.add(
        (next: (args: unknown) => Promise<unknown>, { commandName }: { commandName?: string }) =>
          (args: unknown) =>
            rounds.pass(commandName ?? 'unknown', () => next(args)),
        { step: 'initialize', name: 'rounds' },
      );
    }
  });
  afterAll(() => subject.stop());

  const send = (socket: Socket, ...packets: Parameters<typeof generate>[0][]) =>
    handleFrame(context, {
      connectionId: socket.connectionId as ConnectionId,
      body: Buffer.concat(packets.map((packet) => generate(packet))).toString('base64'),
      deadline: Date.now() + 25_000,
    });

  const client = async (clientId: string, clean: boolean) => {
    const socket = await subject.openSocket();
    expect(await send(socket, { ...connectPacket(clientId), clean })).toMatch(/^!1;token=/);
    return socket;
  };

  /** A subscriber that is live, and a publisher whose Lambda is warm. */
  const pair = async (name: string, clean: boolean, qos: 0 | 1) => {
    const subscriber = await client(`${name}-subscriber`, clean);
    await send(subscriber, subscribePacket({ [`${name}/+`]: qos }));
    const publisher = await client(`${name}-publisher`, true);
    await send(publisher, publishPacket(`${name}/warm`, 'warm', 0));
    await subscriber.next();
    return { subscriber, publisher };
  };

  it('QoS 0 to one live subscriber: at most 3', async () => {
    const { subscriber, publisher } = await pair('zero', true, 0);
    const calls = await rounds.count(() => send(publisher, publishPacket('zero/a', 'x', 0)));
    expect(await subscriber.next()).toMatch(/^>:/);
    expect(calls).toEqual([
      expect.arrayContaining(['GetItemCommand', 'GetItemCommand', 'QueryCommand']),
      ['GetItemCommand'],
      ['PostToConnectionCommand'],
    ]);
  });

  it('QoS 1 to a persistent live subscriber: at most 5', async () => {
    const { subscriber, publisher } = await pair('one', false, 1);
    const calls = await rounds.count(() => send(publisher, publishPacket('one/a', 'x', 1)));
    expect(await subscriber.next()).toMatch(/^>1:/);
    expect(calls.length).toBeLessThanOrEqual(5);
    expect(calls.slice(1)).toEqual([
      ['UpdateItemCommand'],
      ['PutItemCommand'],
      expect.arrayContaining(['PostToConnectionCommand', 'GetItemCommand']),
    ]);
  });

  it('with authentication and policies on, no more: a warm Lambda knows who may do what', async () => {
    const open = context;
    const settings = { ...defaultSettings, authentication: 'password' };
    context = { ...open, settings, authority: createAuthority({ ...subject.ports, settings, arnBase: ARN_BASE }) };
    try {
      const name = 'guarded';
      const password = Buffer.from('a password');
      const passwordHash = await subject.ports.passwords.hash(password);
      await subject.administration.putPolicy(name, allow(anyConnect, ['iot:*', '*']));
      await subject.administration.addPrincipal(name, { passwordHash, policies: [name], attributes: {} });
      const credentials = { username: name, password };
      const subscriber = await subject.openSocket();
      await send(subscriber, { ...connectPacket('guarded-subscriber'), clean: false, ...credentials });
      await send(subscriber, subscribePacket({ 'guarded/+': 1 }));
      const publisher = await subject.openSocket();
      await send(publisher, { ...connectPacket('guarded-publisher'), ...credentials });
      await send(publisher, publishPacket('guarded/warm', 'warm', 1));
      await subscriber.next();
      const once = await rounds.count(() => send(publisher, publishPacket('guarded/a', 'x', 0)));
      const kept = await rounds.count(() => send(publisher, publishPacket('guarded/a', 'x', 1, 2)));
      expect(once).toEqual([
        expect.arrayContaining(['GetItemCommand', 'GetItemCommand', 'QueryCommand']),
        ['GetItemCommand'],
        ['PostToConnectionCommand'],
      ]);
      expect(kept.slice(1)).toEqual([
        ['UpdateItemCommand'],
        ['PutItemCommand'],
        expect.arrayContaining(['PostToConnectionCommand', 'GetItemCommand']),
      ]);
    } finally {
      context = open;
    }
  });

  it('a retained message waits for two more: it is kept before its audience is looked for', async () => {
    const { subscriber, publisher } = await pair('kept', true, 0);
    const packet = { ...publishPacket('kept/a', 'x', 0), retain: true };
    await send(publisher, packet); // the first level is registered
    await subscriber.next();
    const calls = await rounds.count(() => send(publisher, packet));
    expect(await subscriber.next()).toMatch(/^>:/);
    expect(calls).toEqual([
      ['GetItemCommand'],
      ['UpdateItemCommand'],
      expect.arrayContaining(['GetItemCommand', 'QueryCommand']),
      ['GetItemCommand'],
      ['PostToConnectionCommand'],
    ]);
  });

  it('reads do not grow with the number of subscriptions', async () => {
    const { publisher } = await pair('many', false, 1);
    const readsFor = async () =>
      (await rounds.count(() => send(publisher, publishPacket('nobody/here', 'x', 1)))).flat().length;
    const before = await readsFor();
    for (let index = 0; index < 30; index++) {
      await subject.ports.subscriptions.change(`other/${index}`, `c${index}` as never, {
        if: [],
        set: { qos: 1, generation: 'g' as never, epoch: 1, active: true },
      });
    }
    expect(await readsFor()).toBe(before);
  });

  it('a message for an offline session is stored by the real queue, and redelivered', async () => {
    const { subscriber, publisher } = await pair('away', false, 1);
    await send(subscriber, { cmd: 'disconnect' } as never);
    for (const job of await subject.jobs()) await runJob(context, job);
    const reply = await send(publisher, publishPacket('away/a', 'stored', 1, 5));
    expect(reply).toBe(`!1:${generate({ cmd: 'puback', messageId: 5 }).toString('base64')}`);
    const back = await subject.openSocket();
    await send(back, { ...connectPacket('away-subscriber'), clean: false });
    expect(await back.next()).toMatch(/^>1:IAIBAA==$/);
    for (const tick of await subject.ticks()) await redeliver(context, tick, Date.now() + 25_000);
    expect(Buffer.from((await back.next()).split(':')[1] ?? '', 'base64').toString()).toContain('stored');
  });
});

interface Rounds {
  /** The calls that `work` waits for, round by round. */
  count(work: () => Promise<unknown>): Promise<readonly (readonly string[])[]>;
  pass<T>(name: string, call: () => Promise<T>): Promise<T>;
}

const createRounds = (): Rounds => {
  let held: { readonly name: string; readonly go: () => Promise<void> }[] | undefined;
  return {
    pass: (name, call) => {
      if (!held) return call();
      return new Promise((resolve, reject) => {
        held?.push({ name, go: () => call().then(resolve, reject) });
      });
    },
    count: async (work) => {
      held = [];
      const rounds: string[][] = [];
      let done = false;
      const result = work().finally(() => {
        done = true;
      });
      while (!done) {
        // Everything that can go on without an AWS call has done so once the event loop has turned some times.
        for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
        const round: typeof held = held.splice(0);
        if (round.length === 0) continue;
        rounds.push(round.map(({ name }) => name));
        await Promise.all(round.map(({ go }) => go()));
      }
      held = undefined;
      await result;
      return rounds;
    },
  };
};
