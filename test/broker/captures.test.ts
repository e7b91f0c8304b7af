/** What MQTT clients really send (`test/vectors/captures.json`), undamaged: each is answered as it expects. */
import { decode, encode } from '../../src/mqtt/codec.ts';
import type { ClientPacket } from '../../src/mqtt/packets.ts';
import { captures } from '../mqtt/damaged-packets.ts';
import { createWorld, type Received } from './world.ts';

/** The answer without what is up to the broker, or nothing. */
const answerTo = (packet: ClientPacket): Record<string, unknown> | undefined => {
  const messageId = 'packetId' in packet ? packet.packetId : undefined;
  switch (packet.type) {
    case 'connect':
      return { cmd: 'connack', returnCode: 0, sessionPresent: false };
    case 'unacceptable-protocol-level':
      return { cmd: 'connack', returnCode: 1, sessionPresent: false };
    case 'publish':
      return packet.qos === 0 ? undefined : { cmd: packet.qos === 1 ? 'puback' : 'pubrec', messageId };
    case 'pubrec':
      return { cmd: 'pubrel', messageId };
    case 'pubrel':
      return { cmd: 'pubcomp', messageId };
    case 'subscribe':
      return { cmd: 'suback', messageId, granted: packet.subscriptions.map(({ qos }) => qos) };
    case 'unsubscribe':
      return { cmd: 'unsuback', messageId };
    case 'pingreq':
      return { cmd: 'pingresp' };
    default:
      return undefined;
  }
};

const frameOf = (packets: readonly Uint8Array[]): string => Buffer.concat(packets).toString('base64');
describe.each(captures)('%s', (_client, packets) => {
  const decoded = packets.map(decode);

  it('is read byte by byte', () => {
    const [first] = decoded;
    if (first?.type === 'unacceptable-protocol-level') return;
    for (const [index, packet] of packets.entries()) {
      expect(encode(decoded[index] as Parameters<typeof encode>[0])).toEqual(packet);
    }
  });

  it('is answered packet by packet, and so it is where all behind CONNECT comes in one frame', async () => {
    const [first = Uint8Array.of(), ...rest] = packets;
    for (const frames of [rest.map((packet) => frameOf([packet])), [frameOf(rest)]]) {
      const world = createWorld();
      const client = world.open();
      const opening = await client.frame(frameOf([first]));
      expect(opening.packets).toMatchObject([answerTo(decoded[0] as ClientPacket) ?? {}]);
      if (opening.close === 'refused') continue;
      const answers: Received[] = [];
      let close: string | undefined;
      for (const frame of frames) {
        if (frame === '') continue;
        const reply = await client.frame(frame);
        answers.push(...reply.packets);
        close = reply.close;
      }
      const expected = decoded.slice(1).flatMap((packet) => answerTo(packet) ?? []);
      expect(answers).toMatchObject(expected);
      expect(answers).toHaveLength(expected.length);
      expect(close).toBe('disconnected');
      expect(world.lines.filter(({ event }) => event === 'violation' || event === 'error')).toEqual([]);
    }
  });
});
