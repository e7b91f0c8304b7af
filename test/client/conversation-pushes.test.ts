/** What the broker pushes, by the clauses of docs/wire-protocol.md, on virtual time. */
import {
  base64,
  CONNACK,
  CONNECT,
  connectedScene,
  connectWith,
  createScene,
  PINGREQ,
  PINGRESP,
  reply,
} from './scripted-socket.ts';

const P1 = '32050001610001';
const P2 = '32050001610002';
const P3 = '32050001610003';
const A1 = '40020001';

describe('pushes', () => {
  const push = (number: number | '', ...packets: string[]) => `>${number}:${base64(...packets)}`;

  test('wire §5: a push is handed on while a reply is awaited, and is no reply', async () => {
    const scene = await connectedScene();
    await scene.write(P1);
    await scene.say(push('', '3003000161'));
    await scene.write(P2);
    expect(scene.taken()).toEqual(['3003000161']);
    expect(scene.sent()).toEqual([P1]);
  });

  test('wire §5: every push waits for the CONNACK in a reply', async () => {
    const scene = createScene();
    scene.inner.tell('open');
    await scene.write(CONNECT);
    await scene.say(push(1, P1));
    await scene.say(push('', '3003000161'));
    expect(scene.taken()).toEqual(['open']);
    await scene.say(reply(1, CONNACK));
    expect(scene.taken()).toEqual([CONNACK, `${P1}3003000161`]);
  });

  test('wire §3, §5: a resumed session: an empty reply, then the CONNACK in a push', async () => {
    const scene = createScene();
    scene.inner.tell('open');
    await scene.write(connectWith({ persistent: true }));
    await scene.say('!1:');
    await scene.say(push(8, P2));
    await scene.say(push(7, '20020100'));
    expect(scene.taken()).toEqual(['open', '20020100']);
    expect(scene.counts.accepted).toBe(1);
    await scene.say(push(7, P1));
    expect(scene.taken()).toEqual([P1 + P2]);
  });

  test('wire §5: a reply to something else leaves the sequence where it is', async () => {
    const scene = await connectedScene();
    await scene.say(push(1, P1));
    await scene.write(A1);
    await scene.write(PINGREQ);
    await scene.say('!1:');
    await scene.say(reply(1, PINGRESP));
    await scene.say(push(2, P2));
    expect(scene.taken()).toEqual([P1, PINGRESP, P2]);
  });

  test('wire §5: parts in any order make one push', async () => {
    const scene = await connectedScene();
    const whole = base64(P1, P2);
    await scene.say(`>1;part=u.1.2:${whole.slice(9)}`);
    await scene.say(push('', '3003000161'));
    await scene.say(`>1;part=u.0.2:${whole.slice(0, 9)}`);
    expect(scene.taken()).toEqual(['3003000161', P1 + P2]);
  });

  test('wire §5: without a token: after 2 s a hole is given up, and a session that is not persistent goes on', async () => {
    const scene = await connectedScene(connectWith({ persistent: false }));
    await scene.say(push(3, P3));
    await scene.clock.pass(1_000);
    await scene.say(push(2, P2));
    await scene.clock.pass(999);
    expect(scene.taken()).toEqual([]);
    await scene.clock.pass(1);
    expect(scene.taken()).toEqual([P2 + P3]);
    await scene.say(push(4, P1));
    expect(scene.taken()).toEqual([P1]);
    expect(scene.inner.closedWith).toBeUndefined();
  });

  test('wire §5: a hole that fills is none', async () => {
    const scene = await connectedScene(connectWith({ persistent: true }));
    await scene.say(push(2, P2));
    await scene.clock.pass(1_999);
    await scene.say(push(1, P1));
    await scene.clock.pass(10_000);
    expect(scene.taken()).toEqual([P1 + P2]);
    expect(scene.inner.closedWith).toBeUndefined();
  });

  test('wire §5: without a token: a persistent session hands on nothing more, closes and says why: all of it comes again', async () => {
    const scene = await connectedScene(connectWith({ persistent: true }));
    await scene.say(push(2, P2));
    await scene.clock.pass(2_000);
    expect(scene.inner.closedWith).toBe(1000);
    await scene.clock.pass(100);
    expect(scene.taken()).toEqual(['error push-lost', 'close']);
  });
});
