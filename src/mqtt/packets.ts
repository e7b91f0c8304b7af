/**
 * The control packets of MQTT 3.1.1 as values, named as in the specification. Numbers are checked by the codec; topics are
 * not (see topic.ts), because the limits on them are settings.
 */

export type Qos = 0 | 1 | 2;

export interface Will {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: Qos;
  readonly retain: boolean;
}

export interface Connect {
  readonly type: 'connect';
  /** Empty where the client leaves the choice to the server. */
  readonly clientId: string;
  readonly cleanSession: boolean;
  /** Seconds; 0 switches keep-alive off. */
  readonly keepAlive: number;
  readonly will?: Will;
  readonly userName?: string;
  readonly password?: Uint8Array;
}

/** A CONNECT of another MQTT version. Nothing behind its protocol level has been read. [MQTT-3.1.2-2] */
export interface UnacceptableProtocolLevel {
  readonly type: 'unacceptable-protocol-level';
  readonly level: number;
}

export interface Connack {
  readonly type: 'connack';
  readonly sessionPresent: boolean;
  readonly returnCode: 0 | 1 | 2 | 3 | 4 | 5;
}

export interface Publish {
  readonly type: 'publish';
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: Qos;
  readonly dup: boolean;
  readonly retain: boolean;
  /** Present exactly where the QoS is 1 or 2. [MQTT-2.3.1-5] */
  readonly packetId?: number;
}

export interface Puback {
  readonly type: 'puback';
  readonly packetId: number;
}

export interface Pubrec {
  readonly type: 'pubrec';
  readonly packetId: number;
}

export interface Pubrel {
  readonly type: 'pubrel';
  readonly packetId: number;
}

export interface Pubcomp {
  readonly type: 'pubcomp';
  readonly packetId: number;
}

export interface Subscription {
  readonly topicFilter: string;
  readonly qos: Qos;
}

export interface Subscribe {
  readonly type: 'subscribe';
  readonly packetId: number;
  readonly subscriptions: readonly Subscription[];
}

/** The QoS granted, or 0x80 for a subscription that was refused. */
export type SubackReturnCode = Qos | 0x80;

export interface Suback {
  readonly type: 'suback';
  readonly packetId: number;
  readonly returnCodes: readonly SubackReturnCode[];
}

export interface Unsubscribe {
  readonly type: 'unsubscribe';
  readonly packetId: number;
  readonly topicFilters: readonly string[];
}

export interface Unsuback {
  readonly type: 'unsuback';
  readonly packetId: number;
}

export interface Pingreq {
  readonly type: 'pingreq';
}

export interface Pingresp {
  readonly type: 'pingresp';
}

export interface Disconnect {
  readonly type: 'disconnect';
}

/** What travels both ways. */
type EitherWay = Publish | Puback | Pubrec | Pubrel | Pubcomp;

export type ClientPacket =
  | Connect
  | UnacceptableProtocolLevel
  | EitherWay
  | Subscribe
  | Unsubscribe
  | Pingreq
  | Disconnect;

export type ServerPacket = Connack | EitherWay | Suback | Unsuback | Pingresp;
