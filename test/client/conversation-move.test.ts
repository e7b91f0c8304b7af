/** How a session moves to a new socket, by the clauses of docs/wire-protocol.md §8, on virtual time. */
import {
  again,
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
  puback,
  publish,
  reply,
  type Scene,
  type ScriptedSocket,
} from './scripted-socket.ts';
import { settle } from './virtual-clock.ts';

const AGE = 6_900_000;
const TOKEN = 'aZ09-_.first';
/** Nothing of it may be told to anybody but the broker. */
const SECRET = 'secret';
const QOS0 = '3003000161';
const [P1, P2, P3] = [publish(1), publish(2), publish(3)];
const [A1, A2, A3] = [puback(1), puback(2), puback(3)];
const FRESH = 'ws://broker.example/mqtt?fresh';
const urlOr = (failing: boolean): string => {
  if (failing) throw new Error(SECRET);
  return FRESH;
};
/** Two parts. */
const LARGE = `30fdbf01000161${'00'.repeat(24_570)}`;
const THROTTLED = '{"message":"Too Many Requests","connectionId":"c","requestId":"r"}';

const push = (number: number | '', ...packets: string[]): string => `>${number}:${base64(...packets)}`;
const moved = (next: number, token = `${SECRET}.${next}`): string => `!0;token=${token};next=${next}:`;

/** A scene whose MQTT connection stands, and whose session has a token. */
async function standingScene(connect = CONNECT, nextUrl?: () => string | Promise<string>): Promise<Scene> {
  const scene = createScene(0, nextUrl);
  await settle();
  scene.inner.tell('open');
  await scene.write(connect);
  await scene.say(`!1;token=${TOKEN}:${base64(CONNACK)}`);
  scene.sent();
  scene.taken();
  return scene;
}

const open = async (inner: ScriptedSocket): Promise<void> => {
  inner.tell('open');
  await settle();
};

const close = async (inner: ScriptedSocket): Promise<void> => {
  inner.tell('error', { message: 'broken' });
  inner.tell('close', { code: 1006 });
  await settle();
};

/** The second socket is being opened, because the first has become old. */
async function openingScene(...options: Parameters<typeof standingScene>) {
  const scene = await standingScene(...options);
  const first = scene.inner;
  await scene.clock.pass(AGE);
  const second = scene.inner;
  expect(second).not.toBe(first);
  return { scene, first, second };
}

/** The move has been asked for and not been answered. */
async function askedScene(...options: Parameters<typeof standingScene>) {
  const opening = await openingScene(...options);
  await open(opening.second);
  expect(opening.scene.sent(opening.second)).toEqual([`^${TOKEN}`]);
  return opening;
}

/** The session has moved. */
async function movedScene(...options: Parameters<typeof standingScene>) {
  const asked = await askedScene(...options);
  await asked.scene.say(moved(1));
  return asked;
}

/** A push is missing, and the second socket is being opened for that. */
async function holeScene(connect = CONNECT) {
  const scene = await standingScene(connect);
  const first = scene.inner;
  await scene.say(push(2, P2));
  await scene.clock.pass(2_000);
  return { scene, first, second: scene.inner };
}

