/** The look-alike as a WebSocket: opening, closing, events, and what it does to a library that misuses it. */
import { createMqttSocket } from '../../client/mqtt-socket.ts';
import {
  CONNACK,
  CONNECT,
  connectedScene,
  createScene,
  DISCONNECT,
  reply,
  type Scene,
  ScriptedSocket,
} from './scripted-socket.ts';
import { createVirtualClock, settle } from './virtual-clock.ts';

const PUBLISH = '32050001610001';

/** A promise, and how it ends. */
function later<T>() {
  let resolve: (value: T) => void = () => {};
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<T>((good, bad) => {
    resolve = good;
    reject = bad;
  });
  return { promise, resolve, reject };
}

describe('opening', () => {
  test('wire §1: the real WebSocket offers mqtt.base64', () => {
    const { inner } = createScene();
    expect([inner.url, inner.protocols]).toEqual(['ws://broker.example/mqtt', ['mqtt.base64']]);
  });

  test('the real WebSocket is opened after the delay, and not before', async () => {
    const scene = createScene(700);
    await scene.clock.pass(699);
    expect(() => scene.inner).toThrow('no WebSocket has been opened');
    await scene.clock.pass(1);
    scene.inner.tell('open');
    expect(scene.taken()).toEqual(['open']);
  });

  test('what is written before it is open waits', async () => {
    const scene = createScene();
    await scene.write(CONNECT);
    expect(scene.sent()).toEqual([]);
    scene.inner.tell('open');
    await settle();
    expect(scene.sent()).toEqual([CONNECT]);
  });

  test('wire §1: a refused handshake is said so that a person understands it', async () => {
    const scene = createScene();
    scene.inner.tell('error', { message: 'Unexpected server response: 400' });
    scene.inner.tell('close', { code: 1006 });
    await scene.clock.pass(0);
    expect(scene.taken()).toEqual(['error cannot-open', 'close']);
    expect(scene.errors[0]?.message).toBe(
      'serverless-mqtt: cannot open ws://broker.example/mqtt (Unexpected server response: 400): ' +
        'is it the URL of the broker, and is that up?',
    );
    expect(scene.counts.left).toEqual([false]);
  });

  test('wire §1: a browser does not tell why; the code is all there is', async () => {
    const scene = createScene();
    scene.inner.tell('error');
    scene.inner.tell('close', { code: 1006 });
    await scene.clock.pass(0);
    expect(scene.errors[0]?.message).toContain(
      'cannot open ws://broker.example/mqtt (code 1006, a browser tells no more)',
    );
  });

  test('a handshake without an answer is given up after 35 s', async () => {
    const scene = createScene();
    await scene.clock.pass(34_999);
    expect(scene.taken()).toEqual([]);
    await scene.clock.pass(1);
    expect(scene.taken()).toEqual(['error cannot-open', 'close']);
    expect(scene.inner.closedWith).toBe(1000);
  });

  test.each<[string, (url: string) => string | Promise<string>]>([
    ['at once', (url) => url],
    ['later', async (url) => url],
  ])('a URL made %s that no WebSocket takes is an error event like any other, without its secrets', async (_, made) => {
    const clock = createVirtualClock();
    const messages: string[] = [];
    const socket = createMqttSocket('http://user:secret@broker.example/mqtt', {
      clock,
      delay: 0,
      WebSocket: class extends ScriptedSocket {
        constructor(url: string, protocols: readonly string[]) {
          super(url, protocols);
          throw new SyntaxError(`no good: ${url}`);
        }
      },
      nextUrl: () => made('http://user:secret@broker.example/mqtt?token=secret#secret'),
      accepted: () => {},
      over: () => {},
      ended: () => {},
    });
    socket.onerror = ({ message }) => messages.push(message);
    await clock.pass(0);
    expect(messages).toEqual([
      'serverless-mqtt: cannot open http://broker.example/mqtt (SyntaxError: no good: http://broker.example/mqtt): ' +
        'is it the URL of the broker, and is that up?',
    ]);
  });

  test('wire §7: a socket that closes before CONNACK is an error', async () => {
    const scene = createScene();
    scene.inner.tell('open');
    await scene.write(CONNECT);
    scene.inner.tell('close', { code: 1011, reason: 'why' });
    await scene.clock.pass(0);
    expect(scene.taken()).toEqual(['open', 'error closed-early', 'close']);
    expect(scene.errors[0]?.message).toBe(
      'serverless-mqtt: closed before the broker answered CONNECT (code 1011, why)',
    );
  });

  test('wire §7: a close without a word after CONNACK is none: every socket closes after 2 hours', async () => {
    const scene = await connectedScene();
    scene.inner.tell('close', { code: 1001, reason: 'Going away' });
    await scene.clock.pass(100);
    expect(scene.taken()).toEqual(['close']);
  });
});

