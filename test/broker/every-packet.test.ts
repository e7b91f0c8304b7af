/**
 * Every packet type with every flag nibble (§2.2), sent after CONNECT and instead of it: 512 first bytes, each with the outcome
 * that MQTT prescribes. One character each, for the flags 0 to 15:
 *
 * `-` taken, no answer. `a` PUBACK. `r` PUBREC. `l` PUBREL. `m` PUBCOMP. `s` SUBACK. `u` UNSUBACK. `p` PINGRESP. `c` CONNACK 0. `d` closes as a DISCONNECT does.
 * `.` closes: malformed. `!` closes: protocol violation.
 */
import { createWorld, payloads, pingreq, publishPacket, subscribePacket } from './world.ts';

const packetId = '0001';
const topic = '0001 61';

/** Where flags say that a PUBLISH has QoS 1 or 2, the first two bytes of the payload are its packet identifier. */
const table: readonly (readonly [after: string, instead: string, id: string, name: string, body: string])[] = [
  //  flags: after CONNECT, instead of it
  //  0123456789abcdef    0123456789abcdef
  ['................', '................', 'MQTT-4.8.0-1', 'the reserved type 0', ''],
  ['!...............', 'c...............', 'MQTT-2.2.2-2', 'CONNECT', '0004 4d515454 04 02 0000 000163'],
  ['!!!!!!!!!!!!!!!!', '!!!!!!!!!!!!!!!!', 'MQTT-4.8.0-1', 'CONNACK', '0000'],
  ['--aarr....aarr..', '!!!!!!....!!!!..', 'MQTT-3.3.1-4', 'PUBLISH', `${topic} ${packetId}`],
  ['-...............', '!...............', 'MQTT-2.2.2-2', 'PUBACK', packetId],
  ['l...............', '!...............', 'MQTT-2.2.2-2', 'PUBREC', packetId],
  ['..m.............', '..!.............', 'MQTT-3.6.1-1', 'PUBREL', packetId],
  ['-...............', '!...............', 'MQTT-2.2.2-2', 'PUBCOMP', packetId],
  ['..s.............', '..!.............', 'MQTT-3.8.1-1', 'SUBSCRIBE', `${packetId} ${topic} 01`],
  ['!!!!!!!!!!!!!!!!', '!!!!!!!!!!!!!!!!', 'MQTT-4.8.0-1', 'SUBACK', `${packetId} 00`],
  ['..u.............', '..!.............', 'MQTT-3.10.1-1', 'UNSUBSCRIBE', `${packetId} ${topic}`],
  ['!!!!!!!!!!!!!!!!', '!!!!!!!!!!!!!!!!', 'MQTT-4.8.0-1', 'UNSUBACK', packetId],
  ['p...............', '!...............', 'MQTT-2.2.2-2', 'PINGREQ', ''],
  ['!!!!!!!!!!!!!!!!', '!!!!!!!!!!!!!!!!', 'MQTT-4.8.0-1', 'PINGRESP', ''],
  ['d...............', '!...............', 'MQTT-3.14.1-1', 'DISCONNECT', ''],
  ['................', '................', 'MQTT-4.8.0-1', 'the reserved type 15', ''],
];

const closings: Readonly<Record<string, string>> = {
  'malformed-packet': '.',
  'protocol-violation': '!',
  disconnected: 'd',
};
const answers: Readonly<Record<string, string>> = {
  puback: 'a',
  pubrec: 'r',
  pubrel: 'l',
  pubcomp: 'm',
  suback: 's',
  unsuback: 'u',
  pingresp: 'p',
  connack: 'c',
};

const frameOf = (type: number, flags: number, body: string): string => {
  const bytes = Buffer.from(body.replaceAll(' ', ''), 'hex');
  return Buffer.from([(type << 4) | flags, bytes.length, ...bytes]).toString('base64');
};

/** Sends the frame in a world of its own, and sees to it that what closes closes, and what does not does not. */
const outcomeOf = async (frame: string, connected: boolean): Promise<string> => {
  const world = createWorld();
  const other = await world.connect('other');
  await other.send(subscribePacket({ 'other/#': 1 }));
  const client = connected ? await world.connect('client') : world.open();
  const reply = await client.frame(frame);
  const violations = world.logged('violation');
  if (reply.close === undefined) {
    expect(reply.taken).toBe(1);
    expect(violations).toEqual([]);
    expect((await client.send(pingreq)).packets).toMatchObject([{ cmd: 'pingresp' }]);
  } else {
    expect(reply).toMatchObject({ taken: reply.close === 'disconnected' ? 1 : 0, packets: [] });
    expect(violations.map(({ reason }) => reason)).toEqual(reply.close === 'disconnected' ? [] : [reply.close]);
    expect(await client.send(pingreq)).toMatchObject({ taken: 0, packets: [], close: 'not-connected' });
    world.advance(2_000);
    await world.runJobs();
    expect(client.isOpen()).toBe(false);
  }
  await other.send(publishPacket('other/a', 'still here'));
  expect(payloads(other.pushes())).toEqual(['still here']);
  expect(reply.packets.length).toBeLessThan(2);
  const [answer] = reply.packets;
  if (reply.close !== undefined) return closings[reply.close] ?? reply.close;
  return answer === undefined ? '-' : (answers[answer.cmd] ?? answer.cmd);
};

const flags = Array.from({ length: 16 }, (_, each) => each);

describe('every flag nibble', () => {
  const named = table.map(
    ([after, instead, id, name, body], type) => [id, name, { after, instead, body, type }] as const,
  );
  describe.each(named)('[%s] of %s', (_id, _name, { after, instead, body, type }) => {
    it.each([
      ['after CONNECT', true, after],
      ['instead of CONNECT', false, instead],
    ])('%s has the outcome that MQTT prescribes', async (_when, connected, prescribed) => {
      const outcomes = [];
      for (const each of flags) outcomes.push(await outcomeOf(frameOf(type, each, body), connected));
      expect(outcomes.join('')).toBe(prescribed);
    });
  });
});
