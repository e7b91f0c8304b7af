/**
 * What may be entered by which name. Pure.
 *
 * Rules of this file: what the broker could never match, or nobody could see, is refused before it is stored.
 */
import { UsageError } from '../client/bridge/usage-error.ts';
import { MOST_NAME_CHARACTERS } from '../src/broker/authenticate-by-password.ts';

/** Letters, digits, signs of all kinds, and single spaces within: nothing that cannot be seen. */
const printable = /^(?! )[\p{L}\p{M}\p{N}\p{P}\p{S} ]+(?<! )$/u;
const policyForm = /^[\w.@-]{1,128}$/;
const arnForm = /^arn:[\w-]+:(?:iam|sts)::\d{12}:[!-~]{1,1000}$/;
const roleForm = /^arn:([\w-]+):iam::(\d{12}):role\/(?:.*\/)?([^/]+)$/;
const sessionForm = /^(arn:[\w-]+:sts::\d{12}:assumed-role\/[^/]+)\/.+$/;
const attributeForm = /^[\w.@/:-]{1,128}$/;
const attributeValueForm = /^[^\p{C}]{1,1024}$/u;

export const isArn = (name: string): boolean => name.startsWith('arn:');

/** @throws UsageError */
export const readPrincipalName = (text: string): string => {
  if (isArn(text)) return readArn(text);
  if (printable.test(text) && text.length <= MOST_NAME_CHARACTERS) return text;
  throw new UsageError(
    `NAME is ${JSON.stringify(text)}: it must be 1 to ${MOST_NAME_CHARACTERS} letters, digits, signs or spaces, and no space at either end`,
  );
};

const readArn = (text: string): string => {
  const [, partition, account, role] = roleForm.exec(text) ?? [];
  if (role !== undefined) {
    throw new UsageError(
      `${text} is a role, and its callers are known by another name: arn:${partition}:sts::${account}:assumed-role/${role}`,
    );
  }
  if (arnForm.test(text)) return text;
  throw new UsageError(
    `NAME is ${JSON.stringify(text)}: an ARN must be one of IAM or STS, such as arn:aws:iam::123456789012:user/NAME`,
  );
};

/** The role, where the name is that of one session of it alone. */
export const roleOfSession = (name: string): string | undefined => sessionForm.exec(name)?.[1];

/** @throws UsageError */
export const readPolicyName = (text: string): string => {
  if (policyForm.test(text)) return text;
  throw new UsageError(
    `the name of a policy is ${JSON.stringify(text)}: it must be 1 to 128 of A–Z a–z 0–9 _ . @ - (without blanks)`,
  );
};

/** @throws UsageError, which does not repeat the value */
export const readAttribute = (option: string, text: string): readonly [key: string, value: string] => {
  const [key, value] = readPair(option, text);
  if (!attributeForm.test(key)) {
    throw new UsageError(
      `${option} has the key ${JSON.stringify(key)}: it must be 1 to 128 of A–Z a–z 0–9 _ . @ / : -`,
    );
  }
  if (value !== '' && !attributeValueForm.test(value)) {
    throw new UsageError(`${option} ${key}: the value must be 1 to 1,024 characters that can be seen`);
  }
  return [key, value];
};

/** @throws UsageError, which does not repeat the text: it may be no pair because it is a secret */
export const readPair = (option: string, text: string): readonly [key: string, value: string] => {
  const at = text.indexOf('=');
  if (at < 1) throw new UsageError(`${option} must be KEY=VALUE`);
  return [text.slice(0, at), text.slice(at + 1)];
};

/** Policies name attributes without case. @throws UsageError */
export const attributesOf = (pairs: readonly (readonly [string, string])[]): Readonly<Record<string, string>> => {
  const attributes = Object.fromEntries(pairs);
  const keys = new Set<string>();
  for (const [key] of pairs) {
    if (keys.has(key.toLowerCase()))
      throw new UsageError(`the attribute ${key} is there twice: case makes no difference`);
    keys.add(key.toLowerCase());
  }
  return attributes;
};
