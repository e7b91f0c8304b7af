/**
 * A right to receive that is taken away while the message is on its way. More of its races stand in
 * test/simulation/directed-rights.test.ts.
 */
import { runJob } from '../../src/broker/run-job.ts';
import { allow, anyConnect, createGuardedWorld, type GuardedWorld, type Statement } from './guarded-world.ts';
import { createStallingGuardedWorld } from './stalls.ts';
import { payloads, puback, publishPacket, subscribePacket } from './world.ts';

const HOME = '10.0.0.1';
const ROAD = '10.0.0.2';
/** Longer than it takes until a changed policy counts, ms. */
const SETTLED = 20_000;

const from = (sourceIp: string) => ({ Condition: { IpAddress: { 'aws:SourceIp': sourceIp } } });
const may = (...statements: readonly Statement[]): string =>
  allow(anyConnect, ['iot:Publish', '*'], ['iot:Subscribe', '*'], ['iot:Receive', 'topic/a/news'], ...statements);
const onlyNews = may();
const secrets = may(['iot:Receive', 'topic/a/secret']);
const secretsAt = (place: string): string => may(['iot:Receive', 'topic/a/secret', from(place)]);

const secret = (payload: string, qos: 1 | 2 = 1) => publishPacket('a/secret', payload, qos);
const news = (payload: string) => publishPacket('a/news', payload);

/** A publisher, and a subscriber at home that has subscribed to everything below `a`. */
const scene = async (world: GuardedWorld, policy: string, qos: 1 | 2 = 1) => {
  await world.enter('publisher', may());
  await world.enter('s', policy);
  const publisher = await world.connectAs('publisher');
  const subscriber = await world.connectAs('s', { clean: false, from: HOME });
  await subscriber.send(subscribePacket({ 'a/#': qos }));
  return { publisher, subscriber };
};
const comeBack = (world: GuardedWorld, place = HOME) => world.connectAs('s', { clean: false, from: place });

describe('a client that comes back with other rights, while a Lambda knows it by those it had', () => {
  it('loses nothing to the tick of its older connection, which finds it in flight', async () => {
    const { world, meanwhile } = createStallingGuardedWorld(({ inFlight }, pause) => ({
      inFlight: {
        ...inFlight,
        list: async (...args) => {
          const listed = await inFlight.list(...args);
          await pause();
          return listed;
        },
      },
    }));
    const { publisher, subscriber } = await scene(world, secrets);
    await publisher.send(secret('1'));
    await subscriber.drop();
    let back = await comeBack(world, HOME);
    meanwhile(async () => {
      back = await comeBack(world, ROAD);
      await world.enter('s', secretsAt(ROAD));
      world.advance(SETTLED);
    });
    await world.drain(60_000);
    expect(payloads(back.pushes())).toEqual(['1']);
  });

  it('is posted nothing under the rights it had, and two publishers at once leave no hole', async () => {
    const { world, meanwhile } = createStallingGuardedWorld(({ sessions }, pause) => ({
      sessions: {
        ...sessions,
        change: async (clientId, change) => {
          const outcome = await sessions.change(clientId, change);
          if (change.name === 'allocate') await pause();
          return outcome;
        },
      },
    }));
    const { publisher, subscriber } = await scene(world, secretsAt(HOME));
    const other = await world.connectAs('other', { as: 'publisher' });
    await publisher.send(secret('1'));
    await subscriber.send(puback(1));
    const back = await comeBack(world, ROAD);
    await world.drain(5_000);
    meanwhile(() => other.send(news('2')));
    await publisher.send(secret('hidden'));
    await publisher.send(news('3'));
    const pushes = back.pushes();
    expect(payloads(pushes)).toEqual(['2', '3']);
    expect(numbersOf(back.frames())).toEqual([2, 2, 3]); // CONNACK's is the one that is expected first
    await back.send(...pushes.map(({ messageId }) => puback(messageId)));
    expect(await world.session('s')).toMatchObject({ windowLeft: 100 });
  });
});

describe('a message in flight whose right is taken away', () => {
  it('[MQTT-4.3.3-1] with QoS 2: its client gets PUBREL on the next connection, and the packet id is free on both sides', async () => {
    const world = createGuardedWorld();
    const { publisher, subscriber } = await scene(world, secrets, 2);
    await publisher.send(secret('1', 2));
    const [posted] = subscriber.pushes();
    await subscriber.drop();
    await world.enter('s', onlyNews);
    world.advance(SETTLED);
    const back = await comeBack(world);
    await world.drain(5_000);
    const pushes = back.pushes().filter(({ cmd }) => cmd !== 'connack');
    expect(pushes).toMatchObject([{ cmd: 'pubrel', messageId: posted?.messageId }]);
    await back.send({ cmd: 'pubcomp', messageId: posted?.messageId as number });
    expect(world.stores.inFlight.all()).toEqual([]);
    expect(await world.session('s')).toMatchObject({ windowLeft: 100, mode: 'direct' });
  });

  it('is not sent again on the same connection, however long its PUBACK takes, which gives its room back', async () => {
    const world = createGuardedWorld();
    const { publisher, subscriber } = await scene(world, secrets);
    await publisher.send(secret('1'), news('2'));
    expect(payloads(subscriber.pushes())).toEqual(['1', '2']);
    await world.enter('s', onlyNews);
    world.advance(70_000);
    const { connectionId } = subscriber;
    await runJob(world.context, { job: 'check', connectionId, number: 0 });
    await world.drain(5_000);
    const again = subscriber.pushes();
    expect(payloads(again)).toEqual(['2']);
    expect(await world.session('s')).toMatchObject({ windowLeft: 98, mode: 'direct' });
    await subscriber.send(puback(1), puback(2));
    expect(await world.session('s')).toMatchObject({ windowLeft: 100 });
    expect(world.stores.inFlight.all()).toEqual([]);
  });

  it('is not sent again where its post was refused; what comes behind it is', async () => {
    let refuses = false;
    const world = createGuardedWorld({}, ({ gateway }) => ({
      gateway: {
        ...gateway,
        post: async (connectionId, frame) => (refuses ? 'throttled' : gateway.post(connectionId, frame)),
      },
    }));
    const { publisher, subscriber } = await scene(world, secrets);
    await subscriber.drop();
    await publisher.send(secret('1'), news('2'));
    const second = await comeBack(world);
    refuses = true;
    await world.runTicks();
    expect(world.stores.inFlight.all()).toHaveLength(2);
    refuses = false;
    await world.enter('s', onlyNews);
    world.advance(SETTLED);
    await world.runTicks();
    const pushes = second.pushes();
    expect(payloads(pushes)).toEqual(['2']);
    expect(await world.session('s')).toMatchObject({ backlog: 0, mode: 'direct' });
    await second.send(puback(pushes.at(-1)?.messageId));
    await comeBack(world);
    await world.drain(5_000);
    expect(world.stores.inFlight.all()).toEqual([]);
  });
});

/** The numbers of pushes that have one, as they were posted. */
const numbersOf = (frames: readonly string[]): readonly number[] =>
  frames.map((frame) => Number.parseInt(frame.slice(1), 10)).filter((number) => !Number.isNaN(number));
