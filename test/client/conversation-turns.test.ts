/** Who speaks when: frames, parts, throttles, by the clauses of docs/wire-protocol.md, on virtual time. */
import { connectedScene, PINGREQ, reply } from './scripted-socket.ts';

const P1 = '32050001610001';
const P2 = '32050001610002';
const P3 = '32050001610003';
const A1 = '40020001';
const A2 = '40020002';
/** Two parts. */
const LARGE = `30fdbf01000161${'00'.repeat(24_570)}`;
const THROTTLED = '{"message":"Too Many Requests","connectionId":"c","requestId":"r"}';

describe('turns', () => {
  test('wire §3: one frame in flight; what becomes ready meanwhile leaves together in the next', async () => {
    const scene = await connectedScene();
    await scene.write(P1);
    await scene.write(P2);
    await scene.write(P3);
    expect(scene.sent()).toEqual([P1]);
    await scene.clock.pass(30_000);
    expect(scene.sent()).toEqual([]);
    await scene.say(reply(1, A1));
    expect(scene.sent()).toEqual([P2 + P3]);
    expect(scene.taken()).toEqual([A1]);
  });

  test('wire §2: what is written in one go leaves in one frame, in whatever pieces it was written', async () => {
    const scene = await connectedScene();
    await scene.write('32', '05', '000161', `0001${P2}c0`, '00');
    expect(scene.sent()).toEqual([P1 + P2 + PINGREQ]);
  });

  test('wire §3: what is not taken goes in front of what has gathered', async () => {
    const scene = await connectedScene();
    await scene.write(P1, P2);
    await scene.write(P3);
    await scene.say(reply(1, A1));
    expect(scene.sent()).toEqual([P1 + P2, P2 + P3]);
  });

  test('wire §3: a broker that takes none rests for 250 ms, doubled each time up to 4 s', async () => {
    const scene = await connectedScene();
    await scene.write(P1);
    for (const pause of [250, 500, 1_000, 2_000, 4_000, 4_000]) {
      scene.sent();
      await scene.say('!0:');
      await scene.clock.pass(pause - 1);
      expect(scene.sent()).toEqual([]);
      await scene.clock.pass(1);
      expect(scene.sent()).toEqual([P1]);
    }
  });

  test('wire §3: what gathers in a rest leaves with what is sent again', async () => {
    const scene = await connectedScene();
    await scene.write(P1);
    await scene.say('!0:');
    await scene.write(P2);
    expect(scene.sent()).toEqual([P1]);
    await scene.clock.pass(250);
    expect(scene.sent()).toEqual([P1 + P2]);
  });

  test('wire §3: no reply within 35 s: closed, and said why', async () => {
    const scene = await connectedScene();
    await scene.write(P1);
    await scene.clock.pass(34_999);
    expect(scene.taken()).toEqual([]);
    await scene.clock.pass(1);
    expect(scene.taken()).toEqual(['error no-reply', 'close']);
    expect(scene.inner.closedWith).toBe(1000);
    expect(scene.errors[0]?.message).toBe('serverless-mqtt: no answer within 35 s');
  });

  test('wire §3: the 35 s are those of one frame', async () => {
    const scene = await connectedScene();
    await scene.write(P1);
    await scene.clock.pass(34_999);
    await scene.say(reply(1, A1));
    await scene.clock.pass(60_000);
    await scene.write(P2);
    await scene.clock.pass(34_999);
    await scene.say(reply(1, A2));
    expect(scene.taken()).toEqual([A1, A2]);
  });

  test.each([
    ['a reply to no frame', async () => [await connectedScene(), '!0:'] as const],
    [
      'a reply that takes 2 packets of 1',
      async () => {
        const scene = await connectedScene();
        await scene.write(P1);
        return [scene, '!2:'] as const;
      },
    ],
    [
      'a reply to no frame', // within a rest
      async () => {
        const scene = await connectedScene();
        await scene.write(P1);
        await scene.say('!0:');
        return [scene, '!1:'] as const;
      },
    ],
    [
      'a reply to no frame', // while a throttled frame waits
      async () => {
        const scene = await connectedScene();
        await scene.write(P1);
        await scene.say(THROTTLED);
        return [scene, '!1:'] as const;
      },
    ],
  ])('wire §3: %s is not of this wire', async (what, prepare) => {
    const [scene, frame] = await prepare();
    await scene.say(frame);
    await scene.clock.pass(100);
    expect(scene.taken()).toEqual(['error bad-answer', 'close']);
    expect(scene.errors[0]?.message).toBe(`serverless-mqtt: the broker sent what this client cannot read: ${what}`);
  });
});

