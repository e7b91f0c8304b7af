/** Literal frames: the client's end against test/vectors/wire.json. */

import { MAX_FRAME_CHARACTERS } from '../../client/limits.ts';
import { createOutbox, type Outbox } from '../../client/outbox.ts';
import { createPartCollector, type PartCollector } from '../../client/push-parts.ts';
import { type Push, packFrame, parseBrokerFrame } from '../../client/wire.ts';
import {
  clientFrames,
  closings,
  dialogues,
  gateway,
  hex,
  malformedBrokerFrames,
  pushes,
  replies,
  type Step,
} from './vectors.ts';

const packAll = (packets: readonly Uint8Array[]): string[] => {
  const frames: string[] = [];
  for (let left = packets; left.length > 0; ) {
    const packed = packFrame(left);
    frames.push(...packed.frames);
    left = left.slice(packed.count);
  }
  return frames;
};

/** As the exchange does: a whole push, or one made of parts. */
const receivePush = (collector: PartCollector, frame: string): Push | undefined => {
  const parsed = parseBrokerFrame(frame);
  if (parsed.kind === 'part') return collector.add(parsed, 0);
  return parsed.kind === 'push' ? parsed : undefined;
};

describe('client frames', () => {
  test.each(clientFrames)('wire $name', ({ packets, frames }) => {
    const packed = packAll(packets);
    expect(packed).toEqual(frames);
    for (const frame of packed) expect(frame.length).toBeLessThanOrEqual(MAX_FRAME_CHARACTERS);
  });
});

describe('dialogues', () => {
  const take = (outbox: Outbox, { write, client, broker, pause }: Step, paused: number): number => {
    for (const packet of write) outbox.add(packet);
    if (client !== undefined) expect(outbox.frame()).toBe(client);
    if (pause !== undefined) expect(paused).toBe(pause);
    if (broker === undefined) return paused;
    const frame = parseBrokerFrame(broker);
    if (frame.kind === 'reply') return outbox.replied(frame.taken).pause;
    expect(frame).toMatchObject({ kind: 'gateway', throttled: true });
    return outbox.throttled();
  };

  test.each(dialogues)('wire $name', ({ steps }) => {
    const outbox = createOutbox();
    let paused = 0;
    for (const [index, step] of steps.entries()) {
      paused = take(outbox, step, paused);
      // A pause that the vector does not tell of must not be taken.
      if (step.broker !== undefined && steps[index + 1]?.pause === undefined) expect(paused).toBe(0);
    }
  });
});

describe('replies', () => {
  test.each(replies)('wire $name: $frame', ({ frame, taken, close, token, next, packets }) => {
    const parsed = parseBrokerFrame(frame);
    expect(parsed).toMatchObject(
      close === undefined ? { kind: 'reply', taken, token, next } : { kind: 'closing', reason: close },
    );
    expect('packets' in parsed && parsed.packets.map(hex)).toEqual(packets);
  });
});

describe('pushes', () => {
  test.each(pushes)('wire $name', ({ frames, pushes: expected }) => {
    const collector = createPartCollector();
    const whole = frames.map((frame) => receivePush(collector, frame)).filter((push) => push !== undefined);
    expect(whole.map(({ first, packets }) => ({ first, packets: packets.map(hex) }))).toEqual(expected);
  });
});

describe('closings', () => {
  test.each(closings)('wire $name', ({ frame, close }) => {
    expect(parseBrokerFrame(frame)).toEqual({ kind: 'closing', reason: close, packets: [] });
  });
});

describe('the gateway', () => {
  test.each(gateway)('wire $name', ({ frame, message, throttled }) => {
    expect(parseBrokerFrame(frame)).toEqual({ kind: 'gateway', message, throttled });
  });
});

describe('malformed broker frames', () => {
  test.each(malformedBrokerFrames)('wire $name', ({ frames }) => {
    const collector = createPartCollector();
    for (const frame of frames.slice(0, -1)) receivePush(collector, frame);
    expect(() => receivePush(collector, frames.at(-1) ?? '')).toThrow(
      expect.objectContaining({
        code: 'bad-answer',
        message: expect.stringMatching(/^serverless-mqtt: the broker sent what this client cannot read: ./),
      }),
    );
  });
});
