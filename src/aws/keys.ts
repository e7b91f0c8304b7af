/**
 * Where everything lies in the four tables. All have the keys `pk` and `sk`, and `ttl` in epoch seconds, by which DynamoDB
 * collects what was left behind, days late.
 *
 * | who asks | table | key | access |
 * |---|---|---|---|
 * | CONNECT, deliver, every step of a session | sessions | `s#clientId`, `session` | GetItem, UpdateItem |
 * | cleaning up | sessions | `s#clientId`, `session` | DeleteItem |
 * | sweep: whose sessions have expired | sessions | index `expiry`: `expiryPart`, `expiresAt` | Query, of the index |
 * | CONNECT, DISCONNECT, publishing a will | sessions | `s#clientId`, `will#willId` | PutItem, GetItem, UpdateItem, DeleteItem |
 * | deliver, redeliver, PUBACK | sessions | `s#clientId`, `inflight#generation#packetId` | PutItem, UpdateItem, DeleteItem |
 * | redeliver: all in flight | sessions | `s#clientId`, begins with `inflight#generation#` | Query |
 * | QoS 2 to a subscriber | sessions | `s#clientId`, `copy#generation#messageId` | UpdateItem |
 * | QoS 2 from a client | sessions | `s#clientId`, `incoming#generation#packetId` | UpdateItem |
 * | SUBSCRIBE, UNSUBSCRIBE, cleaning up | sessions | `s#clientId`, `filter#generation#topicFilter` | PutItem, Query, DeleteItem |
 * | every frame, check | sessions | `c#connectionId`, `connection` | GetItem |
 * | CONNECT, `$disconnect`, keep-alive, check | sessions | `c#connectionId`, `connection` | UpdateItem |
 * | a packet above one frame | sessions | `c#connectionId`, `connection` and `part#index` | PutItem, Query, DeleteItem |
 * | creating a client's queue, deleting it | sessions | `q#queueName`, `owner` | PutItem, DeleteItem |
 * | collecting queues: whose is this one | sessions | `q#queueName`, `owner` | GetItem |
 * | PUBLISH: who subscribes to this filter | subscriptions | `f#topicFilter` | Query |
 * | SUBSCRIBE, UNSUBSCRIBE, cleaning up | subscriptions | `f#topicFilter`, clientId | UpdateItem, DeleteItem |
 * | PUBLISH: the shapes in use | subscriptions | `shapes#replica`, `shapes` | GetItem |
 * | SUBSCRIBE: a new shape | subscriptions | `shapes#replica`, `shapes` | UpdateItem, on every replica |
 * | PUBLISH with RETAIN, a will | retained | `t#firstLevel`, topic | UpdateItem |
 * | SUBSCRIBE to one topic, and to `topic/#` | retained | `t#firstLevel`, topic | GetItem |
 * | SUBSCRIBE with a wildcard | retained | `t#firstLevel`, begins with the literal beginning of the filter | Query, in pages |
 * | PUBLISH with RETAIN under a first level that is new to the process | retained | `levels#part`, firstLevel and a slash | PutItem |
 * | SUBSCRIBE with a wildcard as its first level | retained | `levels#part` | Query, in pages |
 * | `$connect`, where what it is told counts; CONNECT | sessions | `c#connectionId`, `handshake` | PutItem, GetItem |
 * | CONNECT with a custom authorizer, asking it again | sessions | `c#connectionId`, `request` | PutItem, GetItem, DeleteItem |
 * | at work: was anything changed | identity | `version`, `version` | GetItem |
 * | CONNECT; a client whose rights are not remembered | identity | `principal#name`, `principal` | GetItem |
 * | a policy that is not remembered | identity | `policy#name`, `policy` | GetItem |
 * | CONNECT; a client whose rights are not remembered | identity | `grant#grantId`, `grant` | PutItem, GetItem |
 * | CONNECT with a password | identity | `logins#name`, `failed-logins` | GetItem, UpdateItem |
 * | the operator's commands | identity | `principal#name`, `principal` | PutItem, GetItem, UpdateItem, DeleteItem, Scan |
 * | the operator's commands | identity | `policy#name`, `policy` | PutItem, GetItem, DeleteItem, Scan |
 * | the operator's commands | identity | `logins#name`, `failed-logins` | GetItem, DeleteItem |
 * | the operator's commands, behind each change | identity | `version`, `version` | UpdateItem |
 *
 * Client ids, topics and filters stand whole in a partition key (2,048 bytes) and a sort key (1,024 bytes): `maxClientIdBytes` and
 * `maxTopicBytes` keep them short enough.
 *
 * In the identity table the Lambdas may write under `grant#` and `logins#` alone (`lib/permissions.ts`): what clients may do is the
 * operator's to say.
 *
 * Only sessions have both keys of the index `expiry`, so nothing else is in it. It holds keys alone: a write that leaves
 * `expiresAt` as it was writes nothing to it.
 */
