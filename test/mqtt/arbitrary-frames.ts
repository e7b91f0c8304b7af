/** What a client, or somebody who claims to be one, may send to the gateway: text frames, one after the other. For properties. */
import fc from 'fast-check';
import { captures, damage, damaged, damagedPacket, recordedPacket } from './damaged-packets.ts';

/** A frame, or a move with a token that is only known when it is sent. */
export type Sent =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'move'; readonly whose: 'own' | 'other'; readonly edits: readonly Edit[] };

/** One change of a text; places are taken modulo its length. */
interface Edit {
  readonly how: 'replace' | 'insert' | 'delete' | 'swap';
  readonly at: number;
  readonly by: string;
}

const character = fc.oneof(
  fc.constantFrom(...'~^.:;!>{=+/-_0123456789AQgwZz', '\n', ' ', '\0', 'é', '\ud800', '😀'),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
);
const edit: fc.Arbitrary<Edit> = fc.record({
  how: fc.constantFrom('replace', 'insert', 'delete', 'swap'),
  at: fc.nat(200),
  by: character,
});

export function edited(text: string, { how, at, by }: Edit): string {
  const place = text.length === 0 ? 0 : at % text.length;
  const [before, behind] = [text.slice(0, place), text.slice(place)];
  switch (how) {
    case 'replace':
      return before + by + behind.slice(1);
    case 'insert':
      return before + by + behind;
    case 'delete':
      return before + behind.slice(1);
    case 'swap':
      return before + behind.slice(1, 2) + behind.slice(0, 1) + behind.slice(2);
  }
}

const anyText = fc.oneof(
  fc.string({ unit: character, maxLength: 30 }),
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc
    .tuple(fc.constantFrom('~', '~0.2:', '^', '!1:', '>1:', '{'), fc.string({ maxLength: 30 }))
    .map((all) => all.join('')),
);

const anyBytes = fc.uint8Array({ maxLength: 60 });

const packets = fc
  .array(fc.oneof({ weight: 2, arbitrary: recordedPacket }, { weight: 3, arbitrary: damagedPacket }), {
    minLength: 1,
    maxLength: 4,
  })
  .map((all) => Buffer.concat(all));

const base64 = fc.oneof({ weight: 8, arbitrary: packets }, { weight: 1, arbitrary: anyBytes }).map(toBase64);

const spoiltBase64 = fc.tuple(base64, edit).map(([text, change]) => edited(text, change));

/** A packet in parts, of which some are changed, swapped, left out or sent twice. */
const parts: fc.Arbitrary<readonly string[]> = fc
  .record({
    whole: fc.oneof(recordedPacket, damagedPacket).map(toBase64),
    count: fc.integer({ min: 1, max: 4 }),
    changes: fc.array(fc.tuple(fc.constantFrom('edit', 'swap', 'leave out', 'repeat'), fc.nat(3), edit), {
      maxLength: 2,
    }),
  })
  .map(({ whole, count, changes }) => {
    const size = Math.ceil(whole.length / count);
    const frames = Array.from({ length: count }, (_, index) => {
      return `~${index}.${count}:${whole.slice(index * size, (index + 1) * size)}`;
    });
    for (const [how, at, change] of changes) {
      const place = at % Math.max(frames.length, 1);
      const [one = ''] = frames.slice(place);
      if (how === 'edit') frames.splice(place, 1, edited(one, { ...change, at: change.at % 8 }));
      if (how === 'swap') frames.splice(place, 2, ...frames.slice(place, place + 2).reverse());
      if (how === 'leave out') frames.splice(place, 1);
      if (how === 'repeat') frames.splice(place, 0, one);
    }
    return frames;
  });

const asText = (text: string): Sent => ({ kind: 'text', text });
const move: fc.Arbitrary<Sent> = fc.oneof(
  fc.record({
    kind: fc.constant('move' as const),
    whose: fc.constant('own' as const),
    edits: fc.array(edit, { maxLength: 1 }),
  }),
  fc.record({
    kind: fc.constant('move' as const),
    whose: fc.constant('other' as const),
    edits: fc.array(edit, { minLength: 1, maxLength: 2 }),
  }),
);

const one = fc.oneof(
  { weight: 1, arbitrary: anyText.map(asText) },
  { weight: 8, arbitrary: base64.map(asText) },
  { weight: 1, arbitrary: spoiltBase64.map(asText) },
  { weight: 1, arbitrary: move },
);

const anything = fc
  .array(
    fc.oneof(
      { weight: 6, arbitrary: one.map((frame) => [frame]) },
      { weight: 1, arbitrary: parts.map((all) => all.map(asText)) },
    ),
    { minLength: 1, maxLength: 3 },
  )
  .map((runs) => runs.flat());

/** What a real client sent, a frame for each packet, some of them damaged. */
const damagedCapture = fc
  .record({
    capture: fc.constantFrom(...captures),
    at: fc.array(fc.tuple(fc.nat(12), damage), { maxLength: 3 }),
  })
  .map(({ capture: [, packets], at }) => {
    const sent = [...packets];
    for (const [index, step] of at)
      sent[index % sent.length] = damaged(sent[index % sent.length] ?? Uint8Array.of(), step);
    return sent.map(toBase64).map(asText);
  });

/** What is sent on one connection. */
export const conversation: fc.Arbitrary<readonly Sent[]> = fc.oneof(
  { weight: 3, arbitrary: anything },
  { weight: 1, arbitrary: damagedCapture },
);

/** One frame, whatever it is. */
export const anyFrame: fc.Arbitrary<string> = fc.oneof(
  anyText,
  base64,
  spoiltBase64,
  parts.filter((all) => all.length > 0).map(([first = '']) => first),
  fc.string({ unit: fc.constantFrom(...'AQgwZ+/=-_~^.:01'), maxLength: 24 }),
);

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}