describe('when', () => {
  test('wire §8: 1 h 55 min after the socket was opened, without any traffic', async () => {
    const scene = await standingScene(connectWith({ keepAlive: 540 }));
    await scene.clock.pass(AGE - 1);
    expect(scene.inners).toHaveLength(1);
    await scene.clock.pass(1);
    expect(scene.inners).toHaveLength(2);
    expect(scene.inner.protocols).toEqual(['mqtt.base64']);
    expect(scene.inners[0]?.closedWith).toBeUndefined();
  });

  test('wire §8: counted from the opening, and not from the token', async () => {
    const scene = createScene();
    await scene.clock.pass(20_000);
    scene.inner.tell('open');
    await scene.clock.pass(5_000);
    await scene.write(CONNECT);
    await scene.clock.pass(5_000);
    await scene.say(`!1;token=${TOKEN}:${base64(CONNACK)}`);
    await scene.clock.pass(AGE - 10_001);
    expect(scene.inners).toHaveLength(1);
    await scene.clock.pass(1);
    expect(scene.inners).toHaveLength(2);
  });

  test('wire §8: and again 1 h 55 min after the next one was opened, with its token', async () => {
    const { scene, second } = await openingScene();
    await scene.write(P1);
    await open(second);
    await scene.clock.pass(30_000);
    await scene.say(reply(1, A1), scene.inners[0]);
    await scene.say(moved(1, 'second'));
    await scene.clock.pass(AGE - 30_001);
    expect(scene.inners).toHaveLength(2);
    await scene.clock.pass(1);
    expect(scene.inners).toHaveLength(3);
    await open(scene.inner);
    expect(scene.sent()).toEqual(['^second']);
  });

  test('wire §8: a resumed session has its token from the reply, before its CONNACK', async () => {
    const scene = createScene();
    scene.inner.tell('open');
    await scene.write(connectWith({ persistent: true }));
    await scene.say(`!1;token=${TOKEN}:`);
    await scene.say(push(7, '20020100'));
    await scene.clock.pass(AGE);
    await open(scene.inner);
    expect(scene.sent()).toEqual([`^${TOKEN}`]);
  });

  test('wire §8: the token of the latest reply counts', async () => {
    const scene = await standingScene();
    await scene.write(P1);
    await scene.say(`!1;token=latest:${base64(A1)}`);
    await scene.write(P2);
    await scene.say(reply(1, A2));
    await scene.clock.pass(AGE);
    await open(scene.inner);
    expect(scene.sent()).toEqual(['^latest']);
  });

  test('wire §8: a session without a token stays where it is', async () => {
    const scene = await connectedScene();
    await scene.clock.pass(2 * AGE);
    expect(scene.inners).toHaveLength(1);
    expect(scene.taken()).toEqual([]);
  });

  test('wire §1, §8: the second URL is made anew', async () => {
    let count = 0;
    const { first, second } = await openingScene(CONNECT, () => `ws://broker.example/mqtt?n=${++count}`);
    expect([first.url, second.url]).toEqual(['ws://broker.example/mqtt?n=1', 'ws://broker.example/mqtt?n=2']);
    expect((await openingScene()).second.url).toBe('ws://broker.example/mqtt');
  });
});

describe('asking', () => {
  test('wire §8: the first socket goes on until the second is open', async () => {
    const { scene, first, second } = await openingScene();
    await scene.write(P1);
    await scene.say(reply(1, A1), first);
    await scene.say(push(1, P1), first);
    expect(scene.sent(first)).toEqual([P1]);
    expect(scene.sent(second)).toEqual([]);
    expect(scene.taken()).toEqual([A1, P1]);
  });

  test('wire §8: the token is the first frame of the second socket; what is written meanwhile gathers and leaves there', async () => {
    const { scene, first, second } = await askedScene();
    await scene.write(P1);
    await scene.write(P2);
    expect(scene.socket.bufferedAmount).toBe(14);
    await scene.say(moved(1));
    expect(scene.sent(second)).toEqual([P1 + P2]);
    expect(scene.sent(first)).toEqual([]);
    await scene.say(reply(2, A1, A2));
    expect(scene.taken()).toEqual([A1 + A2]);
    expect(scene.socket.bufferedAmount).toBe(0);
  });

  test('wire §8: a frame that waits for its reply on the first socket is waited for', async () => {
    const { scene, first, second } = await openingScene();
    await scene.write(P1);
    await scene.write(P2);
    await open(second);
    expect(scene.sent(second)).toEqual([]);
    await scene.say(reply(1, A1), first);
    expect(scene.sent(second)).toEqual([`^${TOKEN}`]);
    expect(scene.sent(first)).toEqual([P1]);
    await scene.say(moved(1));
    expect(scene.sent(second)).toEqual([P2]);
  });

  test('wire §4, §8: the parts of one packet stay on one socket', async () => {
    const { scene, first, second } = await openingScene();
    await scene.write(LARGE, P2);
    await open(second);
    await scene.say('!0:', first);
    await scene.say(THROTTLED, first);
    await scene.clock.pass(250);
    expect(scene.sent(first).map((frame) => frame.slice(0, 5))).toEqual(['~0.2:', '~1.2:', '~1.2:']);
    expect(scene.sent(second)).toEqual([]);
    await scene.say('!1:', first);
    expect(scene.sent(second)).toEqual([`^${TOKEN}`]);
    await scene.say(moved(1));
    expect(scene.sent(second)).toEqual([P2]);
  });

  test('wire §4, §8: parts that the broker did not take are sent again on the second socket', async () => {
    const { scene, first, second } = await openingScene();
    await scene.write(LARGE);
    await open(second);
    await scene.say('!0:', first);
    await scene.say('!0:', first);
    await scene.clock.pass(250);
    await scene.say(moved(1));
    expect(scene.sent(second).map((frame) => frame.slice(0, 5))).toEqual([`^${TOKEN}`.slice(0, 5), '~0.2:']);
  });

  test('wire §6, §8: a frame that was throttled on the first socket leaves on the second, once', async () => {
    const { scene, first, second } = await openingScene();
    await scene.write(P1);
    await open(second);
    await scene.say(THROTTLED, first);
    await scene.clock.pass(249);
    expect(scene.sent(second)).toEqual([]);
    await scene.clock.pass(1);
    expect(scene.sent(second)).toEqual([`^${TOKEN}`]);
    await scene.say(moved(1));
    expect(scene.sent(second)).toEqual([P1]);
    expect(scene.sent(first)).toEqual([P1]);
    await scene.say(reply(1, A1));
    expect(scene.sent(second)).toEqual([]);
  });

  test('wire §6, §8: a throttled token is sent again, after 250 ms, doubled each time up to 4 s', async () => {
    const { scene, first, second } = await askedScene();
    await scene.write(P1);
    for (const pause of [250, 500, 1_000, 2_000, 4_000, 4_000]) {
      await scene.say(THROTTLED);
      await scene.clock.pass(pause - 1);
      expect(scene.sent(second)).toEqual([]);
      await scene.clock.pass(1);
      expect(scene.sent(second)).toEqual([`^${TOKEN}`]);
    }
    await scene.say(moved(1));
    await scene.say(THROTTLED);
    await scene.clock.pass(250);
    expect(scene.sent(second)).toEqual([P1, P1]);
    expect(scene.sent(first)).toEqual([]);
  });

  test('wire §8: pushes that come before a token is throttled wait on', async () => {
    const { scene } = await askedScene();
    await scene.say(push(5, P1));
    await scene.say(THROTTLED);
    await scene.clock.pass(250);
    await scene.say(moved(5));
    expect(scene.taken()).toEqual([P1]);
  });

  test('what comes on the second socket before the token was sent is not heard', async () => {
    const { scene, first, second } = await openingScene();
    await scene.write(P1);
    await open(second);
    for (const frame of ['{"message":"Internal server error"}', '>;close=internal-error:', push('', QOS0), '!', '!0:'])
      await scene.say(frame);
    await scene.say(reply(1, A1), first);
    await scene.say(moved(1));
    expect(scene.taken()).toEqual([A1]);
  });
});

