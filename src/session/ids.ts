/** Identities that must not be swapped for each other. All are strings at run time. */

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** The client identifier of CONNECT [MQTT-3.1.3-2]. */
export type ClientId = Branded<'ClientId'>;
/** API Gateway's name for one WebSocket. */
export type ConnectionId = Branded<'ConnectionId'>;
/** The identity of one session: random, new for each session, carried by everything written on its behalf. */
export type Generation = Branded<'Generation'>;
/** One accepted PUBLISH, so that its copies can be told from each other. */
export type MessageId = Branded<'MessageId'>;

/** No connection: the session is offline. */
export const NO_CONNECTION = '' as ConnectionId;

/** Names what a client has proved to be: a hash of its content (`Grant` in `src/broker/ports.ts`). */
export type GrantId = Branded<'GrantId'>;
/** Of a session that began where nobody had to say who they are. */
export const NO_GRANT = '' as GrantId;

/** Names the will of one CONNECT: by the connection that it came on, wherever its session has moved since. */
export type WillId = Branded<'WillId'>;
/** No will, or one that was removed. */
export const NO_WILL = '' as WillId;
