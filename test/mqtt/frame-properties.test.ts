/** The broker's end of the wire under any text: read as wire §2 writes it, or refused with `malformed-frame`. */
import fc from 'fast-check';
import {
  type ClientFrame,
  encodePush,
  encodeReply,
  MAX_FRAME_CHARACTERS,
  parseClientFrame,
} from '../../src/mqtt/frame.ts';
import { ProtocolViolation } from '../../src/mqtt/violation.ts';
import { anyFrame } from './arbitrary-frames.ts';

const frameOrRefused = (text: string): ClientFrame | 'refused' => {
  try {
    return parseClientFrame(text);
  } catch (error) {
    if (error instanceof ProtocolViolation && error.reason === 'malformed-frame') return 'refused';
    throw error;
  }
};

/** RFC 4648 §4 as a grammar: whole groups, padded, no bits left over (§3.5). */
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=|[A-Za-z0-9+/][AQgw]==)$/;
const PART = /^~([0-9]{1,4})\.([0-9]{1,4}):(.*)$/s;
const MOVE = /^\^([A-Za-z0-9_.-]{1,1400})$/;

/** Wire §2 once more, written as patterns. */
const byPattern = (text: string): ClientFrame | 'refused' => {
  const [, token] = MOVE.exec(text) ?? [];
  if (token !== undefined) return { kind: 'move', token };
  const [, index, count, piece = ''] = PART.exec(text) ?? [];
  if (index !== undefined && Number(index) < Number(count)) {
    return { kind: 'part', index: Number(index), count: Number(count), piece };
  }
  return BASE64.test(text) ? { kind: 'packets', bytes: Buffer.from(text, 'base64') } : 'refused';
};

it('any text is the frame that wire §2 makes of it, or refused with malformed-frame', () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(anyFrame, (text) => {
      const frame = frameOrRefused(text);
      expect(frame).toEqual(byPattern(text));
      seen.add(frame === 'refused' ? frame : frame.kind);
    }),
    { numRuns: 10_000 },
  );
  expect([...seen].sort()).toEqual(['move', 'packets', 'part', 'refused']);
});

it('any bytes come back out of their base64', () =>
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 100 }), (bytes) => {
      const frame = frameOrRefused(Buffer.from(bytes).toString('base64'));
      expect(frame).toMatchObject({ kind: 'packets' });
      expect(frame !== 'refused' && 'bytes' in frame && Buffer.from(frame.bytes).equals(bytes)).toBe(true);
    }),
    { numRuns: 1_000 },
  ));

const packets = fc.array(fc.uint8Array({ minLength: 2, maxLength: 60 }), { maxLength: 8 });

it('any reply is a head, a colon and the base64 of its packets', () =>
  fc.assert(
    fc.property(fc.nat(2_000), packets, fc.option(fc.nat()), (taken, written, next) => {
      const text = encodeReply(taken, written, { close: 'refused', ...(next !== null && { next }) });
      const head = `!${taken};close=refused${next === null ? '' : `;next=${next}`}:`;
      expect(text).toBe(head + Buffer.concat(written).toString('base64'));
    }),
    { numRuns: 1_000 },
  ));

it('any push is frames of at most 32,768 characters that make its packets again, under one head', () =>
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 140_000 }), fc.option(fc.nat()), (size, first) => {
      const packet = new Uint8Array(size).map((_, index) => index * 31);
      const frames = encodePush([packet], first ?? undefined, 'unit');
      const parts = frames.map((frame) => /^>(\d*)(?:;part=unit\.(\d+)\.(\d+))?:([A-Za-z0-9+/=]+)$/.exec(frame) ?? []);
      const body = parts.map(([, , , , piece]) => piece).join('');
      expect(frames.every(({ length }) => length <= MAX_FRAME_CHARACTERS)).toBe(true);
      expect(Buffer.from(body, 'base64').equals(packet)).toBe(true);
      expect(parts.map(([, number]) => number)).toEqual(frames.map(() => String(first ?? '')));
      if (frames.length === 1) return;
      expect(parts.map(([, , index]) => Number(index))).toEqual(frames.map((_, index) => index));
      expect(parts.map(([, , , count]) => Number(count))).toEqual(frames.map(() => frames.length));
    }),
    { numRuns: 200 },
  ));
