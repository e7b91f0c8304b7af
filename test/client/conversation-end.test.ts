/** How a connection ends, and what keeps it from ending, by the clauses of docs/wire-protocol.md, on virtual time. */
import {
  base64,
  CONNACK,
  CONNECT,
  closeAtNextMessage,
  connectedScene,
  connectWith,
  createScene,
  DISCONNECT,
  PINGREQ,
  PINGRESP,
  reply,
} from './scripted-socket.ts';

const P1 = '32050001610001';
const P2 = '32050001610002';
const P3 = '32050001610003';
const A1 = '40020001';
const A2 = '40020002';
/** Two parts. */
const LARGE = `30fdbf01000161${'00'.repeat(24_570)}`;

describe('close=reason', () => {
  test('wire §3: the body is handed on, the socket closed, the reason reported', async () => {
    const scene = await connectedScene();
    await scene.write(P1, P2);
    await scene.say(`!1;close=topic-invalid:${base64(A1)}`);
    expect(scene.taken()).toEqual([A1]);
    expect(scene.inner.closedWith).toBe(1000);
    await scene.clock.pass(99);
    expect(scene.taken()).toEqual([]);
    await scene.clock.pass(1);
    expect(scene.taken()).toEqual(['error topic-invalid', 'close']);
  });

  test.each([
    ['malformed-packet', ''],
    ['unsupported', ' (not offered by this broker)'],
    ['session-taken-over', ' (the same client id has connected elsewhere)'],
  ])('wire §3: %s is said, and explained where the word does not say enough', async (reason, meaning) => {
    const scene = await connectedScene();
    await scene.write(P1);
    await scene.say(`!0;close=${reason}:`);
    await scene.clock.pass(100);
    expect(scene.errors[0]).toMatchObject({
      name: 'ServerlessMqttError',
      code: reason,
      message: `serverless-mqtt: the broker closed the connection: ${reason}${meaning}`,
    });
  });

  test('wire §3: a reason of later versions is reported as it is', async () => {
    const scene = await connectedScene();
    await scene.say('!0;close=moved:');
    await scene.clock.pass(100);
    expect(scene.errors[0]?.message).toBe('serverless-mqtt: the broker closed the connection: moved');
  });

  test('wire §5: a close that is pushed, with or without a frame in flight', async () => {
    for (const packets of [[], [P1]]) {
      const scene = await connectedScene();
      await scene.write(...packets);
      await scene.say('>;close=session-taken-over:');
      expect(scene.inner.closedWith).toBe(1000);
      await scene.clock.pass(100);
      expect(scene.taken()).toEqual(['error session-taken-over', 'close']);
      expect(scene.errors[0]?.message).toContain('session-taken-over (the same client id has connected elsewhere)');
    }
  });

  test('wire §3: a refused CONNECT is told by its CONNACK and by no error', async () => {
    const scene = createScene();
    scene.inner.tell('open');
    await scene.write(CONNECT);
    await scene.say(`!1;close=refused:${base64('20020005')}`);
    expect(scene.taken()).toEqual(['open', '20020005']);
    await scene.clock.pass(100);
    expect(scene.taken()).toEqual(['close']);
    expect(scene.counts).toEqual({ accepted: 0, left: [false] });
  });
});

describe('leaving', () => {
  test('wire §7: the socket stays open until DISCONNECT is answered', async () => {
    const scene = await connectedScene();
    await scene.write(DISCONNECT);
    scene.socket.close();
    expect(scene.sent()).toEqual([DISCONNECT]);
    await scene.clock.pass(4_999);
    expect(scene.inner.closedWith).toBeUndefined();
    await scene.say('!1;close=disconnected:');
    expect(scene.inner.closedWith).toBe(1000);
    await scene.clock.pass(0);
    expect(scene.taken()).toEqual(['close']);
    expect(scene.counts.left).toEqual([true]);
  });

  test('wire §7: a DISCONNECT written and a close in the same tick', async () => {
    const scene = await connectedScene();
    const written = scene.write(DISCONNECT);
    scene.socket.close();
    await written;
    expect(scene.sent()).toEqual([DISCONNECT]);
    await scene.say('!1:');
    expect(scene.inner.closedWith).toBe(1000);
  });

  test('wire §7: it waits 5 s at most', async () => {
    const scene = await connectedScene();
    await scene.write(DISCONNECT);
    scene.socket.close();
    await scene.clock.pass(5_000);
    expect(scene.inner.closedWith).toBe(1000);
    expect(scene.taken()).toEqual(['close']);
  });

  test('wire §7: what was written before DISCONNECT leaves before it, 5 s for each answer', async () => {
    const scene = await connectedScene();
    await scene.write(P1);
    await scene.write(LARGE, P2, DISCONNECT);
    scene.socket.close();
    for (const answer of [reply(1, A1), '!0:', '!1:']) {
      await scene.clock.pass(4_000);
      await scene.say(answer);
    }
    expect(scene.sent().at(-1)).toBe(P2 + DISCONNECT);
    await scene.clock.pass(4_000);
    expect(scene.inner.closedWith).toBeUndefined();
    await scene.say(`!2;close=disconnected:${base64(A2)}`);
    expect(scene.taken()).toEqual([A1, A2]);
    await scene.clock.pass(0);
    expect(scene.taken()).toEqual(['close']);
  });

  test('wire §7: a broker that needs rests does not prolong the 5 s', async () => {
    const scene = await connectedScene();
    await scene.write(DISCONNECT);
    scene.socket.close();
    await scene.clock.pass(3_000);
    await scene.say('!0:');
    await scene.clock.pass(1_999);
    expect(scene.inner.closedWith).toBeUndefined();
    await scene.clock.pass(1);
    expect(scene.inner.closedWith).toBe(1000);
  });

  test('a library that closes without DISCONNECT is not kept', async () => {
    const scene = await connectedScene();
    await scene.write(P1);
    scene.socket.close();
    expect(scene.inner.closedWith).toBe(1000);
    expect(scene.counts.left).toEqual([false]);
  });

  test('trouble after the library has closed is no error any more', async () => {
    const scene = await connectedScene();
    await scene.write(DISCONNECT);
    scene.socket.close();
    await scene.say('{"message":"Internal server error"}');
    await scene.clock.pass(0);
    expect(scene.taken()).toEqual(['close']);
  });
});