import type { ClientId, ConnectionId, GrantId, MessageId, WillId } from '../session/ids.ts';
import { firstLevelOf } from '../session/retained.ts';
import type { SessionAddress } from '../session/session.ts';

export interface Key {
  readonly pk: string;
  readonly sk: string;
}

export const sessionKey = (clientId: ClientId): Key => ({ pk: `s#${clientId}`, sk: 'session' });

/** The client whose session it is. */
export const clientOf = ({ pk }: Key): ClientId => pk.slice('s#'.length) as ClientId;

export const willKey = (clientId: ClientId, id: WillId): Key => ({ pk: `s#${clientId}`, sk: `will#${id}` });

export const inFlightPrefix = ({ clientId, generation }: SessionAddress): Key => ({
  pk: `s#${clientId}`,
  sk: `inflight#${generation}#`,
});

export const inFlightKey = (session: SessionAddress, packetId: number): Key => {
  const { pk, sk } = inFlightPrefix(session);
  return { pk, sk: `${sk}${packetId}` };
};

export const copyKey = ({ clientId, generation }: SessionAddress, id: MessageId): Key => ({
  pk: `s#${clientId}`,
  sk: `copy#${generation}#${id}`,
});

export const incomingKey = ({ clientId, generation }: SessionAddress, packetId: number): Key => ({
  pk: `s#${clientId}`,
  sk: `incoming#${generation}#${packetId}`,
});

export const filterPrefix = ({ clientId, generation }: SessionAddress): Key => ({
  pk: `s#${clientId}`,
  sk: `filter#${generation}#`,
});

export const filterKey = (session: SessionAddress, topicFilter: string): Key => {
  const { pk, sk } = filterPrefix(session);
  return { pk, sk: `${sk}${topicFilter}` };
};

export const connectionKey = (connectionId: ConnectionId): Key => ({ pk: `c#${connectionId}`, sk: 'connection' });

export const pieceKey = (connectionId: ConnectionId, index: number): Key => ({
  pk: `c#${connectionId}`,
  sk: `part#${index}`,
});

export const handshakeKey = (connectionId: ConnectionId): Key => ({ pk: `c#${connectionId}`, sk: 'handshake' });

export const requestKey = (connectionId: ConnectionId): Key => ({ pk: `c#${connectionId}`, sk: 'request' });

export const versionKey: Key = { pk: 'version', sk: 'version' };

export const principalKey = (name: string): Key => ({ pk: `principal#${name}`, sk: 'principal' });

/** Whose record it is. */
export const principalOf = ({ pk }: Key): string => pk.slice('principal#'.length);

export const failedLoginsKey = (name: string): Key => ({ pk: `logins#${name}`, sk: 'failed-logins' });

export const policyKey = (name: string): Key => ({ pk: `policy#${name}`, sk: 'policy' });

/** Which policy it is. */
export const policyOf = ({ pk }: Key): string => pk.slice('policy#'.length);

export const grantKey = (id: GrantId): Key => ({ pk: `grant#${id}`, sk: 'grant' });

export const queueOwnerKey = (queueName: string): Key => ({ pk: `q#${queueName}`, sk: 'owner' });

export const subscriptionKey = (topicFilter: string, clientId: ClientId): Key => ({
  pk: `f#${topicFilter}`,
  sk: clientId,
});

export const retainedKey = (topic: string): Key => ({ pk: `t#${firstLevelOf(topic)}`, sk: topic });

/** What lies under one first level, from those topics that begin with `prefix`. */
export const retainedPrefix = (prefix: string): Key => retainedKey(prefix);

/** The registry of first levels is written once for each of them by every process, so it lies in several partitions. */
export const LEVEL_PARTS = 4;

export const levelsPrefix = (part: number): Key => ({ pk: `levels#${part}`, sk: '' });

/** A sort key is never empty, and a first level may be. */
export const levelKey = (firstLevel: string): Key => ({ pk: `levels#${partOf(firstLevel)}`, sk: `${firstLevel}/` });

const partOf = (text: string): number => {
  let hash = 0;
  for (const character of text) hash = (Math.imul(hash, 31) + (character.codePointAt(0) ?? 0)) >>> 0;
  return hash % LEVEL_PARTS;
};

/** The registry of shapes is read for every frame that publishes, so it has copies in several partitions. */
export const SHAPE_REPLICAS = 4;

export const shapesKey = (replica: number): Key => ({ pk: `shapes#${replica}`, sk: 'shapes' });
