/**
 * A client end that ignores the rules of the wire: every packet is a frame of its own, sent at once, so that several Lambdas
 * work on one connection at the same time; pushes are handed on as they come. The broker owes such a client no order. It does
 * connect again where a frame gets no reply.
 */
import { createAlarm } from '../../client/clock.ts';
import type { Exchange, ExchangeHost } from '../../client/exchange.ts';
import { REPLY_TIMEOUT_MS } from '../../client/limits.ts';
import { splitPackets } from '../../client/packets.ts';
import { parseBrokerFrame } from '../../client/wire.ts';

export function createBareEnd({ clock, sendFrame, handOn, over }: ExchangeHost): Exchange {
  let started = false;
  let stopped = false;
  const early: Uint8Array[] = [];
  const alarm = createAlarm(clock);
  let unanswered = 0;
  const send = (packet: Uint8Array): void => {
    if (unanswered++ === 0) alarm.set(REPLY_TIMEOUT_MS, end);
    sendFrame(Buffer.from(packet).toString('base64'));
  };
  const end = (): void => {
    if (stopped) return;
    stopped = true;
    alarm.clear();
    over();
  };
  return {
    bufferedAmount: 0,
    isLeaving: false,
    isMoving: false,
    start: () => {
      started = true;
      for (const packet of early) send(packet);
    },
    write: (bytes) => {
      for (const packet of splitPackets(bytes)?.packets ?? []) {
        if (started) send(packet);
        else early.push(packet);
      }
    },
    receive: (text) => {
      if (stopped) return;
      const frame = parseBrokerFrame(String(text));
      if (frame.kind === 'gateway' || frame.kind === 'closing') return end();
      if (frame.kind === 'part') throw new Error('the simulation has no packets that need parts');
      for (const packet of frame.packets) handOn(new Uint8Array(packet));
      if (frame.kind === 'reply' && --unanswered === 0) alarm.clear();
    },
    leave: end,
    stop: () => {
      stopped = true;
      alarm.clear();
    },
  };
}