describe('the reply', () => {
  test('wire §8: the library notices nothing', async () => {
    const { scene, first } = await movedScene(connectWith({ persistent: true }));
    first.tell('close', { code: 1001 });
    await scene.clock.pass(60_000);
    expect(scene.taken()).toEqual([]);
    expect(scene.socket.readyState).toBe(scene.socket.OPEN);
    expect(scene.counts).toEqual({ accepted: 1, left: [] });
  });

  test('wire §8: next is the first number expected; pushes that came before the reply wait for it', async () => {
    const { scene } = await askedScene();
    await scene.say(push(43, P3));
    await scene.say(push(42, P2));
    await scene.say(push('', QOS0));
    await scene.clock.pass(10_000);
    expect(scene.taken()).toEqual([]);
    await scene.say(moved(41));
    expect(scene.taken()).toEqual([QOS0]);
    await scene.say(push(41, P1));
    expect(scene.taken()).toEqual([P1 + P2 + P3]);
  });

  test('wire §5, §8: the 2 s of a hole begin with the reply', async () => {
    const { scene } = await askedScene();
    await scene.say(push(2, P2));
    await scene.clock.pass(5_000);
    await scene.say(moved(1));
    await scene.clock.pass(1_999);
    expect(scene.inners).toHaveLength(2);
    await scene.clock.pass(1);
    expect(scene.inners).toHaveLength(3);
  });

  test('wire §5, §8: parts on the two sockets are not taken for one another', async () => {
    const { scene, first } = await askedScene();
    const whole = base64(P1, P2);
    await scene.say(`>1;part=u.0.2:${whole.slice(0, 9)}`, first);
    await scene.say(`>1;part=u.1.2:${whole.slice(9)}`);
    await scene.say(moved(1));
    expect(scene.taken()).toEqual([]);
    await scene.say(`>1;part=u.0.2:${whole.slice(0, 9)}`);
    expect(scene.taken()).toEqual([P1 + P2]);
  });

  test('wire §7, §8: keeping alive counts from the token', async () => {
    const { scene, second } = await holeScene(connectWith({ keepAlive: 0 }));
    await scene.clock.pass(10_000);
    await open(second);
    await scene.say(moved(1));
    scene.sent();
    await scene.clock.pass(539_999);
    expect(scene.sent()).toEqual([]);
    await scene.clock.pass(1);
    expect(scene.sent()).toEqual([PINGREQ]);
  });

  test('wire §7, §8: a PINGREQ of its own that was not taken leaves on the second socket, and its PINGRESP is swallowed', async () => {
    const scene = await standingScene(connectWith({ keepAlive: 0 }));
    const first = scene.inner;
    await scene.clock.pass(537_900);
    await scene.say(push(2, P2));
    await scene.clock.pass(2_100);
    expect(scene.sent(first)).toEqual([PINGREQ]);
    await open(scene.inner);
    await scene.say('!0:', first);
    await scene.clock.pass(250);
    await scene.say(moved(1));
    expect(scene.sent()).toEqual([`^${TOKEN}`, PINGREQ]);
    await scene.say(reply(1, PINGRESP));
    expect(scene.taken()).toEqual([]);
  });
});

