/**
 * One text frame of a client: taken apart, its packets dealt with in order, answered with exactly one reply (wire §3).
 *
 * Rules of this file:
 * - It never throws. What the peer did wrong closes the connection with the reason that MQTT or the wire prescribes; what
 *   we or AWS did wrong closes it with `internal-error`. Either way there is one log line.
 * - Packets count as taken only when everything they ask for is done.
 */
import { decode, encode, splitPackets } from '../mqtt/codec.ts';
import {
  type CloseReason,
  encodeReply,
  fromBase64,
  MAX_FRAME_CHARACTERS,
  parseClientFrame,
  type ReplyFields,
} from '../mqtt/frame.ts';
import type { ClientPacket, Connect, Puback, Pubcomp, Publish, Pubrec, Pubrel } from '../mqtt/packets.ts';
import { ProtocolViolation } from '../mqtt/violation.ts';
import { type Connection, isUnauthorized } from '../session/connection.ts';
import { type ConnectionId, NO_WILL } from '../session/ids.ts';
import { acknowledge, arrived } from './acknowledge.ts';
import { type Judged, judge } from './authorize-publish.ts';
import { noteLife } from './check-connection.ts';
import { checkMessage } from './check-message.ts';
import { type Connected, connect, refused } from './connect.ts';
import { type Context, maxPacketBytes } from './context.ts';
import { together } from './in-parallel.ts';
import type { DisconnectReason } from './lifecycle.ts';
import { CLOSE_DELAY, closeConnection, loseConnection } from './lose-connection.ts';
import { moveSession } from './move-session.ts';
import { NotConnected } from './not-connected.ts';
import type { Piece } from './ports.ts';
import { publish } from './publish.ts';
import { publishOnce, release } from './receive-once.ts';
import { subscribe, unsubscribe } from './subscribe.ts';
import { forgetWill } from './will.ts';

export interface Frame {
  readonly connectionId: ConnectionId;
  readonly body: string;
  /** When this Lambda is stopped, ms since 1970. */
  readonly deadline: number;
  /** Where the client connects from. */
  readonly sourceIp?: string | undefined;
}

/** Packets of one kind are dealt with together, so many at most. */
const RUN = 100;
/** Packets of one frame that are taken at most: bounds the reply. */
const MOST_TAKEN = 2_000;
/** Parts older than this, ms, do not belong to the packet that is being put together (wire §4). */
const PIECE_LIFETIME = 60_000;

/** The reply to the frame: text for the route response. */
export async function handleFrame(context: Context, frame: Frame): Promise<string> {
  const work: Work = {
    since: context.clock.now(),
    taken: 0,
    packets: [],
    fields: {},
    known: Promise.resolve(undefined),
    noted: undefined,
  };
  try {
    const close = await dealWith(context, frame, work);
    await work.noted;
    return encodeReply(work.taken, work.packets, { ...work.fields, ...(close && { close }) });
  } catch (error) {
    const { event, reason, detail } = explain(error);
    const known = await work.known.catch(() => undefined);
    context.log(event, { connectionId: frame.connectionId, clientId: known?.clientId, reason, detail });
    await abandon(context, frame.connectionId, disconnectReasonOf(reason, known, work.since));
    return encodeReply(work.taken, work.packets, { close: reason });
  }
}

const disconnectReasonOf = (reason: CloseReason, known: Connection | undefined, now: number): DisconnectReason => {
  if (reason === 'internal-error') return 'SERVER_ERROR';
  if (reason !== 'not-authorized') return 'CLIENT_ERROR';
  return known && isUnauthorized(known, now) ? 'CUSTOMAUTH_TTL_EXPIRATION' : 'FORBIDDEN_ACCESS';
};

const explain = (error: unknown): { readonly event: string; readonly reason: CloseReason; readonly detail: string } => {
  if (error instanceof ProtocolViolation) return { event: 'violation', reason: error.reason, detail: error.detail };
  if (error instanceof NotConnected) return { event: 'violation', reason: 'not-connected', detail: error.message };
  return { event: 'error', reason: 'internal-error', detail: describe(error) };
};

/** What the reply will say. */
interface Work {
  /** When the frame came, ms since 1970. */
  readonly since: number;
  taken: number;
  readonly packets: Uint8Array[];
  fields: ReplyFields;
  /** The connection as it was when the frame came; undefined before its CONNECT. */
  known: Promise<Connection | undefined>;
  /** That the client was heard is written down. */
  noted: Promise<void> | undefined;
}

