/** Every control packet that a client may send, for properties. */
import fc from 'fast-check';
import type { ClientPacket, UnacceptableProtocolLevel } from '../../src/mqtt/packets.ts';

const text = fc.string({
  unit: fc.constantFrom('a', 'L', '/', '$', '+', '#', 'ß', '€', '\ufeff', '\ufffd', '😀'),
  maxLength: 12,
});
const qos = fc.constantFrom(0, 1, 2);
const payload = fc.uint8Array({ maxLength: 300 });
const packetId = fc.integer({ min: 1, max: 65_535 });

const will = fc.record({ topic: text.filter((topic) => topic !== ''), payload, qos, retain: fc.boolean() });
const connect = fc
  .record(
    {
      type: fc.constant('connect'),
      clientId: text,
      cleanSession: fc.boolean(),
      keepAlive: fc.integer({ min: 0, max: 65_535 }),
      will,
      userName: text,
      password: payload,
    },
    { requiredKeys: ['type', 'clientId', 'cleanSession', 'keepAlive'] },
  )
  .map(({ password, ...rest }) =>
    rest.userName === undefined || password === undefined ? rest : { ...rest, password },
  );

const publish = fc
  .record({ topic: text, payload, qos, dup: fc.boolean(), retain: fc.boolean(), packetId })
  .map(({ packetId, ...rest }) => {
    if (rest.qos === 0) return { type: 'publish' as const, ...rest, dup: false };
    return { type: 'publish' as const, ...rest, packetId };
  });

export const clientPacket: fc.Arbitrary<Exclude<ClientPacket, UnacceptableProtocolLevel>> = fc.oneof(
  connect,
  publish,
  fc.record({ type: fc.constantFrom('puback', 'pubrec', 'pubrel', 'pubcomp'), packetId }),
  fc.record({
    type: fc.constant('subscribe'),
    packetId,
    subscriptions: fc.array(fc.record({ topicFilter: text, qos }), { minLength: 1, maxLength: 30 }),
  }),
  fc.record({
    type: fc.constant('unsubscribe'),
    packetId,
    topicFilters: fc.array(text, { minLength: 1, maxLength: 30 }),
  }),
  fc.record({ type: fc.constantFrom('pingreq', 'disconnect') }),
);