describe('the first socket', () => {
  test('wire §8: between the token and the reply its pushes without a number are handed on, and nothing else is heard', async () => {
    const { scene, first } = await askedScene();
    await scene.say(push(2, P2), first);
    await scene.say(push('', QOS0), first);
    await scene.say(push(1, P1), first);
    for (const frame of ['>;close=session-taken-over:', '!0:', '{"message":"Internal server error"}', THROTTLED, '?'])
      await scene.say(frame, first);
    first.tell('message', { data: new ArrayBuffer(2) });
    await scene.say(moved(3));
    await scene.say(push(3, P3));
    expect(scene.taken()).toEqual([QOS0, P3]);
  });

  test('wire §8: what waits there for a hole is dropped', async () => {
    const { scene, first } = await askedScene();
    await scene.say(push(2, P2), first);
    await scene.say(moved(3));
    await scene.say(push('', QOS0), first);
    await scene.clock.pass(4_000);
    await scene.say(push(1, P1), first);
    expect(scene.taken()).toEqual([QOS0]);
    expect(scene.inners).toHaveLength(2);
  });

  test('wire §8: it may close between the token and the reply', async () => {
    const { scene, first } = await askedScene();
    await close(first);
    await scene.write(P1);
    await scene.clock.pass(34_999);
    await scene.say(moved(1));
    expect(scene.sent()).toEqual([P1]);
    await scene.clock.pass(30_000);
    expect(scene.taken()).toEqual([]);
  });

  test('wire §8: from the reply on its numbered pushes are ignored, the others handed on, and nothing else is heard', async () => {
    const { scene, first, second } = await askedScene();
    const qos0 = base64(QOS0);
    await scene.say(`>;part=u.0.2:${qos0.slice(0, 4)}`, first);
    await scene.say(`>1;part=v.0.2:${base64(P1).slice(0, 4)}`, first);
    await scene.say(moved(1));
    await scene.say(push(1, P1), first);
    await scene.say(`>1;part=v.1.2:${base64(P1).slice(4)}`, first);
    expect(scene.taken()).toEqual([]);
    await scene.say(push('', QOS0), first);
    await scene.say(`>;part=u.1.2:${qos0.slice(4)}`, first);
    expect(scene.taken()).toEqual([QOS0, QOS0]);
    await scene.write(P2);
    for (const frame of ['>;close=session-taken-over:', '!1:', '{"message":"Internal server error"}', THROTTLED, '?'])
      await scene.say(frame, first);
    await close(first);
    await scene.clock.pass(1_000);
    expect(scene.sent(second)).toEqual([P2]);
    await scene.say(reply(1, A2));
    expect(scene.taken()).toEqual([A2]);
  });

  test('wire §8: it is closed 5 s after the reply, and not heard any more', async () => {
    const { scene, first } = await movedScene();
    await scene.clock.pass(4_999);
    expect(first.closedWith).toBeUndefined();
    await scene.clock.pass(1);
    expect(first.closedWith).toBe(1000);
    await scene.say(push('', QOS0), first);
    expect(scene.taken()).toEqual([]);
    expect(scene.inner.closedWith).toBeUndefined();
  });

  test('wire §8: where the session moves on within these 5 s, it is closed at once', async () => {
    const { scene, first, second } = await movedScene();
    await scene.say(push(2, P2));
    await scene.clock.pass(2_000);
    const third = scene.inner;
    await open(third);
    expect(first.closedWith).toBeUndefined();
    await scene.say(moved(7));
    expect(first.closedWith).toBe(1000);
    await scene.clock.pass(4_999);
    expect(second.closedWith).toBeUndefined();
    await scene.say(push('', QOS0), second);
    await scene.say(push('', QOS0), first);
    await scene.say(push(7, again(2)));
    expect(scene.taken()).toEqual([QOS0, again(2)]);
    await scene.clock.pass(1);
    expect(second.closedWith).toBe(1000);
    expect(third.closedWith).toBeUndefined();
  });
});

