/**
 * ARNs: `arn:PARTITION:SERVICE:REGION:ACCOUNT:REST`, in a policy with wildcards, and with variables in the last part.
 *
 * Rules of this file:
 * - Parts are compared one by one: a `*` does not reach over a colon, but in the last part, which may have colons of its own.
 * - A value that gets into a topic is one level of it, where the stance demands that: no `/`, `+` or `#`, not empty, and no `$` that
 *   begins the topic. Or a client named `+` or `a/b` would have more than its own, and one named `$share` what others have.
 */
import { type Matcher, matcherOf, type Part, partsOf } from './pattern.ts';
import { PolicyError, quoted } from './policy-error.ts';
import type { Stance } from './stance.ts';
import { bindTemplate, type Lookup, parseTemplate, type Template } from './template.ts';

export interface Arn {
  /** `arn`, partition, service, region and account. */
  readonly head: readonly string[];
  readonly rest: string;
}

export interface ArnPattern {
  readonly head: readonly Matcher[];
  readonly rest: Template;
}

const HEAD_PARTS = 5;

export function splitArn(text: string): Arn | undefined {
  const parts = text.split(':');
  if (parts.length <= HEAD_PARTS || parts[0] !== 'arn') return undefined;
  return { head: parts.slice(0, HEAD_PARTS), rest: parts.slice(HEAD_PARTS).join(':') };
}

export function parseArnPattern(text: string, place: string): ArnPattern {
  const arn = splitArn(text);
  if (!arn)
    throw new PolicyError(place, `${quoted(text)} is no ARN, which has six parts: arn:aws:iot:REGION:ACCOUNT:…`);
  if (arn.head.some((part) => part.includes('$'))) {
    throw new PolicyError(place, `${quoted(text)} has a variable before its last part`);
  }
  return { head: arn.head.map((part) => matcherOf(partsOf(part))), rest: parseTemplate(arn.rest, true, place) };
}

export const headMatches = (pattern: ArnPattern, head: readonly string[]): boolean =>
  pattern.head.every((matches, index) => matches(head[index] ?? ''));

/** What the last part has to match. `undefined`: a variable has no value, or none that may stand there. */
export function bindRest({ rest }: ArnPattern, lookup: Lookup, { oneLevel }: Stance): Matcher | undefined {
  const isOfClient = typeof rest[0] === 'string' && rest[0].startsWith('client/');
  const parts = bindTemplate(rest, lookup, oneLevel && !isOfClient ? isOneLevel : undefined);
  return parts && matcherOf(parts);
}

function isOneLevel(value: string, before: readonly Part[]): boolean {
  if (value === '' || /[/+#]/.test(value)) return false;
  return !(value.startsWith('$') && isBeginning(before));
}

const isBeginning = (parts: readonly Part[]): boolean =>
  parts.every((part) => typeof part === 'string') && ['topic/', 'topicfilter/'].includes(parts.join(''));
