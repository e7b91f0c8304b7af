/**
 * The operators of conditions, and how each compares a value of the question with one of the policy.
 *
 * Rules of this file:
 * - A negated operator compares as its positive one does: what negation means, and what an absent key, is up to `condition.ts`.
 * - A policy's value that could never be compared (`NumericEquals` with `ten`) is refused when the policy is read.
 * - Variables stand where IAM has them: in values of String and Arn operators and of Bool.
 */
import { bindRest, headMatches, parseArnPattern, splitArn } from './arn.ts';
import { isWithin, parseAddress, parseBlock } from './ip-address.ts';
import { matcherOf } from './pattern.ts';
import { PolicyError, quoted } from './policy-error.ts';
import type { Stance } from './stance.ts';
import { bindTemplate, type Lookup, parseTemplate, variablesOf } from './template.ts';

/** Whether a value is what the policy wants. `undefined`: it is nothing that can be compared, such as `ten` with a number. */
export type Comparison = (value: string) => boolean | undefined;

/** A value of the policy. */
export interface Wanted {
  /** Keys of the variables in it. */
  readonly variables: readonly string[];
  /** `undefined`: a variable has no value, or none that may stand there. */
  readonly bind: (lookup: Lookup, stance: Stance) => Comparison | undefined;
}

export type Family = 'String' | 'Numeric' | 'Date' | 'Bool' | 'IpAddress' | 'Arn' | 'Null';

export interface Operator {
  readonly family: Family;
  readonly negated: boolean;
  /** Throws `PolicyError`. */
  readonly read: (value: string, place: string) => Wanted;
}

const constant = (comparison: Comparison): Wanted => ({ variables: [], bind: () => comparison });

const equalTexts =
  (fold: (text: string) => string): Operator['read'] =>
  (text, place) => {
    const template = parseTemplate(text, false, place);
    return {
      variables: variablesOf(template),
      bind: (lookup) => {
        const bound = bindTemplate(template, lookup);
        const wanted = bound && fold(bound.join(''));
        return wanted === undefined ? undefined : (value) => fold(value) === wanted;
      },
    };
  };

const exact = equalTexts((text) => text);
const anyCase = equalTexts((text) => text.toLowerCase());

const like: Operator['read'] = (text, place) => {
  const template = parseTemplate(text, true, place);
  return {
    variables: variablesOf(template),
    bind: (lookup) => {
      const bound = bindTemplate(template, lookup);
      return bound && matcherOf(bound);
    },
  };
};

const arn: Operator['read'] = (text, place) => {
  const pattern = parseArnPattern(text, place);
  return {
    variables: variablesOf(pattern.rest),
    bind: (lookup, stance) => {
      const matches = bindRest(pattern, lookup, stance);
      return (
        matches &&
        ((value) => {
          const found = splitArn(value);
          return found && headMatches(pattern, found.head) && matches(found.rest);
        })
      );
    },
  };
};

/** `read`: the value in the form that is compared, `undefined` if it has none. */
const ordered =
  (what: string, read: (text: string) => number | undefined) =>
  (holds: (value: number, wanted: number) => boolean): Operator['read'] =>
  (text, place) => {
    const wanted = read(text);
    if (wanted === undefined) throw new PolicyError(place, `${quoted(text)} is no ${what}`);
    return constant((value) => {
      const found = read(value);
      return found === undefined ? undefined : holds(found, wanted);
    });
  };

const numeric = ordered('number', (text) => (/^[+-]?\d+(\.\d+)?$/.test(text) ? Number(text) : undefined));

/** With a zone where there is a time: the answer must not depend on where it is asked. */
const w3cDate = /^\d{4}-\d{2}(-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2}))?)?$/;

const date = ordered('date, such as 2030-01-31T12:00:00Z, or seconds since 1970', (text) => {
  if (/^\d{1,15}$/.test(text)) return Number(text) * 1_000;
  const milliseconds = w3cDate.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(milliseconds) ? undefined : milliseconds;
});

const readBoolean = (text: string): boolean | undefined =>
  ({ true: true, false: false })[text.toLowerCase() as 'true' | 'false'];

const bool: Operator['read'] = (text, place) => {
  const template = parseTemplate(text, false, place);
  const variables = variablesOf(template);
  if (variables.length === 0 && readBoolean(template.join('')) === undefined) {
    throw new PolicyError(place, `${quoted(text)} is neither true nor false`);
  }
  return {
    variables,
    bind: (lookup) => {
      const bound = bindTemplate(template, lookup);
      const wanted = bound && readBoolean(bound.join(''));
      if (wanted === undefined) return undefined;
      return (value) => {
        const found = readBoolean(value);
        return found === undefined ? undefined : found === wanted;
      };
    },
  };
};

const isNull: Operator['read'] = (text, place) => {
  const wanted = readBoolean(text);
  if (wanted === undefined)
    throw new PolicyError(place, `${quoted(text)} is neither true (there is no such key) nor false`);
  return constant((value) => readBoolean(value) === wanted);
};

const ipAddress: Operator['read'] = (text, place) => {
  const block = parseBlock(text);
  if (!block) throw new PolicyError(place, `${quoted(text)} is neither an IP address nor a block such as 192.0.2.0/24`);
  return constant((value) => {
    const address = parseAddress(value);
    return address && isWithin(address, block);
  });
};

const pair = (family: Family, name: string, read: Operator['read']): readonly (readonly [string, Operator])[] => [
  [`${family}${name}`, { family, negated: false, read }],
  [`${family}Not${name}`, { family, negated: true, read }],
];

/** `Equals` and the four orders. */
const orders = (
  family: Family,
  compare: (holds: (value: number, wanted: number) => boolean) => Operator['read'],
): readonly (readonly [string, Operator])[] => [
  ...pair(
    family,
    'Equals',
    compare((value, wanted) => value === wanted),
  ),
  [`${family}LessThan`, { family, negated: false, read: compare((value, wanted) => value < wanted) }],
  [`${family}LessThanEquals`, { family, negated: false, read: compare((value, wanted) => value <= wanted) }],
  [`${family}GreaterThan`, { family, negated: false, read: compare((value, wanted) => value > wanted) }],
  [`${family}GreaterThanEquals`, { family, negated: false, read: compare((value, wanted) => value >= wanted) }],
];

/** By name. */
export const operators: ReadonlyMap<string, Operator> = new Map([
  ...pair('String', 'Equals', exact),
  ...pair('String', 'EqualsIgnoreCase', anyCase),
  ...pair('String', 'Like', like),
  ...orders('Numeric', numeric),
  ...orders('Date', date),
  ['Bool', { family: 'Bool', negated: false, read: bool }],
  ['IpAddress', { family: 'IpAddress', negated: false, read: ipAddress }],
  ['NotIpAddress', { family: 'IpAddress', negated: true, read: ipAddress }],
  // The two are the same in IAM: both have wildcards.
  ...pair('Arn', 'Equals', arn),
  ...pair('Arn', 'Like', arn),
  ['Null', { family: 'Null', negated: false, read: isNull }],
]);