describe('no move', () => {
  test.each<[string, (second: ScriptedSocket, scene: Scene) => void | Promise<void>]>([
    ['whose handshake is refused', (second) => close(second)],
    ['that does not open within 35 s', (_, scene) => scene.clock.pass(35_000)],
  ])('wire §8: a second socket %s is tried again 30 s later, and the first goes on', async (_, fail) => {
    const { scene, first, second } = await openingScene();
    await fail(second, scene);
    expect(second.closedWith).toBe(1000);
    await open(second);
    await scene.write(P1);
    await scene.say(`!1;token=fresh:${base64(A1)}`, first);
    expect(scene.sent(first)).toEqual([P1]);
    await scene.clock.pass(29_999);
    expect(scene.inners).toHaveLength(2);
    await scene.clock.pass(1);
    expect(scene.inners).toHaveLength(3);
    await open(scene.inner);
    await scene.say(moved(1));
    await scene.write(P2);
    expect(scene.sent()).toEqual(['^fresh', P2]);
    expect(scene.taken()).toEqual([A1]);
  });

  test('wire §8: it has 35 s to open', async () => {
    const { scene, second } = await openingScene();
    await scene.clock.pass(34_999);
    await open(second);
    await scene.clock.pass(10_000);
    expect(scene.sent(second)).toEqual([`^${TOKEN}`]);
    expect(second.closedWith).toBeUndefined();
  });

  test('wire §8: one that closes before it was its turn is no harm either', async () => {
    const { scene, first, second } = await openingScene();
    await scene.write(P1);
    await open(second);
    await close(second);
    await scene.say(reply(1, A1), first);
    await scene.write(P2);
    expect(scene.sent(first)).toEqual([P1, P2]);
    expect(scene.sent(second)).toEqual([]);
    await scene.clock.pass(30_000);
    expect(scene.inners).toHaveLength(3);
  });

  test.each<[string, (failing: boolean) => string | Promise<string>]>([
    ['at once', (failing) => urlOr(failing)],
    ['later', async (failing) => urlOr(failing)],
  ])('wire §8: nor is a URL that cannot be made, found out %s', async (_, make) => {
    let made = 0;
    const scene = await standingScene(CONNECT, () => make(++made === 2));
    await scene.clock.pass(AGE + 29_999);
    expect(scene.inners).toHaveLength(1);
    await scene.clock.pass(1);
    expect(made).toBe(3);
    expect(scene.inner.url).toBe(FRESH);
    expect(scene.inners).toHaveLength(2);
    expect(scene.taken()).toEqual([]);
  });

  test('wire §8: one whose URL is made too late is not opened', async () => {
    let resolve = (_: string): void => {};
    let made = 0;
    const scene = await standingScene(CONNECT, () =>
      ++made === 2 ? new Promise<string>((settleUrl) => (resolve = settleUrl)) : FRESH,
    );
    await scene.clock.pass(AGE + 35_000);
    resolve(FRESH);
    await scene.clock.pass(29_999);
    expect(scene.inners).toHaveLength(1);
    await scene.clock.pass(1);
    expect(scene.inners).toHaveLength(2);
    await open(scene.inner);
    expect(scene.sent()).toEqual([`^${TOKEN}`]);
  });

  test('wire §7, §8: where the first socket closes before the token was sent, the connection is over', async () => {
    for (const isOpen of [false, true]) {
      const { scene, first, second } = await openingScene();
      await scene.write(P1);
      if (isOpen) await open(second);
      await close(first);
      await scene.clock.pass(0);
      expect(scene.taken()).toEqual(['close']);
      expect(second.closedWith).toBe(1000);
      expect(scene.clock.pending).toBe(0);
    }
  });

  test('wire §8: no reply to the token within 35 s: both are closed', async () => {
    const { scene, first, second } = await askedScene();
    await scene.clock.pass(34_999);
    expect(scene.taken()).toEqual([]);
    await scene.clock.pass(1);
    expect(scene.taken()).toEqual(['error no-reply', 'close']);
    expect([first.closedWith, second.closedWith]).toEqual([1000, 1000]);
    expect(scene.clock.pending).toBe(0);
  });

  test('wire §8: a second socket that closes after the token was sent: both are closed', async () => {
    for (const throttled of [false, true]) {
      const { scene, first, second } = await askedScene();
      if (throttled) await scene.say(THROTTLED);
      await close(second);
      await scene.clock.pass(0);
      expect(scene.taken()).toEqual(['close']);
      expect(first.closedWith).toBe(1000);
      expect(scene.inners).toHaveLength(2);
      expect(scene.clock.pending).toBe(0);
    }
  });

  test.each([
    ['not-connected', '!0;close=not-connected:'],
    ['session-taken-over', '>;close=session-taken-over:'],
    ['gateway-error', '{"message":"Internal server error"}'],
    ['bad-answer', '!0:'],
    ['bad-answer', `!0;token=${SECRET}:`],
    ['bad-answer', '!0;next=1:'],
    ['bad-answer', '!0;token=;next=1:'],
    ['bad-answer', `!1;token=${SECRET};next=1:`],
    ['bad-answer', `!0;token=${SECRET};next=1:${base64(CONNACK)}`],
    ['bad-answer', `!0;token=${SECRET};next=x:`],
    ['bad-answer', `!0;token=${SECRET};next=1`],
    ['bad-answer', `!0;token=${SECRET}`],
    ['bad-answer', `!0;next=1;token=${SECRET};x:`],
  ])('wire §8: any other answer ends both: %s for %s, without a secret', async (code, frame) => {
    const { scene, first, second } = await askedScene();
    await scene.say(frame);
    await scene.clock.pass(0);
    expect(scene.taken()).toEqual([`error ${code}`, 'close']);
    expect([first.closedWith, second.closedWith]).toEqual([1000, 1000]);
    expect(scene.errors[0]?.message).not.toContain(SECRET);
    expect(scene.errors[0]?.message).not.toContain(TOKEN);
  });

  test('wire §8: the reply to a token that is waiting to be sent again is to no frame', async () => {
    const { scene } = await askedScene();
    await scene.say(THROTTLED);
    await scene.say(moved(1));
    await scene.clock.pass(0);
    expect(scene.errors[0]?.message).toContain('a reply to no frame');
  });
});

