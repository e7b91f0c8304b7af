/** Literal frames: the broker's end against test/vectors/wire.json, whose schema is in its `_about`. */
import { type CloseReason, encodePush, encodePushedClose, encodeReply } from '../../src/mqtt/frame.ts';
import { bytes, clientFrames, closings, pushes, replies, text } from '../client/vectors.ts';
import wire from '../vectors/wire.json' with { type: 'json' };
import { createWorld, parseReply } from './world.ts';

describe('client frames', () => {
  it.each(clientFrames)('wire $name', async ({ packets, frames }) => {
    // What the packets are is seen by the session of a client that does nothing but send them.
    const world = createWorld();
    const client = await world.connect('client');
    let taken = 0;
    for (const frame of frames) {
      const reply = await client.frame(frame);
      taken += reply.taken;
      if (reply.close) expect(reply.close).not.toMatch(/^malformed/);
      if (reply.close) return;
    }
    expect(taken).toBe(packets.length);
  });
});

describe('replies', () => {
  const encodable = replies.filter((_, index) => !('decodeOnly' in (wire.replies[index] ?? {})));
  it.each(encodable)('wire $name', ({ frame, taken, close, token, next, packets }) => {
    const fields = { ...(close && { close: close as CloseReason }), ...(token && { token }), ...(next && { next }) };
    expect(encodeReply(taken, packets.map(bytes), fields)).toBe(frame);
    expect(parseReply(frame)).toMatchObject({ taken, close, token, next });
  });
});

describe('pushes', () => {
  const encodable = pushes.filter((_, index) => !('decodeOnly' in (wire.pushes[index] ?? {})));
  it.each(encodable)('wire $name', ({ frames, pushes: [push] }) => {
    expect(encodePush(push?.packets.map(bytes) ?? [], push?.first, 'unit')).toEqual(frames);
  });
});

describe('closings', () => {
  it.each(closings)('wire $name', ({ frame, close }) => {
    expect(encodePushedClose(close as CloseReason)).toBe(frame);
  });
});

describe('malformed client frames', () => {
  it.each(wire.malformedClientFrames)('wire $name', async ({ frames, close }) => {
    const world = createWorld();
    const client = await world.connect('client');
    const all = frames.map(text);
    for (const frame of all.slice(0, -1))
      expect(await client.frame(frame)).toMatchObject({ taken: 0, close: undefined });
    expect((await client.frame(all.at(-1) ?? '')).close).toBe(close);
  });
});
