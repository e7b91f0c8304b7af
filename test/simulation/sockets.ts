/**
 * API Gateway with the weaknesses that are documented or must be feared: frames to one client overtake each other, a post
 * is refused, gets no answer, or is accepted for a client that is gone; `$disconnect` is late, doubled or lost.
 */
import type { Gateway } from '../../src/broker/ports.ts';
import type { ConnectionId } from '../../src/session/ids.ts';
import type { Choices } from './choices.ts';
import type { Faults } from './faults.ts';
import { type Cancel, routine, type Time } from './time.ts';

/** A frame that was accepted arrives within this, ms, if at all: half of what a client end waits on a hole. */
const TRANSIT = 1_000;
/** How long the gateway may take to notice that a client is gone, ms, where it notices at all … */
const NOTICES = 20_000;
/** … and when it closes a socket on which nothing was sent since, or any socket. */
const IDLE_LIMIT = 600_000;
const LIMIT = 7_200_000;
const POST_TIMEOUT = 2_000;

export interface Socket {
  readonly id: ConnectionId;
  /** The address that its client connects from. */
  readonly place: string | undefined;
  /** `opening`: its `$connect` is not done. `deserted`: the client is gone, and the gateway has not noticed. */
  state: 'opening' | 'open' | 'deserted' | 'closed';
  /** What the gateway would do by itself. */
  forget: Cancel;
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

  const close = (socket: Socket, isMute = false): void => {
    if (socket.state === 'closed') return;
    const { state } = socket;
    socket.state = 'closed';
    socket.forget();
    // of a handshake that fails the gateway tells nobody but the client
    if (state !== 'opening' && !isMute) announce(socket.id);
    if (state !== 'deserted') socket.onClose();
  };

  const isThere = ({ state }: Socket): boolean => state === 'open' || state === 'deserted';

  /** On its way to the client; frames sent at the same time arrive in any order. */
  const toClient = (socket: Socket, frame: string): void => {
    time.after(0, () => socket.state === 'open' && socket.onFrame(frame), { patience: TRANSIT });
  };

  const gateway: Gateway = {
    post: async (id, frame) => {
      const socket = sockets.get(id);
      if (!socket || !isThere(socket)) return 'gone';
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
      if (socket && isThere(socket)) close(socket);
    },
    has: async (id) => {
      const socket = sockets.get(id);
      return socket !== undefined && isThere(socket);
    },
  };

  return {
    gateway,
    open: (handlers: Pick<Socket, 'onFrame' | 'onClose'>, place?: string): Socket => {
      const id = `c${++opened}` as ConnectionId;
      const socket: Socket = { id, place, state: 'opening', forget: () => {}, working: 0, workedLast: 0, ...handlers };
      sockets.set(id, socket);
      return socket;
    },
    /** `$connect` is done. False: the client is gone by now. */
    accept: (socket: Socket): boolean => {
      if (socket.state === 'closed') {
        announce(socket.id);
        return false;
      }
      socket.state = 'open';
      socket.forget = time.after(LIMIT, () => close(socket), routine);
      return true;
    },
    close,
    /** The client is gone without a word, and perhaps the gateway never notices. */
    desert: (socket: Socket, isNoticed = true): void => {
      if (socket.state === 'opening') close(socket);
      if (socket.state !== 'open') return;
      socket.state = 'deserted';
      socket.forget();
      if (isNoticed) {
        faults.note('vanished');
        socket.forget = time.after(choices.below(NOTICES), () => close(socket), { patience: NOTICES });
      } else {
        faults.note('silent');
        const isMute = faults.strikes('disconnectLost');
        socket.forget = time.after(IDLE_LIMIT, () => close(socket, isMute), routine);
      }
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
