/** When a client may open its connection to the gateway: wire §7, kept for clients that do not keep it. */
import { createAdmission } from '../../client/bridge/admission.ts';
import { createVirtualClock } from '../client/virtual-clock.ts';

const createScene = (random = 1) => {
  const clock = createVirtualClock();
  const admission = createAdmission({ clock, random: () => random });
  const went: string[] = [];
  const enter = (key: string) => admission.enter(key, () => went.push(key));
  /** A connection of this client from beginning to end. */
  const connectAndEnd = async (key: string, how: 'left' | 'gone' | 'lost', stands = 0): Promise<number> => {
    const ticket = enter(key);
    await clock.pass(ticket.delay);
    ticket.opened();
    ticket.accepted();
    await clock.pass(stands);
    ticket.close(how);
    return ticket.delay;
  };
  return { clock, admission, went, enter, connectAndEnd };
};

test('the first connection of a client waits for nothing, and never begins from within', async () => {
  const { clock, enter, went } = createScene();
  expect(enter('a').delay).toBe(0);
  expect(went).toEqual([]);
  await clock.pass(0);
  expect(went).toEqual(['a']);
});

test('wire §7: the pause doubles with every connection that is lost soon, up to 30 s', async () => {
  const { connectAndEnd } = createScene();
  const delays: number[] = [];
  for (let times = 0; times < 8; times++) delays.push(await connectAndEnd('a', 'lost'));
  expect(delays).toEqual([0, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
});

test('wire §7: it is a random part of that', async () => {
  const { connectAndEnd } = createScene(0.25);
  await connectAndEnd('a', 'lost');
  expect(await connectAndEnd('a', 'lost')).toBe(250);
  expect(await connectAndEnd('a', 'lost')).toBe(500);
});

test('a client waits for its own failures only', async () => {
  const { connectAndEnd, enter } = createScene();
  await connectAndEnd('a', 'lost');
  await connectAndEnd('a', 'lost');
  expect(enter('b').delay).toBe(0);
});

test('a connection that stood for 30 s counts as a success, and its loss as the first failure', async () => {
  const { connectAndEnd, enter } = createScene();
  for (let times = 0; times < 4; times++) await connectAndEnd('a', 'lost');
  await connectAndEnd('a', 'lost', 30_000);
  expect(enter('a').delay).toBe(1_000);
});

test('one that stood a little less does not', async () => {
  const { connectAndEnd, enter } = createScene();
  await connectAndEnd('a', 'lost');
  await connectAndEnd('a', 'lost', 29_999);
  expect(enter('a').delay).toBe(2_000);
});

test('a DISCONNECT makes up for everything; a client that goes by itself changes nothing', async () => {
  const { connectAndEnd, enter } = createScene();
  expect(await connectAndEnd('a', 'gone')).toBe(0);
  await connectAndEnd('a', 'lost');
  expect(await connectAndEnd('a', 'gone')).toBe(1_000);
  expect(await connectAndEnd('a', 'left')).toBe(1_000);
  expect(enter('a').delay).toBe(0);
});

test('a client that does not come back is forgotten', async () => {
  const { clock, connectAndEnd, enter } = createScene();
  await connectAndEnd('a', 'lost');
  await clock.pass(59_999);
  expect(enter('a').delay).toBe(1_000);
  await clock.pass(1);
  expect(enter('a').delay).toBe(0);
});

test('32 handshakes are under way at a time; the others come in their order, one for each that is over', async () => {
  const { clock, enter, went } = createScene();
  const tickets = Array.from({ length: 36 }, (_, index) => enter(String(index)));
  await clock.pass(0);
  expect(went).toHaveLength(32);
  tickets[5]?.opened();
  tickets[5]?.opened();
  expect(went.slice(32)).toEqual(['32']);
  tickets[6]?.close('lost');
  tickets[6]?.close('lost');
  tickets[5]?.close('left');
  expect(went.slice(32)).toEqual(['32', '33']);
  // One that has given up in the line has no turn, and none is lost with it.
  tickets[34]?.close('gone');
  tickets[7]?.opened();
  expect(went.slice(32)).toEqual(['32', '33', '35']);
});

test('who gives up during the pause does not begin', async () => {
  const { clock, connectAndEnd, enter, went } = createScene();
  await connectAndEnd('a', 'lost');
  went.length = 0;
  enter('a').close('gone');
  await clock.pass(60_000);
  expect(went).toEqual([]);
  expect(clock.pending).toBe(0);
});

test('what is remembered is bounded: the oldest are forgotten first', async () => {
  const { clock, admission } = createScene();
  for (let index = 0; index <= 10_000; index++) admission.enter(String(index), () => {}).close('lost');
  expect(admission.enter('0', () => {}).delay).toBe(0);
  expect(admission.enter('1', () => {}).delay).toBe(1_000);
  await clock.pass(60_000);
});