describe('silence', () => {
  test.each([0, 541, 65_535])(
    'wire §7: with a keep-alive of %i s it pings after 540 s and swallows the answer',
    async (keepAlive) => {
      const scene = await connectedScene(connectWith({ keepAlive }));
      for (let round = 0; round < 2; round++) {
        await scene.clock.pass(539_999);
        expect(scene.sent()).toEqual([]);
        await scene.clock.pass(1);
        expect(scene.sent()).toEqual([PINGREQ]);
        await scene.say(reply(1, PINGRESP));
        expect(scene.taken()).toEqual([]);
      }
    },
  );

  test.each([1, 60, 540])('wire §7: with a keep-alive of %i s the library pings by itself', async (keepAlive) => {
    const scene = await connectedScene(connectWith({ keepAlive }));
    await scene.clock.pass(3_600_000);
    expect(scene.sent()).toEqual([]);
  });

  test('wire §7: every frame of the client starts the 540 s anew', async () => {
    const scene = await connectedScene(connectWith({ keepAlive: 0 }));
    await scene.clock.pass(500_000);
    await scene.write(P1);
    await scene.say(reply(1, A1));
    scene.sent();
    await scene.clock.pass(539_999);
    expect(scene.sent()).toEqual([]);
    await scene.clock.pass(1);
    expect(scene.sent()).toEqual([PINGREQ]);
  });

  test("wire §7: the library's own PINGRESP reaches it, also beside a swallowed one", async () => {
    const scene = await connectedScene(connectWith({ keepAlive: 600 }));
    await scene.write(PINGREQ);
    await scene.say(reply(1, PINGRESP));
    expect(scene.taken()).toEqual([PINGRESP]);
    await scene.clock.pass(540_000);
    await scene.say('!0:');
    await scene.write(PINGREQ);
    await scene.clock.pass(250);
    expect(scene.sent().at(-1)).toBe(PINGREQ + PINGREQ);
    await scene.say(reply(2, PINGRESP, PINGRESP));
    expect(scene.taken()).toEqual([PINGRESP]);
  });

  test('wire §3, §7: its own ping that is not answered closes the socket', async () => {
    const scene = await connectedScene(connectWith({ keepAlive: 0 }));
    await scene.clock.pass(540_000 + 35_000);
    expect(scene.taken()).toEqual(['error no-reply', 'close']);
  });
});

describe('the end', () => {
  test('no timer outlives a connection', async () => {
    const scene = await connectedScene(connectWith({ keepAlive: 0 }));
    await scene.write(P1, DISCONNECT);
    await scene.say(`>5:${base64(P2)}`);
    scene.socket.close();
    // The reply, the silence, the hole, the DISCONNECT.
    expect(scene.clock.pending).toBe(4);
    await scene.say('!2;close=disconnected:');
    await scene.clock.pass(0);
    expect(scene.clock.pending).toBe(0);
  });

  test('a library may close while it is handed something: nothing comes after it', async () => {
    const scene = createScene();
    scene.inner.tell('open');
    await scene.write(CONNECT);
    await scene.write(P1);
    await scene.say(`>1:${base64(P2)}`);
    await scene.say(`>3:${base64(P3)}`);
    scene.sent();
    closeAtNextMessage(scene);
    await scene.say(reply(1, CONNACK));
    await scene.clock.pass(0);
    expect(scene.taken()).toEqual(['open', CONNACK, 'close']);
    expect(scene.sent()).toEqual([]);
    expect(scene.clock.pending).toBe(0);
  });

  test('a library may close while it is handed the last words of the broker: it ends once', async () => {
    const scene = await connectedScene();
    await scene.write(P1, P2);
    closeAtNextMessage(scene);
    await scene.say(`!1;close=topic-invalid:${base64(A1)}`);
    await scene.clock.pass(1_000);
    expect(scene.taken()).toEqual([A1, 'close']);
    expect(scene.counts.left).toEqual([false]);
  });
});