describe('parts', () => {
  test('wire §4: each part is a frame and waits for its reply; neighbours share no frame with it', async () => {
    const scene = await connectedScene();
    await scene.write(P1, LARGE, P2);
    expect(scene.sent()).toEqual([P1]);
    await scene.say(reply(1, A1));
    expect(scene.sent()).toEqual([expect.stringMatching(/^~0\.2:MP2\/AQABYQA+$/)]);
    await scene.say('!0:');
    expect(scene.sent()).toEqual([expect.stringMatching(/^~1\.2:A+==$/)]);
    await scene.say('!1:');
    expect(scene.sent()).toEqual([P2]);
  });

  test('wire §4: a packet that was not taken is sent again from its first part, after a rest', async () => {
    const scene = await connectedScene();
    await scene.write(LARGE);
    await scene.say('!0:');
    await scene.say('!0:');
    expect(scene.sent()).toHaveLength(2);
    await scene.clock.pass(250);
    expect(scene.sent()).toEqual([expect.stringMatching(/^~0\.\d+:/)]);
  });

  test('wire §6: a throttled part is sent again alone', async () => {
    const scene = await connectedScene();
    await scene.write(LARGE);
    await scene.say('!0:');
    const [, last] = scene.sent();
    await scene.say(THROTTLED);
    await scene.clock.pass(250);
    expect(scene.sent()).toEqual([last]);
  });
});

describe('the gateway', () => {
  test('wire §6: a throttled frame is sent again as it was, after 250 ms, doubled each time up to 4 s', async () => {
    const scene = await connectedScene();
    await scene.write(P1);
    await scene.write(P2);
    expect(scene.sent()).toEqual([P1]);
    for (const pause of [250, 500, 1_000, 2_000, 4_000, 4_000]) {
      await scene.say(THROTTLED);
      await scene.clock.pass(pause - 1);
      expect(scene.sent()).toEqual([]);
      await scene.clock.pass(1);
      expect(scene.sent()).toEqual([P1]);
    }
    await scene.say(reply(1, A1));
    expect(scene.sent()).toEqual([P2]);
    await scene.say(THROTTLED);
    await scene.clock.pass(250);
    expect(scene.sent()).toEqual([P2]);
  });

  test('wire §6: a throttle that answers no frame means nothing', async () => {
    const scene = await connectedScene();
    await scene.say(THROTTLED);
    await scene.write(P1);
    expect(scene.sent()).toEqual([P1]);
    expect(scene.taken()).toEqual([]);
  });

  test('wire §6: after anything else the socket is closed, and the gateway quoted', async () => {
    const scene = await connectedScene();
    await scene.write(P1);
    await scene.say('{"message":"Internal server error","connectionId":"c","requestId":"r"}');
    await scene.clock.pass(100);
    expect(scene.taken()).toEqual(['error gateway-error', 'close']);
    expect(scene.errors[0]?.message).toBe(
      'serverless-mqtt: API Gateway answered instead of the broker: Internal server error',
    );
  });

  test('wire §2: a binary frame is not of this wire', async () => {
    const scene = await connectedScene();
    scene.inner.tell('message', { data: new ArrayBuffer(2) });
    await scene.clock.pass(100);
    expect(scene.taken()).toEqual(['error bad-answer', 'close']);
  });
});