describe('a hole', () => {
  describe.each([false, true])('of a session whose persistence is %s', (persistent) => {
    test('wire §5, §8: the session moves at once; what waits is dropped and comes again in order', async () => {
      const { scene, first, second } = await holeScene(connectWith({ persistent }));
      expect(scene.inners).toHaveLength(2);
      await scene.say(push(1, P1), first);
      await scene.say(push(3, P3), first);
      expect(scene.taken()).toEqual([]);
      await scene.say(push('', QOS0), first);
      await open(second);
      await scene.say(push(3, P3), first);
      expect(scene.taken()).toEqual([QOS0]);
      expect(scene.sent()).toEqual([`^${TOKEN}`]);
      await scene.say(moved(4));
      await scene.say(push(4, again(1), again(2), again(3)));
      expect(scene.taken()).toEqual([again(1) + again(2) + again(3)]);
      await scene.write(A1, A2, A3);
      expect(scene.sent()).toEqual([A1 + A2 + A3]);
    });

    test.each<[string, (scene: Scene) => Promise<void>]>([
      ['cannot be opened', (scene) => close(scene.inner)],
      ['does not open within 35 s', (scene) => scene.clock.pass(35_000)],
    ])('wire §5, §8: where the second socket %s, the client connects again', async (_, fail) => {
      const { scene, first, second } = await holeScene(connectWith({ persistent }));
      await fail(scene);
      await scene.clock.pass(0);
      expect(scene.taken()).toEqual(['error push-lost', 'close']);
      expect([first.closedWith, second.closedWith]).toEqual([1000, 1000]);
      expect(scene.clock.pending).toBe(0);
    });
  });

  test('wire §5, §8: a URL that cannot be made leaves nothing but to connect again', async () => {
    let made = 0;
    const scene = await standingScene(CONNECT, () => urlOr(++made === 2));
    await scene.say(push(2, P2));
    await scene.clock.pass(2_000);
    expect(scene.taken()).toEqual(['error push-lost', 'close']);
    expect(scene.errors[0]?.message).not.toContain(SECRET);
  });

  test('wire §5, §8: while the second socket is being opened anyhow, there is no way back any more', async () => {
    const { scene, first, second } = await openingScene();
    await scene.say(push(2, P2), first);
    await scene.clock.pass(2_000);
    expect(scene.inners).toHaveLength(2);
    await scene.say(push(1, P1), first);
    expect(scene.taken()).toEqual([]);
    await close(second);
    await scene.clock.pass(0);
    expect(scene.taken()).toEqual(['error push-lost', 'close']);
  });

  test('wire §5, §8: the 30 s before another attempt are not waited for', async () => {
    const { scene, first, second } = await openingScene();
    await close(second);
    await scene.say(push(2, P2), first);
    await scene.clock.pass(2_000);
    expect(scene.inners).toHaveLength(3);
    await open(scene.inner);
    await scene.say(moved(1));
    await scene.clock.pass(60_000);
    expect(scene.inners).toHaveLength(3);
  });

  test('wire §5, §8: after the token was sent, the move that is under way is the one', async () => {
    const { scene, first, second } = await askedScene();
    await scene.say(push(2, P2), first);
    await scene.clock.pass(2_000);
    await scene.say(push(1, P1), first);
    expect(scene.inners).toHaveLength(2);
    await scene.say(moved(3));
    await scene.say(push(3, again(1), again(2)));
    expect(scene.taken()).toEqual([again(1) + again(2)]);
    // And the next failure to open is that of a planned move.
    await scene.clock.pass(AGE);
    await close(scene.inner);
    await scene.write(P1);
    expect(scene.sent(second)).toEqual([P1]);
    expect(scene.taken()).toEqual([]);
  });

  test('wire §5, §8: one that fills moves nothing', async () => {
    const scene = await standingScene();
    await scene.say(push(2, P2));
    await scene.clock.pass(1_999);
    await scene.say(push(1, P1));
    await scene.clock.pass(60_000);
    expect(scene.inners).toHaveLength(1);
    expect(scene.taken()).toEqual([P1 + P2]);
  });

  test('wire §5: a library that leaves is not moved: as without a token', async () => {
    for (const [persistent, heard] of [
      [false, [P2]],
      [true, ['error push-lost', 'close']],
    ] as const) {
      const scene = await standingScene(connectWith({ persistent }));
      await scene.write(DISCONNECT);
      await scene.say(push(2, P2));
      await scene.clock.pass(2_000);
      expect(scene.inners).toHaveLength(1);
      expect(scene.taken()).toEqual(heard);
    }
  });
});