describe('a URL that takes its time', () => {
  const SIGNED = 'ws://broker.example/mqtt?signature';
  /** A scene whose URL is made when the test says so. */
  const waitingScene = (delay = 0) => {
    const { promise, resolve, reject } = later<string>();
    return { scene: createScene(delay, () => promise), resolve, reject };
  };

  test('the real WebSocket is opened when it is there, and what was written meanwhile goes out', async () => {
    const { scene, resolve } = waitingScene();
    await scene.write(CONNECT);
    await scene.clock.pass(34_999);
    expect(scene.inners).toEqual([]);
    expect(scene.socket.readyState).toBe(0);
    resolve(SIGNED);
    await settle();
    expect(scene.inner.url).toBe(SIGNED);
    scene.inner.tell('open');
    await settle();
    expect(scene.sent()).toEqual([CONNECT]);
  });

  test('it is not asked for before the delay is over: a signature would grow old', async () => {
    let asked = 0;
    const scene = createScene(700, async () => {
      asked += 1;
      return SIGNED;
    });
    await scene.clock.pass(699);
    expect(asked).toBe(0);
    await scene.clock.pass(1);
    expect([asked, scene.inners.length]).toEqual([1, 1]);
  });

  test('where it cannot be made, that is why the connection is over', async () => {
    const { scene, reject } = waitingScene();
    reject(new Error('no credentials'));
    await scene.clock.pass(0);
    expect(scene.taken()).toEqual(['error cannot-open', 'close']);
    expect(scene.errors[0]?.message).toContain('cannot open ws://broker.example/mqtt (Error: no credentials)');
    expect(scene.clock.pending).toBe(0);
  });

  test.each<[string, (scene: Scene) => unknown]>([
    ['35 s later', ({ clock }) => clock.pass(35_000)],
    ['the library has closed', ({ socket, clock }) => [socket.close(), clock.pass(0)]],
  ])('where it comes when %s, no WebSocket is opened for it', async (_, giveUp) => {
    const { scene, resolve } = waitingScene();
    await giveUp(scene);
    resolve(SIGNED);
    await scene.clock.pass(1_000);
    expect(scene.inners).toEqual([]);
    expect(scene.taken().at(-1)).toBe('close');
    expect(scene.clock.pending).toBe(0);
  });

  test('where it fails after the library has closed, nothing more is said', async () => {
    const { scene, reject } = waitingScene();
    scene.socket.close();
    await scene.clock.pass(0);
    reject(new Error('no credentials'));
    await scene.clock.pass(1_000);
    expect(scene.taken()).toEqual(['close']);
  });
});

