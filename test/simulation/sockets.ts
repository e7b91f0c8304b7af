/**
 * API Gateway with the weaknesses that are documented or must be feared: frames to one client overtake each other, a post
 * is refused, gets no answer, or is accepted for a client that is gone; `$disconnect` is late, doubled or lost.
 */
import type { Gateway } from '../../src/broker/ports.ts';
import type { ConnectionId } from '../../src/session/ids.ts';
import type { Choices } from './choices.ts';
import type { Faults } from './faults.ts';
import type { Time } from './time.ts';

/** A frame that was accepted arrives within this, ms, if at all: half of what a client end waits on a hole. */
const TRANSIT = 1_000;
/** How long the gateway may take to notice that a client is gone, ms. */
const NOTICES = 20_000;
const POST_TIMEOUT = 2_000;

export interface Socket {
  readonly id: ConnectionId;
  /** `deserted`: the client is gone, and the gateway has not noticed. */
  state: 'open' | 'deserted' | 'closed';
  /** Frames of this connection that a Lambda works on. */
  working: number;
  /** The step at which the last of them ended. */
  workedLast: number;
  readonly onFrame: (frame: string) => void;
  readonly onClose: () => void;
}

export interface SocketsOptions {
  readonly choices: Choices;
  readonly faults: Faults;
  readonly time: Time;
  readonly trace: ((line: string) => void) | undefined;
  /** Starts the `$disconnect` function. */
  readonly disconnected: (connectionId: ConnectionId) => void;
  /** A frame was accepted by a post; told before it travels. */
  readonly posted: (connectionId: ConnectionId, frame: string) => void;
  /** Pushes to these connections may get lost without any trace. */
  readonly mayLose: (connectionId: ConnectionId) => boolean;
}

export function createSockets({ choices, faults, time, trace, disconnected, posted, mayLose }: SocketsOptions) {
  const sockets = new Map<ConnectionId, Socket>();
  let opened = 0;

  const announce = (id: ConnectionId): void => {
    if (faults.strikes('disconnectLost')) return;
    const delay = faults.strikes('disconnectLate') ? choices.below(60_000) : 0;
    time.after(delay, () => disconnected(id));
    if (faults.strikes('disconnectTwice')) time.after(delay + choices.below(5_000), () => disconnected(id));
  };

  const close = (socket: Socket): void => {
    if (socket.state === 'closed') return;
    const knows = socket.state === 'open';
    socket.state = 'closed';
    announce(socket.id);
    if (knows) socket.onClose();
  };

  /** On its way to the client; frames sent at the same time arrive in any order. */
  const toClient = (socket: Socket, frame: string): void => {
    time.after(0, () => socket.state === 'open' && socket.onFrame(frame), TRANSIT);
  };

  const gateway: Gateway = {
    post: async (id, frame) => {
      const socket = sockets.get(id);
      if (!socket || socket.state === 'closed') return 'gone';
      if (faults.strikes('throttled')) return 'throttled';
      if (faults.strikes('unclear')) {
        if (choices.chance(0.5)) {
          posted(id, frame);
          toClient(socket, frame);
        }
        await new Promise<void>((resolve) => time.after(POST_TIMEOUT, resolve));
        return 'unclear';
      }
      posted(id, frame);
      if (mayLose(id) && faults.strikes('lost')) trace?.(`  lost: ${frame.slice(0, 60)}`);
      else toClient(socket, frame);
      return 'accepted';
    },
    close: async (id) => {
      const socket = sockets.get(id);
      if (socket) close(socket);
    },
  };

  return {
    gateway,
    open: (handlers: Pick<Socket, 'onFrame' | 'onClose'>): Socket => {
      const id = `c${++opened}` as ConnectionId;
      const socket: Socket = { id, state: 'open', working: 0, workedLast: 0, ...handlers };
      sockets.set(id, socket);
      return socket;
    },
    close,
    /** The client is gone without a word. */
    desert: (socket: Socket): void => {
      if (socket.state !== 'open') return;
      socket.state = 'deserted';
      faults.note('vanished');
      time.after(choices.below(NOTICES), () => close(socket), NOTICES);
    },
    toClient,
    isOpen: (id: ConnectionId): boolean => sockets.get(id)?.state === 'open',
    allOpen: (): readonly Socket[] => [...sockets.values()].filter(({ state }) => state === 'open'),
    /** The limits of two hours and ten minutes, after a long time. */
    closeAll: (): void => {
      for (const socket of sockets.values()) close(socket);
    },
  };
}

export type Sockets = ReturnType<typeof createSockets>;