describe('what comes again', () => {
  test('wire §8: a message that the library has had is not handed on again; its PUBACK answers what came again', async () => {
    const { scene, first, second } = await openingScene();
    await scene.say(push(1, P1), first);
    await open(second);
    await scene.say(moved(2));
    await scene.say(push(2, again(1), P2));
    expect(scene.taken()).toEqual([P1, P2]);
    scene.sent();
    await scene.write(A1, A2);
    expect(scene.sent()).toEqual([A1 + A2]);
  });

  test('wire §8: a PUBACK that gathered is sent when its message has come again, once', async () => {
    const { scene, first, second } = await openingScene();
    await scene.say(push(1, P1, P2), first);
    await open(second);
    await scene.write(A1, P3);
    expect(scene.socket.bufferedAmount).toBe(11);
    await scene.say(moved(3));
    await scene.write(A2);
    expect(scene.socket.bufferedAmount).toBe(7);
    await scene.say(reply(1, A3));
    expect(scene.sent()).toEqual([`^${TOKEN}`, P3]);
    await scene.say(push(3, again(1), again(2)));
    expect(scene.sent()).toEqual([A1 + A2]);
    await scene.say('!2:');
    expect(scene.taken()).toEqual([P1 + P2, A3]);
    expect(scene.socket.bufferedAmount).toBe(0);
  });

  test('wire §8: a PUBACK that the broker did not take on the first socket waits for its message, too', async () => {
    const { scene, first, second } = await openingScene();
    await scene.say(push(1, P1, P2), first);
    await scene.write(A1, A2);
    await open(second);
    await scene.say('!1:', first);
    await scene.say(moved(3));
    expect(scene.sent(second)).toEqual([`^${TOKEN}`]);
    await scene.say(push(3, again(2)));
    expect(scene.sent(second)).toEqual([A2]);
    expect(scene.sent(first)).toEqual([A1 + A2]);
    expect(scene.taken()).toEqual([P1 + P2]);
  });

  test('wire §8: a PUBACK whose frame was throttled on the first socket waits for its message, too', async () => {
    const { scene, first, second } = await openingScene();
    await scene.say(push(1, P1), first);
    await scene.write(A1, P3);
    await open(second);
    await scene.say(THROTTLED, first);
    await scene.clock.pass(250);
    await scene.say(moved(2));
    expect(scene.sent(second)).toEqual([`^${TOKEN}`, P3]);
  });

  test('wire §8: what was acknowledged and taken is not remembered', async () => {
    const { scene, first, second } = await openingScene();
    await scene.say(push(1, P1), first);
    await scene.write(A1);
    await scene.say('!1:', first);
    await open(second);
    await scene.say(moved(2));
    await scene.say(push(2, again(1)));
    expect(scene.taken()).toEqual([P1, again(1)]);
  });

  test('wire §8: without DUP it is another message with the same packet id', async () => {
    const { scene, first, second } = await openingScene();
    await scene.say(push(1, P1), first);
    await open(second);
    await scene.write(A1);
    await scene.say(moved(2));
    await scene.say(push(2, P1));
    expect(scene.taken()).toEqual([P1, P1]);
    expect(scene.sent()).toEqual([`^${TOKEN}`]);
    await scene.write(A1);
    expect(scene.sent()).toEqual([A1]);
  });

  test('wire §8: and what comes again on the third socket', async () => {
    const { scene, first, second } = await openingScene();
    await scene.say(push(1, P1), first);
    await open(second);
    await scene.write(A1);
    await scene.say(moved(2));
    await scene.say(push(2, again(1)));
    await scene.say(push(4, P3));
    await scene.clock.pass(2_000);
    await open(scene.inner);
    await scene.say(THROTTLED, second);
    await scene.clock.pass(250);
    await scene.say(moved(3));
    expect(scene.sent()).toEqual(['^secret.2']);
    await scene.say(push(3, again(1), again(2), again(3)));
    expect(scene.sent()).toEqual([A1]);
    expect(scene.taken()).toEqual([P1, again(2) + again(3)]);
  });

  test('wire §8: without a move: on one socket a message is handed on once, and answered once', async () => {
    const scene = await standingScene();
    await scene.say(push(1, P1, P2));
    await scene.write(A1);
    await scene.say(push(3, again(1), again(2)));
    await scene.say('!1:');
    expect(scene.sent()).toEqual([A1]);
    await scene.write(A2);
    expect(scene.sent()).toEqual([A2]);
    expect(scene.taken()).toEqual([P1 + P2]);
  });

  test('wire §8: what another connection has had is handed on', async () => {
    const scene = await standingScene(connectWith({ persistent: true }));
    await scene.say(push(1, again(1)));
    expect(scene.taken()).toEqual([again(1)]);
  });
});