/** Notes that the client was heard as soon as it is known who it is: what the frame asks for may take its time. */
const hear = (context: Context, { connectionId }: Frame, work: Work, known: Work['known']): void => {
  work.known = known;
  work.noted = known.then((connection) => connection && noteLife(context, connectionId, connection));
  work.noted.catch(() => {});
};

/** The reason to close the connection, if there is one. */
const dealWith = async (context: Context, frame: Frame, work: Work): Promise<CloseReason | undefined> => {
  const parsed = parseClientFrame(frame.body);
  if (parsed.kind === 'packets') {
    const packets = readPackets(context, parsed.bytes);
    hear(context, frame, work, context.connections.read(frame.connectionId));
    return dealWithPackets(context, frame, work, packets);
  }
  if (parsed.kind === 'move') return dealWithMove(context, frame, work, parsed.token);
  const { index, count, piece } = parsed;
  if (count > mostParts(context)) throw new ProtocolViolation('packet-too-large', `${count} parts (wire §4)`);
  if (index < count - 1) {
    const stored = { index, count, text: piece, receivedAt: context.clock.now() };
    hear(context, frame, work, context.connections.read(frame.connectionId));
    const connection = await work.known;
    if (connection?.state === 'closed') throw new NotConnected();
    const isNew = await context.connections.putPiece(frame.connectionId, stored);
    // Who has not said who he is may send one packet, and each part of it once.
    if (connection?.state !== 'connected' && !isNew)
      throw new ProtocolViolation('malformed-frame', 'a part of the CONNECT came twice');
    return undefined;
  }
  const { connection, pieces } = await context.connections.readWithPieces(frame.connectionId);
  if (connection?.state === 'closed') throw new NotConnected();
  const whole = readPackets(context, fromBase64(joinPieces(context, pieces, count) + piece));
  if (whole.packets.length > 1)
    throw new ProtocolViolation('malformed-frame', 'parts make more than one packet (wire §4)');
  hear(context, frame, work, Promise.resolve(connection));
  const close = await dealWithPackets(context, frame, work, whole);
  await context.connections.removePieces(frame.connectionId, pieces);
  return close;
};

const dealWithMove = async (
  context: Context,
  { connectionId, sourceIp }: Frame,
  work: Work,
  token: string,
): Promise<undefined> => {
  const known = await context.connections.read(connectionId);
  if (known?.state === 'connected')
    throw new ProtocolViolation('protocol-violation', 'a session is here already (wire §8)');
  if (known) throw new NotConnected();
  work.fields = await moveSession(context, { connectionId, sourceIp }, token);
};

/** Client ends fill their parts nearly to the brim; a few more are no harm. */
const mostParts = ({ settings }: Context): number =>
  Math.ceil((maxPacketBytes(settings) * 4) / 3 / (MAX_FRAME_CHARACTERS - 1_024));

const joinPieces = (context: Context, pieces: readonly Piece[], count: number): string => {
  const oldest = context.clock.now() - PIECE_LIFETIME;
  const own = pieces.filter((piece) => piece.count === count && piece.index < count - 1 && piece.receivedAt >= oldest);
  if (own.length < count - 1) throw new ProtocolViolation('malformed-frame', 'a part is missing or too old (wire §4)');
  return own.map(({ text }) => text).join('');
};

/** The packets of a frame, up to the first that is not allowed. */
interface Packets {
  readonly packets: readonly ClientPacket[];
  readonly violation?: ProtocolViolation;
}

const readPackets = (context: Context, bytes: Uint8Array): Packets => {
  const packets: ClientPacket[] = [];
  for (const each of splitPackets(bytes)) {
    try {
      const packet = decode(each);
      if (packet.type === 'publish') checkMessage(context.settings, packet);
      if (packet.type === 'subscribe') checkFilters(packet.subscriptions.length);
      if (packet.type === 'unsubscribe') checkFilters(packet.topicFilters.length);
      packets.push(packet);
    } catch (error) {
      if (error instanceof ProtocolViolation) return { packets, violation: error };
      throw error;
    }
  }
  return { packets };
};

/** The SUBACK has a byte for each filter, and a reply is one frame. No session may have more filters than this. */
const MOST_FILTERS = 1_000;

const checkFilters = (count: number): void => {
  if (count > MOST_FILTERS) throw new ProtocolViolation('packet-too-large', `${count} filters in one packet`);
};

