/**
 * When DynamoDB may collect what was left behind. Never a clock: whether a session has expired, or a piece is too old, is
 * judged by the clock on every read. Milliseconds.
 */

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** Everything a session owns, longer than the longest session expiry (14 days) even just before it is refreshed. */
export const SESSION_TIME_TO_LIVE = 40 * DAY;
/** A CONNECT, or a move, that finds the last refresh this long ago has it done again. Three of them fit in, should one be lost. */
export const SESSION_REFRESH = 13 * DAY;
/** What tells a second copy of a QoS 2 message: longer than its publisher, or a copy in a queue, can be kept waiting (14 days). */
export const ONCE_TIME_TO_LIVE = 15 * DAY;
/** A connection, open or closed: longer than the 2 hours that API Gateway lets it live. */
export const CONNECTION_TIME_TO_LIVE = 3 * HOUR;
/** Logins with a wrong password under one name: longer than they can lock it. */
export const FAILED_LOGINS_TIME_TO_LIVE = DAY;
/** A principal or a policy stays until it is removed. */
export const IDENTITY_TIME_TO_LIVE = Number.POSITIVE_INFINITY;
/** A part of a packet (wire §4). */
export const PIECE_TIME_TO_LIVE = HOUR;
/** The trace of an UNSUBSCRIBE: longer than any SUBSCRIBE can be stalled. */
export const UNSUBSCRIBED_TIME_TO_LIVE = HOUR;
/** What is retained stays until it is removed. */
export const RETAINED_TIME_TO_LIVE = Number.POSITIVE_INFINITY;
/** The trace of what was retained and is removed: longer than any Lambda can be stalled, or a will can be late. */
export const REMOVED_TIME_TO_LIVE = HOUR;
/** Who owns a client's queue: removed with the queue. The collector takes a queue that nobody owns for an orphan. */
export const QUEUE_OWNER_TIME_TO_LIVE = Number.POSITIVE_INFINITY;
