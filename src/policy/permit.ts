/**
 * May this client do this? The question, the answer, and who is asked about it.
 *
 * Rules of this folder: pure. Policies are texts, what is known of a client is a map, and the answer depends on nothing else.
 */

/** What a policy can allow (AWS IoT Core's names). */
export const actions = ['iot:Connect', 'iot:Publish', 'iot:RetainPublish', 'iot:Subscribe', 'iot:Receive'] as const;
export type Action = (typeof actions)[number];

/** What is known of a client, by the key that conditions and policy variables name it by. Keys are lower case, as IAM compares them without case. */
export type Values = ReadonlyMap<string, string | readonly string[]>;

/** A policy as it is stored: JSON. The name is for the answer only. */
export interface NamedPolicy {
  readonly name: string;
  readonly document: string;
}

/** How `iot:ConnectAttributes` is granted (docs/security.md). */
export type ConnectAttributeMode = 'strict' | 'iam';

export interface Question {
  readonly action: Action;
  /** What follows the account in its ARN: `client/clientId`, `topic/topicName` or `topicfilter/topicFilter`. */
  readonly resource: string;
  /** What is known about this one question, besides what is known of the client: `iot:connectattributes`, `iot:lastwilltopic`. */
  readonly values?: Values;
}

/** A statement of a policy: its number in the document, from 1, and its `Sid` if it has one. */
export interface StatementPlace {
  readonly policy: string;
  readonly statement: number;
  readonly sid?: string;
}

/** `malformed`: a policy cannot be read, so that nobody knows what it denies. */
export type Decision =
  | { readonly allowed: true; readonly by: StatementPlace }
  | { readonly allowed: false; readonly because: 'denied'; readonly by: StatementPlace }
  | { readonly allowed: false; readonly because: 'not allowed' | 'attribute not granted' }
  | { readonly allowed: false; readonly because: 'malformed'; readonly policy: string; readonly problem: string };

/** What one client may do, as its policies say now. */
export interface Permit {
  decide(question: Question): Decision;
}