const dealWithPackets = async (
  context: Context,
  frame: Frame,
  work: Work,
  { packets, violation }: Packets,
): Promise<CloseReason | undefined> => {
  const { known } = work;
  const [first] = packets;
  if (first?.type === 'connect' || first?.type === 'unacceptable-protocol-level') {
    return dealWithConnect(context, frame, work, first, await known);
  }
  if (packets.some(({ type }) => type === 'disconnect')) await leaveLate(context, await known);
  // Not waited for here: a publisher's audience is looked for meanwhile. Not of a stranger, who could make it cost as much as he likes.
  const admitted = known.then((connection) => admittedOnly(connection, work.since));
  const begin = context.authority.wasAdmitted(frame.connectionId) ? Promise.resolve() : admitted;
  admitted.then(
    () => context.authority.noteAdmitted(frame.connectionId),
    () => {},
  );
  const judged = judge(context, packets, admitted);
  judged.catch(() => {});
  for (const run of runsOf(packets)) {
    const outOfTime = frame.deadline - context.clock.now() < context.timing.lambdaTimeout / 2;
    if (work.taken > 0 && (outOfTime || work.taken + run.length > MOST_TAKEN)) return undefined;
    const dealtWith = await dealWithRun(context, work, run, { admitted, judged, begin });
    if (dealtWith === 'disconnect') {
      work.taken++;
      await leave(context, frame.connectionId, await admitted);
      return 'disconnected';
    }
    work.taken += dealtWith;
    const { end } = await judged;
    if (end && dealtWith < run.length) throw end.violation;
  }
  if (violation) {
    if ((await known)?.state === 'closed') throw new NotConnected();
    throw violation;
  }
  return undefined;
};

/** DISCONNECT: the will goes first [MQTT-3.1.2-10], so that nobody who finds the connection over publishes it. */
const leave = async (context: Context, connectionId: ConnectionId, connection: Connection): Promise<void> => {
  await forgetWill(context, connection);
  await together([
    context.timers.send({ job: 'close', connectionId }, CLOSE_DELAY),
    context.connections.close(connectionId, context.clock.now()),
    loseConnection(context, { ...connection, will: NO_WILL }, 'CLIENT_INITIATED_DISCONNECT'),
  ]);
};

/** The notice that the socket is closed has overtaken the DISCONNECT: the will is not due, if it is not published yet. */
const leaveLate = async (context: Context, connection: Connection | undefined): Promise<void> => {
  if (connection?.state === 'closed' && connection.generation) await forgetWill(context, connection);
};

const admittedOnly = (connection: Connection | undefined, now: number): Connection => {
  if (!connection) throw new ProtocolViolation('protocol-violation', 'a packet before CONNECT [MQTT-3.1.0-1]');
  // `announced`, too: nothing is answered before CONNACK [MQTT-3.2.0-1], nor dealt with if there is none [MQTT-3.1.4-5].
  if (connection.state !== 'connected') throw new NotConnected();
  if (isUnauthorized(connection, now)) {
    throw new ProtocolViolation('not-authorized', 'what the client has proved to be has run out');
  }
  return connection;
};

const dealWithConnect = async (
  context: Context,
  { connectionId, sourceIp }: Frame,
  work: Work,
  packet: Connect | { readonly type: 'unacceptable-protocol-level'; readonly level: number },
  known: Connection | undefined,
): Promise<CloseReason | undefined> => {
  if (known?.state === 'connected')
    throw new ProtocolViolation('protocol-violation', 'a second CONNECT [MQTT-3.1.0-2]');
  if (known) throw new NotConnected();
  const outcome: Connected =
    packet.type === 'connect'
      ? await connect(context, { connectionId, sourceIp }, packet)
      : refused(1, `protocol level ${packet.level} [MQTT-3.1.2-2]`);
  if (outcome.kind === 'lost') throw new NotConnected();
  work.taken = 1;
  work.packets.push(...outcome.packets);
  if (outcome.kind === 'accepted') {
    context.authority.noteAdmitted(connectionId);
    work.fields = { token: outcome.token };
    return undefined;
  }
  context.log('connect-refused', { connectionId, detail: outcome.detail });
  await abandon(context, connectionId, 'CLIENT_ERROR');
  return 'refused';
};

/** Cuts packets into runs of one kind, and PUBLISH packets of one QoS, that are dealt with together. */
const runsOf = (packets: readonly ClientPacket[]): readonly ClientPacket[][] => {
  const runs: ClientPacket[][] = [];
  let kind = '';
  for (const packet of packets) {
    const last = runs.at(-1);
    const next = packet.type === 'publish' ? `publish ${packet.qos}` : packet.type;
    // What is retained takes its time: between two SUBSCRIBEs the frame's own is looked at.
    if (last && next === kind && last.length < RUN && packet.type !== 'subscribe') last.push(packet);
    else runs.push([packet]);
    kind = next;
  }
  return runs;
};

