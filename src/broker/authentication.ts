/**
 * Who is it? What every way to prove it is asked, and what it answers.
 *
 * Rules of this file: the reason for a refusal is for the log. The client is told a return code and nothing else.
 */
import type { ClientId, ConnectionId } from '../session/ids.ts';
import type { Context } from './context.ts';
import type { Grant } from './ports.ts';

/** A CONNECT that says who sends it. */
export interface Claim {
  readonly connectionId: ConnectionId;
  readonly sourceIp: string | undefined;
  readonly clientId: ClientId;
  readonly userName: string | undefined;
  readonly password: Uint8Array | undefined;
}

/** It is so. Times are ms since 1970; 0: never. */
export interface Proof {
  readonly proved: true;
  readonly grant: Grant;
  readonly authorizedUntil: number;
  readonly reauthorizeAt: number;
  /** To ask the operator's authorizer again with: JSON. */
  readonly request?: string;
}

/** 4: user name or password are wrong; 5: not authorised [MQTT-3.2.2.3]. */
export interface NoProof {
  readonly proved: false;
  readonly returnCode: 4 | 5;
  readonly detail: string;
}

export type Authentication = Proof | NoProof;

export const noProof = (returnCode: 4 | 5, detail: string): NoProof => ({ proved: false, returnCode, detail });

/** What a client knows for itself: where it comes from. */
export const originValues = ({ sourceIp }: Claim): Readonly<Record<string, string>> =>
  sourceIp === undefined ? {} : { 'aws:sourceip': sourceIp };

/** Of a setting: names, separated by commas. */
export const namesIn = (list: string): readonly string[] => (list === '' ? [] : list.split(','));

/** Whether clients may prove who they are in this way: a name of the setting `authentication`. */
export const isOn = (method: string, { settings }: Context): boolean =>
  settings.authentication.split(',').includes(method);
