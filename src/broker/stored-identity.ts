/**
 * What lies in the identity table, and may have been written by other means than ours.
 *
 * Rules of this file: whatever is not of its type is no good, as a whole: nobody knows what was meant.
 */
import type { Grant, Principal } from './ports.ts';

/** Whether it can be asked what a client may do. What is no hash is no right password, and of no account here. */
export const isPrincipal = (stored: Pick<Principal, 'policies' | 'attributes'>): boolean =>
  isListOfTexts(stored.policies) && isRecordOf(stored.attributes, isText);

export const isGrant = (stored: Grant): boolean =>
  isText(stored.principal) &&
  (stored.proof === undefined || isText(stored.proof)) &&
  [stored.records, stored.policies, stored.documents].every(isListOfTexts) &&
  isRecordOf(stored.values, (value) => isText(value) || isListOfTexts(value));

const isText = (value: unknown): boolean => typeof value === 'string';

const isListOfTexts = (value: unknown): boolean => Array.isArray(value) && value.every(isText);

const isRecordOf = (value: unknown, isFit: (each: unknown) => boolean): boolean =>
  typeof value === 'object' && value !== null && Object.values(value).every(isFit);