describe('a WebSocket to its library', () => {
  test('readyState goes through its states', async () => {
    const scene = createScene();
    const { socket } = scene;
    const states: number[] = [socket.readyState];
    socket.onopen = () => states.push(socket.readyState);
    socket.onerror = () => states.push(socket.readyState);
    scene.inner.tell('open');
    scene.inner.tell('close');
    states.push(socket.readyState);
    await scene.clock.pass(0);
    expect(states[1]).toBe(socket.OPEN);
    expect(states).toEqual([0, 1, 2, 3]);
  });

  test('messages are an ArrayBuffer, whatever binaryType says', async () => {
    const scene = createScene();
    const data: unknown[] = [];
    scene.socket.binaryType = 'blob';
    scene.socket.onmessage = (event) => data.push(event.data);
    scene.inner.tell('open');
    await scene.write(CONNECT);
    await scene.say(reply(1, CONNACK));
    expect(data[0]).toBeInstanceOf(ArrayBuffer);
  });

  test('it takes an ArrayBuffer, and bytes of one, and copies what it takes', async () => {
    const scene = await connectedScene();
    const around = Uint8Array.of(9, 9, 0xc0, 0, 9);
    scene.socket.send(around.subarray(2, 4));
    around.fill(0);
    scene.socket.send(Uint8Array.of(0xe0, 0).buffer);
    await settle();
    expect(scene.sent()).toEqual(['c000e000']);
  });

  test('bufferedAmount is what the broker has not taken, down to half a packet', async () => {
    const scene = await connectedScene();
    expect(scene.socket.bufferedAmount).toBe(0);
    await scene.write(PUBLISH, PUBLISH, '3205');
    expect(scene.socket.bufferedAmount).toBe(16);
    await scene.say('!1:');
    expect(scene.socket.bufferedAmount).toBe(9);
    await scene.say('!1:');
    expect(scene.socket.bufferedAmount).toBe(2);
  });

  test('what is no MQTT is refused, and said so', async () => {
    const scene = await connectedScene();
    await scene.write('30ffffffff01');
    await scene.clock.pass(100);
    expect(scene.taken()).toEqual(['error bad-packet', 'close']);
  });

  test('send and close never throw, whatever the state', async () => {
    const scene = createScene();
    scene.socket.close();
    scene.socket.close();
    await scene.write(PUBLISH);
    await scene.clock.pass(0);
    scene.socket.close();
    await scene.write(PUBLISH);
    await scene.clock.pass(1_000);
    expect(scene.sent()).toEqual([]);
    expect(scene.taken()).toEqual(['close']);
  });

  test('closed while it waits to open: it never opens', async () => {
    const scene = createScene(500);
    scene.socket.close();
    await scene.clock.pass(1_000);
    expect(scene.taken()).toEqual(['close']);
    expect(() => scene.inner).toThrow('no WebSocket has been opened');
    expect(scene.clock.pending).toBe(0);
  });

  test('closed before it is open, with a DISCONNECT that can reach nobody: it does not wait for the answer', async () => {
    const scene = createScene();
    await scene.write(CONNECT, DISCONNECT);
    scene.socket.close();
    await scene.clock.pass(0);
    expect(scene.taken()).toEqual(['close']);
  });

  test('what comes from a WebSocket that was given up is not heard', async () => {
    const scene = createScene();
    const { inner } = scene;
    scene.socket.close();
    inner.tell('open');
    inner.tell('message', { data: reply(1, CONNACK) });
    inner.tell('error', { message: 'closed before the connection was established' });
    inner.tell('close', { code: 1006 });
    await scene.clock.pass(1_000);
    expect(scene.taken()).toEqual(['close']);
    expect(scene.counts).toEqual({ accepted: 0, left: [false] });
  });

  test('a library that has been handed something has 100 ms to look at it, less if it closes itself', async () => {
    const refused = createScene();
    refused.inner.tell('open');
    await refused.write(CONNECT);
    await refused.say(`!1;close=refused:${Buffer.from('20020005', 'hex').toString('base64')}`);
    await refused.clock.pass(99);
    expect(refused.taken()).toEqual(['open', '20020005']);
    refused.socket.close();
    await refused.clock.pass(0);
    expect(refused.taken()).toEqual(['close']);
  });
});
