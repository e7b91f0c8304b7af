/** The packets of a push. */
import { type Packet, parser } from 'mqtt-packet';

export const packetsIn = (frame: string): readonly Packet[] => {
  const body = frame.slice(frame.indexOf(':') + 1);
  if (body === '') return [];
  const packets: Packet[] = [];
  const reader = parser({ protocolVersion: 4 });
  reader.on('packet', (packet) => packets.push(packet));
  reader.parse(Buffer.from(body, 'base64'));
  return packets;
};