/** What comes to be known of a frame's client while the frame is dealt with. */
interface Known {
  /** Rejected where it is not connected. */
  readonly admitted: Promise<Connection>;
  readonly judged: Promise<Judged>;
  /** From when on something may be looked up for it. */
  readonly begin: Promise<unknown>;
}

/** How many of `run` were dealt with: fewer where the next one closes the connection. */
const dealWithRun = async (
  context: Context,
  work: Work,
  run: readonly ClientPacket[],
  { admitted, judged, begin }: Known,
): Promise<'disconnect' | number> => {
  const [first] = run;
  const answer = (
    type: 'puback' | 'pubrec' | 'pubrel' | 'pubcomp',
    packetIds: readonly (number | undefined)[],
  ): void => {
    for (const packetId of packetIds) if (packetId !== undefined) work.packets.push(encode({ type, packetId }));
  };
  const answerable = async (): Promise<readonly Publish[]> => {
    const { end } = await judged;
    const last = end === undefined ? -1 : run.indexOf(end.packet);
    return (last < 0 ? run : run.slice(0, last)) as readonly Publish[];
  };
  if (first?.type === 'publish' && first.qos < 2) {
    await publish(context, run as readonly Publish[], admitted, judged, begin, work.since);
    const packets = await answerable();
    answer('puback', packetIdsOf(packets)); // [MQTT-3.3.4-1]
    return packets.length;
  }
  const connection = await admitted;
  switch (first?.type) {
    case 'publish': {
      const { isAllowed } = await judged;
      const packets = await answerable();
      await publishOnce(context, connection, packets.filter(isAllowed), work.since);
      answer('pubrec', packetIdsOf(packets)); // [MQTT-4.3.3-2]
      return packets.length;
    }
    case 'pubrel':
      await release(context, connection, run as readonly Pubrel[]);
      answer('pubcomp', packetIdsOf(run as readonly Pubrel[]));
      return run.length;
    case 'pubrec':
      answer('pubrel', await arrived(context, connection, run as readonly Pubrec[])); // [MQTT-4.3.3-1]
      return run.length;
    case 'puback':
    case 'pubcomp':
      await acknowledge(context, connection, run as readonly (Puback | Pubcomp)[]);
      return run.length;
  }
  for (const packet of run) {
    const reply = await dealWithPacket(context, connection, packet);
    if (reply === 'disconnect') return reply;
    work.packets.push(reply);
  }
  return run.length;
};

const packetIdsOf = (packets: readonly { readonly packetId?: number }[]) => packets.map(({ packetId }) => packetId);

const dealWithPacket = async (
  context: Context,
  connection: Connection,
  packet: ClientPacket,
): Promise<Uint8Array | 'disconnect'> => {
  switch (packet.type) {
    case 'subscribe': {
      const returnCodes = await subscribe(context, connection, packet);
      return encode({ type: 'suback', packetId: packet.packetId, returnCodes }); // [MQTT-3.8.4-1, 3.8.4-2]
    }
    case 'unsubscribe':
      await unsubscribe(context, connection, packet);
      return encode({ type: 'unsuback', packetId: packet.packetId }); // [MQTT-3.10.4-4, 3.10.4-5]
    case 'pingreq':
      return encode({ type: 'pingresp' }); // [MQTT-3.12.4-1]
    case 'disconnect':
      return 'disconnect';
    case 'connect':
    case 'unacceptable-protocol-level':
      throw new ProtocolViolation('protocol-violation', 'a second CONNECT [MQTT-3.1.0-2]');
    case 'publish':
    case 'puback':
    case 'pubrec':
    case 'pubrel':
    case 'pubcomp':
      throw new Error(`a run of ${packet.type} came one by one`);
  }
};

/** Gives a connection up. Should the client end not close the socket, we do. */
const abandon = async (context: Context, connectionId: ConnectionId, reason: DisconnectReason): Promise<void> => {
  try {
    await together([
      context.timers.send({ job: 'close', connectionId }, CLOSE_DELAY),
      closeConnection(context, connectionId, reason),
    ]);
  } catch (error) {
    context.log('error', { connectionId, reason: 'internal-error', detail: describe(error) });
  }
};

/** An error as a log line may show it: its name and message, which hold no payloads. */
const describe = (error: unknown): string =>
  error instanceof Error ? `${error.name}: ${error.message}` : String(error);