describe('leaving', () => {
  test('wire §7, §8: before the token was sent, the move is called off', async () => {
    for (const isOpen of [false, true]) {
      const { scene, first, second } = await openingScene();
      await scene.write(P1);
      if (isOpen) await open(second);
      await scene.write(DISCONNECT);
      scene.socket.close();
      expect(second.closedWith).toBe(1000);
      // The reply, the DISCONNECT.
      expect(scene.clock.pending).toBe(2);
      await open(second);
      await scene.say(reply(1, A1), first);
      expect(scene.sent(first)).toEqual([P1, DISCONNECT]);
      expect(scene.sent(second)).toEqual([]);
      await scene.say('!1;close=disconnected:', first);
      await scene.clock.pass(0);
      expect(scene.taken()).toEqual([A1, 'close']);
      expect(scene.clock.pending).toBe(0);
    }
  });

  test('wire §7, §8: after a DISCONNECT no move begins', async () => {
    const scene = await standingScene();
    await scene.clock.pass(AGE - 1_000);
    await scene.write(DISCONNECT);
    await scene.clock.pass(2_000);
    expect(scene.inners).toHaveLength(1);
  });

  test('wire §7, §8: after the token was sent, the DISCONNECT leaves on the second socket, with 5 s for its answer', async () => {
    const { scene, first, second } = await askedScene();
    await scene.write(DISCONNECT);
    scene.socket.close();
    await scene.clock.pass(4_000);
    await scene.say(moved(1));
    await scene.clock.pass(4_999);
    expect(scene.sent(second)).toEqual([DISCONNECT]);
    expect(scene.sent(first)).toEqual([]);
    expect(second.closedWith).toBeUndefined();
    await scene.say('!1;close=disconnected:');
    await scene.clock.pass(0);
    expect(scene.taken()).toEqual(['close']);
    expect(scene.counts.left).toEqual([true]);
    expect([first.closedWith, second.closedWith]).toEqual([1000, 1000]);
    expect(scene.clock.pending).toBe(0);
  });

  test('wire §7, §8: a move that takes longer than 5 s is not waited for', async () => {
    const { scene, first, second } = await askedScene();
    await scene.write(DISCONNECT);
    scene.socket.close();
    await scene.clock.pass(5_000);
    expect(scene.taken()).toEqual(['close']);
    expect([first.closedWith, second.closedWith]).toEqual([1000, 1000]);
  });

  test('a library that closes without DISCONNECT closes every socket, whatever is under way', async () => {
    for (const prepare of [openingScene, askedScene, movedScene]) {
      const { scene, first, second } = await prepare();
      scene.socket.close();
      await scene.clock.pass(0);
      expect(scene.taken()).toEqual(['close']);
      expect([first.closedWith, second.closedWith]).toEqual([1000, 1000]);
      expect(scene.clock.pending).toBe(0);
    }
  });

  test('a library may close while it is handed what waited for the move: nothing comes after it', async () => {
    const { scene, second } = await askedScene();
    await scene.write(P3);
    await scene.say(push(1, P1));
    closeAtNextMessage(scene);
    await scene.say(moved(1));
    await scene.clock.pass(0);
    expect(scene.taken()).toEqual([P1, 'close']);
    expect(scene.sent(second)).toEqual([]);
    expect(scene.clock.pending).toBe(0);
  });
});
